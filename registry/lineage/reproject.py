"""Projects parts of the kept log again: a run that changed hands, or the whole catalog.

Rules (DESIGN §1.1, §1.3):
1. The catalog is a function of the projected events; so rows can be deleted and made again, in the
   same transaction, from the events that name them.
2. Allotted rows (batch numbers, versions, reads, owners, effective times) are read, never written.
3. Projecting an event twice changes nothing, so it does no harm when an event also touches names
   that were not deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, text, update
from sqlmodel import Session

from registry.actors.claims import Claims
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.catalog import tables as t
from registry.catalog import version_tables as v
from registry.clock import Clock
from registry.ids import uuid_text
from registry.lineage.events import Event, decode_json, interpret
from registry.lineage.facets import read_other_names
from registry.lineage.ingest import Arrival, Sender, allot_arrivals, decode_warnings
from registry.lineage.projection import Projection
from registry.lineage.store import store_projection
from registry.lineage.tables import EventState, LineageEvent, QuarantineReason
from registry.moments import to_micros
from registry.storage.bulk import select_by_ids
from registry.storage.columns import table_of
from registry.storage.database import Database

CHUNK = 1000
_event = table_of(LineageEvent)

# What is deleted with a run, a job, a dataset: (table, column).
_OF_SCOPE = (
    (t.ScopeDataset, "scope_id"),
    (t.ScopeFacet, "scope_id"),
    (t.EdgeSet, "scope_id"),
    (t.Edge, "scope_id"),
    (v.ExternalVersion, "scope_id"),
)
_OF_RUN = (
    (t.Run, "id"),
    (t.RunParent, "run_id"),
    (t.RunNominal, "run_id"),
    (t.RunFacet, "run_id"),
    (v.Batch, "run_id"),
    (v.BatchFile, "run_id"),
    (v.BatchMapSet, "run_id"),
    (v.BatchMap, "run_id"),
)
_OF_JOB = (
    (t.Job, "id"),
    (t.JobFacet, "job_id"),
    (t.JobDataset, "job_id"),
    (t.JobDeclaration, "job_id"),
)
_OF_DATASET = ((t.Dataset, "id"), (t.DatasetFacet, "dataset_id"), (t.Symlink, "dataset_id"))


def stored_event(digest: bytes, body: bytes) -> Event:
    """A kept event, read again; its identity is that of what was received."""
    return interpret(decode_json(body), body, bytes(digest))


def stored_denied(denied: str | None) -> frozenset[bytes]:
    """The ids that a kept event may not write."""
    return frozenset(bytes.fromhex(item) for item in denied.split(",")) if denied else frozenset()


def settle_contested(
    session: Session, run_ids: Iterable[bytes], claims: Claims, *, at: datetime, actor: str
) -> None:
    """Give each run to the job with the smallest (effective time, digest), and project it again.

    Effects: events move between projected and quarantined, one entry a run; the rows of the run,
    its jobs and its datasets are made anew, and what the winner's events lack is allotted; does
    not commit. Cost: grows with the history of the names that the run's events speak of.
    """
    for run_id in sorted(set(run_ids)):
        claimants = session.execute(
            select(_event).where(
                _event.c.scope_id == run_id,
                (_event.c.state == EventState.PROJECTED)
                | (
                    (_event.c.state == EventState.QUARANTINED)
                    & (_event.c.reason == QuarantineReason.RUN_OF_ANOTHER_JOB)
                ),
            )
        ).all()
        arrivals = [stored_arrival(row) for row in claimants]
        owner = min((arrival.wins, arrival.event.named.id) for arrival in arrivals)[1]
        winners = [a for a in arrivals if a.event.named.id == owner]
        losers = [a for a in arrivals if a.event.named.id != owner]
        _set_state(session, winners, EventState.PROJECTED, None)
        _set_state(session, losers, EventState.QUARANTINED, QuarantineReason.RUN_OF_ANOTHER_JOB)
        names: dict[str, set[bytes]] = {"job": set(), "dataset": set()}
        for event in (arrival.event for arrival in arrivals):
            names["job"].add(event.named.id)
            names["dataset"].update(ref.named.id for ref in event.datasets())
            for other in read_other_names(event):
                names[other.kind].add(other.named.id)
        project_again(session, runs={run_id}, jobs=names["job"], datasets=names["dataset"])
        allot_arrivals(session, winners, claims, now=to_micros(at))
        facts = {"run": uuid_text(run_id), "events": len(losers), "reason": "run_of_another_job"}
        append_entries(session, [Entry(EntryKind.LINEAGE_EVENT_QUARANTINED, actor, facts)], at=at)


def stored_arrival(row: Any) -> Arrival:
    """The arrival of a kept event (a row of `lineage_event`), with what was allotted to it."""
    arrival = Arrival(
        stored_event(row.digest, row.body),
        Sender(row.account_id, row.project_id),
        effective=to_micros(row.effective_at),
        denied=stored_denied(row.denied),
        event_id=row.id,
    )
    arrival.event.warnings[:] = decode_warnings(row.warnings)
    return arrival


def _set_state(
    session: Session, arrivals: list[Arrival], state: EventState, reason: QuarantineReason | None
) -> None:
    values = {
        "state": state.value,
        "reason": None if reason is None else reason.value,
        "detail": None if reason is None else "Another job used this run id before.",
    }
    for chunk in _chunks([arrival.event_id for arrival in arrivals]):
        session.execute(update(_event).where(_event.c.id.in_(chunk)).values(values))


def project_again(
    session: Session, *, runs: set[bytes], jobs: set[bytes], datasets: set[bytes]
) -> None:
    """Delete the rows of these names and make them anew from the log. Does not commit."""
    event_ids = _events_naming(session, runs, jobs, datasets)
    namespaces = _namespaces_of(session, jobs | datasets)
    for ids, groups in (
        (runs, (_OF_SCOPE, _OF_RUN)),
        (jobs, (_OF_SCOPE, _OF_JOB)),
        (datasets, (_OF_SCOPE, _OF_DATASET)),
    ):
        for model, column in (pair for group in groups for pair in group):
            table = table_of(model)
            for chunk in _chunks(sorted(ids)):
                session.execute(delete(table).where(table.c[column].in_(chunk)))
    for chunk in _chunks(sorted(event_ids)):
        rows = session.execute(
            select(_event).where(_event.c.id.in_(chunk), _event.c.state == EventState.PROJECTED)
        )
        _project_rows(session, rows)
    _mend_namespaces(session, namespaces)


def _project_rows(session: Session, rows: Iterable[Any]) -> int:
    projection, count = Projection(), 0
    for row in rows:
        event = stored_event(row.digest, row.body)
        effective = to_micros(row.effective_at)
        projection.add(event, effective=effective, denied=stored_denied(row.denied))
        count += 1
    store_projection(session, projection)
    return count


def _events_naming(
    session: Session, runs: set[bytes], jobs: set[bytes], datasets: set[bytes]
) -> set[int]:
    found: set[int] = set()
    for sql, ids in (
        ("JOIN lineage_event e ON e.scope_id = wanted.id", runs | jobs | datasets),
        ("JOIN run r ON r.job_id = wanted.id JOIN lineage_event e ON e.scope_id = r.id", jobs),
        (
            "JOIN event_name n ON n.entity_id = wanted.id "
            "JOIN lineage_event e ON e.id = n.event_id",
            jobs | datasets,
        ),
    ):
        statement = f"SELECT e.id FROM {{ids}} AS wanted {sql}"  # noqa: S608 - our own names
        found.update(row[0] for row in select_by_ids(session, statement, sorted(ids)))
    return found


def _namespaces_of(session: Session, ids: set[bytes]) -> list[str]:
    names: set[str] = set()
    for table in ("job", "dataset"):
        sql = (
            f"SELECT DISTINCT n.namespace FROM {{ids}} AS wanted JOIN {table} n ON n.id = wanted.id"  # noqa: S608 - our own names
        )
        names.update(row[0] for row in select_by_ids(session, sql, sorted(ids)))
    return sorted(names)


def _mend_namespaces(session: Session, names: Sequence[str]) -> None:
    """A namespace spans what stands in it; one that holds nothing any more is gone."""
    job, dataset, namespace = table_of(t.Job), table_of(t.Dataset), table_of(t.Namespace)
    for name in names:
        spans = [
            session.execute(
                select(func.min(table.c.created_at), func.max(table.c.updated_at)).where(
                    table.c.namespace == name
                )
            ).one()
            for table in (job, dataset)
        ]
        session.execute(delete(namespace).where(namespace.c.name == name))
        first = [span[0] for span in spans if span[0] is not None]
        if first:
            last = max(span[1] for span in spans if span[1] is not None)
            session.execute(
                namespace.insert().values(name=name, created_at=min(first), updated_at=last)
            )


def rebuild(
    database: Database,
    *,
    clock: Clock,
    actor: str,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Empty the catalog and project every kept event again; give their number.

    `progress` is told (done, total) after each thousand. One transaction: an interrupted rebuild
    leaves the catalog as it was. Effects: commits; one `catalog.projection.rebuilt` entry.
    """
    with database.write() as session:
        for model in (*v.PROJECTED, *t.PROJECTED):
            session.execute(text(f"DELETE FROM {model.__tablename__}"))  # noqa: S608 - our own
        projected = _event.c.state == EventState.PROJECTED
        total = session.execute(
            select(func.count()).select_from(_event).where(projected)
        ).scalar_one()
        done, last = 0, 0
        while rows := session.execute(
            select(_event).where(projected, _event.c.id > last).order_by(_event.c.id).limit(CHUNK)
        ).all():
            done += _project_rows(session, rows)
            last = rows[-1].id
            if progress is not None:
                progress(done, total)
        entry = Entry(EntryKind.CATALOG_REBUILT, actor, {"events": done})
        append_entries(session, [entry], at=clock())
        return done


def _chunks(items: Sequence[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), CHUNK):
        yield list(items[start : start + CHUNK])
