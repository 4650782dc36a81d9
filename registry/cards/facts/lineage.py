"""What a version was made of and what was made of it; models, training runs, and feedback loops.

Rules:
1. Upstream is what its batches were made of, batch by batch; downstream what runs wrote that read
   just this version, and so on, up to `LEVELS_LIMIT` steps and `VERSIONS_LIMIT` versions.
2. A run saw the version that it read. Where it is not known which one it read, or where it read a
   model that was made of it, the model it made may have seen it: its state is *unknown*. A dataset
   that a model wrote is not made of the data behind the model.
3. A model's output is in the data where a run that wrote a batch of it read the model. It is a loop
   where that model was itself made from a version of this dataset, or of one behind it.
4. Everything is walked; what is out of the reader's scope is counted without its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel import Session

from registry.cards.fact_kinds import BEYOND
from registry.cards.facts.batch_rows import batches_basis
from registry.cards.facts.making import Basis, Row, basis, not_recorded, table
from registry.cards.facts.origin import ROWS_LIMIT
from registry.cards.facts.preparation import Generated
from registry.cards.facts.sight import Sight
from registry.cards.facts.world import World
from registry.cards.values import Evidence, EvidenceKind, Fact, Grade
from registry.catalog.facets import parse_facet
from registry.ids import uuid_text
from registry.moments import from_micros
from registry.storage.bulk import TypedColumn, look_up, select_by_rows
from registry.wire.facets import TRAINING

LEVELS_LIMIT = 50
VERSIONS_LIMIT = 20_000
_HEARSAY = ("unknown", False)
_VERSION: tuple[TypedColumn, ...] = (("dataset", "bytes"), ("number", "int"))
_READERS = """
SELECT DISTINCT r.run_id FROM {rows} AS w
JOIN run_read r ON r.dataset_id = w.dataset AND r.number = w.number
"""
_WRITTEN = """
SELECT v.scope_id, v.dataset_id, v.number, d.namespace, d.name, t.payload FROM {ids} AS w
JOIN dataset_version v ON v.scope_id = w.id
JOIN dataset d ON d.id = v.dataset_id
LEFT JOIN dataset_facet t ON t.dataset_id = v.dataset_id AND t.name = 'datasetType'
ORDER BY d.namespace, d.name, v.number
"""
_UNSURE = """
SELECT DISTINCT s.scope_id FROM {ids} AS w
JOIN scope_dataset s ON s.dataset_id = w.id AND s.direction = 'input'
JOIN run r ON r.id = s.scope_id
LEFT JOIN run_read v ON v.run_id = s.scope_id AND v.dataset_id = s.dataset_id
WHERE v.number IS NULL
"""
_OF_RUNS = """
SELECT r.id, j.id, j.namespace, j.name, f.payload, f.wins, COALESCE(r.ended_at, r.updated_at)
FROM {ids} AS w JOIN run r ON r.id = w.id JOIN job j ON j.id = r.job_id
LEFT JOIN run_facet f ON f.run_id = r.id AND f.name = :facet
"""
_READ_BY = """
SELECT r.dataset_id, r.number FROM {ids} AS w JOIN run_read r ON r.run_id = w.id
WHERE r.number IS NOT NULL
"""
_MADE_IN = """
SELECT v.scope_id, v.dataset_id FROM {rows} AS w
JOIN dataset_version v ON v.dataset_id = w.dataset AND v.number = w.number
"""
_RUNS_OF_MODEL = """
SELECT DISTINCT v.dataset_id, v.scope_id FROM {ids} AS w
JOIN dataset_version v ON v.dataset_id = w.id
"""


@dataclass(frozen=True, slots=True)
class Made:
    """A version that was made of this one, and by which run. `state`: rule 2."""

    dataset_id: bytes
    dataset: str
    number: int
    run_id: bytes
    is_model: bool
    state: str


def lineage_facts(
    session: Session, world: World, generated: Sequence[Generated], sight: Sight
) -> Iterator[Fact]:
    """The facts named `lineage.…`, and the training runs that read the version."""
    made = _downstream(session, world)
    sight.learn({*(each.dataset_id for each in made), *(each.model_id for each in generated)})
    yield _datasets(world, made, sight)
    yield _models(world, made, sight)
    yield _training(session, world, made, sight)
    yield _loops(session, world, generated, sight)


def upstream_fact(session: Session, world: World, sight: Sight) -> Fact:
    """Every dataset behind the version: the versions of it that were read, and its examples."""
    name = "lineage.upstream"
    if not world.everything:
        return not_recorded(name, "No batch of it is recorded.", world.of_version)
    behind = world.everything if world.target.is_model else world.ancestors
    counts: dict[bytes, list[int | None]] = {}
    names: dict[bytes, str] = {}
    for row in behind:
        key = bytes(row.dataset_id)
        names[key] = world.dataset_name(row)
        counts.setdefault(key, []).append(row.examples)
    runs = {bytes(row.run_id) for row in world.everything} | {world.target.scope_id}
    numbers: dict[bytes, set[int]] = {}
    for key, number in look_up(session, _READ_BY, sorted(runs)):
        numbers.setdefault(bytes(key), set()).add(number)
    rows: dict[str, Row] = {}
    hidden: list[int | None] = []
    for key, some in counts.items():
        if sight.sees(key):
            rows[names[key]] = (names[key], ranges(numbers.get(key, ())) or None, _added(some))
        else:
            hidden += some
    found = [rows[each] for each in sorted(rows)]
    if hidden:
        found.append((BEYOND, None, _added(hidden)))
    on = batches_basis(behind) if behind else world.of_everything
    return table(name, found[:ROWS_LIMIT], Grade.ASSERTED, on, total=len(found))


def _added(counts: Sequence[int | None]) -> int | None:
    """Counts together; None where one of them is not known."""
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _downstream(session: Session, world: World) -> tuple[Made, ...]:
    """What was made of the version, level by level (rule 1), and what may have been (rule 2)."""
    start = (world.target.dataset.id, world.target.number)
    seen: dict[tuple[bytes, int], Made | None] = {start: None}
    surely, maybe = _readers(session, [start]), set[bytes]()
    if not world.target.is_model:
        maybe = {bytes(row[0]) for row in look_up(session, _UNSURE, [start[0]])}
    for _ in range(LEVELS_LIMIT):
        data: list[tuple[bytes, int]] = []
        models: list[tuple[bytes, int]] = []
        for state, runs in (("saw", surely), ("unknown", maybe - surely)):
            for made in _written(session, runs, state):
                key = (made.dataset_id, made.number)
                # What a model wrote was not made of the data that the model was made of.
                if key in seen or len(seen) > VERSIONS_LIMIT or (state, made.is_model) == _HEARSAY:
                    continue
                seen[key] = made
                (models if made.is_model else data).append(key)
        if not data and not models:
            break
        surely, maybe = _readers(session, data), _readers(session, models)
    return tuple(each for each in seen.values() if each is not None)


def _readers(session: Session, versions: Sequence[tuple[bytes, int]]) -> set[bytes]:
    rows = select_by_rows(session, _READERS, _VERSION, sorted(versions))
    return {bytes(row[0]) for row in rows}


def _written(session: Session, runs: Iterable[bytes], state: str) -> Iterator[Made]:
    for run, key, number, namespace, name, payload in look_up(session, _WRITTEN, sorted(runs)):
        kind = parse_facet(payload).get("datasetType") if payload else None
        is_model = isinstance(kind, str) and kind.upper() == "MODEL"
        yield Made(bytes(key), f"{namespace} {name}", number, bytes(run), is_model, state)


def _of_made(made: Sequence[Made], sight: Sight) -> Basis:
    seen = (each for each in made if sight.sees(each.dataset_id))
    on = basis([Evidence(EvidenceKind.RUN, uuid_text(each.run_id)) for each in seen])
    return replace(on, total=len({each.run_id for each in made}))


def _datasets(world: World, made: Sequence[Made], sight: Sight) -> Fact:
    own = world.target.dataset.id
    found = [e for e in made if not e.is_model and e.state == "saw" and e.dataset_id != own]
    rows: list[Row] = list(_grouped(found, sight))
    name = "lineage.downstream"
    return table(name, rows[:ROWS_LIMIT], Grade.ASSERTED, _of_made(found, sight), total=len(rows))


def _models(world: World, made: Sequence[Made], sight: Sight) -> Fact:
    found = [each for each in made if each.is_model and each.dataset_id != world.target.dataset.id]
    rows: list[Row] = []
    for state in ("saw", "unknown"):
        some = [each for each in found if each.state == state]
        rows += [(shown, numbers, state) for shown, numbers in _grouped(some, sight)]
    name = "lineage.models"
    return table(name, rows[:ROWS_LIMIT], Grade.ASSERTED, _of_made(found, sight), total=len(rows))


def _grouped(made: Iterable[Made], sight: Sight) -> list[tuple[str, str]]:
    """Versions by dataset, as ranges; those out of sight by their number alone."""
    numbers: dict[str, list[int]] = {}
    hidden = 0
    for each in made:
        if sight.sees(each.dataset_id):
            numbers.setdefault(each.dataset, []).append(each.number)
        else:
            hidden += 1
    rows = [(name, ranges(numbers[name])) for name in sorted(numbers)]
    said = "1 version" if hidden == 1 else f"{hidden:,} versions"
    return [*rows, (BEYOND, said)] if hidden else rows


def ranges(numbers: Iterable[int]) -> str:
    """Numbers in order, those in a row as a range: `1 to 3, 7`."""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and found[-1][-1] == number - 1:
            found[-1].append(number)
        else:
            found.append([number])
    return ", ".join(f"{s[0]} to {s[-1]}" if len(s) > 1 else str(s[0]) for s in found)


def _training(session: Session, world: World, made: Sequence[Made], sight: Sight) -> Fact:
    """The runs that trained a model on the version; of a model the run that made it."""
    models: dict[bytes, Made] = {each.run_id: each for each in made if each.is_model}
    ids = set(models)
    if world.target.is_model:
        ids = {bytes(world.target.scope_id)}
    else:
        this = [(world.target.dataset.id, world.target.number)]
        ids |= {bytes(row[0]) for row in select_by_rows(session, _READERS, _VERSION, this)}
    target, own = world.target, None
    if target.is_model:
        model = f"{target.dataset.namespace} {target.dataset.name}"
        own = Made(target.dataset.id, model, target.number, target.scope_id, True, "saw")
    rows: list[tuple[Row, bytes]] = []
    for row in look_up(session, _OF_RUNS, sorted(ids), facet=TRAINING):
        run = bytes(row[0])
        said = parse_facet(row[4]) if row[4] else {}
        if run not in models and not said and not world.target.is_model:
            continue
        shown = sight.sees(bytes(row[1]))
        rows.append((_training_row(row, said, models.get(run, own), shown), run))
    name = "system.training_runs"
    if not rows:
        return table(name, [], Grade.MEASURED, world.of_version)
    rows.sort(key=lambda pair: (str(pair[0][5]), pair[0][1] or ""))
    things = [Evidence(EvidenceKind.RUN, uuid_text(run)) for _, run in rows]
    shown_rows = [row for row, _ in rows]
    on = basis(things)
    return table(name, shown_rows[:ROWS_LIMIT], Grade.ASSERTED, on, total=len(rows))


def _training_row(row: Any, said: Mapping[str, object], made: Made | None, shown: bool) -> Row:
    named = said.get("model")
    model: Mapping[str, object] = named if isinstance(named, dict) else {}
    at = from_micros(row[6])
    if not shown:
        return BEYOND, None, None, None, _text(said.get("purpose")), at, None
    return (
        f"{row[2]} {row[3]}",
        uuid_text(bytes(row[0])),
        _text(model.get("name")) or (made.dataset if made is not None else None),
        _text(model.get("version")) or (str(made.number) if made is not None else None),
        _text(said.get("purpose")),
        at,
        _text(said.get("manifest")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _loops(session: Session, world: World, generated: Sequence[Generated], sight: Sight) -> Fact:
    """The models whose output is in the data, and of which it made the data itself (rule 3)."""
    name = "lineage.feedback_loops"
    if not world.everything:
        return not_recorded(name, "No batch of it is recorded.", world.of_version)
    behind = {bytes(row.dataset_id) for row in world.everything}
    behind |= {dataset.id for dataset, _ in world.target.versions}
    counts: dict[tuple[str, str], int] = {}
    used = []
    ancestors = {each.model_id: _trained_on(session, each.model_id) for each in generated}
    for each in generated:
        is_loop = bool(ancestors[each.model_id] & behind)
        for row in each.batches:
            used.append(row)
            model = each.model if sight.sees(each.model_id) else BEYOND
            seen = model != BEYOND and sight.sees(bytes(row.dataset_id))
            path = BEYOND
            if seen:
                path = f"{model} → {world.job_name(row)} → {world.dataset_name(row)}"
            if is_loop:
                path += " → the model"
            counts[model, path] = counts.get((model, path), 0) + (row.examples or 0)
    rows: list[Row] = [(*key, counts[key]) for key in sorted(counts)]
    on = batches_basis(used) if used else world.of_everything
    return table(name, rows[:ROWS_LIMIT], Grade.MEASURED, on, total=len(rows))


def _trained_on(session: Session, model_id: bytes) -> set[bytes]:
    """Every dataset behind any version of a model."""
    runs = {bytes(row[1]) for row in look_up(session, _RUNS_OF_MODEL, [model_id])}
    known = set(runs)
    found: set[bytes] = set()
    for _ in range(LEVELS_LIMIT):
        read = {(bytes(row[0]), row[1]) for row in look_up(session, _READ_BY, sorted(runs))}
        found |= {key for key, _ in read}
        makers = select_by_rows(session, _MADE_IN, _VERSION, sorted(read))
        runs = {bytes(row[0]) for row in makers} - known
        known |= runs
        if not runs:
            break
    return found
