"""Walks from a run to the runs that made what it read, version by version.

Rules (Marquez's upstream run lineage):
1. A run leads to the runs that made the very versions it read. Where we do not know which version
   it read, the dataset is named and the walk ends there.
2. A run that a `lineage` facet names as the source of the data leads on as well.
3. The walk goes over everything; what of it is out of sight is left out, and the answer says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session

from registry.catalog.graph import CutBy
from registry.catalog.lookup import Named
from registry.catalog.runs import RunView, find_run, run_views
from registry.catalog.scope import in_sight, scope_of
from registry.storage.bulk import look_up

_READ = """
    SELECT s.scope_id, d.id, d.namespace, d.name, v.number, p.id
    FROM {ids} AS t JOIN scope_dataset s ON s.scope_id = t.id AND s.direction = 'input'
    JOIN dataset d ON d.id = s.dataset_id
    LEFT JOIN run_read v ON v.run_id = s.scope_id AND v.dataset_id = s.dataset_id
    LEFT JOIN dataset_version m ON m.dataset_id = v.dataset_id AND m.number = v.number
    LEFT JOIN run p ON p.id = m.scope_id
    ORDER BY d.namespace, d.name"""
_FED_BY = """
    SELECT DISTINCT e.scope_id, p.id FROM {ids} AS t
    JOIN edge e ON e.scope_id = t.id AND e.source_scope_id IS NOT NULL
    JOIN run p ON p.id = e.source_scope_id"""


class ReadVersion(NamedTuple):
    """What a run read; `number` and `made_by` are None where we do not know."""

    dataset: Named
    number: int | None
    made_by: bytes | None


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A run on the way up, and what it read."""

    run: RunView
    inputs: tuple[ReadVersion, ...]


@dataclass(frozen=True, slots=True)
class Ancestry:
    """The runs in the order of their distance, then of their start; the first is the run asked.

    `beyond` says that something on the way is out of sight.
    """

    runs: tuple[Ancestor, ...]
    cut: CutBy | None
    beyond: bool


def upstream_runs(session: Session, run_id: bytes, *, depth: int, size: int) -> Ancestry:
    """The runs that led to a run, up to `depth` away.

    Cost: three queries a level; six for a confined session.

    Raises NotFoundError.
    """
    first = find_run(session, run_id)
    found: list[Ancestor] = []
    seen, level, cut, beyond = {run_id}, [run_id], None, False
    for distance in range(depth + 1):
        inputs, fed_by = _read(session, level)
        views = run_views(session, level, brief=True) if distance else {run_id: first}
        shown, hidden = _in_sight(session, {key: inputs.get(key, []) for key in views})
        beyond = beyond or hidden or len(views) < len(level)
        ordered = sorted(views.values(), key=_age)
        found += [Ancestor(run, tuple(shown[run.id])) for run in ordered]
        made = {one.made_by for ends in inputs.values() for one in ends if one.made_by}
        ahead = sorted((made | fed_by) - seen)
        room = size - len(seen)
        if ahead and distance == depth:
            cut = CutBy.DEPTH
        elif len(ahead) > room:
            ahead, cut = ahead[:room], CutBy.SIZE
        if not ahead or distance == depth:
            break
        seen.update(ahead)
        level = ahead
    return Ancestry(tuple(found), cut, beyond)


def _in_sight(
    session: Session, inputs: dict[bytes, list[ReadVersion]]
) -> tuple[dict[bytes, list[ReadVersion]], bool]:
    """What each run read as far as it is in sight, and whether something is not."""
    if scope_of(session).is_everything:
        return inputs, False
    reads = [one for ends in inputs.values() for one in ends]
    datasets = in_sight(session, {one.dataset.id for one in reads})
    makers = run_views(session, sorted({one.made_by for one in reads if one.made_by}), brief=True)
    shown = {
        run: [
            one if one.made_by in makers else one._replace(made_by=None)
            for one in ends
            if one.dataset.id in datasets
        ]
        for run, ends in inputs.items()
    }
    hidden = any(
        one.dataset.id not in datasets or (one.made_by and one.made_by not in makers)
        for one in reads
    )
    return shown, hidden


def _age(run: RunView) -> tuple[datetime, bytes]:
    return run.started_at or run.created_at, run.id


def _read(session: Session, runs: list[bytes]) -> tuple[dict[bytes, list[ReadVersion]], set[bytes]]:
    """What each of these runs read, and the runs they were said to be fed by."""
    inputs: dict[bytes, list[ReadVersion]] = {}
    for run, key, namespace, name, number, made_by in look_up(session, _READ, runs):
        entry = ReadVersion(Named(key, namespace, name), number, made_by)
        inputs.setdefault(run, []).append(entry)
    return inputs, {source for _, source in look_up(session, _FED_BY, runs)}
