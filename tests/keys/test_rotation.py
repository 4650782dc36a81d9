"""Rotation: a person is found before, during and after, and no key goes that is still needed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
    select,
)

from registry.errors import ConflictError
from registry.keys.holders import SqlSubjectKeys
from registry.keys.identifiers import Scheme
from registry.keys.keyring import Keyring
from registry.keys.rotation import Rotation
from registry.keys.subjects import live_subject_keys, new_subject_key
from registry.keys.tables import KeyState, Purpose
from registry.storage.database import Database
from registry.storage.queue import TaskKind
from tests.clock import FrozenClock
from tests.keys.conftest import Recorder
from tests.keys.places import WISHES, Elsewhere, Rotate, Wishes, ignore, ignore_count, waiting


def test_a_person_is_found_before_during_and_after_a_rotation(
    wishes: Wishes, rotation: Rotation, rotate: Rotate, recorder: Recorder
) -> None:
    found = []

    def look(said: str) -> None:
        found.append((wishes.of("ada"), wishes.of("bob")))

    for person in ("ada", "ada", "bob", "ada", "bob"):
        wishes.write(person)
    look("before")
    rotate()
    wishes.write("bob")
    look("after the new version was made")
    assert rotation.move(Purpose.SUBJECT, look) == {"wish": 5}
    assert rotation.destroy(Purpose.SUBJECT, 1, record=recorder)
    look("after the old one was destroyed")
    assert found == [(3, 2), *[(3, 3)] * 5]
    assert wishes.versions() == [2] * 6
    assert recorder.seen() == ["subject/2 rotated", "subject/1 destroyed"]


def test_a_re_keyed_row_is_what_would_be_written_now(
    database: Database, wishes: Wishes, rotation: Rotation, rotate: Rotate
) -> None:
    wishes.write("ada")
    rotate()
    rotation.move(Purpose.SUBJECT, ignore)
    with database.read() as session:
        row = session.execute(select(WISHES)).one()
    now = new_subject_key(wishes.keyring, Scheme.EXTERNAL, "ada")
    assert (row.subject_key, row.key_version) == (now.key, now.version)
    assert (row.batch, row.number, row.wish) == (bytes(16), 0, "ada")


class StopError(Exception):
    """The worker died here."""


@pytest.mark.parametrize("reports", range(1, 5))
def test_a_rotation_that_was_stopped_anywhere_goes_on_there(
    wishes: Wishes, rotation: Rotation, rotate: Rotate, holder: SqlSubjectKeys, reports: int
) -> None:
    for number in range(7):
        wishes.write(f"person {number}")
    rotate()
    said: list[str] = []

    def stop(text: str) -> None:
        said.append(text)
        if len(said) == reports:
            raise StopError

    with pytest.raises(StopError):
        rotation.move(Purpose.SUBJECT, stop)
    moved = min(2 * reports, 7)
    assert said[-1] == f"wish: subject/1 to subject/2, {moved} moved"
    assert holder.remaining(1) == 7 - moved
    assert [wishes.of(f"person {number}") for number in range(7)] == [1] * 7
    assert rotation.move(Purpose.SUBJECT, ignore) == {"wish": 7 - moved}
    assert wishes.versions() == [2] * 7
    assert [wishes.of(f"person {number}") for number in range(7)] == [1] * 7


def test_a_chunk_that_failed_is_not_kept_in_part(
    wishes: Wishes, holder: SqlSubjectKeys, rotate: Rotate
) -> None:
    wishes.write("ada")
    rotate()
    with pytest.raises(StopError):
        holder.rekey(1, 2, failing, ignore_count)
    assert (wishes.versions(), wishes.of("ada")) == ([1], 1)


def failing(keys: bytes) -> bytes:
    raise StopError


def test_rotations_that_overtake_each_other_end_at_the_newest(
    wishes: Wishes, rotation: Rotation, rotate: Rotate
) -> None:
    wishes.write("ada")
    rotate()
    wishes.write("ada")
    rotate()
    wishes.write("ada")
    assert wishes.versions() == [1, 2, 3]
    assert rotation.move(Purpose.SUBJECT, ignore) == {"wish": 2}
    assert (wishes.versions(), wishes.of("ada")) == ([3] * 3, 3)


def test_a_rotation_and_its_task_are_kept_together_or_not_at_all(
    database: Database, rotation: Rotation, rotate: Rotate, recorder: Recorder
) -> None:
    with database.write() as session:
        rotation.begin(session, Purpose.SUBJECT, record=recorder)
        session.rollback()
    assert waiting(database) == []
    rotate()
    rotate()
    assert waiting(database) == [TaskKind.SUBJECT_KEYS_ROTATE]


def test_a_signing_key_retires_without_a_task(
    database: Database, keyring: Keyring, rotation: Rotation, recorder: Recorder
) -> None:
    public_key = keyring.active(Purpose.SIGNING).public_key
    with database.write() as session:
        rotation.begin(session, Purpose.SIGNING, record=recorder)
    assert waiting(database) == []
    assert rotation.destroy(Purpose.SIGNING, 1, record=recorder)
    old = keyring.versions(Purpose.SIGNING)[1]
    assert (old.state, old.secret, old.public_key) == (KeyState.DESTROYED, None, public_key)


def test_every_place_is_moved_and_counted(
    database: Database,
    keyring: Keyring,
    wishes: Wishes,
    holder: SqlSubjectKeys,
    frozen_clock: FrozenClock,
    recorder: Recorder,
) -> None:
    made = new_subject_key(keyring, Scheme.EXTERNAL, "ada")
    ledger = Elsewhere("subjects", [(made.key, made.version)] * 4)
    rotation = Rotation(database, keyring, frozen_clock, [ledger, holder])
    wishes.write("ada")
    with database.write() as session:
        rotation.begin(session, Purpose.SUBJECT, record=recorder)
    with pytest.raises(ConflictError, match="4 in subjects, 1 in wish"):
        rotation.destroy(Purpose.SUBJECT, 1, record=recorder)
    assert rotation.move(Purpose.SUBJECT, ignore) == {"subjects": 4, "wish": 1}
    assert rotation.destroy(Purpose.SUBJECT, 1, record=recorder)
    assert ledger.keys[0][0] == live_subject_keys(keyring, Scheme.EXTERNAL, "ada")[0]
    restored = Elsewhere("subjects", [(made.key, made.version)])
    rotation = Rotation(database, keyring, frozen_clock, [restored])
    assert rotation.remaining(Purpose.SUBJECT) == {1: {"subjects": 1}}


def unique_table(kind: str) -> Table:
    key = Column("subject_key", LargeBinary, primary_key=kind == "primary key")
    table = Table("unique", MetaData(), key, Column("key_version", Integer))
    if kind == "constraint":
        table.append_constraint(UniqueConstraint("subject_key"))
    if kind == "index":
        Index("uq", table.c.subject_key, table.c.key_version, unique=True)
    return table


@pytest.mark.parametrize("kind", ["primary key", "constraint", "index"])
def test_a_table_where_two_rows_could_meet_is_refused(database: Database, kind: str) -> None:
    with pytest.raises(TypeError, match="holder of their own"):
        SqlSubjectKeys(database, unique_table(kind))


@pytest.fixture
def emptied(database: Database, wishes: Wishes) -> Callable[[], None]:
    def empty() -> None:
        with database.write() as session:
            session.execute(WISHES.delete())

    return empty


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["write ada", "write bob", "rotate", "move", "destroy"]), max_size=14)
)
def test_whatever_happens_in_whatever_order_everybody_is_found(
    wishes: Wishes,
    rotation: Rotation,
    rotate: Rotate,
    recorder: Recorder,
    emptied: Callable[[], None],
    steps: list[str],
) -> None:
    emptied()
    written = {"ada": 0, "bob": 0}
    for step in steps:
        match step.split():
            case ["write", person]:
                wishes.write(person)
                written[person] += 1
            case ["rotate"]:
                rotate()
            case ["move"]:
                rotation.move(Purpose.SUBJECT, ignore)
            case _:
                for key in wishes.keyring.live(Purpose.SUBJECT)[1:]:
                    with contextlib.suppress(ConflictError):
                        rotation.destroy(Purpose.SUBJECT, key.version, record=recorder)
        assert {person: wishes.of(person) for person in written} == written
