"""Reads jobs: what they read and write, their facets, and their latest runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlmodel import Session

from registry.catalog import flows
from registry.catalog.facets import JobFacts, job_facts
from registry.catalog.lookup import KeptFacet, Named, datasets_named, facets_kept, payloads_of
from registry.catalog.names import require_name
from registry.catalog.paging import Cut, Page, decode_cursor, page_of
from registry.catalog.runs import RunView, latest_runs, run_views
from registry.catalog.scope import visible
from registry.catalog.tables import Job, Run, RunState
from registry.storage.columns import table_of

_job, _run = table_of(Job), table_of(Run)
_LISTING = "jobs"
_LATEST_RUNS = 10


@dataclass(frozen=True, slots=True)
class JobView:
    """A job. `latest_runs` are brief, the newest first; `latest_run` is whole in a single view.

    `inputs` and `outputs` are all that any run or declaration of the job named, by name.
    """

    job: Named
    created_at: datetime
    updated_at: datetime
    facts: JobFacts
    facets: Mapping[str, KeptFacet]
    inputs: tuple[Named, ...]
    outputs: tuple[Named, ...]
    latest_run: RunView | None
    latest_runs: tuple[RunView, ...]

    @property
    def parent(self) -> tuple[str, str] | None:
        """The (namespace, name) of the job that its latest run was part of."""
        link = self.latest_run.parent if self.latest_run else None
        return None if link is None or link.name is None else (link.namespace or "", link.name)


def list_jobs(
    session: Session, namespace: str | None, cut: Cut, *, states: Collection[RunState] = ()
) -> Page[JobView]:
    """The jobs of a namespace, or of all, in the order of namespace and name.

    With `states`, those whose latest run is in one of them.
    """
    query = _chosen(session, select(*_columns()), namespace, states)
    total = _chosen(session, select(func.count()).select_from(_job), namespace, states)
    if cut.cursor is not None:
        space, name = decode_cursor(_LISTING, cut.cursor, (str, str))
        later = (_job.c.namespace == space) & (_job.c.name > name)
        query = query.where((_job.c.namespace > space) | later)
    query = query.order_by(_job.c.namespace, _job.c.name).offset(cut.offset).limit(cut.limit + 1)
    rows = session.execute(query).all()
    count = session.execute(total).scalar_one()
    page = page_of(rows, cut, count, _LISTING, lambda row: (row[1], row[2]))
    return page.map(_views(session, page.items))


def _columns() -> list[Any]:
    return [_job.c[name] for name in ("id", "namespace", "name", "created_at", "updated_at")]


def _chosen(
    session: Session, query: Select[Any], namespace: str | None, states: Collection[RunState]
) -> Select[Any]:
    query = query.where(visible(session, "job.id"))
    if namespace is not None:
        require_name(namespace, path="namespace")
        query = query.where(_job.c.namespace == namespace)
    if states:
        latest = (
            select(_run.c.state)
            .where(_run.c.job_id == _job.c.id)
            .order_by(_run.c.created_at.desc(), _run.c.id.desc())
            .limit(1)
            .correlate(_job)
            .scalar_subquery()
        )
        query = query.where(latest.in_([state.value for state in states]))
    return query


def _by_job(
    pairs: Iterable[tuple[bytes, bytes | None]], names: Mapping[bytes, Named]
) -> dict[bytes, tuple[Named, ...]]:
    """The datasets of each job, by name, each once."""
    found: dict[bytes, set[Named]] = {}
    for job, dataset in pairs:
        if dataset is not None and dataset in names:
            found.setdefault(job, set()).add(names[dataset])
    return {job: tuple(sorted(ends, key=lambda end: end[1:])) for job, ends in found.items()}


def view_job(session: Session, job: Named) -> JobView:
    """One job that was found before, its latest run whole."""
    rows = session.execute(select(*_columns()).where(_job.c.id == job.id)).all()
    return _views(session, rows, whole=True)[0]


def _views(session: Session, rows: Sequence[Any], *, whole: bool = False) -> list[JobView]:
    ids = [row[0] for row in rows]
    facets = facets_kept(session, "job", ids)
    reads = flows.inputs_of(session, ids, None)
    writes = flows.outputs_of(session, ids, None, unstated_only=False)
    ends = {source for _, _, source in reads} | {target for target, _, _ in writes}
    names = datasets_named(session, {end for end in ends if end is not None})
    inputs = _by_job(((job, source) for _, job, source in reads), names)
    outputs = _by_job(((job, target) for target, job, _ in writes), names)
    runs = latest_runs(session, ids, _LATEST_RUNS)
    last = {key: found[0] for key, found in runs.items()}
    if whole:
        views = run_views(session, [view.id for view in last.values()])
        last = {key: views[view.id] for key, view in last.items()}
    return [
        JobView(
            Named(row[0], row[1], row[2]),
            row[3],
            row[4],
            job_facts(payloads_of(facets.get(row[0], {}))),
            facets.get(row[0], {}),
            inputs.get(row[0], ()),
            outputs.get(row[0], ()),
            last.get(row[0]),
            tuple(runs.get(row[0], ())),
        )
        for row in rows
    ]
