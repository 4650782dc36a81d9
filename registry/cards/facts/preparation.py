"""What was done to the data, first to last: steps with rows in and out, crawls, and generators.

Rules:
1. A step is a job that wrote a dataset, over all of its runs that the version rests on. It comes
   after every step that wrote what it read.
2. Rows in are those of the batches that its maps name, each counted once; rows out those of its
   batches. Rows are said to be dropped where each row out has one row in, and some rows have none.
3. A step without a map is listed, and its rows in are not recorded: nobody knows which it took.
4. The code is where `sourceCodeLocation` says it lies, as the catalog has it today.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import or_

from sqlmodel import Session

from registry.cards.fact_kinds import BEYOND
from registry.cards.facts.batch_rows import BatchRow, batches_basis
from registry.cards.facts.making import Basis, Row, known, not_recorded, table
from registry.cards.facts.origin import ROWS_LIMIT, day
from registry.cards.facts.sight import Sight
from registry.cards.facts.sources import Sources
from registry.cards.facts.world import World
from registry.cards.values import Fact, Grade
from registry.catalog.facets import parse_facet
from registry.catalog.lookup import KeptFacet, facets_kept
from registry.catalog.names import job_id
from registry.ids import uuid_text
from registry.ledger.rowmap import Role
from registry.moments import from_micros
from registry.policy.steps import copies
from registry.storage.bulk import TypedColumn, select_by_ids, select_by_rows

_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)
_DUPLICATES = """
SELECT m.number, sum(m.rows) FROM {rows} AS w
JOIN map_binding m ON m.number = w.number AND m.role = 'duplicate_of' GROUP BY m.number
"""
_MODELS_READ = """
SELECT s.scope_id, d.id, d.namespace, d.name, r.number FROM {ids} AS w
JOIN scope_dataset s ON s.scope_id = w.id AND s.direction = 'input'
JOIN dataset_facet t ON t.dataset_id = s.dataset_id AND t.name = 'datasetType'
  AND t.payload LIKE '%"MODEL"%'
JOIN dataset d ON d.id = s.dataset_id
LEFT JOIN run_read r ON r.run_id = s.scope_id AND r.dataset_id = s.dataset_id
ORDER BY d.namespace, d.name
"""
_ONE_TO_ONE = frozenset({Role.KEPT.value, Role.TRANSFORMED.value})


@dataclass
class Step:
    """A job that wrote a dataset, with its batches (rule 1)."""

    dataset: str
    dataset_id: bytes
    job: str | None
    depth: int = 0
    batches: list[BatchRow] = field(default_factory=list)
    inputs: dict[int, None] = field(default_factory=dict)
    roles: set[str] = field(default_factory=set)
    unmapped: bool = False
    rows_in: int | None = None

    @cached_property
    def last(self) -> BatchRow:
        """The batch that was written last."""
        return max(self.batches, key=lambda row: row.wins)

    @cached_property
    def rows_out(self) -> int | None:
        """The rows of its batches; None where one does not say how many it has."""
        return _added(row.rows for row in self.batches)

    @cached_property
    def runs(self) -> int:
        """How many runs it had."""
        return len({bytes(row.run_id) for row in self.batches})

    @cached_property
    def basis(self) -> Basis:
        """Its batches and the events that told of them, as evidence."""
        return batches_basis(self.batches)

    @property
    def order(self) -> tuple[int, int, str, str]:
        """Where it stands among the steps."""
        first = min(row.effective_at for row in self.batches)
        return self.depth, first, self.dataset, self.job or ""


@dataclass(frozen=True, slots=True)
class Generated:
    """A model that a run read which wrote some of the batches."""

    model_id: bytes
    model: str
    version: int | None
    batches: tuple[BatchRow, ...]


def preparation_facts(
    session: Session, world: World, steps: Sequence[Step], sight: Sight
) -> Iterator[Fact]:
    """The facts named `preparation.…`."""
    jobs = _facets_of_jobs(session, world)
    seen = [step for step in steps if sight.sees(step.dataset_id)]
    hidden = len(steps) - len(seen)
    note = f"{hidden} steps lie beyond your scope." if hidden else None
    on = world.of_everything
    rows = [_row(place, world, step, jobs) for place, step in enumerate(seen, 1)]
    if not steps:
        yield not_recorded("preparation.steps", "No batch of it is recorded.", world.of_version)
        yield not_recorded("preparation.unrecorded", "No batch of it is recorded.")
        yield not_recorded("preparation.filters", "No batch of it is recorded.")
    else:
        if hidden:
            rows.append((len(seen) + 1, BEYOND, *[None] * 8))
        total = len(rows)
        yield table(
            "preparation.steps", rows[:ROWS_LIMIT], Grade.ASSERTED, on, total=total, note=note
        )
        yield _unrecorded(world, seen, hidden)
        filters = [(row[2], *row[7:]) for row in rows if row[9]]
        yield table("preparation.filters", filters[:ROWS_LIMIT], Grade.ASSERTED, on, note=note)


def read_steps(world: World) -> tuple[Step, ...]:
    """The steps, first to last (rule 1)."""
    depths: dict[int, int] = {}
    found: dict[tuple[bytes, str | None], Step] = {}
    for number in world.steps.order:
        row, node = world.batches.get(number), world.steps.nodes[number]
        sources = world.steps.sources(number)
        depth = 1 + max((depths.get(each, 0) for each in sources), default=-1)
        depths[number] = depth
        if row is None:
            continue
        key = (bytes(row.dataset_id), world.job_name(row))
        step = found.setdefault(key, Step(world.dataset_name(row), *key))
        step.depth = max(step.depth, depth)
        step.batches.append(row)
        step.unmapped |= number in world.steps.unmapped or bool(world.steps.owed.get(number))
        for part in copies(node):
            step.roles.add(part.role)
            if part.role != Role.LABELLED:
                step.inputs.update(dict.fromkeys(each for each, _, _ in part.inputs))
    for step in found.values():
        if step.inputs and not step.unmapped:
            read = (world.batches.get(number) for number in step.inputs)
            step.rows_in = _added(None if row is None else row.rows for row in read)
    return tuple(sorted(found.values(), key=lambda step: step.order))


def _row(place: int, world: World, step: Step, jobs: Mapping[bytes, str]) -> Row:
    node = world.steps.nodes[step.last.number]
    run = uuid_text(bytes(step.last.run_id))
    rows_in, rows_out = step.rows_in, step.rows_out
    return (
        place,
        step.dataset,
        step.job,
        run if step.runs == 1 else f"{run} and {step.runs - 1} more",
        from_micros(step.last.effective_at),
        jobs.get(job_id(node.job_namespace, node.job)),
        ", ".join(sorted(step.roles)) or None,
        rows_in,
        rows_out,
        _dropped(step, rows_in, rows_out),
    )


def _added(numbers: Iterator[int | None]) -> int | None:
    """Numbers added up; None where one of them is not known."""
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total


def _dropped(step: Step, rows_in: int | None, rows_out: int | None) -> int | None:
    """How many rows in have no row out (rule 2); None where that cannot be said by counts."""
    if rows_in is None or rows_out is None or not step.roles <= _ONE_TO_ONE:
        return None
    return rows_in - rows_out if rows_out <= rows_in else None


def _unrecorded(world: World, seen: Sequence[Step], hidden: int) -> Fact:
    reason = "its runs read data, and no row map says which rows they took"
    unmapped = [step for step in seen if step.unmapped]
    rows: list[Row] = [(step.dataset, step.job, reason) for step in unmapped]
    name = "preparation.unrecorded"
    note = f"{hidden} steps lie beyond your scope." if hidden else None
    on = reduce(or_, (step.basis for step in unmapped)) if unmapped else world.of_everything
    return table(name, rows[:ROWS_LIMIT], Grade.MEASURED, on, note=note)


def _facets_of_jobs(session: Session, world: World) -> dict[bytes, str]:
    """Where the code of each job lies (rule 4)."""
    ids = {job_id(*job) for job in world.jobs}
    found: dict[bytes, str] = {}
    for key, facets in facets_kept(session, "job", sorted(ids)).items():
        code = _code(facets.get("sourceCodeLocation"))
        if code is not None:
            found[bytes(key)] = code
    return found


def _code(facet: KeptFacet | None) -> str | None:
    said = {} if facet is None else parse_facet(facet.payload)
    url = said.get("url") or said.get("repoUrl")
    if not isinstance(url, str):
        return None
    version = said.get("version") or said.get("tag") or said.get("branch")
    return f"{url} at {version}" if isinstance(version, str) else url


def duplicates_fact(session: Session, world: World) -> Fact:
    """The share of rows that were left out because others were the same."""
    name = "quality.duplicate_share"
    numbers = [(row.number,) for row in world.everything]
    dropped = {n: int(rows) for n, rows in select_by_rows(session, _DUPLICATES, _NUMBER, numbers)}
    some = [world.batches[number] for number in dropped]
    kept = _added(row.rows for row in some)
    if not dropped or kept is None:
        return not_recorded(name, "No row map says which rows were dropped as duplicates.")
    left_out = sum(dropped.values())
    share = left_out / (left_out + kept) if left_out + kept else 0.0
    return known(name, share, Grade.ASSERTED, batches_basis(some))


def read_generated(session: Session, world: World) -> tuple[Generated, ...]:
    """The models that runs read which wrote any of the batches. Cost: one query."""
    by_run: dict[bytes, list[BatchRow]] = {}
    for row in world.everything:
        by_run.setdefault(bytes(row.run_id), []).append(row)
    found: dict[tuple[bytes, str, int | None], list[BatchRow]] = {}
    for run, key, namespace, name, number in select_by_ids(session, _MODELS_READ, sorted(by_run)):
        model = (bytes(key), f"{namespace} {name}", number)
        found.setdefault(model, []).extend(by_run[bytes(run)])
    return tuple(Generated(*model, tuple(rows)) for model, rows in found.items())


def synthetic_facts(
    world: World, sources: Sources, generated: Sequence[Generated], sight: Sight
) -> Iterator[Fact]:
    """The facts named `synthetic.…`. A share of 0 is one that was counted over everything."""
    name, on = "synthetic.share", world.of_entries
    waiting = sources.waiting(name, on)
    if waiting is not None:
        yield waiting
    else:
        yield _synthetic_share(world, sources)
    rows: dict[tuple[str | None, str, int | None], int] = {}
    used: list[BatchRow] = []
    for each in generated:
        model = each.model if sight.sees(each.model_id) else BEYOND
        for row in each.batches:
            if world.kind_of(row) == "synthetic":
                job = world.job_name(row) if sight.sees(bytes(row.dataset_id)) else BEYOND
                key = (job, model, each.version if model != BEYOND else None)
                rows[key] = rows.get(key, 0) + (row.examples or 0)
                used.append(row)
    found: list[Row] = [
        (*key, rows[key])
        for key in sorted(rows, key=lambda key: (key[0] or "", key[1], key[2] or 0))
    ]
    is_synthetic = any(world.kind_of(row) == "synthetic" for row in world.entries)
    if is_synthetic and not found:
        yield not_recorded(
            "synthetic.generators", "No run that synthesised data names a model as its input."
        )
    elif not found and any(world.kind_of(row) is None for row in world.entries):
        note = "Some of its batches do not say their kind of origin."
        yield not_recorded("synthetic.generators", note)
    elif not world.entries:
        yield not_recorded("synthetic.generators", "Where its examples entered is not recorded.")
    else:
        basis = batches_basis(used) if used else on
        yield table("synthetic.generators", found, Grade.ASSERTED, basis)


def _synthetic_share(world: World, sources: Sources) -> Fact:
    name, on = "synthetic.share", world.of_entries
    kinds = sources.by(world.kind_of)
    total = sum(share.examples for share in kinds.values())
    counted = {kind: share.examples for kind, share in kinds.items()}
    synthetic = counted.get("synthetic", 0)
    certain = {kind for kind in counted if kind and not kind.startswith("(")}
    unsaid = total - sum(counted[kind] for kind in certain)
    if not total:
        return not_recorded(name, "No example of it is known to the ledger.", on)
    if unsaid and not synthetic:
        note = f"Of {unsaid} of {total} examples the kind of source is not recorded."
        return not_recorded(name, f"{note} None of the others is synthetic.", on)
    least = f"At least; of {unsaid} examples the kind of source is not recorded."
    grade = world.grade_of(world.entries, "origin")
    return known(name, synthetic / total, grade, on, least if unsaid else None)


def crawl_fact(session: Session, world: World, sight: Sight) -> Fact:
    """The crawls: batches that were crawled, by job, with the agent that the run named."""
    name = "origin.crawls"
    crawled = world.crawled
    if not crawled:
        if not world.says_every_kind:
            return not_recorded(name, "Some of its batches do not say their kind of origin.")
        return table(name, [], Grade.ASSERTED, world.of_entries)
    agents = _agents(session, crawled)
    seen = [row for row in crawled if sight.sees(bytes(row.dataset_id))]
    rows: list[Row] = [
        (
            row.name,
            world.job_name(row),
            agents.get(bytes(row.run_id)),
            day(row.collected_from),
            day(row.collected_until),
        )
        for row in seen[:ROWS_LIMIT]
    ]
    total = len(seen)
    if len(seen) < len(crawled):
        rows, total = [*rows, (BEYOND, None, None, None, None)], total + 1
    return table(name, rows, Grade.ASSERTED, batches_basis(crawled), total=total)


def _agents(session: Session, crawled: Sequence[BatchRow]) -> dict[bytes, str]:
    """The programs that crawled: `processing_engine` of the run."""
    facets = facets_kept(session, "run", sorted({bytes(row.run_id) for row in crawled}))
    found: dict[bytes, str] = {}
    for run, some in facets.items():
        said = parse_facet(some["processing_engine"].payload) if "processing_engine" in some else {}
        name, version = said.get("name"), said.get("version")
        if isinstance(name, str):
            found[bytes(run)] = f"{name}/{version}" if isinstance(version, str) else name
    return found
