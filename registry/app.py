"""The only place where things are wired together: settings in, a running registry out.

Rules:
1. An embedded home makes itself ready: folder 0700, schema, first project and token. On
   PostgreSQL an out-of-date schema is refused with the command that mends it.
2. The first token is written once, to stderr and to `<home>/admin-token` (0600), and never again.
3. The keyring is opened with the house, and a lost or wrong master key refuses the start.
4. What runs in the background starts after the house is open and stops before it closes, what
   takes requests' work first in and last out.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO, cast

from fastapi import APIRouter, FastAPI

from registry import __version__
from registry.actors.accounts import SYSTEM
from registry.actors.first import begin, is_begun
from registry.actors.log_ins import LogIns
from registry.actors.projects import ClaimsReader
from registry.actors.token_cache import TokenCache
from registry.api import ingest
from registry.api.awaiting import Answers
from registry.api.paths import EncodedPaths
from registry.api.problems import install_problems
from registry.api.routers import ROUTERS
from registry.api.transport import Transport
from registry.audit.key_changes import recording_as
from registry.audit.sequencer import AuditLog
from registry.cards.shelf import CardShelf
from registry.clock import Clock, system_clock
from registry.durations import parse_duration
from registry.erasure.case.request_rules import RequestShelf
from registry.erasure.subject_holders import erasure_subject_keys
from registry.errors import StorageUnavailableError
from registry.files import shipped
from registry.keys.holders import HoldsSubjectKeys
from registry.keys.opening import open_keyring
from registry.keys.rotation import Rotation
from registry.ledger.check import check_ledger
from registry.ledger.opened import Ledger, open_ledger
from registry.ledger.subject_holder import LedgerSubjectKeys
from registry.ledger.sweep import Engine, LedgerPlace, Store, Sweep
from registry.lineage.writer import EventWriter
from registry.policy.access import Access
from registry.policy.alerting import check_alert_settings, check_ticket_settings
from registry.policy.book import PolicyBook, folder_of
from registry.policy.judgements import Judgements
from registry.request import Gauge, House
from registry.rights.subject_holders import rights_subject_keys
from registry.rights.turning_away import SuppressionDoor
from registry.settings import Settings
from registry.storage.alone import Turns
from registry.storage.check import Finding, check_database
from registry.storage.database import Database
from registry.storage.home import TOKEN_FILE, local_token, make_home, write_token
from registry.storage.homelock import join
from registry.storage.migrate import require_schema, upgrade_schema
from registry.storage.restoring import require_restored
from registry.web import home, log_in, set_up
from registry.web.errors import error_page
from registry.workers.loop import Workers
from registry.workers.repeat import repeating

if TYPE_CHECKING:
    from registry.client.http import HttpClient


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What an upgrade did: schema before and after, and the first token's secret, if it made one
    that is kept nowhere.
    """

    before: str | None
    after: str
    secret: str | None


LOCAL_URL = "http://in-process"
# An entry has its place in the log within two seconds of its commit.
SEQUENCE_SECONDS = 1.0
_log = logging.getLogger(__name__)
PAGES: tuple[APIRouter, ...] = (home.router, log_in.router, set_up.router)


def open_house(
    settings: Settings, *, clock: Clock = system_clock, restoring: bool = False
) -> House:
    """Open the database of these settings, ready for work; `close_house` ends it.

    Raises SetupError for a home that cannot be used, or is being restored (unless by `restoring`),
    PolicyError for a policy file, SchemaOutdatedError where the schema of PostgreSQL is another,
    MasterKeyError or SettingsError for a master key that is lost, wrong or missing. Effects: an
    empty embedded home is made ready (rule 1); an empty database gets its first keys.
    """
    folder = folder_of(settings)
    database = _connect(settings)
    try:
        _make_ready(settings, database, clock, restoring=restoring)
        keyring = open_keyring(settings, database, clock=clock, record=recording_as(SYSTEM))
        place = ledger_place(settings)
        door = SuppressionDoor(database, keyring, clock)
        ledger = open_ledger(place, keyring, door)
        sweep = Sweep(place, cast("Engine", settings.sweep_engine), ledger.store)
        decisions = _open_access(database, clock)
        log_ins = LogIns(settings, database, keyring, clock, decisions.rules.conflicts)
    except BaseException:
        database.close()
        raise
    events = _event_writer(settings, database, clock)
    waiting = Gauge("events_waiting", "Events that wait for the writer.", lambda: events.waiting)
    policies = PolicyBook(folder)
    return House(
        settings=settings,
        database=database,
        clock=clock,
        tokens=TokenCache(database, clock),
        log_ins=log_ins,
        access=decisions,
        events=events,
        ledger=ledger,
        sweep=sweep,
        turns=Turns(database),
        keyring=keyring,
        rotation=Rotation(database, keyring, clock, _holders(database, ledger)),
        policies=policies,
        judgements=Judgements(database, ledger, sweep),
        requests=RequestShelf(folder),
        shelf=CardShelf(folder),
        audit=AuditLog(database, ledger.objects, keyring, clock, actor=SYSTEM),
        gauges=(waiting, _refused(policies)),
    )


def _make_ready(settings: Settings, database: Database, clock: Clock, *, restoring: bool) -> None:
    if settings.embedded:
        upgrade_schema(database)
        prepare_home(settings, database, clock=clock)
    else:
        require_schema(database)
    if not restoring:
        require_restored(database)


def _holders(database: Database, ledger: Ledger) -> list[HoldsSubjectKeys]:
    """Every place with subject keys: a rotation moves them all."""
    elsewhere = (*rights_subject_keys(database), *erasure_subject_keys(database))
    return [LedgerSubjectKeys(database, ledger), *elsewhere]


def _refused(policies: PolicyBook) -> Gauge:
    about = "1 while changed policy files cannot be used and the set before them stays in force."
    return Gauge("policies_refused", about, lambda: float(policies.refused is not None))


def _event_writer(settings: Settings, database: Database, clock: Clock) -> EventWriter:
    return EventWriter(
        database,
        clock=clock,
        read_claims=ClaimsReader().read,
        queue_limit=settings.queue_limit,
        group_limit=settings.group_limit,
    )


def ledger_place(settings: Settings) -> LedgerPlace:
    """Where the ledger of these settings lies."""
    return LedgerPlace(settings.ledger, settings.storage_options)


def check_everything(settings: Settings) -> list[Finding]:
    """Look whether database and ledger are whole; no key is needed, and nothing is written.

    Raises StorageUnavailableError where one of them cannot be read.
    """
    database = Database(settings.database, lock_timeout_seconds=settings.lock_timeout_seconds)
    try:
        findings = check_database(database)
        if any(finding.problems for finding in findings):
            return findings
        place = ledger_place(settings)
        sweep = Sweep(place, cast("Engine", settings.sweep_engine), Store(place))
        return findings + check_ledger(database, sweep)
    finally:
        database.close()


def _open_access(database: Database, clock: Clock) -> Access:
    access = Access(database, clock, shipped("policies"))
    for warning in access.rules.warnings:
        _log.warning("%s", warning)
    return access


def _connect(settings: Settings) -> Database:
    if settings.embedded:
        make_home(settings)
    return Database(settings.database, lock_timeout_seconds=settings.lock_timeout_seconds)


def close_house(house: House) -> None:
    """Write what is still in memory, if that can be, and close the database."""
    try:
        house.tokens.write_uses()
        house.log_ins.sessions.write_uses()
    except StorageUnavailableError as error:
        _log.warning("when tokens were last used is not kept: %s", error)
    finally:
        house.turns.close()
        house.database.close()


def prepare_home(
    settings: Settings, database: Database, *, clock: Clock, stderr: TextIO | None = None
) -> None:
    """Give an empty embedded home its first project, account and token (rule 2).

    The file is written before the transaction commits, so a token is never lost: one that was
    written and not kept is written anew at the next start.
    """
    with database.read() as session:
        if is_begun(session):
            return
    with database.write() as session:
        secret = begin(session, strict=False, now=clock())
        if secret is not None:
            write_token(settings.home, secret)
    if secret is not None:
        where = settings.home / TOKEN_FILE
        print(
            f"The first administrator token is {secret}\n"
            f"It is kept in {where} (only you can read it) and not shown again. It holds every\n"
            "role: say `registry project set default --strict` once others use this registry.",
            file=stderr or sys.stderr,
        )


def prepare_database(settings: Settings, *, clock: Clock = system_clock) -> Upgrade:
    """Upgrade the schema, and on an empty database make the first token.

    On PostgreSQL the token is in the answer and nowhere else. Effects: commits.
    """
    database = _connect(settings)
    try:
        before, after = upgrade_schema(database)
        if settings.embedded:
            prepare_home(settings, database, clock=clock)
            return Upgrade(before, after, None)
        secret = database.transact(lambda session: begin(session, strict=True, now=clock()))
        return Upgrade(before, after, secret)
    finally:
        database.close()


@contextmanager
def running(house: House, *, background: bool) -> Iterator[None]:
    """Run what the house needs beside requests while the block runs (rule 4).

    `background` is off for one command in this process: then only what requests wait for runs.
    """
    with ExitStack() as stack:
        house.events.start()
        stack.callback(house.events.stop)
        if background:
            # Files that cannot be used stop the start, not the first question.
            house.policies.current()
            _ = house.requests.rules, house.requests.erasure
            house.shelf.questions.current()
            check_alert_settings(house.settings)
            check_ticket_settings(house.settings)
            parse_duration(house.settings.backup_retention, path="REGISTRY_BACKUP_RETENTION")
            stack.enter_context(repeating(house.tokens.write_uses, every_seconds=60.0))
            stack.enter_context(repeating(house.audit.turn, every_seconds=SEQUENCE_SECONDS))
            uses = house.log_ins.sessions.write_uses
            stack.enter_context(repeating(uses, every_seconds=60.0))
            if house.settings.embedded:
                stack.enter_context(Workers(house).running())
        yield


def create_app(
    settings: Settings,
    *,
    clock: Clock = system_clock,
    house: House | None = None,
    background: bool = True,
) -> FastAPI:
    """The ASGI application. A house that is given is used and left open; else one is opened when
    the application starts and closed when it stops.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        opened = house or open_house(settings, clock=clock)
        try:
            app.state.house = opened
            app.state.answers = Answers()
            with running(opened, background=background):
                yield
        finally:
            if house is None:
                close_house(opened)

    app = FastAPI(
        title="lineage-registry",
        version=__version__,
        lifespan=lifespan,
        openapi_url=None,  # it needs a token: registry.api.health serves it
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    install_problems(app)
    app.state.error_page = error_page
    app.add_middleware(EncodedPaths)
    app.add_middleware(ingest.ShortCut)
    app.add_middleware(Transport, plain_allowed=settings.allow_plain_http)
    if settings.trusted_proxies:
        from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))
    for router in (*ROUTERS, *PAGES):
        app.include_router(router)
    return app


@contextmanager
def local_client(settings: Settings, *, clock: Clock = system_clock) -> Iterator[HttpClient]:
    """A client of the application in this process, or of the one that serves this home.

    It acts as REGISTRY_TOKEN, else as the home's first token. Raises HomeInUseError where another
    process works on the home alone, UnauthenticatedError where there is no token.
    """
    # A server needs no client, and httpx takes a seventh of a second of its start.
    from registry.client.http import HttpClient
    from registry.client.inprocess import InProcessTransport

    with ExitStack() as stack:
        if settings.embedded:
            make_home(settings)
            url = stack.enter_context(join(settings.home))
            if url is not None:
                yield stack.enter_context(HttpClient(url, local_token(settings)))
                return
        house = open_house(settings, clock=clock)
        stack.callback(close_house, house)
        app = create_app(settings, clock=clock, house=house, background=False)
        transport = InProcessTransport(app, app.router.lifespan_context(app))
        yield stack.enter_context(HttpClient(LOCAL_URL, local_token(settings), transport=transport))
