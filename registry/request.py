"""What every HTTP request gets: the house it runs in, an actor, and a session.

A route declares what it needs (`ReadSession`, `WriteSession`, `CurrentActor`) and FastAPI hands it
over. One request is one transaction: the session commits when the route returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlmodel import Session

from registry.actors.accounts import Actor
from registry.actors.tables import Role
from registry.actors.token_cache import TokenCache
from registry.audit.sequencer import AuditLog
from registry.clock import Clock
from registry.errors import ForbiddenError, UnauthenticatedError
from registry.keys.keyring import Keyring
from registry.keys.rotation import Rotation
from registry.ledger.opened import Ledger
from registry.ledger.sweep import Sweep
from registry.lineage.writer import EventWriter
from registry.settings import Settings
from registry.storage.alone import Turns
from registry.storage.database import Database


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number of this process that `/metrics` shows as `registry_{name}`."""

    name: str
    about: str
    read: Callable[[], float]


@dataclass(frozen=True, slots=True)
class House:
    """What `app` built and every request may use; kept at `app.state.house`."""

    settings: Settings
    database: Database
    clock: Clock
    tokens: TokenCache
    events: EventWriter
    ledger: Ledger
    sweep: Sweep
    turns: Turns
    keyring: Keyring
    rotation: Rotation
    audit: AuditLog
    gauges: tuple[Gauge, ...] = ()


def current_house(request: Request) -> House:
    """The house of the application that serves this request."""
    return cast("House", request.app.state.house)


CurrentHouse = Annotated[House, Depends(current_house)]


def bearer_token(authorization: str | None) -> str:
    """The token of an Authorization header (RFC 6750 §2.1). Raises UnauthenticatedError."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > 512:
        raise UnauthenticatedError(
            "The request carries no bearer token.",
            remedy="Send the header: Authorization: Bearer TOKEN.",
            path="Authorization",
        )
    return token


def current_actor(request: Request, house: CurrentHouse) -> Actor:
    """Who calls. Raises UnauthenticatedError."""
    return house.tokens.authenticate(bearer_token(request.headers.get("authorization")))


CurrentActor = Annotated[Actor, Depends(current_actor)]


def require_role(actor: Actor, role: Role) -> None:
    """Raise ForbiddenError unless the actor holds the role."""
    require_any_role(actor, role)


def require_any_role(actor: Actor, *roles: Role) -> None:
    """Raise ForbiddenError unless the actor holds one of the roles."""
    if not actor.roles & set(roles):
        held = ", ".join(sorted(actor.roles)) or "none"
        raise ForbiddenError(
            f"This needs the role {' or '.join(roles)}; {actor.name} holds: {held}.",
            remedy="Ask an administrator for the role, or to do it for you.",
        )


def _administrator(actor: CurrentActor) -> Actor:
    require_role(actor, Role.ADMINISTRATOR)
    return actor


CurrentAdministrator = Annotated[Actor, Depends(_administrator)]


def _auditor(actor: CurrentActor) -> Actor:
    require_any_role(actor, Role.AUDITOR, Role.ADMINISTRATOR)
    return actor


#: Who may read the audit log, export and verify it.
CurrentAuditor = Annotated[Actor, Depends(_auditor)]


def _reading(house: CurrentHouse) -> Iterator[Session]:
    with house.database.read() as session:
        yield session


def _writing(house: CurrentHouse) -> Iterator[Session]:
    with house.database.write() as session:
        yield session


ReadSession = Annotated[Session, Depends(_reading, scope="function")]
WriteSession = Annotated[Session, Depends(_writing, scope="function")]
