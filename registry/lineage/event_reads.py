"""Reads the event log: the events that were taken in, each as it was received.

Rules:
1. Only events that are part of the catalog are listed; what stands in quarantine has its own list.
2. They are ordered by their effective time (the event's own, unless its clock ran ahead), and among
   equals by arrival.
3. An event is seen by who sees the job, or the dataset, that it is about; what it says of others is
   shown as it was said.
4. A page ends early once its events weigh `PAGE_BYTES` together; its cursor leads on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select, true
from sqlmodel import Session

from registry.catalog.names import require_name
from registry.catalog.paging import Cut, Page, cursor_moment, decode_cursor, encode_cursor
from registry.catalog.scope import scope_of, visible_sql, visible_text
from registry.catalog.version_tables import Batch
from registry.lineage.tables import EventState, LineageEvent
from registry.moments import to_micros
from registry.storage.columns import table_of, wins_parts

PAGE_BYTES = 16 * 1024 * 1024
_event, _batch = table_of(LineageEvent), table_of(Batch)
_LISTING = "events"


@dataclass(frozen=True, slots=True)
class EventsWanted:
    """Which events: from `after` on and before `before`, of jobs or datasets in `namespace`."""

    after: datetime | None = None
    before: datetime | None = None
    namespace: str | None = None
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose token sent an event."""

    account_id: str
    project_id: str


def sender_of_batch(session: Session, number: int) -> Sender | None:
    """Who sent the event that a batch was taken from; None where there is no such batch."""
    wins = session.execute(
        select(_batch.c.wins).where(_batch.c.number == number)
    ).scalar_one_or_none()
    if wins is None:
        return None
    row = session.execute(
        select(_event.c.account_id, _event.c.project_id).where(
            _event.c.digest == wins_parts(bytes(wins))[1]
        )
    ).one_or_none()
    return None if row is None else Sender(row.account_id, row.project_id)


def list_events(session: Session, wanted: EventsWanted, cut: Cut) -> Page[bytes]:
    """The events' JSON. Cost: with a namespace, reads over the events of others too."""
    chosen = _chosen(session, wanted)
    at, number = _event.c.effective_at, _event.c.id
    query = select(number, at, func.length(_event.c.body)).where(chosen)
    if cut.cursor is not None:
        micros, last = decode_cursor(_LISTING, cut.cursor, (int, int), path="cursor")
        moment = cursor_moment(micros, path="cursor")
        beyond = at < moment if wanted.descending else at > moment
        tie = number < last if wanted.descending else number > last
        query = query.where(beyond | ((at == moment) & tie))
    order = (at.desc(), number.desc()) if wanted.descending else (at, number)
    rows = session.execute(query.order_by(*order).offset(cut.offset).limit(cut.limit + 1)).all()
    kept = _fitting(rows[: cut.limit])
    bodies = dict(
        session.execute(
            select(number, _event.c.body).where(number.in_([row[0] for row in kept]))
        ).all()
    )
    total = session.execute(select(func.count()).select_from(_event).where(chosen)).scalar_one()
    more = len(kept) < len(rows)
    end = encode_cursor(_LISTING, (to_micros(kept[-1][1]), kept[-1][0])) if more else None
    return Page(tuple(bodies[row[0]] for row in kept), total, end)


def _chosen(session: Session, wanted: EventsWanted) -> ColumnElement[bool]:
    chosen: ColumnElement[bool] = and_(_event.c.state == EventState.PROJECTED.value, _seen(session))
    if wanted.after is not None:
        chosen &= _event.c.effective_at >= wanted.after
    if wanted.before is not None:
        chosen &= _event.c.effective_at < wanted.before
    if wanted.namespace is not None:
        require_name(wanted.namespace, path="namespace")
        chosen &= _event.c.namespace == wanted.namespace
    return chosen


def _seen(session: Session) -> ColumnElement[bool]:
    """The condition that what an event is about is in sight."""
    if scope_of(session).is_everything:
        return true()
    about = " OR ".join(
        f"lineage_event.kind {kind} 'dataset' AND EXISTS (SELECT 1 FROM {table} x "  # noqa: S608 - our own words
        "WHERE x.namespace = lineage_event.namespace AND x.name = lineage_event.name "
        f"AND {visible_sql(session, 'x.id')})"
        for table, kind in (("dataset", "="), ("job", "<>"))
    )
    return visible_text(session, about)


def _fitting(rows: Any) -> list[Any]:
    """As many rows as weigh PAGE_BYTES together, and always one."""
    kept: list[Any] = []
    weight = 0
    for row in rows:
        weight += row[2]
        if kept and weight > PAGE_BYTES:
            break
        kept.append(row)
    return kept
