"""Role bindings: who has which role in which project, until when, and on whose word.

Rules:
1. A binding holds in one project or, with `*`, in every one; without end or until a moment, after
   which it is as if it were not there. One with a scope holds for that dataset's lineage alone.
2. Nobody holds both roles of a conflicting pair in one project (static separation of duties);
   `*` meets every project. Which pairs conflict is the caller's to say (`policies/roles.csv`).
3. Every change counts the access revision up in its own transaction, so that every process sees it
   within a second, and is an audit entry.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, or_, select, update
from sqlmodel import Session

from registry.actors.tables import AccessRevision, Account, Project, Role, RoleBinding
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.errors import ConflictError, InvalidInputError, NotFoundError
from registry.ids import fresh_id
from registry.storage.columns import changed_rows, insert_unless_there, table_of

EVERY_PROJECT = "*"
NO_SCOPE = b""
Conflicts = Collection[frozenset[Role]]
_account, _project = table_of(Account), table_of(Project)
_binding, _revision = table_of(RoleBinding), table_of(AccessRevision)


@dataclass(frozen=True, slots=True)
class BindingView:
    """A binding as it is shown. `project` is a name or `*`; `scope` is empty, or a node id."""

    id: str
    account: str
    role: Role
    project: str
    scope: str
    granted_by: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Grant:
    """A role to be given to an account (by id) in a project (by id, or `*`).

    With a scope (the id of a dataset, and its node id) it is confined to that dataset's lineage.
    """

    account_id: str
    project_id: str
    role: Role
    until: datetime | None = None
    scope_id: bytes = NO_SCOPE
    scope: str = ""


def count_access_change(session: Session) -> None:
    """Count the access revision up (rule 3). Effects: one row; does not commit."""
    if not insert_unless_there(session, _revision, {"id": 1, "revision": 1}):
        session.execute(update(_revision).values(revision=_revision.c.revision + 1))


def access_revision(session: Session) -> int:
    """The revision of bindings and projects; 0 where there never was one. Cost: one row."""
    return int(session.execute(select(_revision.c.revision)).scalar_one_or_none() or 0)


def project_id_of(session: Session, name: str) -> str:
    """The id of a project by its name; `*` stays `*`. Raises NotFoundError."""
    if name == EVERY_PROJECT:
        return EVERY_PROJECT
    # A database may refuse text that is not printable, and no project is named so.
    query = select(_project.c.id).where(_project.c.name == name)
    found = session.execute(query).scalar_one_or_none() if name.isprintable() else None
    if found is None:
        raise NotFoundError(
            f"There is no project {name[:100]!r}.",
            remedy="See: registry project list.",
            path="project",
        )
    return str(found)


def account_names(session: Session, ids: Collection[str]) -> dict[str, str]:
    """The names of these accounts by id, as far as they exist. Cost: one query."""
    query = select(_account.c.id, _account.c.name).where(_account.c.id.in_(sorted(ids)))
    return {row[0]: row[1] for row in session.execute(query)}


def account_id_of(session: Session, name: str) -> str:
    """The id of an account by its name. Raises NotFoundError."""
    query = select(_account.c.id).where(_account.c.name == name)
    found = session.execute(query).scalar_one_or_none() if name.isprintable() else None
    if found is None:
        raise NotFoundError(
            f"There is no account {name[:100]!r}.",
            remedy="Accounts are made with their first token: registry token create NAME.",
            path="account",
        )
    return str(found)


def grant_role(
    session: Session, grant: Grant, *, conflicts: Conflicts, actor: str, now: datetime
) -> str:
    """Give an account a role (rules 1 to 3); give the binding's id.

    One that is there already takes the later end of the two. Raises ConflictError for a conflicting
    pair, InvalidInputError for an end in the past. Effects: a row, an entry; does not commit.
    """
    if grant.until is not None and grant.until <= now:
        raise InvalidInputError(
            f"The binding would end at {grant.until:%Y-%m-%d %H:%M} UTC, in the past.",
            remedy="Give a duration from now, such as P7D.",
            path="expires",
        )
    _refuse_conflict(session, grant, conflicts, now=now)
    same = (
        (_binding.c.account_id == grant.account_id)
        & (_binding.c.project_id == grant.project_id)
        & (_binding.c.role == grant.role)
        & (_binding.c.scope_id == grant.scope_id)
    )
    row = {
        "id": fresh_id(),
        "account_id": grant.account_id,
        "project_id": grant.project_id,
        "role": grant.role,
        "scope_id": grant.scope_id,
        "scope": grant.scope,
        "granted_by": actor,
        "expires_at": grant.until,
        "created_at": now,
    }
    if not insert_unless_there(session, _binding, row):
        held = session.execute(select(_binding).where(same).with_for_update()).one()
        until = grant.until
        if until is not None and (held.expires_at is None or held.expires_at > until):
            until = held.expires_at
        values = {"expires_at": until, "granted_by": actor}
        session.execute(update(_binding).where(same).values(values))
        row["id"] = held.id
    count_access_change(session)
    facts = _facts(grant) | {"binding": row["id"]}
    append_entries(session, [Entry(EntryKind.BINDING_ADDED, actor, facts)], at=now)
    return str(row["id"])


def _facts(grant: Grant) -> dict[str, object]:
    facts: dict[str, object] = {
        "account": grant.account_id,
        "project": grant.project_id,
        "role": grant.role.value,
        "until": None if grant.until is None else grant.until.isoformat(),
    }
    return facts | ({"scope": grant.scope_id.hex()} if grant.scope_id else {})


def _refuse_conflict(
    session: Session, grant: Grant, conflicts: Conflicts, *, now: datetime
) -> None:
    against = {role for pair in conflicts if grant.role in pair for role in pair} - {grant.role}
    if not against:
        return
    # Two roles given at once would not see each other: the revision's row makes them take turns.
    count_access_change(session)
    query = _live(
        select(_binding.c.role, _binding.c.project_id).where(
            _binding.c.account_id == grant.account_id, _binding.c.role.in_(sorted(against))
        ),
        now,
    )
    if grant.project_id != EVERY_PROJECT:
        query = query.where(_binding.c.project_id.in_([grant.project_id, EVERY_PROJECT]))
    held = session.execute(query.order_by(_binding.c.role)).first()
    if held is not None:
        name = session.execute(
            select(_account.c.name).where(_account.c.id == grant.account_id)
        ).scalar_one()
        raise ConflictError(
            f"{name} is {held.role} and cannot be {grant.role} in the same project: the two roles "
            "conflict.",
            remedy="Give one of them to another account, or take the other away first: "
            "registry binding remove.",
            path="role",
        )


def _live(query: Select[Any], now: datetime) -> Select[Any]:
    return query.where(or_(_binding.c.expires_at.is_(None), _binding.c.expires_at > now))


def list_bindings(
    session: Session, *, now: datetime, account: str | None = None, ended: bool = False
) -> list[BindingView]:
    """The bindings of an account (by name) or of all, by account, project and role.

    Those that have ended only with `ended`. Cost: one query.
    """
    query = (
        select(_binding, _account.c.name, _project.c.name.label("project_name"))
        .join(_account, _account.c.id == _binding.c.account_id)
        .outerjoin(_project, _project.c.id == _binding.c.project_id)
        .order_by(_account.c.name, _project.c.name, _binding.c.role, _binding.c.id)
    )
    if account is not None:
        query = query.where(_binding.c.account_id == account_id_of(session, account))
    return [_view(row) for row in session.execute(query if ended else _live(query, now))]


def _view(row: Any) -> BindingView:
    return BindingView(
        row.id,
        row.name,
        Role(row.role),
        row.project_name or EVERY_PROJECT,
        row.scope,
        row.granted_by,
        row.created_at,
        row.expires_at,
    )


def show_binding(session: Session, binding_id: str) -> BindingView:
    """One binding by its id, whether it has ended or not. Raises NotFoundError."""
    query = (
        select(_binding, _account.c.name, _project.c.name.label("project_name"))
        .join(_account, _account.c.id == _binding.c.account_id)
        .outerjoin(_project, _project.c.id == _binding.c.project_id)
        .where(_binding.c.id == binding_id)
    )
    row = session.execute(query).one_or_none() if binding_id.isprintable() else None
    if row is None:
        raise NotFoundError(
            f"There is no binding {binding_id[:100]!r}.", remedy="See: registry binding list."
        )
    return _view(row)


def remove_binding(session: Session, binding_id: str, *, actor: str, now: datetime) -> BindingView:
    """Take a binding away at once; give what it was. Raises NotFoundError.

    Effects: one row less, one entry; does not commit.
    """
    view = show_binding(session, binding_id)
    if changed_rows(session, delete(_binding).where(_binding.c.id == binding_id)) != 1:
        raise NotFoundError(
            f"There is no binding {binding_id[:100]!r}.", remedy="See: registry binding list."
        )
    count_access_change(session)
    facts = {"binding": view.id, "role": view.role.value, "project": view.project}
    append_entries(session, [Entry(EntryKind.BINDING_REMOVED, actor, facts)], at=now)
    return view


@dataclass(frozen=True, slots=True)
class Held:
    """A live binding as decisions need it."""

    account_id: str
    project_id: str
    role: Role
    scope_id: bytes
    until: datetime | None


def live_bindings(session: Session, *, now: datetime) -> list[Held]:
    """Every binding that has not ended. Cost: one query."""
    columns = ("account_id", "project_id", "role", "scope_id", "expires_at")
    query = _live(select(*(_binding.c[name] for name in columns)), now)
    rows = session.execute(query)
    return [Held(row[0], row[1], Role(row[2]), bytes(row[3]), row[4]) for row in rows]


def roles_held(
    session: Session, account_id: str, project_id: str, *, now: datetime
) -> frozenset[Role]:
    """The roles an account holds in a project at that time, with those it holds in every one.

    Roles that are confined to a dataset's lineage are not among them.
    """
    query = _live(
        select(_binding.c.role).where(
            _binding.c.account_id == account_id,
            _binding.c.project_id.in_([project_id, EVERY_PROJECT]),
            _binding.c.scope_id == NO_SCOPE,
        ),
        now,
    )
    return frozenset(Role(role) for role in session.execute(query).scalars())


def take_roles(
    session: Session, account: str, *, but: Iterable[Role], project_id: str
) -> list[str]:
    """Take from an account (by name) its roles in a project and in every one; give what it lost.

    Effects: rows; neither an entry nor a commit, which are the caller's.
    """
    holder = select(_account.c.id).where(_account.c.name == account).scalar_subquery()
    lost = (
        (_binding.c.account_id == holder)
        & _binding.c.project_id.in_([project_id, EVERY_PROJECT])
        & _binding.c.role.not_in([role.value for role in but])
    )
    roles = sorted(set(session.execute(select(_binding.c.role).where(lost)).scalars()))
    session.execute(delete(_binding).where(lost))
    count_access_change(session)
    return roles
