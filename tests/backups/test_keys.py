"""Keys are never in a backup: they come from files of their own, and destroyed ones end again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from registry.audit.key_changes import recording_as
from registry.backups.key_file import merged, read_key_file
from registry.erasure.execution.records import ErasureRecord
from registry.erasure.execution.replay import (
    mirror_destroyed_keys,
    rows_of_case,
    signer_of,
    write_record,
)
from registry.errors import (
    ConflictError,
    InvalidInputError,
    KeyDestroyedError,
    MasterKeyError,
    NotFoundError,
)
from registry.keys.envelope import make_record_key, read_record_key
from registry.keys.master import MasterKey
from registry.keys.tables import KEY_VERSION, KeyState, Purpose
from registry.request import House
from tests.backups.conftest import CASE, Place, Town, located

RECORD = recording_as("tester")


def rotate(house: House, purpose: Purpose = Purpose.SUBJECT) -> None:
    """A new version, and everything moved to it."""
    with house.database.write() as session:
        house.rotation.begin(session, purpose, record=RECORD)
    house.keyring.refresh()
    house.rotation.move(purpose, lambda _said: None)


def destroy(town: Town, version: int = 1, purpose: Purpose = Purpose.SUBJECT) -> None:
    """Destroy a version and list it, as `registry keys destroy` does."""
    house = town.house
    house.rotation.destroy(purpose, version, record=RECORD)
    mirror_destroyed_keys(house.database, town.ledger, signer_of(house.keyring))


def states(house: House, purpose: Purpose = Purpose.SUBJECT) -> dict[str, tuple[str, bool]]:
    """State of each version by id, and whether its key is there."""
    with house.database.read() as session:
        rows = session.execute(select(KEY_VERSION).where(KEY_VERSION.c.purpose == purpose)).all()
    return {row.id: (row.state, row.wrapped is not None) for row in rows}


def test_a_key_file_gives_the_same_keys(town: Town) -> None:
    path = town.keys()
    assert path.stat().st_mode & 0o777 == 0o600
    held = read_key_file(path, town.house.keyring.master)
    assert {row.id: (row.state, True) for row in held.versions} == {
        key: state for purpose in Purpose for key, state in states(town.house, purpose).items()
    }
    with pytest.raises(ConflictError, match="replaces none"):
        town.keys()


def test_a_key_file_opens_under_its_master_key_alone(town: Town) -> None:
    path = town.keys()
    with pytest.raises(MasterKeyError, match="does not open"):
        read_key_file(path, MasterKey(bytes(range(1, 33)), "elsewhere"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(MasterKeyError, match="does not open"):
        read_key_file(path, town.house.keyring.master)
    path.write_bytes(b"a text")
    with pytest.raises(InvalidInputError, match="no key file"):
        read_key_file(path, town.house.keyring.master)
    with pytest.raises(NotFoundError, match="nothing"):
        read_key_file(Path("nothing"), town.house.keyring.master)


def test_without_a_key_file_nothing_is_restored(town: Town, place: Place) -> None:
    file, _made = town.backup()
    with pytest.raises(MasterKeyError, match="holds no keys"):
        place.restore(file, erasures=town.ledger)


def test_a_key_file_older_than_a_rotation_is_not_enough(town: Town, place: Place) -> None:
    old = town.keys("old")
    rotate(town.house)
    file, _made = town.backup()
    with pytest.raises(MasterKeyError, match="subject/2"):
        place.restore(file, old, erasures=town.ledger)
    new = town.keys("new")
    place.restore(file, old, new, erasures=town.ledger)
    with place.opened() as house:
        assert states(house) == states(town.house)


def test_a_backup_of_rows_under_a_key_that_no_file_holds_is_refused(
    town: Town, place: Place
) -> None:
    file, _made = town.backup()
    rotate(town.house)
    destroy(town)
    with pytest.raises(MasterKeyError, match="subject/1"):
        place.restore(file, town.keys(), erasures=town.ledger)


@pytest.mark.parametrize("files", ["both", "old"])
def test_a_key_that_was_destroyed_since_is_destroyed_again(
    town: Town, place: Place, files: str
) -> None:
    town.suppress("bob")
    (file, _made), old = town.backup(), town.keys("old")
    (first,) = states(town.house)
    rotate(town.house)
    destroy(town)
    keys = [old, town.keys("new")] if files == "both" else [old]
    assert place.restore(file, *keys, erasures=town.ledger).keys == 1
    with place.opened() as house:
        found = states(house)
        assert found.pop(first) == (KeyState.DESTROYED, False)
        assert list(found.values()) == [(KeyState.ACTIVE, True)]
        if files == "both":
            assert set(found) < set(states(town.house))
        assert len(located(house, "bob")) == len(located(house, "ada")) == 2
        assert house.rotation.is_finished(Purpose.SUBJECT)
        with house.database.read() as session:
            (suppressed,), _none = rows_of_case(session, CASE)
        assert suppressed.key_version == house.keyring.active(Purpose.SUBJECT).version


def test_what_the_backup_knows_to_be_destroyed_does_not_come_back(town: Town, place: Place) -> None:
    old = town.keys("old")
    rotate(town.house)
    middle = town.keys("middle")
    destroy(town)
    file, _made = town.backup()
    place.restore(file, old, middle, erasures=town.ledger)
    with place.opened() as house:
        assert states(house) == states(town.house)
        assert len(located(house, "ada")) == 2


def test_records_under_a_key_that_no_file_holds_are_not_forgotten(town: Town, place: Place) -> None:
    (file, _made), old = town.backup(), town.keys("old")
    rotate(town.house)
    town.suppress("eve")
    with town.house.database.read() as session:
        suppressions, _none = rows_of_case(session, CASE)
    record = ErasureRecord(
        "step", CASE, town.house.clock(), "sha256:" + "00" * 32, suppressions=suppressions
    )
    write_record(town.ledger, record, signer_of(town.house.keyring))
    with pytest.raises(MasterKeyError, match="no key file holds"):
        place.restore(file, old, erasures=town.ledger)
    place.restore(file, old, town.keys("new"), erasures=town.ledger)
    with place.opened() as house, house.database.read() as session:
        assert rows_of_case(session, CASE)[0] == suppressions


def test_record_keys_come_back_and_one_without_a_key_is_lost(town: Town, place: Place) -> None:
    house = town.house
    with house.database.write() as session:
        first = make_record_key(session, house.keyring, now=house.clock())
    sealed = first.seal(b"ada@example.org", context="here")
    keys = town.keys()
    with house.database.write() as session:
        later = make_record_key(session, house.keyring, now=house.clock())
    rotate(house, Purpose.DATA)
    file, _made = town.backup()
    place.restore(file, keys, town.keys("newer"), erasures=town.ledger)
    with place.opened() as restored, restored.database.read() as session:
        opened = read_record_key(session, restored.keyring, first.id)
        assert opened.open(sealed, context="here") == b"ada@example.org"
        read_record_key(session, restored.keyring, later.id)


def test_a_record_key_made_after_the_key_file_is_lost_and_says_so(town: Town, place: Place) -> None:
    house, keys = town.house, town.keys()
    with house.database.write() as session:
        later = make_record_key(session, house.keyring, now=house.clock())
    file, _made = town.backup()
    place.restore(file, keys, erasures=town.ledger)
    with (
        place.opened() as restored,
        restored.database.read() as session,
        pytest.raises(KeyDestroyedError),
    ):
        read_record_key(session, restored.keyring, later.id)


def test_key_files_of_two_registries_are_not_one_set(town: Town, tmp_path: Path) -> None:
    held = read_key_file(town.keys(), town.house.keyring.master)
    other = replace(
        held, versions=tuple(replace(row, id=f"other-{row.id}") for row in held.versions)
    )
    with pytest.raises(InvalidInputError, match="different registries"):
        merged([held, other])


def test_another_master_key_restores_nothing(town: Town, place: Place) -> None:
    (file, _made), keys = town.backup(), town.keys()
    wrong = Place(replace(place.settings, master_key=bytes(range(50, 82)).hex()))
    with pytest.raises(MasterKeyError, match="does not open"):
        wrong.restore(file, keys, erasures=town.ledger)
    place.restore(file, keys, erasures=town.ledger)
    with place.opened() as house:
        assert states(house) == states(town.house)
