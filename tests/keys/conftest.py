"""What the tests of keys share: a master key, a keyring, a recorder, and a rotation."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from sqlmodel import Session

from registry.keys.holders import SqlSubjectKeys
from registry.keys.keyring import Keyring
from registry.keys.master import MasterKey
from registry.keys.rotation import Rotation
from registry.keys.tables import Purpose
from registry.keys.versions import KeyEvent, make_first_keys
from registry.storage.database import Database
from tests.clock import FrozenClock
from tests.keys.places import WISHES, Rotate, Wishes

MASTER = MasterKey(bytes(range(32)), "the test")


@dataclass(slots=True)
class Recorder:
    """Stands where the audit journal is told of changes."""

    events: list[KeyEvent] = field(default_factory=list)

    def __call__(self, session: Session, event: KeyEvent) -> None:
        assert session.in_transaction()
        self.events.append(event)

    def seen(self) -> list[str]:
        return [f"{event.key} {event.change}" for event in self.events]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def keyring(database: Database, frozen_clock: FrozenClock, recorder: Recorder) -> Keyring:
    """The keyring of `database` with version 1 of every purpose."""
    with database.write() as session:
        make_first_keys(session, MASTER, now=frozen_clock(), record=recorder)
    recorder.events.clear()
    return Keyring(database, MASTER, frozen_clock)


@pytest.fixture
def wishes(database: Database, keyring: Keyring) -> Wishes:
    WISHES.metadata.create_all(database.engine)
    return Wishes(database, keyring)


@pytest.fixture
def holder(database: Database, wishes: Wishes) -> SqlSubjectKeys:
    return SqlSubjectKeys(database, WISHES, rows_at_once=2)


@pytest.fixture
def rotation(
    database: Database, keyring: Keyring, frozen_clock: FrozenClock, holder: SqlSubjectKeys
) -> Rotation:
    return Rotation(database, keyring, frozen_clock, [holder])


@pytest.fixture
def rotate(database: Database, keyring: Keyring, rotation: Rotation, recorder: Recorder) -> Rotate:
    def act() -> int:
        with database.write() as session:
            version = rotation.begin(session, Purpose.SUBJECT, record=recorder)
        keyring.refresh()
        return version

    return act
