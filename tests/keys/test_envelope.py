"""Sealed values: they open at their place only, outlive a rotation, and end with their key."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from registry.errors import ConflictError, KeyDestroyedError, NotFoundError, TamperedError
from registry.keys.destruction import (
    DestroyedKey,
    destroy_record_key,
    destroyed_keys,
    replay_destroyed,
)
from registry.keys.envelope import RecordSealer, make_record_key, read_record_key, record_key_id
from registry.keys.holders import RecordKeys
from registry.keys.keyring import Keyring
from registry.keys.tables import KEY_VERSION, NOT_IN_BACKUPS, RECORD_KEY, KeyState, Purpose
from registry.keys.versions import add_version
from registry.storage.database import Database
from registry.storage.residue import scrub_residue
from tests.clock import START, FrozenClock
from tests.keys.conftest import MASTER, Recorder

VALUE = b"ada@example.org"
CONTEXT = "erasure-request/17/identifier/0"
SEALER = RecordSealer("01a1f749-9348-7810-a7ce-8cb07f9505bd", bytes(range(32)))


@pytest.fixture
def sealer(database: Database, keyring: Keyring, frozen_clock: FrozenClock) -> RecordSealer:
    with database.write() as session:
        return make_record_key(session, keyring, now=frozen_clock())


def read(database: Database, keyring: Keyring, sealed: bytes) -> bytes:
    with database.read() as session:
        return read_record_key(session, keyring, record_key_id(sealed)).open(
            sealed, context=CONTEXT
        )


def test_a_sealed_value_leads_to_its_key_and_opens(
    database: Database, keyring: Keyring, sealer: RecordSealer
) -> None:
    sealed = sealer.seal(VALUE, context=CONTEXT)
    assert VALUE not in sealed
    assert len(sealed) == len(VALUE) + 45
    assert record_key_id(sealed) == sealer.id
    assert read(database, keyring, sealed) == VALUE


def test_a_value_is_sealed_in_another_way_each_time() -> None:
    assert len({SEALER.seal(VALUE, context=CONTEXT) for _ in range(1_000)}) == 1_000


def test_a_sealer_does_not_show_its_secret() -> None:
    assert repr(SEALER) == f"RecordSealer(id={SEALER.id!r})"


def test_a_value_that_was_moved_does_not_open(
    database: Database, keyring: Keyring, sealer: RecordSealer, frozen_clock: FrozenClock
) -> None:
    sealed = sealer.seal(VALUE, context=CONTEXT)
    with pytest.raises(TamperedError, match="erasure-request/18"):
        sealer.open(sealed, context="erasure-request/18/identifier/0")
    with database.write() as session:
        other = make_record_key(session, keyring, now=frozen_clock())
    with pytest.raises(TamperedError, match="names another record key"):
        other.open(sealed, context=CONTEXT)
    renamed = RecordSealer(sealer.id, other.secret)
    with pytest.raises(TamperedError):
        renamed.open(sealed, context=CONTEXT)


@pytest.mark.parametrize("at", [0, 1, 16, 17, 29, -1])
def test_a_value_that_was_changed_does_not_open(at: int) -> None:
    sealed = bytearray(SEALER.seal(VALUE, context=CONTEXT))
    sealed[at] ^= 0x80
    with pytest.raises(TamperedError):
        SEALER.open(bytes(sealed), context=CONTEXT)


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x02" + bytes(60)])
def test_bytes_without_the_form_of_a_sealed_value_are_told(sealed: bytes) -> None:
    with pytest.raises(TamperedError, match=f"{len(sealed)} bytes"):
        record_key_id(sealed)


def test_a_record_key_in_the_row_of_another_is_noticed(
    database: Database, keyring: Keyring, sealer: RecordSealer, frozen_clock: FrozenClock
) -> None:
    with database.write() as session:
        other = make_record_key(session, keyring, now=frozen_clock())
        wrapped = select(RECORD_KEY.c.wrapped).where(RECORD_KEY.c.id == other.id)
        session.execute(
            update(RECORD_KEY)
            .where(RECORD_KEY.c.id == sealer.id)
            .values(wrapped=session.execute(wrapped).scalar_one())
        )
    with pytest.raises(TamperedError, match=sealer.id), database.read() as session:
        read_record_key(session, keyring, sealer.id)


def test_a_destroyed_key_opens_nothing_and_says_when_it_went(
    database: Database,
    keyring: Keyring,
    sealer: RecordSealer,
    frozen_clock: FrozenClock,
    recorder: Recorder,
) -> None:
    sealed = sealer.seal(VALUE, context=CONTEXT)
    frozen_clock.advance(days=30)
    for was_there in (True, False):
        with database.write() as session:
            done = destroy_record_key(session, sealer.id, now=frozen_clock(), record=recorder)
        assert done is was_there
    with pytest.raises(KeyDestroyedError, match=rf"{sealer.id} was destroyed at 2026-03-31 09:30"):
        read(database, keyring, sealed)
    assert recorder.seen() == [f"record/{sealer.id} destroyed"]
    with database.read() as session:
        assert destroyed_keys(session) == [DestroyedKey(f"record/{sealer.id}", frozen_clock())]


def test_a_destroyed_key_is_gone_from_the_files_of_the_database(
    database: Database, keyring: Keyring, sealer: RecordSealer, recorder: Recorder
) -> None:
    with database.read() as session:
        mine = select(RECORD_KEY.c.wrapped).where(RECORD_KEY.c.id == sealer.id)
        wrapped: bytes = session.execute(mine).scalar_one()
    assert wrapped in files_of(database)
    with database.write() as session:
        destroy_record_key(session, sealer.id, now=START, record=recorder)
    assert scrub_residue(database, NOT_IN_BACKUPS)
    assert wrapped not in files_of(database)


def test_an_old_snapshot_keeps_no_destroyed_key_alive(
    database: Database, keyring: Keyring, sealer: RecordSealer, recorder: Recorder
) -> None:
    """PostgreSQL's VACUUM would keep what it might see; on SQLite, scrubbing says it could not."""
    with database.read() as session:
        mine = select(RECORD_KEY.c.wrapped).where(RECORD_KEY.c.id == sealer.id)
        wrapped: bytes = session.execute(mine).scalar_one()
    hasty = Database(database.url.render_as_string(hide_password=False), lock_timeout_seconds=0.05)
    with database.engine.connect() as old:
        if not database.is_sqlite:
            old = old.execution_options(isolation_level="REPEATABLE READ")
        old.exec_driver_sql("SELECT count(*) FROM account").scalar_one()
        with hasty.write() as session:
            destroy_record_key(session, sealer.id, now=START, record=recorder)
        assert scrub_residue(hasty, NOT_IN_BACKUPS) is not database.is_sqlite
        assert (wrapped in files_of(database)) is database.is_sqlite
    hasty.close()


def files_of(database: Database) -> bytes:
    """What lies in the files of the database for the table of record keys."""
    if database.is_sqlite:
        path = str(database.url.database)
        found = b""
        for name in (path, f"{path}-wal"):
            with open(name, "rb") as file:
                found += file.read()
        return found
    with database.engine.connect() as connection:
        connection.exec_driver_sql("CHECKPOINT")
        query = "SELECT pg_read_binary_file(pg_relation_filepath('record_key'))"
        return bytes(connection.exec_driver_sql(query).scalar_one())


def test_files_that_somebody_reads_are_not_scrubbed(
    database: Database, keyring: Keyring, sealer: RecordSealer, recorder: Recorder
) -> None:
    hasty = Database(database.url.render_as_string(hide_password=False), lock_timeout_seconds=0.05)
    with database.read() as reader:
        reader.execute(select(RECORD_KEY)).all()
        with hasty.write() as session:
            destroy_record_key(session, sealer.id, now=START, record=recorder)
        assert not scrub_residue(hasty, NOT_IN_BACKUPS)
    assert scrub_residue(hasty, NOT_IN_BACKUPS)
    hasty.close()


def test_an_unknown_record_key_is_not_found(
    database: Database, keyring: Keyring, recorder: Recorder
) -> None:
    with pytest.raises(NotFoundError), database.read() as session:
        read_record_key(session, keyring, "none")
    with pytest.raises(NotFoundError), database.write() as session:
        destroy_record_key(session, "none", now=START, record=recorder)


def test_a_value_opens_after_the_data_key_was_rotated_and_its_old_version_destroyed(
    database: Database,
    keyring: Keyring,
    sealer: RecordSealer,
    frozen_clock: FrozenClock,
    recorder: Recorder,
) -> None:
    sealed = sealer.seal(VALUE, context=CONTEXT)
    with database.write() as session:
        gone = make_record_key(session, keyring, now=frozen_clock())
        destroy_record_key(session, gone.id, now=frozen_clock(), record=recorder)
        add_version(session, MASTER, Purpose.DATA, now=frozen_clock(), record=recorder)
    keyring.refresh()
    holder = RecordKeys(database, keyring)
    assert (holder.remaining(1), holder.remaining(2), holder.remaining(3)) == (1, 0, 0)
    assert read(database, keyring, sealed) == VALUE
    assert holder.rewrap(1, 2, lambda moved: None) == 1
    assert (holder.remaining(1), holder.remaining(2)) == (0, 1)
    destroy_by_hand(database, Purpose.DATA, 1)
    keyring.refresh()
    assert read(database, keyring, sealed) == VALUE


def test_no_record_key_is_made_under_a_version_that_is_gone(
    database: Database, keyring: Keyring, frozen_clock: FrozenClock, recorder: Recorder
) -> None:
    keyring.check()
    with database.write() as session:
        add_version(session, MASTER, Purpose.DATA, now=frozen_clock(), record=recorder)
    destroy_by_hand(database, Purpose.DATA, 1)
    with pytest.raises(KeyDestroyedError, match="data/1"), database.write() as session:
        make_record_key(session, keyring, now=frozen_clock())
    frozen_clock.advance(seconds=1)
    with database.write() as session:
        make_record_key(session, keyring, now=frozen_clock())


def destroy_by_hand(database: Database, purpose: Purpose, version: int) -> None:
    gone = {"state": KeyState.DESTROYED, "wrapped": None, "destroyed_at": START}
    mine = (KEY_VERSION.c.purpose == purpose) & (KEY_VERSION.c.version == version)
    with database.write() as session:
        session.execute(update(KEY_VERSION).where(mine).values(gone))


class TestReplay:
    """An older copy of the tables came back; what was destroyed since is destroyed again."""

    def test_keys_that_came_back_are_destroyed_again(
        self,
        database: Database,
        keyring: Keyring,
        sealer: RecordSealer,
        frozen_clock: FrozenClock,
        recorder: Recorder,
    ) -> None:
        with database.write() as session:
            add_version(session, MASTER, Purpose.DATA, now=frozen_clock(), record=recorder)
        recorder.events.clear()
        listed = [
            DestroyedKey("data/1", START),
            DestroyedKey(f"record/{sealer.id}", START),
            DestroyedKey("subject/9", START),
            DestroyedKey("record/of-another-time", START),
        ]
        for count in (2, 0):
            with database.write() as session:
                assert replay_destroyed(session, listed, record=recorder) == count
        assert recorder.seen() == ["data/1 destroyed", f"record/{sealer.id} destroyed"]
        keyring.refresh()
        with database.read() as session:
            assert destroyed_keys(session) == listed[:2]
        with pytest.raises(KeyDestroyedError):
            read(database, keyring, sealer.seal(VALUE, context=CONTEXT))
        with pytest.raises(KeyDestroyedError):
            keyring.of_version(Purpose.DATA, 1)

    def test_one_that_came_back_active_must_be_rotated_first(
        self, database: Database, keyring: Keyring, recorder: Recorder
    ) -> None:
        listed = DestroyedKey("subject/1", START)
        with (
            pytest.raises(ConflictError, match="came back") as refused,
            database.write() as session,
        ):
            replay_destroyed(session, [listed], record=recorder)
        assert "registry keys rotate --purpose subject" in refused.value.remedy
