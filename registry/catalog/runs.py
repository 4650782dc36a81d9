"""Reads runs: state and times, what they read and wrote, and what they said of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlmodel import Session

from registry.catalog.lookup import KeptFacet, Named, facets_kept, known_moment
from registry.catalog.paging import Cut, Page, cursor_moment, decode_cursor, page_of
from registry.catalog.scope import scope_parameters, visible_sql
from registry.catalog.tables import Run
from registry.errors import NotFoundError
from registry.ids import uuid_text
from registry.moments import from_micros, to_micros
from registry.storage.bulk import look_up
from registry.storage.columns import table_of

_run = table_of(Run)
_LISTING = "runs"

_CORE = """
    SELECT r.id, j.id, j.namespace, j.name, r.state, r.created_at, r.updated_at, r.started_at,
           r.ended_at, r.producer_run_id, n.start_at, n.end_at,
           p.parent_run_id, p.parent_namespace, p.parent_name,
           p.root_run_id, p.root_namespace, p.root_name
    FROM {ids} AS t JOIN run r ON r.id = t.id
    JOIN job j ON j.id = r.job_id
    LEFT JOIN run_nominal n ON n.run_id = r.id
    LEFT JOIN run_parent p ON p.run_id = r.id
    WHERE {job_in_sight}"""
_READS = """
    SELECT s.scope_id, d.id, d.namespace, d.name, v.number
    FROM {ids} AS t JOIN scope_dataset s ON s.scope_id = t.id AND s.direction = 'input'
    JOIN dataset d ON d.id = s.dataset_id
    LEFT JOIN run_read v ON v.run_id = s.scope_id AND v.dataset_id = s.dataset_id
    WHERE {dataset_in_sight} ORDER BY d.namespace, d.name"""
_WRITES = """
    SELECT s.scope_id, d.id, d.namespace, d.name,
           (SELECT max(v.number) FROM dataset_version v
            WHERE v.scope_id = s.scope_id AND v.dataset_id = s.dataset_id)
    FROM {ids} AS t JOIN scope_dataset s ON s.scope_id = t.id AND s.direction = 'output'
    JOIN dataset d ON d.id = s.dataset_id
    WHERE {dataset_in_sight} ORDER BY d.namespace, d.name"""
_SAID = """
    SELECT f.scope_id, f.direction, f.dataset_id, f.name, f.payload, f.wins
    FROM {ids} AS t JOIN scope_facet f ON f.scope_id = t.id
    WHERE f.payload <> '' ORDER BY f.kind, f.name"""
# From each run one hop along the index to the run before it: no planner reads more than asked.
_LATEST = """
    WITH RECURSIVE latest(job, id, n) AS (
        SELECT t.id, (SELECT l.id FROM run l WHERE l.job_id = t.id
                      ORDER BY l.created_at DESC, l.id DESC LIMIT 1), 1 FROM {ids} AS t
        UNION ALL
        SELECT s.job, (SELECT l.id FROM run l WHERE l.job_id = s.job AND (l.created_at, l.id) <
                          (SELECT p.created_at, p.id FROM run p WHERE p.id = s.id)
                       ORDER BY l.created_at DESC, l.id DESC LIMIT 1), s.n + 1
        FROM latest s WHERE s.id IS NOT NULL AND s.n < :each)
    SELECT s.id FROM latest s WHERE s.id IS NOT NULL"""


class RunLink(NamedTuple):
    """A run that another was part of; its job may be unknown."""

    run_id: bytes
    namespace: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class RunDataset:
    """A dataset that a run read or wrote: which version, and what the run said of it.

    `number` is None where we do not know the version.
    """

    dataset: Named
    number: int | None
    facets: Mapping[str, KeptFacet]


@dataclass(frozen=True, slots=True)
class RunView:
    """A run. Of a brief view `inputs`, `outputs` and `facets` are empty."""

    id: bytes
    job: Named
    state: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    producer_run_id: str | None
    nominal_start_at: datetime | None
    nominal_end_at: datetime | None
    parent: RunLink | None
    root: RunLink | None
    inputs: tuple[RunDataset, ...] = ()
    outputs: tuple[RunDataset, ...] = ()
    facets: Mapping[str, KeptFacet] = field(default_factory=dict)


def find_run(session: Session, run_id: bytes) -> RunView:
    """One run, whole. Raises NotFoundError."""
    found = run_views(session, [run_id])
    if not found:
        raise NotFoundError(
            f"There is no run {uuid_text(run_id)}.",
            remedy="A run exists once an event of it was taken in.",
            path="id",
        )
    return found[run_id]


def list_runs(session: Session, job: Named, cut: Cut) -> Page[RunView]:
    """The runs of a job, whole, the newest first."""
    mine = _run.c.job_id == job.id
    query = select(_run.c.id, _run.c.created_at).where(mine)
    query = query.order_by(_run.c.created_at.desc(), _run.c.id.desc())
    if cut.cursor is not None:
        created, last = decode_cursor(_LISTING, cut.cursor, (int, str))
        at, key = cursor_moment(created), _bytes(str(last))
        earlier = (_run.c.created_at == at) & (_run.c.id < key)
        query = query.where((_run.c.created_at < at) | earlier)
    rows = session.execute(query.offset(cut.offset).limit(cut.limit + 1)).all()
    total = session.execute(select(func.count()).select_from(_run).where(mine)).scalar_one()
    page = page_of(rows, cut, total, _LISTING, lambda row: (to_micros(row[1]), row[0].hex()))
    views = run_views(session, [row[0] for row in page.items])
    return page.map([views[row[0]] for row in page.items if row[0] in views])


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def latest_runs(session: Session, jobs: Sequence[bytes], each: int) -> dict[bytes, list[RunView]]:
    """The last runs of each of these jobs, brief, the newest first. Cost: two queries."""
    ids = [row[0] for row in look_up(session, _LATEST, jobs, each=each)]
    found: dict[bytes, list[RunView]] = {}
    views = run_views(session, ids, brief=True).values()
    for view in sorted(views, key=lambda view: (view.created_at, view.id), reverse=True):
        found.setdefault(view.job.id, []).append(view)
    return found


def run_views(
    session: Session, ids: Sequence[bytes], *, brief: bool = False
) -> dict[bytes, RunView]:
    """The runs with these ids, as far as they exist and are in sight.

    Cost: one query for brief views, else five.
    """
    views = {row[0]: _core_view(row) for row in _look_up_seen(session, _CORE, ids)}
    if brief or not views:
        return views
    facets = facets_kept(session, "run", ids)
    said: dict[tuple[bytes, str, bytes], dict[str, KeptFacet]] = {}
    for scope, direction, dataset, name, payload, wins in look_up(session, _SAID, ids):
        # Facets of the dataset itself come first; what was said of it as input or output wins.
        said.setdefault((scope, direction, dataset), {})[name] = KeptFacet(payload, wins)
    inputs = _run_datasets(session, _READS, ids, "input", said)
    outputs = _run_datasets(session, _WRITES, ids, "output", said)
    return {
        key: replace(
            view,
            inputs=tuple(inputs.get(key, ())),
            outputs=tuple(outputs.get(key, ())),
            facets=facets.get(key, {}),
        )
        for key, view in views.items()
    }


def _look_up_seen(session: Session, sql: str, ids: Sequence[bytes]) -> list[Any]:
    """As `look_up`, of jobs and datasets in sight."""
    for kind, alias in (("job", "j.id"), ("dataset", "d.id")):
        sql = sql.replace(f"{{{kind}_in_sight}}", visible_sql(session, alias))
    return look_up(session, sql, ids, **scope_parameters(session))


def _run_datasets(
    session: Session,
    sql: str,
    ids: Sequence[bytes],
    direction: str,
    said: Mapping[tuple[bytes, str, bytes], Mapping[str, KeptFacet]],
) -> dict[bytes, list[RunDataset]]:
    found: dict[bytes, list[RunDataset]] = {}
    for scope, dataset, namespace, name, number in _look_up_seen(session, sql, ids):
        facets = said.get((scope, direction, dataset), {})
        entry = RunDataset(Named(dataset, namespace, name), number, facets)
        found.setdefault(scope, []).append(entry)
    return found


def _core_view(row: Sequence[Any]) -> RunView:
    return RunView(
        id=row[0],
        job=Named(row[1], row[2], row[3]),
        state=row[4],
        created_at=from_micros(row[5]),
        updated_at=from_micros(row[6]),
        started_at=known_moment(row[7]),
        ended_at=known_moment(row[8]),
        producer_run_id=row[9],
        nominal_start_at=known_moment(row[10]),
        nominal_end_at=known_moment(row[11]),
        parent=RunLink(*row[12:15]) if row[12] is not None else None,
        root=RunLink(*row[15:18]) if row[15] is not None else None,
    )
