"""The keyring: what it gives, how soon it notices a change, and what it refuses to open."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, func, select, update

from registry.errors import (
    ConflictError,
    KeyDestroyedError,
    MasterKeyError,
    NotFoundError,
    TamperedError,
)
from registry.keys.keyring import Keyring
from registry.keys.master import MasterKey, make_master_key
from registry.keys.opening import open_keyring
from registry.keys.tables import KEY_VERSION, KEYRING, KeyState, Purpose
from registry.keys.versions import add_version, make_first_keys, require_live
from registry.settings import Settings
from registry.storage.database import Database
from tests.clock import FrozenClock
from tests.keys.conftest import MASTER, Recorder

OTHER_MASTER = MasterKey(bytes(range(1, 33)), "REGISTRY_MASTER_KEY")
every_purpose = pytest.mark.parametrize("purpose", Purpose)


def rotate(database: Database, purpose: Purpose, clock: FrozenClock, recorder: Recorder) -> int:
    with database.write() as session:
        return add_version(session, MASTER, purpose, now=clock(), record=recorder)


@every_purpose
def test_an_empty_database_gets_a_key_of_each_purpose(keyring: Keyring, purpose: Purpose) -> None:
    key = keyring.active(purpose)
    assert (key.version, key.state, keyring.live(purpose)) == (1, KeyState.ACTIVE, (key,))
    assert len(key.require_secret()) == 32
    assert repr(key.require_secret())[2:-1] not in repr(key)


def test_no_two_purposes_share_a_key(keyring: Keyring) -> None:
    assert len({keyring.active(purpose).secret for purpose in Purpose}) == len(Purpose)


def test_a_signing_key_has_its_public_half_beside_it(keyring: Keyring) -> None:
    key = keyring.active(Purpose.SIGNING)
    private = Ed25519PrivateKey.from_private_bytes(key.require_secret())
    assert key.public_key == private.public_key().public_bytes_raw()


def test_first_keys_are_made_once_and_recorded(
    database: Database, keyring: Keyring, frozen_clock: FrozenClock, recorder: Recorder
) -> None:
    before = keyring.active(Purpose.ROOT)
    with database.write() as session:
        assert not make_first_keys(session, MASTER, now=frozen_clock(), record=recorder)
    assert recorder.events == []
    keyring.refresh()
    assert keyring.active(Purpose.ROOT) == before


def test_a_secret_does_not_stand_in_the_database(database: Database, keyring: Keyring) -> None:
    with database.read() as session:
        rows = session.execute(select(KEY_VERSION.c.wrapped, KEY_VERSION.c.public_key)).all()
    stored = b"".join(cell for row in rows for cell in row if cell is not None)
    for purpose in Purpose:
        assert keyring.active(purpose).require_secret() not in stored


def test_a_rotated_key_is_active_at_once_and_the_old_one_still_read(
    database: Database, keyring: Keyring, frozen_clock: FrozenClock, recorder: Recorder
) -> None:
    old = keyring.active(Purpose.SUBJECT)
    assert rotate(database, Purpose.SUBJECT, frozen_clock, recorder) == 2
    keyring.refresh()
    new, retiring = keyring.live(Purpose.SUBJECT)
    assert (new.version, new.state) == (2, KeyState.ACTIVE)
    assert (retiring.version, retiring.state) == (1, KeyState.RETIRING)
    assert retiring.secret == old.secret != new.secret
    assert recorder.seen() == ["subject/2 rotated"]


def test_another_process_notices_a_rotation_within_a_second(
    database: Database, keyring: Keyring, frozen_clock: FrozenClock, recorder: Recorder
) -> None:
    assert keyring.active(Purpose.SUBJECT).version == 1
    rotate(database, Purpose.SUBJECT, frozen_clock, recorder)
    assert keyring.active(Purpose.SUBJECT).version == 1
    frozen_clock.advance(seconds=1)
    assert keyring.active(Purpose.SUBJECT).version == 2


def test_a_clock_that_was_set_back_keeps_no_answer_alive(
    database: Database, keyring: Keyring, frozen_clock: FrozenClock, recorder: Recorder
) -> None:
    assert keyring.active(Purpose.SUBJECT).version == 1
    rotate(database, Purpose.SUBJECT, frozen_clock, recorder)
    frozen_clock.advance(hours=-1)
    assert keyring.active(Purpose.SUBJECT).version == 2


def test_a_version_that_another_process_just_made_is_found_at_once(
    database: Database, keyring: Keyring, frozen_clock: FrozenClock, recorder: Recorder
) -> None:
    keyring.check()
    rotate(database, Purpose.DATA, frozen_clock, recorder)
    assert keyring.of_version(Purpose.DATA, 2).version == 2
    rotate(database, Purpose.DATA, frozen_clock, recorder)
    with database.read() as session:
        newest = session.execute(
            select(KEY_VERSION.c.id).where(
                KEY_VERSION.c.purpose == Purpose.DATA, KEY_VERSION.c.version == 3
            )
        ).scalar_one()
    assert keyring.with_id(newest).version == 3


def test_a_version_that_never_was_is_not_found(database: Database, keyring: Keyring) -> None:
    with pytest.raises(NotFoundError, match="no version 9 of the key subject"):
        keyring.of_version(Purpose.SUBJECT, 9)
    with pytest.raises(NotFoundError):
        keyring.with_id("none")
    with pytest.raises(NotFoundError), database.write() as session:
        require_live(session, Purpose.SUBJECT, 9)


@pytest.mark.parametrize("purpose", [Purpose.ROOT, Purpose.DIGEST])
def test_root_and_digest_never_rotate(
    database: Database,
    keyring: Keyring,
    frozen_clock: FrozenClock,
    recorder: Recorder,
    purpose: Purpose,
) -> None:
    with pytest.raises(ConflictError, match="is not rotated"):
        rotate(database, purpose, frozen_clock, recorder)
    assert recorder.events == []


def test_there_is_an_end_of_versions(
    database: Database, keyring: Keyring, frozen_clock: FrozenClock, recorder: Recorder
) -> None:
    with database.write() as session:
        session.execute(update(KEY_VERSION).values(version=65_535))
    with pytest.raises(ConflictError, match="65535 versions"):
        rotate(database, Purpose.DATA, frozen_clock, recorder)


def test_another_master_key_opens_nothing(
    database: Database, keyring: Keyring, frozen_clock: FrozenClock
) -> None:
    with pytest.raises(
        MasterKeyError, match=r"of REGISTRY_MASTER_KEY is not the one .* 2026-03-01"
    ):
        Keyring(database, OTHER_MASTER, frozen_clock).check()


def test_a_database_without_keys_is_not_given_any_in_passing(
    database: Database, frozen_clock: FrozenClock
) -> None:
    with pytest.raises(MasterKeyError, match="holds no keys"):
        Keyring(database, MASTER, frozen_clock).active(Purpose.ROOT)
    with database.read() as session:
        assert session.execute(select(func.count()).select_from(KEY_VERSION)).scalar_one() == 0


def test_a_sealed_key_that_was_changed_is_noticed(
    database: Database, keyring: Keyring, frozen_clock: FrozenClock
) -> None:
    mine = KEY_VERSION.c.purpose == Purpose.ROOT
    with database.write() as session:
        sealed = bytearray(session.execute(select(KEY_VERSION.c.wrapped).where(mine)).scalar_one())
        sealed[20] ^= 1
        session.execute(update(KEY_VERSION).where(mine).values(wrapped=bytes(sealed)))
    with pytest.raises(TamperedError, match="root/1 was changed"):
        Keyring(database, MASTER, frozen_clock).check()


def test_a_sealed_key_in_the_place_of_another_is_noticed(
    database: Database, keyring: Keyring, frozen_clock: FrozenClock, recorder: Recorder
) -> None:
    rotate(database, Purpose.SUBJECT, frozen_clock, recorder)
    with database.write() as session:
        of_subject = KEY_VERSION.c.purpose == Purpose.SUBJECT
        first = select(KEY_VERSION.c.wrapped).where(of_subject, KEY_VERSION.c.version == 1)
        session.execute(
            update(KEY_VERSION)
            .where(of_subject, KEY_VERSION.c.version == 2)
            .values(wrapped=session.execute(first).scalar_one())
        )
    with pytest.raises(TamperedError, match="subject/2"):
        Keyring(database, MASTER, frozen_clock).check()


def test_a_purpose_without_an_active_version_is_noticed(
    database: Database, keyring: Keyring, frozen_clock: FrozenClock
) -> None:
    with database.write() as session:
        session.execute(delete(KEY_VERSION).where(KEY_VERSION.c.purpose == Purpose.DIGEST))
    with pytest.raises(TamperedError, match="purpose digest"):
        Keyring(database, MASTER, frozen_clock).check()


class TestOpening:
    """`open_keyring`, which the start of the registry rests on."""

    @pytest.fixture
    def settings(self, database: Database, tmp_path: Path) -> Settings:
        """Embedded settings, whatever the database: the home may have a master key of its own."""
        home = tmp_path / "home-of-its-own"
        home.mkdir()
        return Settings(home=home)

    def open(
        self, settings: Settings, database: Database, clock: FrozenClock, recorder: Recorder
    ) -> tuple[Keyring, str]:
        said = io.StringIO()
        keyring = open_keyring(settings, database, clock=clock, record=recorder, stderr=said)
        return keyring, said.getvalue()

    def test_an_empty_home_gets_a_master_key_and_is_told_so(
        self,
        settings: Settings,
        database: Database,
        frozen_clock: FrozenClock,
        recorder: Recorder,
    ) -> None:
        keyring, said = self.open(settings, database, frozen_clock, recorder)
        assert str(settings.home / "master.key") in said
        assert "Keep a copy" in said
        assert (settings.home / "master.key").read_text().strip() not in said
        assert recorder.seen() == [f"{purpose}/1 created" for purpose in Purpose]
        again, said_again = self.open(settings, database, frozen_clock, recorder)
        assert said_again == ""
        assert again.active(Purpose.ROOT) == keyring.active(Purpose.ROOT)

    def test_a_crash_after_the_master_key_was_made_does_no_harm(
        self,
        settings: Settings,
        database: Database,
        frozen_clock: FrozenClock,
        recorder: Recorder,
    ) -> None:
        made = make_master_key(settings.home)
        keyring, said = self.open(settings, database, frozen_clock, recorder)
        assert (said, keyring.master) == ("", made)

    def test_a_lost_master_key_refuses_the_start_and_none_is_made(
        self,
        settings: Settings,
        database: Database,
        frozen_clock: FrozenClock,
        recorder: Recorder,
    ) -> None:
        self.open(settings, database, frozen_clock, recorder)
        (settings.home / "master.key").unlink()
        with pytest.raises(MasterKeyError, match=r"lost: this database has keys since 2026-03-01"):
            self.open(settings, database, frozen_clock, recorder)
        assert list(settings.home.iterdir()) == []

    def test_a_wrong_master_key_refuses_the_start_and_changes_nothing(
        self,
        settings: Settings,
        database: Database,
        frozen_clock: FrozenClock,
        recorder: Recorder,
    ) -> None:
        self.open(settings, database, frozen_clock, recorder)
        (settings.home / "master.key").write_text(OTHER_MASTER.secret.hex())
        with database.read() as session:
            before = (
                session.execute(select(KEYRING)).one(),
                session.execute(select(KEY_VERSION)).all(),
            )
        with pytest.raises(MasterKeyError, match=r"master\.key is not the one"):
            self.open(settings, database, frozen_clock, recorder)
        with database.read() as session:
            after = (
                session.execute(select(KEYRING)).one(),
                session.execute(select(KEY_VERSION)).all(),
            )
        assert before == after

    def test_processes_that_start_at_once_agree_on_the_keys(
        self,
        settings: Settings,
        database: Database,
        frozen_clock: FrozenClock,
        recorder: Recorder,
    ) -> None:
        opened: list[Keyring] = []
        gate = threading.Barrier(4)

        def start() -> None:
            gate.wait()
            opened.append(self.open(settings, database, frozen_clock, recorder)[0])

        threads = [threading.Thread(target=start) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({each.active(Purpose.ROOT).secret for each in opened}) == 1
        assert len(opened) == 4
        assert len(recorder.events) == len(Purpose)


def test_a_destroyed_version_holds_nothing_live(database: Database, keyring: Keyring) -> None:
    gone = {"state": KeyState.DESTROYED, "wrapped": None, "destroyed_at": 0}
    with database.write() as session:
        row = dict(id="old", purpose=Purpose.SUBJECT, version=2, created_at=0, **gone)
        session.execute(KEY_VERSION.insert().values(row))
    with pytest.raises(KeyDestroyedError, match="subject/2"), database.write() as session:
        require_live(session, Purpose.SUBJECT, 2)
    keyring.refresh()
    assert [key.version for key in keyring.live(Purpose.SUBJECT)] == [1]
    with pytest.raises(KeyDestroyedError, match="subject/2 was destroyed at 1970-01-01"):
        keyring.of_version(Purpose.SUBJECT, 2)
