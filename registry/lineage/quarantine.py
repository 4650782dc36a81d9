"""Events that are kept and not projected: shown, released into the catalog, or rejected for good.

Rules (DESIGN §1.6):
1. A released event is projected as if it had been allowed when it came: with its own effective
   time, and with the names that it may not write still denied.
2. A run id used by two jobs cannot be released: that would mix two runs. It can be rejected.
3. A rejected event stays in the log, and is never projected.
4. Both are audit entries in the same transaction.
5. An event concerns the project that sent it; one that would have written another project's name
   concerns that project too, and it is that project's to release or reject.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlmodel import Session

from registry.actors.claims import Claims
from registry.actors.tables import Account, Project
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.canonical import digest_text
from registry.catalog.scope import scope_of
from registry.errors import ConflictError, NotFoundError
from registry.lineage.ingest import allot_arrivals, project_events
from registry.lineage.reproject import settle_contested, stored_arrival
from registry.lineage.store import store_projection
from registry.lineage.tables import EventState, LineageEvent, QuarantineReason
from registry.moments import to_micros
from registry.storage.columns import table_of

_event, _account, _project = table_of(LineageEvent), table_of(Account), table_of(Project)


@dataclass(frozen=True, slots=True)
class QuarantinedEvent:
    """An event in quarantine as it is shown; `id` is its place in the list."""

    id: int
    digest: bytes
    reason: str
    detail: str | None
    received_at: datetime
    kind: str
    namespace: str
    name: str
    project: str | None
    sender: str | None


def list_quarantined(
    session: Session, *, after: int = 0, limit: int = 100
) -> tuple[list[QuarantinedEvent], int]:
    """Quarantined events after an id, in order of arrival, and how many there are in all.

    A confined session sees those that its projects sent, or would have been written to (rule 5).
    """
    held: ColumnElement[bool] = _event.c.state == EventState.QUARANTINED
    scope = scope_of(session)
    if scope.projects is not None:
        mine = sorted(scope.projects)
        held &= _event.c.project_id.in_(mine) | _event.c.target_project_id.in_(mine)
    total = session.execute(select(func.count()).select_from(_event).where(held)).scalar_one()
    query = (
        select(_event, _project.c.name.label("project"), _account.c.name.label("sender"))
        .outerjoin(_project, _project.c.id == _event.c.project_id)
        .outerjoin(_account, _account.c.id == _event.c.account_id)
        .where(held, _event.c.id > after)
        .order_by(_event.c.id)
        .limit(limit)
    )
    return [
        QuarantinedEvent(
            row.id,
            bytes(row.digest),
            row.reason,
            row.detail,
            row.received_at,
            row.kind,
            row.namespace,
            row.name,
            row.project,
            row.sender,
        )
        for row in session.execute(query)
    ], total


def release_event(
    session: Session, digest: bytes, claims: Claims, *, actor: str, now: datetime
) -> EventState:
    """Project a quarantined event (rules 1 and 2); give its state.

    Raises NotFoundError, or ConflictError where it is not in quarantine or cannot leave it.
    Effects: rows and one entry; does not commit.
    """
    row = _held(session, digest)
    if row.reason == QuarantineReason.RUN_OF_ANOTHER_JOB:
        raise ConflictError(
            f"The event {digest_text(digest)} uses the run id of another job.",
            remedy="Send it again with a run id of its own, and reject this one.",
        )
    arrival = stored_arrival(row)
    _set_state(session, row.id, EventState.PROJECTED, None)
    if arrival.event.has_run:
        settle_contested(session, [arrival.event.scope_id], claims, at=now, actor=actor)
    else:
        store_projection(session, project_events([arrival]))
        allot_arrivals(session, [arrival], claims, now=to_micros(now))
    facts = {"event": digest_text(digest), "reason": row.reason}
    append_entries(session, [Entry(EntryKind.LINEAGE_EVENT_RELEASED, actor, facts)], at=now)
    state = session.execute(select(_event.c.state).where(_event.c.id == row.id)).scalar_one()
    return EventState(state)


def reject_event(session: Session, digest: bytes, *, actor: str, now: datetime) -> EventState:
    """Leave a quarantined event out of the catalog for good (rule 3); give its state.

    Raises NotFoundError, or ConflictError where it is not in quarantine. Effects: one row, one
    entry; does not commit.
    """
    row = _held(session, digest)
    _set_state(session, row.id, EventState.REJECTED, row.reason)
    facts = {"event": digest_text(digest), "reason": row.reason}
    append_entries(session, [Entry(EntryKind.LINEAGE_EVENT_REJECTED, actor, facts)], at=now)
    return EventState.REJECTED


@dataclass(frozen=True, slots=True)
class Parties:
    """Whom an event in the log concerns: who sent it, from which project, and whose it is to
    release (project ids).
    """

    account_id: str
    project_id: str
    owner_id: str


def parties_of(session: Session, digest: bytes) -> Parties:
    """Whom an event concerns (rule 5). Raises NotFoundError."""
    columns = (_event.c.account_id, _event.c.project_id, _event.c.target_project_id)
    row = session.execute(select(*columns).where(_event.c.digest == digest)).one_or_none()
    if row is None:
        raise missing_event(digest)
    return Parties(row[0], row[1], row[2] or row[1])


def missing_event(digest: bytes) -> NotFoundError:
    """The error for an event that is not there, or that the actor may not see."""
    return NotFoundError(
        f"There is no event {digest_text(digest)}.", remedy="See: registry events quarantine list."
    )


def _held(session: Session, digest: bytes) -> Any:
    row = session.execute(
        select(_event).where(_event.c.digest == digest).with_for_update()
    ).one_or_none()
    if row is None:
        raise missing_event(digest)
    if row.state != EventState.QUARANTINED:
        raise ConflictError(
            f"The event {digest_text(digest)} is {row.state}, not quarantined.",
            remedy="See: registry events quarantine list.",
        )
    return row


def _set_state(session: Session, event_id: int, state: EventState, reason: str | None) -> None:
    session.execute(
        update(_event)
        .where(_event.c.id == event_id)
        .values(
            state=state.value, reason=reason, detail=None if reason is None else _event.c.detail
        )
    )
