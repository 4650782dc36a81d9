"""Sessions: browsers of people who are logged in.

Rules (OWASP ASVS 5.0 §7; NIST SP 800-63B §5):
1. A session's id is 256 random bits, given to the browser once; its SHA-256 is what rests here.
2. It ends by itself after a time without use, and after a time in all; whoever logs out ends it,
   and may end every session of the account. An ended session's row is gone.
3. Unknown, ended and expired get one and the same answer.
4. A session acts in the project `default` where its account has a role there, else in the first
   project by name where it has one.
5. Beginnings and ends are audit entries in the same transaction.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update
from sqlmodel import Session

from registry.actors.accounts import Actor
from registry.actors.bindings import EVERY_PROJECT, NO_SCOPE
from registry.actors.claims import DEFAULT_PROJECT
from registry.actors.person_tables import WebSession
from registry.actors.tables import Account, Project, Role, RoleBinding
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.errors import UnauthenticatedError
from registry.ids import fresh_id, token_digest
from registry.storage.columns import changed_rows, table_of

_CSRF = b"registry/csrf"
_SECRET_LIMIT = 100
_session, _account = table_of(WebSession), table_of(Account)
_binding, _project = table_of(RoleBinding), table_of(Project)


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session lasts: without use, and in all."""

    idle: timedelta
    total: timedelta


@dataclass(frozen=True, slots=True)
class ProjectRoles:
    """The roles that an account has in a project (by name; `*` is every one)."""

    project_id: str
    project: str
    roles: tuple[Role, ...]


def new_secret() -> str:
    """256 random bits as 43 characters of base64url."""
    return secrets.token_urlsafe(32)


def csrf_token(secret: str) -> str:
    """What a change by this session carries besides its cookie; another site cannot know it."""
    digest = hmac.digest(secret.encode(), _CSRF, hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def is_csrf_token(secret: str, given: str) -> bool:
    """Whether that is the session's token; takes the same time for every answer."""
    return hmac.compare_digest(csrf_token(secret).encode(), given.encode("utf-8", "replace"))


def start_session(
    session: Session, account_id: str, *, how: str, limits: SessionLimits, now: datetime
) -> str:
    """Begin a session of an account; give its secret, which is kept nowhere.

    `how`: `password`, `provider` or `setup`. Effects: a row, an entry; sessions that have expired
    are removed; does not commit.
    """
    secret = new_secret()
    row = {
        "id": fresh_id(),
        "account_id": account_id,
        "digest": token_digest(secret),
        "created_at": now,
        "seen_at": now,
        "expires_at": now + limits.total,
    }
    session.execute(delete(_session).where(_session.c.expires_at <= now))
    session.execute(_session.insert().values(row))
    facts = {"account": account_id, "session": row["id"], "how": how}
    append_entries(session, [Entry(EntryKind.SESSION_STARTED, account_id, facts)], at=now)
    return secret


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session as it rests, with its actor; `seen_at` is at most a minute behind."""

    actor: Actor
    seen_at: datetime
    expires_at: datetime


def read_session(session: Session, secret: str, *, now: datetime) -> LiveSession:
    """The session of a cookie, whether it idles or not. Raises UnauthenticatedError (rule 3).

    Cost: three indexed look-ups.
    """
    query = (
        select(_session, _account.c.name)
        .join(_account, _account.c.id == _session.c.account_id)
        .where(_session.c.digest == token_digest(secret[:_SECRET_LIMIT]))
    )
    found = session.execute(query).one_or_none()
    if found is None or found.expires_at <= now:
        raise no_session()
    project_id, project, roles = _acting(session, found.account_id, now=now)
    actor = Actor(found.account_id, found.name, project_id, project, roles, found.id)
    return LiveSession(actor, found.seen_at, found.expires_at)


def no_session() -> UnauthenticatedError:
    """The one answer of rule 3."""
    return UnauthenticatedError(
        "The session is unknown, or has ended.", remedy="Log in again at /log-in."
    )


def _acting(
    session: Session, account_id: str, *, now: datetime
) -> tuple[str, str, frozenset[Role]]:
    """Project (id and name) and roles by rule 4."""
    held = roles_by_project(session, account_id, now=now)
    everywhere = {role for one in held if one.project == EVERY_PROJECT for role in one.roles}
    named = sorted(
        (one for one in held if one.project != EVERY_PROJECT),
        key=lambda one: (one.project != DEFAULT_PROJECT, one.project),
    )
    if named and (named[0].project == DEFAULT_PROJECT or not everywhere):
        first = named[0]
        return first.project_id, first.project, frozenset(everywhere.union(first.roles))
    query = select(_project.c.id).where(_project.c.name == DEFAULT_PROJECT)
    return str(session.execute(query).scalar_one()), DEFAULT_PROJECT, frozenset(everywhere)


def roles_by_project(session: Session, account_id: str, *, now: datetime) -> list[ProjectRoles]:
    """The roles of an account that hold now, by the project's name. Cost: one query."""
    query = (
        select(_binding.c.project_id, _project.c.name, _binding.c.role)
        .outerjoin(_project, _project.c.id == _binding.c.project_id)
        .where(
            _binding.c.account_id == account_id,
            _binding.c.scope_id == NO_SCOPE,
            or_(_binding.c.expires_at.is_(None), _binding.c.expires_at > now),
        )
    )
    found: dict[tuple[str, str], set[Role]] = {}
    for project_id, name, role in session.execute(query):
        found.setdefault((name or EVERY_PROJECT, project_id), set()).add(Role(role))
    return [
        ProjectRoles(project_id, name, tuple(sorted(found[name, project_id])))
        for name, project_id in sorted(found)
    ]


def note_session_uses(session: Session, used: Mapping[str, datetime]) -> None:
    """Remember when sessions (by id) were last used. Effects: does not commit."""
    for session_id, at in sorted(used.items()):
        mine = (_session.c.id == session_id) & (_session.c.seen_at < at)
        session.execute(update(_session).where(mine).values(seen_at=at))


def end_session(session: Session, session_id: str, *, actor: str, now: datetime) -> bool:
    """End one session; False where it had ended. Effects: a row less, an entry; does not commit."""
    if changed_rows(session, delete(_session).where(_session.c.id == session_id)) != 1:
        return False
    facts = {"account": actor, "session": session_id}
    append_entries(session, [Entry(EntryKind.SESSION_ENDED, actor, facts)], at=now)
    return True


def end_all_sessions(session: Session, account_id: str, *, actor: str, now: datetime) -> int:
    """End every session of an account; give how many. Effects: rows, an entry; does not commit."""
    ended = changed_rows(session, delete(_session).where(_session.c.account_id == account_id))
    facts = {"account": account_id, "sessions": ended}
    append_entries(session, [Entry(EntryKind.SESSIONS_ENDED, actor, facts)], at=now)
    return ended
