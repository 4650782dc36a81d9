"""Keys in the running registry: made at its first start, journalled, moved by the worker."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import delete, select

from registry.actors.accounts import SYSTEM
from registry.app import close_house, open_house
from registry.audit.events import EntryKind
from registry.audit.key_changes import recording_as
from registry.audit.tables import AuditEntry
from registry.errors import MasterKeyError, SettingsError
from registry.keys.rotation import Rotation
from registry.keys.tables import KEYRING, Purpose
from registry.request import House
from registry.settings import Settings
from registry.storage.columns import table_of
from registry.storage.queue import TaskKind
from registry.storage.tables import Task
from registry.workers.loop import Workers
from tests.clock import FrozenClock
from tests.keys.conftest import MASTER
from tests.keys.places import Elsewhere

Told = tuple[str, str, dict[str, object]]


def told(house: House, prefix: str) -> list[Told]:
    """(kind, actor, facts) of the entries of those kinds, in order."""
    entry = table_of(AuditEntry)
    query = select(entry.c.kind, entry.c.actor, entry.c.payload).order_by(entry.c.id)
    with house.database.read() as session:
        rows = session.execute(query.where(entry.c.kind.startswith(prefix)))
        return [(row.kind, row.actor, json.loads(row.payload)) for row in rows]


def test_the_first_start_makes_the_keys_and_says_so_in_the_journal(house: House) -> None:
    assert house.keyring.active(Purpose.SUBJECT).version == 1
    created = EntryKind.KEY_CREATED.value
    assert told(house, "keys.") == [(created, SYSTEM, {"key": f"{each}/1"}) for each in Purpose]


def test_the_second_start_opens_the_same_keys(house: House, settings: Settings) -> None:
    again = open_house(settings, clock=house.clock)
    try:
        assert again.keyring.active(Purpose.ROOT) == house.keyring.active(Purpose.ROOT)
        assert len(told(again, "keys.")) == len(Purpose)
    finally:
        close_house(again)


def test_another_master_key_refuses_the_start(house: House, settings: Settings) -> None:
    with pytest.raises(MasterKeyError, match="is not the one"):
        open_house(replace(settings, master_key=MASTER.secret.hex()), clock=house.clock)


def test_a_missing_master_key_refuses_the_start(house: House, settings: Settings) -> None:
    if settings.embedded:
        (settings.home / "master.key").unlink()
    refusal = MasterKeyError if settings.embedded else SettingsError
    with pytest.raises(refusal):
        open_house(replace(settings, master_key=""), clock=house.clock)
    assert not (settings.home / "master.key").exists()


def test_a_lost_keyring_gets_no_new_keys_while_the_registry_runs(
    house: House, frozen_clock: FrozenClock
) -> None:
    with house.database.write() as session:
        session.execute(delete(KEYRING))
    frozen_clock.advance(seconds=1)
    with pytest.raises(MasterKeyError, match="holds no keys"):
        house.keyring.active(Purpose.SUBJECT)


def begin(house: House, purpose: Purpose) -> None:
    with house.database.write() as session:
        house.rotation.begin(session, purpose, record=recording_as("admin"))


def test_the_worker_moves_what_a_rotation_left_behind(
    house: House, frozen_clock: FrozenClock
) -> None:
    ledger = Elsewhere("subjects", [(bytes(16), 1)] * 3)
    rotation = Rotation(house.database, house.keyring, frozen_clock, [ledger])
    house = replace(house, rotation=rotation)
    begin(house, Purpose.SUBJECT)
    assert Workers(house).work_off() == 0
    frozen_clock.advance(seconds=2)
    assert Workers(house).work_off() == 1
    assert ledger.remaining(2) == 3
    facts = {"purpose": "subject", "moved": {"subjects": 3}, "finished": True}
    assert told(house, "keys.key.rotated") == [
        (EntryKind.KEY_ROTATED.value, "admin", {"key": "subject/2"})
    ]
    assert told(house, "keys.uses") == [(EntryKind.KEY_USES_MOVED.value, SYSTEM, facts)]
    house.rotation.destroy(Purpose.SUBJECT, 1, record=recording_as("admin"))
    assert told(house, "keys.key.destroyed") == [
        (EntryKind.KEY_DESTROYED.value, "admin", {"key": "subject/1"})
    ]


class Stubborn(Elsewhere):
    """A place where somebody keeps writing under the old version."""

    def remaining(self, from_version: int) -> int:
        return 1 if from_version == 1 else 0


@pytest.mark.parametrize("purpose", [Purpose.SUBJECT, Purpose.DATA])
def test_the_task_comes_again_while_anything_is_left(
    house: House, frozen_clock: FrozenClock, purpose: Purpose
) -> None:
    stubborn = Stubborn("subjects") if purpose is Purpose.SUBJECT else Elsewhere("subjects")
    rotation = Rotation(house.database, house.keyring, frozen_clock, [stubborn])
    house = replace(house, rotation=rotation)
    begin(house, purpose)
    frozen_clock.advance(seconds=2)
    assert Workers(house).work_off() == 1
    task = table_of(Task)
    with house.database.read() as session:
        waits = select(task.c.kind).where(task.c.state == "waiting")
        left = list(session.execute(waits).scalars())
    assert left == ([TaskKind.SUBJECT_KEYS_ROTATE] if purpose is Purpose.SUBJECT else [])
    assert [facts["finished"] for _, _, facts in told(house, "keys.uses")] == [not left]
