"""A registry with examples of people, backups of it, and empty registries to restore into."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import inspect

from registry.app import close_house, ledger_place, open_house
from registry.backups.finish import Restored
from registry.backups.key_file import read_keys, write_key_file
from registry.backups.make import Made, Source, make_backup
from registry.cli.restoring import master_key, restore_into
from registry.erasure.execution.replay import Doors
from registry.keys.identifiers import Scheme
from registry.keys.subjects import live_subject_keys, new_subject_key
from registry.ledger.rowmap import RowMap
from registry.ledger.sweep import Store
from registry.request import House
from registry.rights.restrictions import Marked, restrict_examples
from registry.rights.suppression import Basis, suppress
from registry.settings import Settings
from registry.storage.database import Database
from registry.storage.objects import Objects
from tests.conftest import DATABASES
from tests.ledger.pipelines import Pipeline, mapped, written
from tests.live import LiveServer
from tests.stores import settings_on

PEOPLE = ("ada", "bob", "eve", "ada", "bob")
CASE = "case-1"
ATTRIBUTES = pa.map_(pa.string(), pa.string())


@dataclass(frozen=True)
class Town:
    """A registry with two batches: `raw` with people, and `clean` made from rows 0, 1, 3 of it."""

    pipeline: Pipeline
    folder: Path

    @property
    def house(self) -> House:
        return self.pipeline.server.registry.house

    @property
    def ledger(self) -> Objects:
        return self.house.ledger.objects

    def backup(self, name: str = "backup") -> tuple[Path, Made]:
        """Make a backup of everything as it is."""
        store = Store(ledger_place(self.house.settings))
        source = Source(self.house.database, store, self.house.keyring, self.house.clock)
        return self.folder / name, make_backup(source, self.folder / name)

    def keys(self, name: str = "keys") -> Path:
        """Write a key file."""
        with self.house.database.read() as session:
            held = read_keys(session, now=self.house.clock())
        write_key_file(self.folder / name, held, self.house.keyring.master)
        return self.folder / name

    def suppress(self, who: str) -> None:
        """Suppress a person, for the case."""
        key = new_subject_key(self.house.keyring, Scheme.EXTERNAL, who)
        basis = Basis("gdpr", "erased on request", CASE)
        with self.house.database.write() as session:
            suppress(
                session,
                subject_keys=[(key.key, key.version)],
                basis=basis,
                actor="tester",
                now=self.house.clock(),
            )

    def restrict(self, number: int, ordinals: Sequence[int]) -> None:
        """Restrict rows of a batch, for the case."""
        with self.house.database.write() as session:
            marked = [Marked(number, np.array(ordinals, np.uint32))]
            now = self.house.clock()
            restrict_examples(
                session, marked, reason="erased", case_id=CASE, actor="tester", now=now
            )


@pytest.fixture
def town(server: LiveServer, tmp_path: Path) -> Iterator[Town]:
    """The town, with nothing left to do."""
    with server.client() as client:
        pipeline = Pipeline(server, client)
        rows = pa.table(
            {
                "example_id": [f"doc-{n}" for n in range(5)],
                "content": [b"the text of number %d" % n for n in range(5)],
                "subjects": [[{"scheme": "external", "value": name}] for name in PEOPLE],
                "license": ["CC-BY-4.0"] * 5,
                "tokens": list(range(5)),
                "pii": [["email"], [], None, ["phone", "url"], []],
                "attributes": pa.array([[("k", f"v{n}")] for n in range(5)], ATTRIBUTES),
            }
        )
        digest = pipeline.upload_examples(rows)
        raw = written("raw", "b1", examples=digest, exampleCount=5, license="CC-BY-4.0")
        pipeline.run("collect", writes=[raw])
        kept = pipeline.upload_map(RowMap.take([0, 1, 3], 5))
        maps = [mapped([("raw", "b1")], kept)]
        pipeline.run("clean", reads=["raw"], writes=[written("clean", "c1", maps=maps)])
        pipeline.settle()
        yield Town(pipeline, tmp_path)


Make = Callable[..., Settings]


@pytest.fixture
def empty_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """`empty_place("postgresql", like=settings)`: an empty registry with the same master key."""
    with contextlib.ExitStack() as stack:

        def make(kind: str, *, like: Settings, name: str = "restored") -> Settings:
            home = tmp_path / name
            home.mkdir()
            secret = master_key(like).secret.hex()
            if kind == "sqlite":
                url = f"sqlite:///{home / 'registry.db'}"
            else:
                server = request.getfixturevalue("postgres_server")
                url = stack.enter_context(server.temporary_database())
            return replace(settings_on(url, home), master_key=secret)

        yield make


@dataclass(frozen=True)
class Place:
    """An empty registry of the kind that the town is not, or is."""

    settings: Settings

    def restore(
        self,
        file: Path,
        *keys: Path,
        erasures: Objects | None = None,
        doors: Callable[[House], Doors] | None = None,
        report: Callable[[str], None] = lambda _said: None,
    ) -> Restored:
        """Restore a backup into it."""
        return restore_into(self.settings, file, keys, erasures, doors=doors, report=report)

    @contextlib.contextmanager
    def opened(self) -> Iterator[House]:
        """The restored registry."""
        house = open_house(self.settings)
        try:
            yield house
        finally:
            close_house(house)


@pytest.fixture
def place(town: Town, empty_place: Make) -> Place:
    """An empty registry on the database that the town is not on."""
    here = DATABASES.index("sqlite" if town.house.settings.embedded else "postgresql")
    return Place(empty_place(DATABASES[1 - here], like=town.house.settings))


@pytest.fixture
def same_place(town: Town, empty_place: Make) -> Place:
    """An empty registry on another database of the town's own kind."""
    kind = "sqlite" if town.house.settings.embedded else "postgresql"
    return Place(empty_place(kind, like=town.house.settings, name="restored-alike"))


def located(house: House, who: str) -> Sequence[int]:
    """The addresses of a person's examples by the index."""
    keys = live_subject_keys(house.keyring, Scheme.EXTERNAL, who)
    found: list[int] = house.ledger.index.find_subjects(keys).addresses.tolist()
    return found


def is_empty(settings: Settings) -> bool:
    """Whether nothing was made in a registry: no table, and no object."""
    database = Database(settings.database)
    try:
        with database.read() as session:
            tables = inspect(session.connection()).get_table_names()
    finally:
        database.close()
    return not tables and not list(Objects(settings.ledger).names(""))
