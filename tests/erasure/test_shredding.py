"""Keys of closed requests are destroyed, and deadlines are watched, by the worker too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from registry.actors.tables import Role
from registry.client.http import HttpClient
from registry.erasure.case.identifiers import open_identifiers
from registry.erasure.tables import ErasureIdentifier, ErasureLetter
from registry.errors import ConflictError, KeyDestroyedError, TamperedError
from registry.keys.destruction import destroyed_keys
from registry.keys.envelope import read_record_key
from registry.keys.tables import RECORD_KEY
from registry.request import House
from registry.storage.columns import table_of
from registry.storage.queue import TaskKind, put_task
from registry.workers.loop import Workers
from tests.clock import FrozenClock
from tests.conftest import TokenMaker
from tests.erasure.filing import case_now, entries, file, steps

PATH = "/api/v1/erasure-requests"


@pytest.fixture
def owner(connect: Callable[[str], HttpClient], make_token: TokenMaker) -> HttpClient:
    """A data owner."""
    return connect(make_token(Role.DATA_OWNER, name="owner"))


def worked_off(house: House, kind: TaskKind) -> None:
    """Let a worker do one task of that kind."""
    house.database.transact(lambda session: put_task(session, kind, {}, now=house.clock()))
    assert Workers(house).work_off() >= 1


def closed(house: House, owner: HttpClient, **said: Any) -> str:
    """A request that was withdrawn; its id."""
    case = file(house, **said).case
    owner.post(f"{PATH}/{case.id}/cancel", {"reasons": "withdrawn"})
    return case.id


def test_case_16_a_destroyed_key_is_proven_by_a_decryption_that_fails(
    house: House, owner: HttpClient
) -> None:
    case = file(house).case
    with pytest.raises(ConflictError, match="is received, and its identifiers are needed"):
        owner.post(f"{PATH}/{case.id}/shred")
    owner.post(f"{PATH}/{case.id}/cancel", {"reasons": "withdrawn"})
    with house.database.read() as session:
        old = read_record_key(session, house.keyring, case.record_key)
        assert len(open_identifiers(session, house.keyring, case)) == 1

    made = owner.post(f"{PATH}/{case.id}/shred")
    assert made["proof"].startswith(f"The record key {case.record_key} was destroyed at")
    assert made["scrubbed"] is True
    for call in (
        lambda: owner.get(f"{PATH}/{case.id}/letters"),
        lambda: _open(house, case.id),
    ):
        with pytest.raises(KeyDestroyedError):
            call()
    # The sealed rows are still there, and only the key that is gone would open them.
    identifiers, letters = table_of(ErasureIdentifier), table_of(ErasureLetter)
    with house.database.read() as session:
        (sealed,) = session.execute(select(identifiers.c.sealed)).scalars()
        assert len(session.execute(select(letters.c.sealed)).all()) == 1
        assert session.execute(select(RECORD_KEY.c.wrapped)).scalars().all() == [None]
        assert [each.name for each in destroyed_keys(session)] == [f"record/{case.record_key}"]
    assert old.open(sealed, context=f"erasure-request/{case.id}/identifier/0")
    # The fact stays: the case, its timeline and its pseudonym.
    shown = owner.get(f"{PATH}/{case.id}")
    assert shown["key_destroyed_at"] == made["key_destroyed_at"]
    assert shown["timeline"][-1]["detail"]["decryption"] == "refused"
    assert "keys.key.destroyed" in [kind for kind, _ in entries(house)]


def _open(house: House, request_id: str) -> None:
    with house.database.read() as session:
        open_identifiers(session, house.keyring, case_now(house, request_id))


def test_shredding_twice_is_success_and_one_step(house: House, owner: HttpClient) -> None:
    request_id = closed(house, owner)
    first = owner.post(f"{PATH}/{request_id}/shred")
    assert owner.post(f"{PATH}/{request_id}/shred") == first
    assert steps(house, request_id).count("key.destroyed") == 1


def test_a_sealed_identifier_that_was_moved_does_not_open(house: House) -> None:
    first, second = (file(house, reference=name).case for name in ("a", "b"))
    table = table_of(ErasureIdentifier)
    with house.database.write() as session:
        mine = table.c.request_id == first.id
        sealed = session.execute(select(table.c.sealed).where(mine)).scalar_one()
        session.execute(table.update().where(table.c.request_id == second.id).values(sealed=sealed))
    with pytest.raises(TamperedError):
        _open(house, second.id)


def test_the_worker_shreds_what_was_kept_long_enough(
    house: House, owner: HttpClient, frozen_clock: FrozenClock
) -> None:
    old = closed(house, owner, reference="old")
    frozen_clock.advance(days=10)
    young, still_open = closed(house, owner, reference="young"), file(house, reference="open").case
    # `identifiers_kept` is P6M: 2026-09-01 for the old one.
    frozen_clock.advance(days=173)
    worked_off(house, TaskKind.SHRED_KEYS)
    assert case_now(house, old).key_destroyed_at is None
    frozen_clock.advance(days=1)
    worked_off(house, TaskKind.SHRED_KEYS)
    assert case_now(house, old).key_destroyed_at == house.clock()
    assert case_now(house, young).key_destroyed_at is None
    assert case_now(house, still_open.id).key_destroyed_at is None
    worked_off(house, TaskKind.SHRED_KEYS)
    assert steps(house, old).count("key.destroyed") == 1


def test_a_deadline_raises_a_violation_before_and_after_it(
    house: House, owner: HttpClient, admin: HttpClient, frozen_clock: FrozenClock
) -> None:
    case = file(house).case
    path = "/api/v1/violations"
    frozen_clock.advance(days=23)
    worked_off(house, TaskKind.WATCH_DEADLINES)
    assert admin.get(path)["totalCount"] == 0
    frozen_clock.advance(days=1)
    worked_off(house, TaskKind.WATCH_DEADLINES)
    worked_off(house, TaskKind.WATCH_DEADLINES)
    (soon,) = admin.get(path)["violations"]
    assert (soon["kind"], soon["times"], soon["project"]) == ("erasure_due_soon", 2, "default")
    assert case.id in soon["detail"]
    frozen_clock.advance(days=8)
    worked_off(house, TaskKind.WATCH_DEADLINES)
    (late,) = admin.get(path, {"kind": "erasure_overdue"})["violations"]
    assert "was due on 2026-04-01 and is received" in late["detail"]
    assert "person-1" not in str(late)
    owner.post(f"{PATH}/{case.id}/cancel", {"reasons": "withdrawn"})
    frozen_clock.advance(days=1)
    worked_off(house, TaskKind.WATCH_DEADLINES)
    assert admin.get(path, {"kind": "erasure_overdue"})["violations"][0]["times"] == 1
