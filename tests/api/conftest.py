"""A registry that the tests of a module share, on both databases in turn.

What only reads need not begin with an empty database each time: a module fills it once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from starlette.testclient import TestClient

from registry.app import create_app
from tests.live import Registry, open_registry
from tests.postgres import Server
from tests.stores import copy_sqlite, settings_on


@contextmanager
def connected(registry: Registry) -> Iterator[TestClient]:
    """An HTTP client with the first token; server errors are answers, as they are for users."""
    app = create_app(registry.house.settings, house=registry.house, background=False)
    with TestClient(app, raise_server_exceptions=False) as opened:
        opened.headers["Authorization"] = f"Bearer {registry.token}"
        yield opened


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a migrated, empty database of this module's own."""
    if request.param == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        yield copy_sqlite(template, tmp_path_factory.mktemp("shared"))
        return
    server: Server = request.getfixturevalue("postgres_server")
    template = request.getfixturevalue("postgres_template")
    with server.temporary_database(template=template) as url:
        yield url


@pytest.fixture(scope="module")
def shared_registry(
    shared_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    """An open house that every test of the module reads."""
    settings = settings_on(shared_url, tmp_path_factory.mktemp("home") / "home")
    with open_registry(settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(shared_registry: Registry) -> Iterator[TestClient]:
    """A client of the registry that the module's tests read."""
    with connected(shared_registry) as opened:
        yield opened
