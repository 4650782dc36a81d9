"""Walks from a run to the runs that made what it read, version by version.

Rules (Marquez's upstream run lineage):
1. A run leads to the runs that made the very versions it read. Where we do not know which version
   it read, the dataset is named and the walk ends there.
2. A run that a `lineage` facet names as the source of the data leads on as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session

from registry.catalog.graph import CutBy
from registry.catalog.lookup import Named
from registry.catalog.runs import RunView, find_run, run_views
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
    """The runs in the order of their distance, then of their start; the first is the run asked."""

    runs: tuple[Ancestor, ...]
    cut: CutBy | None


def upstream_runs(session: Session, run_id: bytes, *, depth: int, size: int) -> Ancestry:
    """The runs that led to a run, up to `depth` away. Cost: three queries a level.

    Raises NotFoundError.
    """
    first = find_run(session, run_id)
    found: list[Ancestor] = []
    seen, level, cut = {run_id}, {run_id: first}, None
    for distance in range(depth + 1):
        inputs, fed_by = _read(session, list(level))
        ordered = sorted(level.values(), key=_age)
        found += [Ancestor(run, tuple(inputs.get(run.id, ()))) for run in ordered]
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
        level = run_views(session, ahead, brief=True)
    return Ancestry(tuple(found), cut)


def _age(run: RunView) -> tuple[datetime, bytes]:
    return run.started_at or run.created_at, run.id


def _read(session: Session, runs: list[bytes]) -> tuple[dict[bytes, list[ReadVersion]], set[bytes]]:
    """What each of these runs read, and the runs they were said to be fed by."""
    inputs: dict[bytes, list[ReadVersion]] = {}
    for run, key, namespace, name, number, made_by in look_up(session, _READ, runs):
        entry = ReadVersion(Named(key, namespace, name), number, made_by)
        inputs.setdefault(run, []).append(entry)
    return inputs, {source for _, source in look_up(session, _FED_BY, runs)}
