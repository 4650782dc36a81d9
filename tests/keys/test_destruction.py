"""Destruction: no key goes that is still needed, and none that went opens anything."""

from __future__ import annotations

import threading

import pytest

from registry.errors import ConflictError, KeyDestroyedError, NotFoundError
from registry.keys.destruction import destroyed_keys
from registry.keys.envelope import make_record_key
from registry.keys.holders import SqlSubjectKeys
from registry.keys.keyring import Keyring
from registry.keys.rotation import Rotation
from registry.keys.tables import KeyState, Purpose
from registry.keys.versions import require_live
from registry.storage.columns import table_of
from registry.storage.database import Database
from registry.storage.queue import TaskKind
from registry.storage.tables import Task
from tests.clock import FrozenClock
from tests.keys.conftest import Recorder
from tests.keys.places import WISHES, Rotate, Wishes, ignore, ignore_count, waiting


def test_nothing_moves_to_a_version_that_is_gone(
    wishes: Wishes, rotation: Rotation, rotate: Rotate, holder: SqlSubjectKeys, recorder: Recorder
) -> None:
    """A task that was overtaken by two rotations and a destruction."""
    wishes.write("ada")
    rotate()
    rotate()
    rotation.destroy(Purpose.SUBJECT, 2, record=recorder)
    with pytest.raises(KeyDestroyedError, match="subject/2"):
        holder.rekey(1, 2, bytes, ignore_count)
    assert (wishes.versions(), wishes.of("ada")) == ([1], 1)


def test_a_key_in_use_is_not_destroyed_and_the_counts_are_said(
    database: Database,
    wishes: Wishes,
    rotation: Rotation,
    rotate: Rotate,
    recorder: Recorder,
) -> None:
    wishes.write("ada")
    wishes.write("bob")
    rotate()
    empty_queue(database)
    with pytest.raises(ConflictError, match=r"subject/1 is still in use: 2 in wish\."):
        rotation.destroy(Purpose.SUBJECT, 1, record=recorder)
    assert waiting(database) == [TaskKind.SUBJECT_KEYS_ROTATE]
    assert rotation.remaining(Purpose.SUBJECT) == {1: {"wish": 2}}
    assert wishes.of("ada") == 1
    assert recorder.seen() == ["subject/2 rotated"]


def empty_queue(database: Database) -> None:
    with database.write() as session:
        session.execute(table_of(Task).delete())


def test_somebody_who_noticed_late_is_waited_for(
    wishes: Wishes, rotation: Rotation, rotate: Rotate, recorder: Recorder
) -> None:
    rotate()
    assert rotation.move(Purpose.SUBJECT, ignore) == {"wish": 0}
    wishes.write("ada", version=1)
    with pytest.raises(ConflictError, match="1 in wish"):
        rotation.destroy(Purpose.SUBJECT, 1, record=recorder)
    assert rotation.move(Purpose.SUBJECT, ignore) == {"wish": 1}
    assert rotation.destroy(Purpose.SUBJECT, 1, record=recorder)
    assert wishes.of("ada") == 1


def test_what_is_being_written_under_a_key_holds_it(
    database: Database, wishes: Wishes, rotation: Rotation, rotate: Rotate, recorder: Recorder
) -> None:
    """The last look of a destruction waits for a writer that holds the version."""
    rotate()
    refused: list[str] = []

    def destroy() -> None:
        try:
            rotation.destroy(Purpose.SUBJECT, 1, record=recorder)
        except ConflictError as error:
            refused.append(error.detail)

    destroyer = threading.Thread(target=destroy)
    with database.write() as session:
        require_live(session, Purpose.SUBJECT, 1)
        row = {"batch": bytes(16), "number": 0, "wish": "ada", "key_version": 1}
        key = wishes.key_under("ada", 1)
        session.execute(WISHES.insert().values(row | {"subject_key": key}))
        destroyer.start()
        destroyer.join(0.5)
        assert destroyer.is_alive()
    destroyer.join()
    assert refused == ["The key subject/1 is still in use: 1 in wish."]
    assert wishes.of("ada") == 1


def test_what_was_made_under_a_destroyed_key_does_not_come_to_count(
    database: Database, rotation: Rotation, rotate: Rotate, recorder: Recorder
) -> None:
    rotate()
    rotation.destroy(Purpose.SUBJECT, 1, record=recorder)
    with pytest.raises(KeyDestroyedError, match="made under it"), database.write() as session:
        require_live(session, Purpose.SUBJECT, 1)


def test_a_destroyed_key_opens_nothing_and_is_listed(
    database: Database, keyring: Keyring, rotation: Rotation, rotate: Rotate, recorder: Recorder
) -> None:
    rotate()
    for _ in range(2):
        assert rotation.destroy(Purpose.SUBJECT, 1, record=recorder)
    with pytest.raises(KeyDestroyedError, match="subject/1 was destroyed at 2026-03-01 09:30 UTC"):
        keyring.of_version(Purpose.SUBJECT, 1)
    states = [(key.version, key.state) for key in keyring.versions(Purpose.SUBJECT)]
    assert states == [(2, KeyState.ACTIVE), (1, KeyState.DESTROYED)]
    with database.read() as session:
        assert [each.name for each in destroyed_keys(session)] == ["subject/1"]
    assert recorder.seen() == ["subject/2 rotated", "subject/1 destroyed"]


@pytest.mark.parametrize("purpose", Purpose)
def test_what_must_stay_is_not_destroyed(
    rotation: Rotation, recorder: Recorder, purpose: Purpose
) -> None:
    with pytest.raises(ConflictError) as refused:
        rotation.destroy(purpose, 1, record=recorder)
    forever = purpose in (Purpose.ROOT, Purpose.DIGEST)
    assert ("one version for ever" in refused.value.detail) is forever
    assert recorder.events == []


def test_a_version_that_never_was_is_not_found(rotation: Rotation, recorder: Recorder) -> None:
    with pytest.raises(NotFoundError):
        rotation.destroy(Purpose.SUBJECT, 2, record=recorder)


def test_the_data_key_waits_for_its_record_keys(
    database: Database,
    keyring: Keyring,
    rotation: Rotation,
    frozen_clock: FrozenClock,
    recorder: Recorder,
) -> None:
    with database.write() as session:
        for _ in range(3):
            make_record_key(session, keyring, now=frozen_clock())
        rotation.begin(session, Purpose.DATA, record=recorder)
    with pytest.raises(ConflictError, match="data/1 is still in use: 3 in record_key"):
        rotation.destroy(Purpose.DATA, 1, record=recorder)
    assert waiting(database) == [TaskKind.DATA_KEYS_ROTATE]
    said: list[str] = []
    assert rotation.move(Purpose.DATA, said.append) == {"record_key": 3}
    assert said == ["record_key: data/1 to data/2, 3 moved"]
    assert rotation.destroy(Purpose.DATA, 1, record=recorder)
