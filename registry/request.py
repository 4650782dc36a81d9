"""What every HTTP request gets: the house it runs in, an actor, and a session.

A route declares what it needs (a session, an actor who may do what it does) and FastAPI hands it
over. One request is one transaction: the session commits when the route returns.

Rules (DESIGN §1.11; RFC 6750):
1. Every route but health declares an action, by the actor or session it asks for. `CurrentActor`
   alone is for what everybody who is known may ask.
2. An action on a thing is decided in the project that owns the thing, so the guard of a route asks
   whether the actor may do it anywhere; what has no owner is decided in the actor's own project.
3. A refusal is an entry in the journal, by whom and of what, never with the names that were asked.
4. A token comes in one Authorization header. In the query string it would stand in logs, so a
   request that has one there is refused, whatever else it carries.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlmodel import Session

from registry.actors.accounts import Actor
from registry.actors.log_ins import LogIns
from registry.actors.sessions import is_csrf_token
from registry.actors.token_cache import TokenCache
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.audit.sequencer import AuditLog
from registry.cards.desk import CardDesk
from registry.cards.shelf import CardShelf
from registry.catalog.scope import Scope, confine
from registry.clock import Clock
from registry.erasure.case.post import Desk
from registry.erasure.case.request_rules import RequestShelf
from registry.erasure.case.writing import writer
from registry.erasure.connectors.opening import connectors_of
from registry.erasure.execution.hands import Hands
from registry.errors import (
    ForbiddenError,
    ForgedRequestError,
    StorageUnavailableError,
    UnauthenticatedError,
)
from registry.keys.keyring import Keyring
from registry.keys.rotation import Rotation
from registry.ledger.opened import Ledger
from registry.ledger.sweep import Sweep
from registry.lineage.writer import EventWriter
from registry.policy.access import Access
from registry.policy.actions import Action
from registry.policy.book import PolicyBook
from registry.policy.judgements import Judgements
from registry.policy.sight import sight_of
from registry.settings import Settings
from registry.storage.alone import Turns
from registry.storage.database import Database

_log = logging.getLogger(__name__)
_IN_QUERY = frozenset({"access_token", "token", "api_key", "apikey", "authorization"})


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
    log_ins: LogIns
    access: Access
    events: EventWriter
    ledger: Ledger
    sweep: Sweep
    turns: Turns
    keyring: Keyring
    rotation: Rotation
    policies: PolicyBook
    judgements: Judgements
    audit: AuditLog
    gauges: tuple[Gauge, ...] = ()
    requests: RequestShelf = field(default_factory=RequestShelf)
    shelf: CardShelf = field(default_factory=CardShelf)

    @property
    def cards(self) -> CardDesk:
        """What cards are made with."""
        return CardDesk(
            database=self.database,
            ledger=self.ledger,
            policies=self.policies,
            audit=self.audit,
            shelf=self.shelf,
            clock=self.clock,
            url=self.settings.public_url or None,
        )

    @property
    def desk(self) -> Desk:
        """What every step of a person's request needs."""
        render = writer(self.requests.erasure.said.letters)
        return Desk(self.keyring, self.requests.rules, self.policies.current().purposes, render)

    @property
    def hands(self) -> Hands:
        """What carrying out a plan works with."""
        return Hands(
            database=self.database,
            ledger=self.ledger,
            turns=self.turns,
            audit=self.audit,
            desk=self.desk,
            rules=self.requests.erasure,
            connectors=connectors_of(self.settings),
            clock=self.clock,
            url=self.settings.public_url or None,
        )


def current_house(request: Request) -> House:
    """The house of the application that serves this request."""
    return cast("House", request.app.state.house)


CurrentHouse = Annotated[House, Depends(current_house)]


def bearer_token(request: Request) -> str:
    """The token of a request (RFC 6750 §2.1). Raises UnauthenticatedError (rule 4)."""
    # Most requests of events have no query, and to take one apart costs more than to look.
    queried = request.scope.get("query_string")
    if queried and any(name.lower() in _IN_QUERY for name in request.query_params):
        raise UnauthenticatedError(
            "The request carries a token in its address, where logs keep it.",
            remedy="Have that token revoked, and send a new one in the header Authorization.",
            path="access_token",
        )
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise UnauthenticatedError(
            f"The request carries {len(headers)} Authorization headers.",
            remedy="Send one: Authorization: Bearer TOKEN.",
            path="Authorization",
        )
    scheme, _, token = (headers[0] if headers else "").partition(" ")
    token = token.strip()
    well_formed = token.isascii() and token.isprintable() and " " not in token
    if scheme.lower() != "bearer" or not token or not well_formed or len(token) > 512:
        raise UnauthenticatedError(
            "The request carries no bearer token.",
            remedy="Send the header: Authorization: Bearer TOKEN.",
            path="Authorization",
        )
    return token


# The prefix binds a cookie to this very host and to TLS (RFC 6265bis §4.1.3.2).
SECURE_COOKIE, PLAIN_COOKIE = "__Host-registry-session", "registry-session"
CSRF_HEADER = "Registry-CSRF"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def session_secret(request: Request) -> str | None:
    """The secret of the session that a browser sends along, or None."""
    name = SECURE_COOKIE if request.url.scheme == "https" else PLAIN_COOKIE
    return request.cookies.get(name) or None


def current_actor(request: Request, house: CurrentHouse) -> Actor:
    """Who calls: by bearer token, else by session, which needs a CSRF token for what changes.

    Raises UnauthenticatedError, ForgedRequestError.
    """
    secret = None if "authorization" in request.headers else session_secret(request)
    if secret is None:
        return house.tokens.authenticate(bearer_token(request))
    actor = house.log_ins.sessions.authenticate(secret)
    if request.method not in _SAFE:
        require_csrf_token(secret, request.headers.get(CSRF_HEADER, ""))
    return actor


def require_csrf_token(secret: str, given: str) -> None:
    """Raise ForgedRequestError unless that is the CSRF token of this session."""
    if not is_csrf_token(secret, given):
        raise ForgedRequestError(
            "The request came with a session and without its CSRF token.",
            remedy=f"Load the page again; a program sends the header {CSRF_HEADER}, or a token.",
            path=CSRF_HEADER,
        )


CurrentActor = Annotated[Actor, Depends(current_actor)]


def require_here(house: House, actor: Actor, action: Action, *, at: str) -> None:
    """Raise ForbiddenError unless the actor may do that in their own project. `at`: where it was
    asked, for the journal.
    """
    if not house.access.allows(actor.account_id, actor.project_id, action):
        raise refusal(house, actor, action, at=at)


def require_in(house: House, actor: Actor, action: Action, project_id: str, *, at: str) -> None:
    """As `require_here`, in the project with this id, or `*` for a role in every project."""
    reach = house.access.reach(actor.account_id, action)
    if reach.projects is not None and project_id not in reach.projects:
        raise refusal(house, actor, action, at=at)


def refusal(house: House, actor: Actor, action: Action, *, at: str) -> ForbiddenError:
    """The error for an action that the actor may not do. Effects: commits an entry (rule 3)."""
    facts = {"action": action.value, "project": actor.project_id, "at": at}
    note_refusal(house, actor, facts)
    held = ", ".join(sorted(actor.roles)) or "none"
    return ForbiddenError(
        f"{actor.name} may not do {action} here: it needs the role "
        f"{' or '.join(house.access.rules.holders(action))}; held in {actor.project_name}: {held}.",
        remedy="Ask for the role (registry access request), or somebody who holds it to do it.",
    )


def refuse_own(house: House, actor: Actor, action: Action, filed_by: str, *, at: str) -> None:
    """Raise ForbiddenError where the actor would decide on what they filed themselves.

    Which actions need a second person is in `policies/roles.csv`. Effects: commits an entry where
    it refuses.
    """
    if action not in house.access.rules.two_person or filed_by != actor.account_id:
        return
    note_refusal(house, actor, {"action": action.value, "at": at, "why": "filed_by_the_same"})
    raise ForbiddenError(
        f"{actor.name} filed this, and nobody decides on what they filed ({action}).",
        remedy="Ask another person who holds the role.",
    )


def note_refusal(house: House, actor: Actor, facts: Mapping[str, object]) -> None:
    """Record that an actor was refused. Effects: commits an entry; none if it cannot be kept."""
    entry = Entry(EntryKind.ACTION_REFUSED, actor.account_id, facts)
    try:
        house.database.transact(lambda session: append_entries(session, [entry], at=house.clock()))
    except StorageUnavailableError as error:
        _log.warning("a refusal of %s is not recorded: %s", actor.account_id, error)


def place_of(request: Request) -> str:
    """Where a request was asked, without the names in it: `GET /api/v1/jobs/runs/{run_id}`."""
    route = request.scope.get("route")
    return f"{request.method} {getattr(route, 'path', '')}"


class Guard:
    """A dependency that gives the actor who may do an action: in their own project (`here`), or
    somewhere at all (rule 2). Raises UnauthenticatedError, ForbiddenError.
    """

    def __init__(self, action: Action, *, here: bool) -> None:
        self.action = action
        self._here = here

    def __call__(self, request: Request, house: CurrentHouse, actor: CurrentActor) -> Actor:
        """The actor."""
        if self._here:
            require_here(house, actor, self.action, at=place_of(request))
        elif house.access.reach(actor.account_id, self.action).is_nowhere:
            raise refusal(house, actor, self.action, at=place_of(request))
        return actor


_READER = Guard(Action.READ_CATALOG, here=False)
_TRACER = Guard(Action.TRACE_EXAMPLES, here=False)
CurrentReader = Annotated[Actor, Depends(_READER)]
CurrentTracer = Annotated[Actor, Depends(_TRACER)]
#: Reads in their own project, so not by a role that is confined to a lineage.
CurrentMember = Annotated[Actor, Depends(Guard(Action.READ_CATALOG, here=True))]
CurrentReleaser = Annotated[Actor, Depends(Guard(Action.RELEASE_FINDINGS, here=False))]
CurrentApprover = Annotated[Actor, Depends(Guard(Action.APPROVE_REQUESTS, here=False))]
CurrentDataOwner = Annotated[Actor, Depends(Guard(Action.PROCESS_ERASURE, here=False))]
CurrentAsker = Annotated[Actor, Depends(Guard(Action.ASK_DECISIONS, here=False))]
CurrentRightsEditor = Annotated[Actor, Depends(Guard(Action.EDIT_RIGHTS, here=False))]
CurrentWriter = Annotated[Actor, Depends(Guard(Action.WRITE_LINEAGE, here=True))]
CurrentAuditor = Annotated[Actor, Depends(Guard(Action.READ_AUDIT, here=True))]
CurrentAdministrator = Annotated[Actor, Depends(Guard(Action.ADMINISTER, here=True))]


def see_as(session: Session, house: House, actor: Actor, action: Action) -> None:
    """Let a session see, from now on, what the actor may do the action with."""
    confine(session, sight_of(session, house.access, actor.account_id, action))


@contextmanager
def reading_for(house: House, actor: Actor, action: Action) -> Iterator[Session]:
    """A session that sees what the actor may do the action with."""
    with house.database.read() as session:
        see_as(session, house, actor, action)
        yield session


def _reading_as(guard: Guard) -> Callable[..., Iterator[Session]]:
    """A dependency: a session that sees what the actor may do the guard's action with."""

    # Annotations are texts here, and a text cannot name what is local to a function.
    def reading(house: CurrentHouse, actor: Actor = Depends(guard)) -> Iterator[Session]:
        with reading_for(house, actor, guard.action) as session:
            yield session

    return reading


def _reading(house: CurrentHouse) -> Iterator[Session]:
    with house.database.read() as session:
        yield session


def _writing(house: CurrentHouse) -> Iterator[Session]:
    with house.database.write() as session:
        yield session


ReadSession = Annotated[Session, Depends(_reading, scope="function")]
WriteSession = Annotated[Session, Depends(_writing, scope="function")]
#: Sees what the actor may read of the catalog.
CatalogSession = Annotated[Session, Depends(_reading_as(_READER), scope="function")]
#: Sees the names whose examples the actor may trace.
ExamplesSession = Annotated[Session, Depends(_reading_as(_TRACER), scope="function")]


def _projects_of_cases(house: House, actor: Actor) -> frozenset[str] | None:
    """The projects whose requests an actor works on: as data owner, approver or auditor.

    An auditor is told from an administrator, who reads the log too, by seeing personal facts.
    """
    audits, traces, processes, approves = (
        house.access.reach(actor.account_id, action).projects
        for action in (
            Action.READ_AUDIT,
            Action.TRACE_EXAMPLES,
            Action.PROCESS_ERASURE,
            Action.APPROVE_REQUESTS,
        )
    )
    audited = audits if traces is None else traces if audits is None else audits & traces
    if audited is None or processes is None or approves is None:
        return None
    return audited | processes | approves


def see_cases(session: Session, house: House, actor: Actor) -> None:
    """Let a session see, from now on, the projects whose requests the actor works on."""
    confine(session, Scope(_projects_of_cases(house, actor)))


def _case_reader(request: Request, house: CurrentHouse, actor: CurrentActor) -> Actor:
    projects = _projects_of_cases(house, actor)
    if projects is not None and not projects:
        raise refusal(house, actor, Action.PROCESS_ERASURE, at=place_of(request))
    return actor


CurrentCaseReader = Annotated[Actor, Depends(_case_reader)]


def _reading_cases(house: CurrentHouse, actor: CurrentCaseReader) -> Iterator[Session]:
    with house.database.read() as session:
        see_cases(session, house, actor)
        yield session


#: Sees the requests of people that the actor works on.
CasesSession = Annotated[Session, Depends(_reading_cases, scope="function")]
