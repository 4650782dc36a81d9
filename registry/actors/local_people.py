"""The local administrator of a registry without a provider: set-up links and their password.

Rules:
1. A set-up link holds 256 random bits, of which the SHA-256 rests here. It is used once, ends after
   a day, and a new one ends those before it. Unknown, used and expired get one answer.
2. While the default project is not strict, the local administrator holds every role, as the first
   token does; else that of an administrator alone (CONTRACTS, "Roles and actions").
3. Setting a password ends every session of its account.
4. Each step is an audit entry in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlmodel import Session

from registry.actors.bindings import EVERY_PROJECT
from registry.actors.claims import DEFAULT_PROJECT
from registry.actors.people import give_role, make_person
from registry.actors.person_tables import LocalPassword, SetupLink
from registry.actors.sessions import end_all_sessions, new_secret
from registry.actors.tables import Account, Project, Role
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.errors import ConflictError, InvalidInputError, LogInError
from registry.ids import token_digest
from registry.storage.columns import changed_rows, insert_unless_there, table_of

LINK_LASTS = timedelta(days=1)
DEFAULT_NAME = "administrator"
_NAME_LIMIT = 100
_SECRET_LIMIT = 100
_link, _password = table_of(SetupLink), table_of(LocalPassword)
_account, _project = table_of(Account), table_of(Project)


@dataclass(frozen=True, slots=True)
class LocalPerson:
    """Somebody who logs in here. `encoded`: the argon2id hash of their password."""

    account_id: str
    name: str
    encoded: str


def local_administrator(session: Session) -> LocalPerson | None:
    """The one who was set up, or None where nobody was."""
    return _local(session, None)


def find_local(session: Session, name: str) -> LocalPerson | None:
    """Who logs in here under that name, or None."""
    return _local(session, name) if name.isprintable() and len(name) <= _NAME_LIMIT else None


def _local(session: Session, name: str | None) -> LocalPerson | None:
    query = (
        select(_account.c.id, _account.c.name, _password.c.encoded)
        .join(_password, _password.c.account_id == _account.c.id)
        .order_by(_account.c.id)
        .limit(1)
    )
    if name is not None:
        query = query.where(_account.c.name == name)
    found = session.execute(query).one_or_none()
    return None if found is None else LocalPerson(found.id, found.name, found.encoded)


def offer_setup(session: Session, *, actor: str, now: datetime) -> str:
    """Make a set-up link; give its secret, which is kept nowhere (rule 1).

    Effects: rows, an entry; does not commit.
    """
    secret = new_secret()
    session.execute(delete(_link))
    row = {"digest": token_digest(secret), "created_at": now, "expires_at": now + LINK_LASTS}
    session.execute(_link.insert().values(row))
    facts = {"until": (now + LINK_LASTS).isoformat()}
    append_entries(session, [Entry(EntryKind.SETUP_OFFERED, actor, facts)], at=now)
    return secret


def require_setup_link(session: Session, secret: str, *, now: datetime) -> None:
    """Raise LogInError unless the link may be used now (rule 1)."""
    live = (_link.c.digest == token_digest(secret[:_SECRET_LIMIT])) & (_link.c.expires_at > now)
    if session.execute(select(_link.c.digest).where(live)).first() is None:
        raise _no_link()


def _no_link() -> LogInError:
    return LogInError(
        "The set-up link is unknown, was used, or has expired.",
        remedy="Start the registry again, or say `registry setup-link`, for a new one.",
    )


def set_up(session: Session, secret: str, *, name: str, encoded: str, now: datetime) -> LocalPerson:
    """Use a set-up link: make the local administrator, or set their password anew.

    `name` is of no account to a link that sets a password anew. Raises LogInError (rule 1),
    InvalidInputError or ConflictError for a name that cannot be. Effects: rows, entries; does not
    commit.
    """
    live = (_link.c.digest == token_digest(secret[:_SECRET_LIMIT])) & (_link.c.expires_at > now)
    if changed_rows(session, delete(_link).where(live)) != 1:
        raise _no_link()
    known = local_administrator(session)
    account_id = known.account_id if known else _make_administrator(session, name.strip(), now=now)
    row = {"account_id": account_id, "encoded": encoded, "changed_at": now}
    if not insert_unless_there(session, _password, row):
        session.execute(update(_password).where(_password.c.account_id == account_id).values(row))
    kinds = (EntryKind.SETUP_DONE, EntryKind.PASSWORD_CHANGED)
    facts = {"account": account_id}
    append_entries(session, [Entry(kind, account_id, facts) for kind in kinds], at=now)
    end_all_sessions(session, account_id, actor=account_id, now=now)
    return LocalPerson(account_id, known.name if known else name.strip(), encoded)


def _make_administrator(session: Session, name: str, *, now: datetime) -> str:
    if not name or len(name) > _NAME_LIMIT or not name.isprintable():
        raise InvalidInputError(
            f"{name[:40]!r} is no name for an account.",
            remedy=f"Give 1 to {_NAME_LIMIT} printable characters.",
            path="name",
        )
    if session.execute(select(_account.c.id).where(_account.c.name == name)).first() is not None:
        raise ConflictError(
            f"There is an account {name!r} already.", remedy="Choose another name.", path="name"
        )
    account_id = make_person(session, name, now=now)
    project = session.execute(select(_project).where(_project.c.name == DEFAULT_PROJECT)).one()
    for role in (Role.ADMINISTRATOR,) if project.strict else Role:
        give_role(session, account_id, EVERY_PROJECT, role, now=now)
    return account_id


def change_password(session: Session, account_id: str, *, encoded: str, now: datetime) -> None:
    """Set the password of a local person anew (rule 3). Effects: rows, entries; does not commit."""
    values = {"encoded": encoded, "changed_at": now}
    session.execute(update(_password).where(_password.c.account_id == account_id).values(values))
    entry = Entry(EntryKind.PASSWORD_CHANGED, account_id, {"account": account_id})
    append_entries(session, [entry], at=now)
    end_all_sessions(session, account_id, actor=account_id, now=now)
