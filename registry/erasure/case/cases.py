"""The row of a case as a value: found by whom it concerns, held, and moved along its states.

Rules:
1. A session that is confined sees the requests of its projects and no other; what is out of sight
   is not found, by the same words as what does not exist.
2. Whoever changes a case reads it with `held`: from then on it is theirs until the transaction
   ends.
3. What decides over several cases at once (which of two is the duplicate) takes `take_turn` first.
4. Texts are kept in the clear and must not hold the person's identifiers; `reject_identifiers` of
   `registry.erasure.case.identifiers` looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, select, text, true, update
from sqlmodel import Session

from registry.catalog.scope import scope_of
from registry.erasure.lifecycle import (
    OPEN,
    Identity,
    Regime,
    RequestState,
    Right,
    is_verified,
    require_turn,
)
from registry.erasure.tables import ErasureRequest
from registry.errors import ConflictError, InvalidInputError, NotFoundError
from registry.storage.columns import changed_rows, table_of

TEXT_LIMIT = 2_000
#: Open states in which the person still waits for an answer; a partial one is an answer.
UNANSWERED = OPEN - {RequestState.PARTIALLY_FULFILLED}
_request = table_of(ErasureRequest)
# Any fixed number that no other lock of the program has.
_LOCK = 0x6572_6173_7572_65


@dataclass(frozen=True, slots=True)
class Case:
    """A request as it stands; ids of accounts in `filed_by`, `verified_by` and the like."""

    id: str
    project_id: str
    right: Right
    regime: Regime
    channel: str
    reference: str | None
    region: str | None
    state: RequestState
    received_at: datetime
    filed_by: str
    filed_at: datetime
    identity: Identity
    verified_by: str | None
    verified_at: datetime | None
    record_key: str
    key_destroyed_at: datetime | None
    canonical_id: str | None
    due_on: date
    due_because: str
    extended_by: str | None
    extended_at: datetime | None
    extension_reason: str | None
    paused_at: datetime | None
    paused_days: int
    plan_id: str | None
    approved_by: str | None
    approved_at: datetime | None
    closed_at: datetime | None
    closed_by: str | None
    justification: str | None
    note: str | None

    @property
    def is_verified(self) -> bool:
        """Whether it is known that the person asks."""
        return is_verified(self.identity)

    def is_overdue(self, today: date) -> bool:
        """Whether the last day to answer on has passed without one; it stays executable."""
        return self.state in UNANSWERED and self.paused_at is None and self.due_on < today


def read_case(session: Session, request_id: str, *, held: bool = False) -> Case:
    """One case (rules 1 and 2). Raises NotFoundError."""
    query = select(_request).where(_request.c.id == request_id, in_projects(session))
    row = session.execute(query.with_for_update() if held else query).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no request {request_id[:80]!r}.",
            remedy="See GET /api/v1/erasure-requests.",
            path="id",
        )
    return case_of(row)


def case_of(row: Any) -> Case:
    """A row of `erasure_request` as a value."""
    values = {name: getattr(row, name) for name in Case.__dataclass_fields__}
    return Case(
        **{
            **values,
            "right": Right(row.right),
            "regime": Regime(row.regime),
            "state": RequestState(row.state),
            "identity": Identity(row.identity),
            "due_on": date.fromisoformat(row.due_on),
        }
    )


def in_projects(session: Session) -> ColumnElement[bool]:
    """That a request belongs to a project in sight (rule 1)."""
    projects = scope_of(session).projects
    return true() if projects is None else _request.c.project_id.in_(sorted(projects))


def change_case(session: Session, case: Case, **values: object) -> Case:
    """Set columns of a case that is held; a `state` among them must follow from the one it is in.

    Raises ConflictError where it may not follow, or where somebody else moved it. Effects: one row;
    does not commit.
    """
    to = values.get("state")
    if isinstance(to, RequestState):
        require_turn(case.state, to, request_id=case.id)
        values["state"] = to.value
    mine = (_request.c.id == case.id) & (_request.c.state == case.state.value)
    if not changed_rows(session, update(_request).where(mine).values(values)):
        raise ConflictError(
            f"The request {case.id} was {case.state.value} and is so no more.",
            remedy="Read it again, and decide anew.",
        )
    return read_case(session, case.id)


def require_state(case: Case, *states: RequestState, to: str) -> None:
    """Raise ConflictError unless a case is in one of the states; `to` says what for."""
    if case.state not in states:
        raise ConflictError(
            f"The request {case.id} is {case.state.value}; {to} needs one that is "
            f"{' or '.join(each.value for each in states)}.",
            remedy=f"See GET /api/v1/erasure-requests/{case.id}.",
        )


def require_open(case: Case) -> None:
    """Raise ConflictError for a case that is over: what its certificates say is not changed."""
    if case.closed_at is not None:
        raise ConflictError(
            f"The request {case.id} is {case.state.value} since {case.closed_at:%Y-%m-%d}.",
            remedy="Its certificates stand; what comes later is another request.",
        )


def require_verified(case: Case, *, to: str) -> None:
    """Raise ConflictError while it is not known that the person asks (case 11)."""
    if not case.is_verified:
        raise ConflictError(
            f"Nobody verified who asks in the request {case.id}; {to} needs that.",
            remedy=f"Verify the identity first: registry erasure verify {case.id} --method …",
        )


def require_words(given: str, *, path: str, limit: int = TEXT_LIMIT) -> str:
    """The text itself. Raises InvalidInputError for an empty one, too long a one, or NUL."""
    if given.strip() and len(given) <= limit and "\x00" not in given:
        return given
    raise InvalidInputError(
        f"{path} has {len(given)} characters that can be kept; it needs 1 to {limit}.",
        remedy="Say it in a few words, without the person's name or address.",
        path=path,
    )


def take_turn(session: Session) -> None:
    """Be the only one who files, verifies or closes requests until this transaction ends (rule 3).

    On SQLite a write transaction is alone already; PostgreSQL has an advisory lock for it.
    """
    if session.connection().dialect.name != "sqlite":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
