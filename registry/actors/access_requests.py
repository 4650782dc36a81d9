"""Just-in-time access: somebody asks for a role for a while, another person decides.

Rules:
1. A request says which role, where, why and for how long; how long is at most a year. What it asks
   for begins with the approval and ends by itself.
2. Who asked does not decide (the caller's rule, `policies/roles.csv`); a request is decided once.
3. An approval is a binding, under the same rules as any other: conflicting roles are refused.
4. Asking, approving and denying are audit entries in the same transaction. The reason is kept with
   the request and not in the entry, because people write names into reasons.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlmodel import Session

from registry.actors.bindings import EVERY_PROJECT, Conflicts, Grant, grant_role
from registry.actors.tables import AccessRequest, Account, Project, RequestState, Role
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.durations import parse_duration
from registry.errors import ConflictError, InvalidInputError, NotFoundError
from registry.ids import fresh_id
from registry.storage.columns import changed_rows, table_of

LONGEST = parse_duration("P1Y", path="for")
_TEXT_LIMIT = 2_000
_request = table_of(AccessRequest)
_account, _project = table_of(Account), table_of(Project)


@dataclass(frozen=True, slots=True)
class Wish:
    """What an account asks for: a role in a project (by id, or `*`), or for a dataset's lineage.

    `duration` is ISO 8601.
    """

    account_id: str
    role: Role
    project_id: str
    scope_id: bytes
    scope: str
    duration: str
    why: str


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request as it is shown. `project` is a name or `*`; `scope` is empty, or a node id."""

    id: str
    account_id: str
    account: str
    role: Role
    project_id: str
    project: str
    scope_id: bytes
    scope: str
    duration: str
    why: str
    state: RequestState
    asked_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    note: str | None
    binding_id: str | None


def ask_for_access(session: Session, wish: Wish, *, now: datetime) -> RequestView:
    """File a request (rules 1 and 4). Raises InvalidInputError for what cannot be asked for.

    Effects: one row, one entry; does not commit.
    """
    _require_text(wish.why, path="why")
    ends = parse_duration(wish.duration, path="for").after(now)
    if not now < ends <= LONGEST.after(now):
        raise InvalidInputError(
            f"The access would last {wish.duration}; it may last more than nothing and {LONGEST} "
            "at most.",
            remedy="Give a shorter ISO 8601 duration, such as P7D.",
            path="for",
        )
    row = {
        "id": fresh_id(),
        "account_id": wish.account_id,
        "project_id": wish.project_id,
        "role": wish.role,
        "scope_id": wish.scope_id,
        "scope": wish.scope,
        "duration": wish.duration,
        "why": wish.why,
        "state": RequestState.WAITING,
        "asked_at": now,
    }
    session.execute(_request.insert().values(row))
    facts = {"request": row["id"], "role": wish.role.value, "project": wish.project_id}
    entry = Entry(EntryKind.ACCESS_REQUESTED, wish.account_id, facts)
    append_entries(session, [entry], at=now)
    return show_request(session, str(row["id"]))


def _require_text(text: str, *, path: str) -> None:
    if text.strip() and len(text) <= _TEXT_LIMIT and "\x00" not in text:
        return
    raise InvalidInputError(
        f"A reason of {len(text)} characters cannot be kept.",
        remedy=f"Give 1 to {_TEXT_LIMIT} characters that say why.",
        path=path,
    )


def approve_request(
    session: Session, request_id: str, *, conflicts: Conflicts, actor: str, now: datetime
) -> RequestView:
    """Approve a request: its binding begins now (rules 1 and 3).

    Raises NotFoundError, or ConflictError where it is decided already or the role conflicts with
    one that its account holds. Effects: rows and entries; does not commit.
    """
    view = show_request(session, request_id)
    until = parse_duration(view.duration, path="for").after(now)
    _decide(session, view, RequestState.APPROVED, note=None, actor=actor, now=now)
    grant = Grant(view.account_id, view.project_id, view.role, until, view.scope_id, view.scope)
    binding = grant_role(session, grant, conflicts=conflicts, actor=actor, now=now)
    mine = _request.c.id == view.id
    session.execute(update(_request).where(mine).values(binding_id=binding))
    facts = {"request": view.id, "binding": binding}
    append_entries(session, [Entry(EntryKind.ACCESS_APPROVED, actor, facts)], at=now)
    return show_request(session, view.id)


def deny_request(
    session: Session, request_id: str, *, note: str, actor: str, now: datetime
) -> RequestView:
    """Deny a request, with the reason. Raises as `approve_request`, and InvalidInputError.

    Effects: one row, one entry; does not commit.
    """
    _require_text(note, path="why")
    view = show_request(session, request_id)
    _decide(session, view, RequestState.DENIED, note=note, actor=actor, now=now)
    entry = Entry(EntryKind.ACCESS_DENIED, actor, {"request": view.id})
    append_entries(session, [entry], at=now)
    return show_request(session, view.id)


def _decide(
    session: Session,
    view: RequestView,
    state: RequestState,
    *,
    note: str | None,
    actor: str,
    now: datetime,
) -> None:
    waiting = (_request.c.id == view.id) & (_request.c.state == RequestState.WAITING)
    values = {"state": state, "decided_at": now, "decided_by": actor, "note": note}
    if changed_rows(session, update(_request).where(waiting).values(values)) != 1:
        found = show_request(session, view.id)
        raise ConflictError(
            f"The request {view.id} is {found.state} already.",
            remedy="File a new one: registry access request.",
        )


def show_request(session: Session, request_id: str) -> RequestView:
    """One request by its id. Raises NotFoundError."""
    rows = _rows(session, _request.c.id == request_id) if request_id.isprintable() else []
    if not rows:
        raise missing_request(request_id)
    return rows[0]


def missing_request(request_id: str) -> NotFoundError:
    """The error for a request that is not there, or that the actor may not see."""
    return NotFoundError(
        f"There is no access request {request_id[:100]!r}.", remedy="See: registry access list."
    )


def list_requests(
    session: Session,
    *,
    account_id: str,
    projects: Collection[str] | None,
    state: RequestState | None = None,
    limit: int,
) -> tuple[list[RequestView], int]:
    """The newest requests of an account, and those about projects (by id; None: all of them).

    Gives them, and how many there are in all. Cost: two queries.
    """
    chosen: ColumnElement[bool] = _request.c.id != ""
    if projects is not None:
        mine = _request.c.account_id == account_id
        chosen = or_(mine, _request.c.project_id.in_(sorted(projects)))
    if state is not None:
        chosen = chosen & (_request.c.state == state)
    total = session.execute(select(func.count()).select_from(_request).where(chosen)).scalar_one()
    return _rows(session, chosen, limit=limit), total


def _rows(
    session: Session, chosen: ColumnElement[bool], *, limit: int | None = None
) -> list[RequestView]:
    query = (
        select(_request, _account.c.name, _project.c.name.label("project_name"))
        .join(_account, _account.c.id == _request.c.account_id)
        .outerjoin(_project, _project.c.id == _request.c.project_id)
        .where(chosen)
        .order_by(_request.c.id.desc())
        .limit(limit)
    )
    return [_view(row) for row in session.execute(query)]


def _view(row: Any) -> RequestView:
    return RequestView(
        row.id,
        row.account_id,
        row.name,
        Role(row.role),
        row.project_id,
        row.project_name or EVERY_PROJECT,
        bytes(row.scope_id),
        row.scope,
        row.duration,
        row.why,
        RequestState(row.state),
        row.asked_at,
        row.decided_at,
        row.decided_by,
        row.note,
        row.binding_id,
    )
