"""The registry as its users meet it: a real uvicorn on a free loopback port, and a token."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registry.actors.accounts import create_token
from registry.actors.bindings import EVERY_PROJECT, Grant, account_id_of, grant_role
from registry.actors.projects import FIRST_ACCOUNT, add_claim, create_project
from registry.actors.tables import Role
from registry.app import close_house, create_app, open_house, prepare_database
from registry.clock import Clock, system_clock
from registry.request import House
from registry.settings import Settings
from registry.storage.database import Database
from registry.storage.home import local_token as token_of_home

HOST = "127.0.0.1"
START_SECONDS = 60.0
WAIT_SECONDS = 30.0
ACTOR = "tests"


@dataclass(frozen=True, slots=True)
class Registry:
    """An open house and the first token of its registry, which writes in `default`."""

    house: House
    token: str

    def make_project(self, name: str, *claims: str) -> str:
        """Make a project with claims, each a namespace glob, a space, and a name prefix or none.

        Gives the secret of a new token that writes in the project.
        """
        with self.house.database.write() as session:
            now = self.house.clock()
            create_project(session, name, actor=ACTOR, now=now)
            for claim in claims:
                namespace, _, prefix = claim.partition(" ")
                add_claim(session, name, namespace, name_prefix=prefix, actor=ACTOR, now=now)
        return self.make_token(name)

    def make_token(self, project: str = "default", *, role: Role = Role.PIPELINE) -> str:
        """The secret of a new token that writes in a project."""
        with self.house.database.write() as session:
            secret, _view = create_token(
                session,
                name=f"{project}-{role}",
                roles=frozenset({role}),
                project=project,
                actor=ACTOR,
                now=self.house.clock(),
            )
        return secret


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that was answered; names of headers are in small letters."""

    method: str
    path: str
    headers: dict[str, str]
    status: int


class Witness:
    """Stands before an application, changes nothing, and remembers what was asked and answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._changed = threading.Condition()
        self._seen: list[Seen] = []

    @property
    def seen(self) -> list[Seen]:
        """What was answered up to now, in order."""
        with self._changed:
            return list(self._seen)

    def wait_for(self, status: int, *, count: int = 1) -> None:
        """Wait until that many answers had the status."""

        def came() -> bool:
            return sum(seen.status == status for seen in self._seen) >= count

        with self._changed:
            if not self._changed.wait_for(came, timeout=WAIT_SECONDS):
                raise TimeoutError(f"no {count} answers {status}, but {self._seen}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = {
                    name.decode(): value.decode("latin-1") for name, value in scope["headers"]
                }
                one = Seen(scope["method"], scope["path"], headers, message["status"])
                with self._changed:
                    self._seen.append(one)
                    self._changed.notify_all()
            await send(message)

        await self._app(scope, receive, note)


@dataclass(frozen=True, slots=True)
class LiveServer:
    """A registry that is served at `url`."""

    registry: Registry
    url: str
    witness: Witness

    def client(self, *, token: str | None = None, **options: Any) -> httpx.Client:
        """An HTTP client with the token (the first one unless another is given)."""
        headers = {"Authorization": f"Bearer {token or self.registry.token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60.0, **options)


@contextlib.contextmanager
def open_registry(
    settings: Settings, *, clock: Clock = system_clock, every_role: bool = True
) -> Iterator[Registry]:
    """A house over the settings' migrated database, with its first token; closed afterwards.

    The token holds every role on PostgreSQL too, as it does on a home of its own, unless it is to
    have what it has outside tests.
    """
    token = prepare_database(settings, clock=clock).secret or token_of_home(settings)
    house = open_house(settings, clock=clock)
    if every_role and not settings.embedded:
        grant_every_role(house.database, clock)
    try:
        yield Registry(house, token)
    finally:
        close_house(house)


def grant_every_role(database: Database, clock: Clock = system_clock) -> None:
    """Give the first account every role in every project, as it has on a home of its own."""
    with database.write() as session:
        account = account_id_of(session, FIRST_ACCOUNT)
        for role in Role:
            grant = Grant(account, EVERY_PROJECT, role)
            grant_role(session, grant, conflicts=(), actor=ACTOR, now=clock())


@contextlib.contextmanager
def served(registry: Registry) -> Iterator[LiveServer]:
    """Serve the registry on a thread, as `registry serve` does: uvicorn, uvloop and httptools."""
    witness = Witness(
        create_app(registry.house.settings, clock=registry.house.clock, house=registry.house)
    )
    with socket.create_server((HOST, 0)) as listener:
        server = _Server(witness)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="live-server", daemon=True
        )
        thread.start()
        try:
            if not server.up.wait(START_SECONDS) or not server.started:
                raise RuntimeError("The server did not start; its log says why.")
            url = f"http://{HOST}:{listener.getsockname()[1]}"
            yield LiveServer(registry, url, witness)
        finally:
            server.should_exit = True
            thread.join(START_SECONDS)


class _Server(uvicorn.Server):
    """uvicorn that says when it listens, or that it never will."""

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app, loop="uvloop", http="httptools", lifespan="on", log_config=None, access_log=False
        )
        super().__init__(config)
        self.up = threading.Event()

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop."""
        try:
            super().run(sockets)
        finally:
            self.up.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, and say so."""
        await super().startup(sockets)
        self.up.set()
