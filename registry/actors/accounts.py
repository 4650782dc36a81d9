"""Accounts and bearer tokens: who is it that calls?

Rules:
1. Every route but health needs a bearer token (RFC 6750 §2.1). Of a token only the SHA-256 is
   kept, so it is shown once; look-up by digest leaves nothing to compare in variable time.
2. An expired, revoked or unknown token gets one and the same answer.
3. A token belongs to one account and writes in one project; its roles are the account's bindings,
   which it shares with the account's other tokens. What an account may read follows from all its
   bindings, in whatever project.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlmodel import Session

from registry.actors.bindings import (
    EVERY_PROJECT,
    NO_SCOPE,
    Conflicts,
    Grant,
    grant_role,
    project_id_of,
    roles_held,
)
from registry.actors.tables import Account, AccountKind, Project, Role, RoleBinding, Token
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.errors import ConflictError, InvalidInputError, NotFoundError, UnauthenticatedError
from registry.ids import fresh_id, new_token, token_digest
from registry.storage.columns import insert_unless_there, table_of

SYSTEM = "system"
USE_RESOLUTION = timedelta(minutes=1)
_account, _token = table_of(Account), table_of(Token)
_binding, _project = table_of(RoleBinding), table_of(Project)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an account, within a project, with its roles there.

    `token_id` is what it authenticated by.
    """

    account_id: str
    name: str
    project_id: str
    project_name: str
    roles: frozenset[Role]
    token_id: str


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token as it may be shown: never the secret, only its first characters."""

    id: str
    account: str
    project: str
    roles: tuple[str, ...]
    hint: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def authenticate(session: Session, token: str, *, now: datetime) -> Actor:
    """The actor that a bearer token stands for.

    Raises UnauthenticatedError where it is malformed, unknown, expired or revoked (rule 2).
    Cost: three indexed look-ups.
    """
    query = (
        select(_token, _account.c.name, _project.c.name.label("project_name"))
        .join(_account, _account.c.id == _token.c.account_id)
        .join(_project, _project.c.id == _token.c.project_id)
        .where(_token.c.digest == token_digest(token))
    )
    found = session.execute(query).one_or_none()
    expired = found is not None and found.expires_at is not None and found.expires_at <= now
    if found is None or found.revoked_at is not None or expired:
        raise UnauthenticatedError(
            "The bearer token is unknown, expired or revoked.",
            remedy="Ask an administrator for a new one: registry token create NAME --role ROLE.",
        )
    return Actor(
        found.account_id,
        found.name,
        found.project_id,
        found.project_name,
        roles_held(session, found.account_id, found.project_id, now=now),
        found.id,
    )


def create_token(
    session: Session,
    *,
    name: str,
    roles: frozenset[Role],
    project: str,
    actor: str,
    now: datetime,
    expires_at: datetime | None = None,
    secret: str | None = None,
    conflicts: Conflicts = (),
    everywhere: bool = False,
) -> tuple[str, TokenView]:
    """Make a token for the service account `name` (made too if it is new); give (secret, view).

    `project` is a name; `everywhere` binds the roles in every project instead. Raises NotFoundError
    for a project that is not there, InvalidInputError for an empty account name, no role, or an end
    in the past, ConflictError where two of its roles are of a pair in `conflicts`. Effects: rows
    and entries; does not commit.
    """
    _check_token(name, roles, expires_at, now)
    project_id = _writable_project(session, project)
    account_id = _ensure_account(session, name, actor=actor, now=now)
    held_in = EVERY_PROJECT if everywhere else project_id
    for role in sorted(roles):
        grant = Grant(account_id, held_in, role)
        grant_role(session, grant, conflicts=conflicts, actor=actor, now=now)
    secret = secret or new_token()
    row = {
        "id": fresh_id(),
        "account_id": account_id,
        "project_id": project_id,
        "digest": token_digest(secret),
        "hint": secret[:8],
        "created_at": now,
        "expires_at": expires_at,
        "revoked_at": None,
        "last_used_at": None,
    }
    session.execute(_token.insert().values(row))
    facts = {"token": row["id"], "account": name, "project": project, "roles": sorted(roles)}
    append_entries(session, [Entry(EntryKind.TOKEN_CREATED, actor, facts)], at=now)
    return secret, token_view(session, str(row["id"]), now=now)


def _check_token(
    name: str, roles: frozenset[Role], expires_at: datetime | None, now: datetime
) -> None:
    if not name.strip() or len(name) > 200 or not name.isprintable():
        raise InvalidInputError(
            f"{name[:40]!r} is no name for an account.",
            remedy="Give 1 to 200 printable characters.",
            path="name",
        )
    if not roles:
        raise InvalidInputError(
            f"The token for {name!r} has no role.",
            remedy=f"Name at least one of: {', '.join(Role)}.",
            path="roles",
        )
    if expires_at is not None and expires_at <= now:
        raise InvalidInputError(
            f"The token for {name!r} would expire at {expires_at:%Y-%m-%d %H:%M} UTC, in the past.",
            remedy="Give a duration from now, such as P90D.",
            path="expires",
        )


def _writable_project(session: Session, name: str) -> str:
    if name == EVERY_PROJECT:
        raise InvalidInputError(
            "A token writes in one project, and * is all of them.",
            remedy="Name one; for a role in every project: registry binding add --project '*'.",
            path="project",
        )
    return project_id_of(session, name)


def _ensure_account(session: Session, name: str, *, actor: str, now: datetime) -> str:
    row = {"id": fresh_id(), "name": name, "kind": AccountKind.SERVICE, "created_at": now}
    if insert_unless_there(session, _account, row):
        facts = {"account": name, "kind": AccountKind.SERVICE.value}
        append_entries(session, [Entry(EntryKind.ACCOUNT_CREATED, actor, facts)], at=now)
    return str(session.execute(select(_account.c.id).where(_account.c.name == name)).scalar_one())


def list_tokens(session: Session, *, now: datetime) -> list[TokenView]:
    """Every token, the newest first. Cost: two queries."""
    return _token_views(session, None, now=now)


def token_view(session: Session, token_id: str, *, now: datetime) -> TokenView:
    """One token by its id. Raises NotFoundError."""
    found = _token_views(session, token_id, now=now) if token_id.isprintable() else []
    if not found:
        raise NotFoundError(
            f"There is no token {token_id[:100]!r}.", remedy="See: registry token list."
        )
    return found[0]


def _token_views(session: Session, token_id: str | None, *, now: datetime) -> list[TokenView]:
    """Every token, or the one with that id."""
    query = (
        select(_token, _account.c.name, _project.c.name.label("project_name"))
        .join(_account, _account.c.id == _token.c.account_id)
        .join(_project, _project.c.id == _token.c.project_id)
        .order_by(_token.c.created_at.desc(), _token.c.id.desc())
    )
    bindings = select(_binding).where(
        _binding.c.expires_at.is_(None) | (_binding.c.expires_at > now),
        _binding.c.scope_id == NO_SCOPE,
    )
    if token_id is not None:
        query = query.where(_token.c.id == token_id)
        owner = select(_token.c.account_id).where(_token.c.id == token_id).scalar_subquery()
        bindings = bindings.where(_binding.c.account_id == owner)
    roles: dict[tuple[str, str], set[str]] = {}
    for row in session.execute(bindings):
        roles.setdefault((row.account_id, row.project_id), set()).add(row.role)
    return [
        TokenView(
            row.id,
            row.name,
            row.project_name,
            tuple(
                sorted(
                    roles.get((row.account_id, row.project_id), set())
                    | roles.get((row.account_id, EVERY_PROJECT), set())
                )
            ),
            row.hint,
            row.created_at,
            row.expires_at,
            row.revoked_at,
            row.last_used_at,
        )
        for row in session.execute(query)
    ]


def revoke_token(session: Session, token_id: str, *, actor: str, now: datetime) -> TokenView:
    """Revoke a token for good. Raises NotFoundError, or ConflictError where it is revoked already.

    Effects: one row, one entry; does not commit.
    """
    view = token_view(session, token_id, now=now)
    if view.revoked_at is not None:
        raise ConflictError(
            f"The token {token_id} of {view.account} is revoked since {view.revoked_at:%Y-%m-%d}.",
            remedy="Nothing is left to do.",
        )
    session.execute(update(_token).where(_token.c.id == token_id).values(revoked_at=now))
    facts = {"token": token_id, "account": view.account}
    append_entries(session, [Entry(EntryKind.TOKEN_REVOKED, actor, facts)], at=now)
    return token_view(session, token_id, now=now)


def note_token_uses(session: Session, used: Mapping[str, datetime]) -> None:
    """Remember when tokens (by id) were last used, at most once a minute for each.

    Effects: does not commit.
    """
    for token_id, at in sorted(used.items()):
        known = _token.c.last_used_at
        stale = known.is_(None) | (known < at - USE_RESOLUTION)
        session.execute(
            update(_token).where(_token.c.id == token_id, stale).values(last_used_at=at)
        )
