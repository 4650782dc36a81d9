"""Accounts of people, and the roles that the provider's groups give them.

Rules:
1. A person of the provider is known by issuer and subject alone (OpenID Connect Core §5.7), never
   by name or e-mail address, which people can change. The row holds a keyed digest of the two.
2. An account's name is unique: where somebody else has it, a part of the account's id is added.
3. Roles from groups are made anew at each log-in: what the groups no longer give is taken away;
   what a person here granted stays. Roles that conflict in one project refuse the log-in.
4. Every change is an audit entry in the same transaction, with ids and pseudonyms only.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, or_, select
from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.actors.bindings import (
    EVERY_PROJECT,
    NO_SCOPE,
    Conflicts,
    Grant,
    count_access_change,
    grant_role,
)
from registry.actors.person_tables import PersonIdentity, ProviderBinding
from registry.actors.tables import Account, AccountKind, Project, Role, RoleBinding
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.errors import ConflictError
from registry.ids import fresh_id
from registry.storage.columns import insert_unless_there, table_of

NAME_LIMIT = 200
_account, _project, _binding = table_of(Account), table_of(Project), table_of(RoleBinding)
_identity, _mark = table_of(PersonIdentity), table_of(ProviderBinding)
_log = logging.getLogger(__name__)
_Grants = frozenset[tuple[str, Role]]


@dataclass(frozen=True, slots=True)
class Person:
    """Who the provider says logs in. `pseudonym`: keyed digest (rule 1); `grants`: (project's name,
    role) pairs of their groups.
    """

    pseudonym: bytes
    name: str
    grants: frozenset[tuple[str, Role]]


def account_of(session: Session, pseudonym: bytes) -> str | None:
    """The account of somebody who has logged in before, or None."""
    query = select(_identity.c.account_id).where(_identity.c.pseudonym == pseudonym)
    found = session.execute(query).scalar_one_or_none()
    return None if found is None else str(found)


def admit_person(session: Session, person: Person, *, conflicts: Conflicts, now: datetime) -> str:
    """The account of a person, made if it is new, with the roles of their groups (rule 3).

    Raises ConflictError where two of their roles conflict. Effects: rows and entries; does not
    commit.
    """
    account_id = account_of(session, person.pseudonym)
    if account_id is None:
        account_id = make_person(session, person.name, now=now, pseudonym=person.pseudonym)
    _remake_roles(session, account_id, person.grants, conflicts=conflicts, now=now)
    return account_id


def make_person(
    session: Session, name: str, *, now: datetime, pseudonym: bytes | None = None
) -> str:
    """Make an account of the kind `person`; give its id (rule 2).

    Effects: one or two rows, an entry; does not commit.
    """
    account_id = fresh_id()
    name = "".join(each for each in name if each.isprintable()).strip()[: NAME_LIMIT - 16]
    name = name or f"person-{account_id[-8:]}"
    row = {"id": account_id, "name": name, "kind": AccountKind.PERSON, "created_at": now}
    if not insert_unless_there(session, _account, row):
        row["name"] = f"{name} ({account_id[-8:]})"
        session.execute(_account.insert().values(row))
    facts: dict[str, object] = {"account": account_id, "kind": AccountKind.PERSON.value}
    if pseudonym is not None:
        identity = {"pseudonym": pseudonym, "account_id": account_id, "created_at": now}
        if not insert_unless_there(session, _identity, identity):
            # The same person's other window was faster, this very moment.
            session.execute(delete(_account).where(_account.c.id == account_id))
            query = select(_identity.c.account_id).where(_identity.c.pseudonym == pseudonym)
            return str(session.execute(query).scalar_one())
        facts["identity"] = pseudonym.hex()
    entry = Entry(EntryKind.ACCOUNT_CREATED, account_id, facts)
    append_entries(session, [entry], at=now)
    return account_id


def _remake_roles(
    session: Session, account_id: str, grants: _Grants, *, conflicts: Conflicts, now: datetime
) -> None:
    wanted = _with_project_ids(session, grants)
    mine = _mark.c.account_id == account_id
    marked = frozenset(
        (project_id, Role(role))
        for project_id, role in session.execute(
            select(_mark.c.project_id, _mark.c.role).where(mine)
        )
    )
    held = _held(session, account_id, now=now)
    _refuse_conflicts(wanted | (held - marked), conflicts)
    lost, won = marked - wanted, wanted - held
    for project_id, role in sorted(lost):
        take_role(session, account_id, project_id, role)
        one = (_mark.c.project_id == project_id) & (_mark.c.role == role)
        session.execute(delete(_mark).where(mine, one))
    for project_id, role in sorted(won):
        give_role(session, account_id, project_id, role, now=now)
        mark = {"account_id": account_id, "project_id": project_id, "role": role}
        insert_unless_there(session, _mark, mark)
    if lost or won:
        facts = {"account": account_id, "given": _facts(won), "taken": _facts(lost)}
        entry = Entry(EntryKind.PROVIDER_ROLES_CHANGED, account_id, facts)
        append_entries(session, [entry], at=now)


def _with_project_ids(session: Session, grants: _Grants) -> _Grants:
    names = sorted({name for name, _role in grants if name.isprintable()})
    query = select(_project.c.name, _project.c.id).where(_project.c.name.in_(names))
    ids: dict[str, str] = {row[0]: row[1] for row in session.execute(query)}
    ids[EVERY_PROJECT] = EVERY_PROJECT
    for name in sorted(set(names) - set(ids)):
        _log.warning("a group gives roles in the project %r, which there is not", name)
    return frozenset((ids[name], role) for name, role in grants if name in ids)


def _held(session: Session, account_id: str, *, now: datetime) -> _Grants:
    live = or_(_binding.c.expires_at.is_(None), _binding.c.expires_at > now)
    query = select(_binding.c.project_id, _binding.c.role)
    mine = (_binding.c.account_id == account_id) & (_binding.c.scope_id == NO_SCOPE)
    rows = session.execute(query.where(mine, live))
    return frozenset((project_id, Role(role)) for project_id, role in rows)


def _refuse_conflicts(roles: Iterable[tuple[str, Role]], conflicts: Conflicts) -> None:
    by_project: dict[str, set[Role]] = {}
    for project_id, role in roles:
        by_project.setdefault(project_id, set()).add(role)
    everywhere = by_project.get(EVERY_PROJECT, set())
    for held in by_project.values():
        pair = next((pair for pair in conflicts if pair <= held | everywhere), None)
        if pair is not None:
            first, second = sorted(pair)
            raise ConflictError(
                f"Your groups make you {first} and {second} in one project, and the two conflict.",
                remedy="Have an administrator take you out of one of the groups.",
                path="groups",
            )


def _facts(roles: Iterable[tuple[str, Role]]) -> list[list[str]]:
    return [[project_id, role.value] for project_id, role in sorted(roles)]


def give_role(
    session: Session, account_id: str, project_id: str, role: Role, *, now: datetime
) -> None:
    """Give an account a role without end, in a project or in every one (`*`).

    Conflicts are the caller's to refuse. Effects: rows and an entry; does not commit.
    """
    grant = Grant(account_id, project_id, role)
    grant_role(session, grant, conflicts=(), actor=SYSTEM, now=now)


def take_role(session: Session, account_id: str, project_id: str, role: Role) -> None:
    """Take a role from an account. Effects: rows; neither an entry nor a commit."""
    one = (
        (_binding.c.account_id == account_id)
        & (_binding.c.project_id == project_id)
        & (_binding.c.role == role)
        & (_binding.c.scope_id == NO_SCOPE)
    )
    session.execute(delete(_binding).where(one))
    count_access_change(session)
