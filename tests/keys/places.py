"""Places that hold subject keys, as later parts of the registry will: a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text, select

from registry.keys.holders import Progress
from registry.keys.identifiers import Scheme
from registry.keys.keyring import Keyring
from registry.keys.subjects import Translate, live_subject_keys, new_subject_key
from registry.keys.tables import Purpose
from registry.storage.columns import table_of
from registry.storage.database import Database
from registry.storage.tables import Task

# A table of the tests' own: the registry's own metadata must not know it.
WISHES = Table(
    "wish",
    MetaData(),
    Column("batch", LargeBinary(16), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("subject_key", LargeBinary(16), nullable=False),
    Column("key_version", Integer, nullable=False),
    Column("wish", Text, nullable=False),
)
Rotate = Callable[[], int]


@dataclass(slots=True)
class Wishes:
    """Wishes of people, kept under subject keys: what a later table of the registry looks like."""

    database: Database
    keyring: Keyring

    def write(self, person: str, *, version: int | None = None) -> None:
        """Keep a wish; `version` is what somebody writes under who did not notice a rotation."""
        with self.database.write() as session:
            made = new_subject_key(self.keyring, Scheme.EXTERNAL, person)
            key = made.key
            if version is not None:
                key = self.key_under(person, version)
            count = len(session.execute(select(WISHES.c.number)).all())
            row = {
                "batch": bytes([count % 3]) * 16,
                "number": count,
                "subject_key": key,
                "key_version": version or made.version,
                "wish": person,
            }
            session.execute(WISHES.insert().values(row))

    def key_under(self, person: str, version: int) -> bytes:
        versions = [key.version for key in self.keyring.live(Purpose.SUBJECT)]
        keys = live_subject_keys(self.keyring, Scheme.EXTERNAL, person)
        return keys[versions.index(version)]

    def of(self, person: str) -> int:
        """How many wishes are found for a person."""
        keys = live_subject_keys(self.keyring, Scheme.EXTERNAL, person)
        query = select(WISHES.c.wish).where(WISHES.c.subject_key.in_(keys))
        with self.database.read() as session:
            found = session.execute(query).scalars().all()
        assert set(found) <= {person}
        return len(found)

    def versions(self) -> list[int]:
        with self.database.read() as session:
            return sorted(session.execute(select(WISHES.c.key_version)).scalars())


@dataclass(slots=True)
class Elsewhere:
    """A place outside SQL, as a column of the ledger is one."""

    name: str
    keys: list[tuple[bytes, int]] = field(default_factory=list)

    def remaining(self, from_version: int) -> int:
        return sum(version == from_version for _, version in self.keys)

    def rekey(
        self, from_version: int, to_version: int, translate: Translate, progress: Progress
    ) -> int:
        mine = [at for at, (_, version) in enumerate(self.keys) if version == from_version]
        made = translate(b"".join(self.keys[at][0] for at in mine))
        for number, at in enumerate(mine):
            self.keys[at] = made[16 * number : 16 * number + 16], to_version
        progress(len(mine))
        return len(mine)


def ignore(said: str) -> None:
    """Stands where a task reports how far it is."""


def waiting(database: Database) -> list[str]:
    task = table_of(Task)
    with database.read() as session:
        return list(session.execute(select(task.c.kind)).scalars())


def ignore_count(moved: int) -> None:
    """Stands where a holder says how much it moved."""
