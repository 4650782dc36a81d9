"""A lake with copies of a dataset in it, and a warehouse beside the registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.client.http import HttpClient
from registry.request import House
from registry.settings import Settings
from tests.clock import FrozenClock
from tests.erasure.copied import PEOPLE, Copied, copied, settings_of, write_credentials
from tests.postgres import Server


@pytest.fixture
def lake_folder(tmp_path: Path) -> Path:
    folder = (tmp_path / "lake").resolve()
    folder.mkdir()
    return folder


@pytest.fixture
def warehouse(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[str]:
    """A database of its own beside the registry's, of the same kind."""
    if database_url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'warehouse.db'}"
        return
    server: Server = request.getfixturevalue("postgres_server")
    with server.temporary_database() as url:
        yield url


@pytest.fixture
def settings(database_url: str, tmp_path: Path, lake_folder: Path, warehouse: str) -> Settings:
    path = tmp_path / "credentials.json"
    write_credentials(path, warehouse)
    return settings_of(database_url, tmp_path / "home", lake_folder, path)


@pytest.fixture
def lake(house: House, admin: HttpClient, frozen_clock: FrozenClock, lake_folder: Path) -> Copied:
    return copied(house, admin, frozen_clock, lake_folder, PEOPLE)
