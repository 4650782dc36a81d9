"""What every test may ask for: databases, a frozen clock, golden files, and no network.

One behaviour suite, both databases: a test that asks for any of these runs on SQLite and on
PostgreSQL, each time with a migrated database of its own.

    database_url ── database          the catalog alone
        └── settings ── registry      an open house with its first token
                 │           └── server    the same, served by uvicorn on a loopback port
                 └── house             an open house on a frozen clock
                         └── admin     a client of the application on it, without a server

A copy for each test costs PostgreSQL a tenth of a second. Tables of many small cases use
`emptied_database` or `shared_server` instead, which are made once for a module.
"""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import hypothesis
import pytest

from registry.actors.accounts import SYSTEM, create_token
from registry.actors.tables import Role
from registry.app import create_app
from registry.client.http import HttpClient
from registry.client.inprocess import InProcessTransport
from registry.request import House
from registry.settings import Settings
from registry.storage.database import Database
from tests.clock import FrozenClock
from tests.live import LiveServer, Registry, open_registry, served
from tests.offline import forbid_network
from tests.postgres import Keeper, Server, ask_keeper
from tests.stores import copy_sqlite, empty, migrate, settings_on

# The registry's master key in tests: 32 bytes that nobody else uses.
MASTER_KEY = bytes(range(32)).hex()
GOLDEN = Path(__file__).parent / "golden"
KEEPER = pytest.StashKey[Keeper]()
KEEPER_PORT = "postgres_keeper_port"
DATABASES = ("sqlite", "postgresql")

# `ci` gives every run the same examples; `deep` looks further, for a night or a suspicion.
hypothesis.settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile("deep", deadline=None, max_examples=2_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write what the tests produce to tests/golden/ instead of comparing; read the diff",
    )


def pytest_configure(config: pytest.Config) -> None:
    forbid_network()
    if not hasattr(config, "workerinput"):
        config.stash[KEEPER] = Keeper()
        config.add_cleanup(config.stash[KEEPER].stop)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each pytest-xdist worker whom to ask for the server (the controller's hook)."""
    node.workerinput[KEEPER_PORT] = node.config.stash[KEEPER].port


@pytest.fixture
def frozen_clock() -> FrozenClock:
    """A clock at 2026-03-01T09:30:00Z; `frozen_clock.advance(days=30)` moves it."""
    return FrozenClock()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden("lineage.txt", text)` holds the text to tests/golden/lineage.txt, byte for byte."""

    def check(name: str, actual: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(actual.encode())
            return
        expected = path.read_bytes().decode() if path.exists() else ""
        if actual != expected or not path.exists():
            difference = difflib.unified_diff(
                expected.splitlines(keepends=True),
                actual.splitlines(keepends=True),
                f"tests/golden/{name}",
                "what the test produced",
            )
            pytest.fail(
                f"{''.join(difference)}\nIf the new text is right, say `make golden` and read "
                "the diff before you commit it.",
                pytrace=False,
            )

    return check


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> Server:
    """The run's PostgreSQL, started by the first test that asks and shared by all workers."""
    if hasattr(pytestconfig, "workerinput"):
        return ask_keeper(pytestconfig.workerinput[KEEPER_PORT])
    return ask_keeper(pytestconfig.stash[KEEPER].port)


@pytest.fixture
def postgres_url(postgres_server: Server) -> Iterator[str]:
    """SQLAlchemy's URL of a new, empty PostgreSQL database of this test's own."""
    with postgres_server.temporary_database() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Server) -> str:
    """The name of a PostgreSQL database with the schema of this program, to be copied."""
    return postgres_server.ensure_template("migrated", migrate)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed SQLite database with the schema of this program, to be copied."""
    path = tmp_path_factory.mktemp("template") / "migrated.db"
    migrate(f"sqlite:///{path}")
    return path


@contextlib.contextmanager
def _migrated(request: pytest.FixtureRequest, home: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield copy_sqlite(request.getfixturevalue("sqlite_template"), home)
        return
    server: Server = request.getfixturevalue("postgres_server")
    template = request.getfixturevalue("postgres_template")
    with server.temporary_database(template=template) as url:
        yield url


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated, empty database of this test's own: SQLite, then PostgreSQL."""
    with _migrated(request, tmp_path / "home") as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The migrated, empty database, open."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="module", params=DATABASES)
def shared_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A served registry for the many small tests of a module, which leave it to each other."""
    home = tmp_path_factory.mktemp("home")
    with (
        _migrated(request, home) as url,
        open_registry(settings_on(url, home)) as opened,
        served(opened) as live,
    ):
        yield live


@pytest.fixture(scope="module", params=DATABASES)
def shared_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A migrated database for the many small tests of a module; see `emptied_database`."""
    with _migrated(request, tmp_path_factory.mktemp("home")) as url:
        opened = Database(url)
        yield opened
        opened.close()


@pytest.fixture
def emptied_database(shared_database: Database) -> Database:
    """The module's database, holding no event and nothing that comes of one."""
    empty(shared_database)
    return shared_database


@pytest.fixture
def postgres_database(postgres_server: Server, postgres_template: str) -> Iterator[Database]:
    """A migrated, empty PostgreSQL database, open: for what SQLite does not offer."""
    with postgres_server.temporary_database(template=postgres_template) as url:
        opened = Database(url)
        yield opened
        opened.close()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of a registry on this test's database, with a home of its own."""
    return settings_on(database_url, tmp_path / "home")


@pytest.fixture
def registry(settings: Settings) -> Iterator[Registry]:
    """An open house with its first token, on the machine's clock."""
    with open_registry(settings) as opened:
        yield opened


@pytest.fixture
def server(registry: Registry) -> Iterator[LiveServer]:
    """The registry, served by uvicorn on a loopback port."""
    with served(registry) as live:
        yield live


@pytest.fixture
def house(settings: Settings, frozen_clock: FrozenClock) -> Iterator[House]:
    """An open house with its first token, on a frozen clock; nothing runs in the background."""
    with open_registry(settings, clock=frozen_clock, every_role=False) as opened:
        yield opened.house


class TokenMaker(Protocol):
    """Makes a token with these roles in a project, and gives its secret."""

    def __call__(self, *roles: Role, project: str = "default", name: str = "tester") -> str: ...


@pytest.fixture
def make_token(house: House) -> TokenMaker:
    """`make_token(Role.PIPELINE, project="speech")`: the secret of a new token."""

    def make(*roles: Role, project: str = "default", name: str = "tester") -> str:
        with house.database.write() as session:
            secret, _ = create_token(
                session,
                name=name,
                roles=frozenset(roles),
                project=project,
                actor=SYSTEM,
                now=house.clock(),
            )
        return secret

    return make


@pytest.fixture
def connect(house: House) -> Iterator[Callable[[str], HttpClient]]:
    """`connect(token)`: a client of the application on `house`, without a server."""
    app = create_app(house.settings, clock=house.clock, house=house, background=False)
    transport = InProcessTransport(app, app.router.lifespan_context(app))
    yield lambda token: HttpClient("http://registry.test", token, transport=transport)
    transport.close()


@pytest.fixture
def admin(connect: Callable[[str], HttpClient], make_token: TokenMaker) -> HttpClient:
    """A client of the application on `house` that holds every role."""
    return connect(make_token(*Role))
