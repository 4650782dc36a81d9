"""Cases read: lists, one with everything about it, and counts.

Rules:
1. A confined session sees the requests of its projects (`registry.erasure.case.cases`).
2. *extended* and *overdue* are computed from dates whenever somebody looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlmodel import Session

from registry.catalog.paging import Cut, Page, cursor_moment, decode_cursor, page_of
from registry.erasure.case.cases import UNANSWERED, Case, case_of, in_projects
from registry.erasure.lifecycle import RequestState, Right
from registry.erasure.tables import ErasureCertificate, ErasureRequest
from registry.errors import NotFoundError
from registry.moments import to_micros
from registry.storage.columns import table_of

_request, _certificate = table_of(ErasureRequest), table_of(ErasureCertificate)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which requests are wanted; None: whatever. `due_before` leaves that day out."""

    state: RequestState | None = None
    right: Right | None = None
    overdue: bool | None = None
    due_before: date | None = None
    project_id: str | None = None


@dataclass(frozen=True, slots=True)
class CertificateView:
    """A certificate that was issued; `is_signed`: its envelope can be had."""

    number: int
    outcome: str
    issued_at: datetime
    is_signed: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How many requests are in each state, and how many are late or soon due."""

    states: dict[RequestState, int]
    overdue: int
    due_soon: int
    next_due: date | None


def list_cases(session: Session, cut: Cut, wanted: Filter, *, today: date) -> Page[Case]:
    """Requests, the last received first."""
    chosen = [in_projects(session), *_conditions(wanted, today)]
    query = select(_request).where(*chosen)
    if cut.cursor is not None:
        at, key = decode_cursor("erasure-requests", cut.cursor, (int, str))
        moment = cursor_moment(at)
        earlier = _request.c.received_at < moment
        query = query.where(
            or_(earlier, (_request.c.received_at == moment) & (_request.c.id < key))
        )
    query = query.order_by(_request.c.received_at.desc(), _request.c.id.desc())
    rows = session.execute(query.offset(cut.offset).limit(cut.limit + 1)).all()
    total = session.execute(select(func.count()).select_from(_request).where(*chosen)).scalar_one()
    page = page_of(
        rows, cut, total, "erasure-requests", lambda row: (to_micros(row.received_at), row.id)
    )
    return page.map([case_of(row) for row in page.items])


def _conditions(wanted: Filter, today: date) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = []
    if wanted.state is not None:
        chosen.append(_request.c.state == wanted.state.value)
    if wanted.right is not None:
        chosen.append(_request.c.right == wanted.right.value)
    if wanted.project_id is not None:
        chosen.append(_request.c.project_id == wanted.project_id)
    if wanted.due_before is not None:
        chosen += [_awaited(), _request.c.due_on < wanted.due_before.isoformat()]
    if wanted.overdue is not None:
        late = overdue_sql(today)
        chosen.append(late if wanted.overdue else ~late)
    return chosen


def _awaited() -> ColumnElement[bool]:
    """That the person still waits for an answer."""
    return _request.c.state.in_(sorted(each.value for each in UNANSWERED))


def overdue_sql(today: date) -> ColumnElement[bool]:
    """`Case.is_overdue`, in SQL. ISO dates compare as texts."""
    return _awaited() & _request.c.paused_at.is_(None) & (_request.c.due_on < today.isoformat())


def due_cases(session: Session, *, before: date) -> list[Case]:
    """Unanswered requests whose last day lies before a day and whose clock runs, by that day."""
    query = select(_request).where(in_projects(session), overdue_sql(before))
    ordered = query.order_by(_request.c.due_on, _request.c.id)
    return [case_of(row) for row in session.execute(ordered)]


def standing(session: Session, *, today: date, soon_days: int) -> Standing:
    """Counts over every request in sight. Cost: two queries."""
    seen = in_projects(session)
    by_state = select(_request.c.state, func.count()).where(seen).group_by(_request.c.state)
    states = {RequestState(row[0]): int(row[1]) for row in session.execute(by_state)}
    running = _awaited() & _request.c.paused_at.is_(None)
    soon = (today + timedelta(days=soon_days + 1)).isoformat()
    counts = select(
        func.count().filter(_request.c.due_on < today.isoformat()),
        func.count().filter(_request.c.due_on < soon),
        func.min(_request.c.due_on),
    ).where(seen, running)
    late, near, first = session.execute(counts).one()
    return Standing(
        {state: states.get(state, 0) for state in RequestState},
        overdue=late,
        due_soon=near - late,
        next_due=None if first is None else date.fromisoformat(first),
    )


def certificates_of(session: Session, request_id: str) -> list[CertificateView]:
    """The certificates of a request, in order."""
    query = select(_certificate).where(_certificate.c.request_id == request_id)
    return [
        CertificateView(row.number, row.outcome, row.issued_at, row.envelope is not None)
        for row in session.execute(query.order_by(_certificate.c.number))
    ]


def read_envelope(session: Session, case: Case, number: int | None = None) -> bytes:
    """The signed envelope of a request's newest certificate, or of the one with that number.

    Raises NotFoundError where there is none.
    """
    mine = (_certificate.c.request_id == case.id) & _certificate.c.envelope.is_not(None)
    if number is not None:
        mine &= _certificate.c.number == number
    query = select(_certificate.c.envelope).where(mine).order_by(_certificate.c.number.desc())
    found: Any = session.execute(query.limit(1)).scalar_one_or_none()
    if found is None:
        which = "no certificate" if number is None else f"no certificate {number}"
        raise NotFoundError(
            f"The request {case.id} has {which}.",
            remedy="A certificate is issued when the request comes to an end.",
            path="number",
        )
    return bytes(found)
