"""Makes the first project, account and token of an empty registry.

Rules (CONTRACTS, "Roles and actions"):
1. An embedded home starts open: its first token holds every role in every project, until somebody
   makes the default project strict. On PostgreSQL it is strict from the start, and the first token
   is an administrator's alone.
2. The secret is given once, to be shown or kept by the caller; the registry keeps its digest.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from registry.actors.accounts import SYSTEM, create_token
from registry.actors.claims import DEFAULT_PROJECT
from registry.actors.projects import FIRST_ACCOUNT, create_project
from registry.actors.tables import Account, Project, Role
from registry.storage.columns import table_of

_account, _project = table_of(Account), table_of(Project)


def is_begun(session: Session) -> bool:
    """Whether the registry has an account."""
    return session.execute(select(_account.c.id).limit(1)).first() is not None


def begin(session: Session, *, strict: bool, now: datetime) -> str | None:
    """Make what an empty registry lacks; give the secret of the first token, or None.

    None says that the registry has accounts already, so nothing was done. Effects: a project, an
    account, bindings, a token, and their entries; does not commit.
    """
    if is_begun(session):
        return None
    named = select(_project.c.id).where(_project.c.name == DEFAULT_PROJECT)
    if session.execute(named).first() is None:
        create_project(session, DEFAULT_PROJECT, strict=strict, actor=SYSTEM, now=now)
    roles = frozenset({Role.ADMINISTRATOR}) if strict else frozenset(Role)
    secret, _view = create_token(
        session,
        name=FIRST_ACCOUNT,
        roles=roles,
        project=DEFAULT_PROJECT,
        actor=SYSTEM,
        now=now,
        everywhere=True,
    )
    return secret
