"""What was erased after a backup is erased again before a restored registry answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import Session

from registry.app import open_house
from registry.audit.key_changes import recording_as
from registry.audit.tables import ENTRY
from registry.canonical import canonical_json
from registry.erasure.execution.records import (
    RECORD,
    ErasedBatch,
    ErasureRecord,
    RedactedPart,
    Signer,
    newer_than,
    open_payload,
    read_record,
    record_json,
)
from registry.erasure.execution.replay import (
    Doors,
    begin_list,
    read_marks,
    read_records,
    replay,
    rows_of_case,
    signer_of,
    write_record,
)
from registry.errors import ConflictError, NotVerifiedError, SetupError
from registry.keys.destruction import destroy_record_key
from registry.keys.envelope import make_record_key
from registry.keys.tables import RECORD_KEY, Purpose
from registry.ledger.addresses import pack
from registry.ledger.closure import Sets
from registry.ledger.holes import Holes
from registry.lineage.tables import LineageEvent
from registry.request import House
from registry.rights.restrictions import restricted_addresses
from registry.rights.suppression import read_suppressed
from registry.storage.backup_tables import RESTORATION
from registry.storage.columns import table_of
from registry.storage.objects import Objects
from tests.backups.conftest import CASE, Place, Town, is_empty, located

EVENT = table_of(LineageEvent)
PLAN = "sha256:" + "ab" * 32


@dataclass
class Seen:
    """Doors that take rows out of the index and remember what they were asked."""

    house: House
    marked: list[Sets] = field(default_factory=list)
    redacted: list[RedactedPart] = field(default_factory=list)
    fails: bool = False

    def doors(self) -> Doors:
        return Doors(mark=self._mark, wipe=self._wipe, redact=self._redact)

    def _mark(self, session: Session, sets: Sets, now: datetime) -> None:
        self.marked.append(sets)

    def _wipe(self, sets: Sets) -> None:
        if self.fails:
            raise SetupError("The disk is gone.", remedy="Get another.")
        for number, ordinals in sets.items():
            self.house.ledger.index.erase(pack(number, ordinals))

    def _redact(self, session: Session, parts: tuple[RedactedPart, ...], now: datetime) -> int:
        self.redacted += parts
        return len(parts)


def erase(town: Town) -> ErasureRecord:
    """Erase ada's rows, suppress and restrict, shred a record key; keep the record."""
    house = town.house
    town.suppress("ada")
    town.restrict(2, [0])
    house.ledger.index.erase(located(house, "ada"))
    with house.database.write() as session:
        sealer = make_record_key(session, house.keyring, now=house.clock())
        destroy_record_key(session, sealer.id, now=house.clock(), record=recording_as("tester"))
        marks = read_marks(session, {1})
        suppressions, restrictions = rows_of_case(session, CASE)
        event = session.execute(select(EVENT.c.digest).order_by(EVENT.c.id).limit(1)).scalar_one()
    record = ErasureRecord(
        id="step-1",
        request_id=CASE,
        at=house.clock(),
        plan=PLAN,
        batches=(ErasedBatch(1, marks[1], Holes([0, 3]).to_bytes()),),
        suppressions=suppressions,
        restrictions=restrictions,
        redactions=(RedactedPart(event, "$.job.name", "erased"),),
        record_keys=(sealer.id,),
    )
    write_record(town.ledger, record, signer_of(house.keyring))
    return record


def public_keys(town: Town) -> set[bytes]:
    return {k.public_key for k in town.house.keyring.versions(Purpose.SIGNING) if k.public_key}


def test_a_record_is_kept_signed_and_read_again(town: Town) -> None:
    record = erase(town)
    write_record(town.ledger, record, signer_of(town.house.keyring))
    assert read_records(town.ledger, public_keys(town)) == [record]
    assert len(list(town.ledger.names("erasures/records"))) == 1
    kept = town.ledger.get(next(iter(town.ledger.names("erasures/records"))))
    assert b"ada" not in kept


def test_a_record_that_was_changed_or_forged_is_refused(town: Town) -> None:
    erase(town)
    (name,) = town.ledger.names("erasures/records")
    kept = json.loads(town.ledger.get(name))
    for forged in (
        {**kept, "payload": {**kept["payload"], "request_id": "case-2"}},
        {**kept, "key": "00" * 32},
        {**kept, "kind": "destroyed-key"},
        {"payload": kept["payload"]},
    ):
        town.ledger.put(name, canonical_json(forged))
        with pytest.raises(NotVerifiedError, match=name):
            read_records(town.ledger, public_keys(town))
    town.ledger.put(name, b"no json")
    with pytest.raises(NotVerifiedError, match=name):
        read_records(town.ledger, public_keys(town))
    with pytest.raises(NotVerifiedError, match="none of this registry's"):
        open_payload(kept, RECORD, set(), name=name)


def test_newer_records_come_in_the_order_of_time(town: Town) -> None:
    record = erase(town)
    earlier = replace(record, at=record.at - timedelta(hours=2), id="step-0")
    assert newer_than([record, earlier], earlier.at) == [record]
    assert newer_than([record, earlier], earlier.at - timedelta(1)) == [earlier, record]
    assert read_record(record_json(record), name="it") == record


def test_a_restored_registry_has_forgotten_what_was_erased_since(town: Town, place: Place) -> None:
    (file, _made), keys = town.backup(), town.keys()
    record = erase(town)
    seen: list[Seen] = []

    def doors(house: House) -> Doors:
        seen.append(Seen(house))
        return seen[0].doors()

    done = place.restore(file, keys, erasures=town.ledger, doors=doors)
    assert (done.records, done.examples) == (1, 5)
    assert [{n: o.tolist() for n, o in sets.items()} for sets in seen[0].marked] == [{1: [0, 3]}]
    assert seen[0].redacted == list(record.redactions)
    with place.opened() as house:
        assert located(house, "ada") == []
        assert len(located(house, "bob")) == 2
        with house.database.read() as session:
            suppressed = read_suppressed(session, house.keyring, at=house.clock())
            assert restricted_addresses(session, [2])[2].ordinals.tolist() == [0]
            assert rows_of_case(session, CASE) == (record.suppressions, record.restrictions)
            marks = session.execute(select(RESTORATION)).all()
        assert len(suppressed.subject_keys) == 1
        assert read_records(house.ledger.objects, public_keys(town)) == [record]
    assert [(mark.replayed, mark.finished_at is not None) for mark in marks] == [(1, True)]


def test_replaying_twice_is_replaying_once(town: Town) -> None:
    record, house = erase(town), town.house
    seen = Seen(house)
    for _ in range(2):
        done = replay(house.database, [record], seen.doors(), actor="tester", now=house.clock())
        assert (done.records, done.keys, done.examples) == (1, 0, 2)
    with house.database.read() as session:
        assert rows_of_case(session, CASE) == (record.suppressions, record.restrictions)


def test_a_number_that_means_another_batch_now_is_passed_over(town: Town) -> None:
    record, seen = erase(town), Seen(town.house)
    other = (ErasedBatch(2, record.batches[0].mark, record.batches[0].ordinals),)
    unknown = (ErasedBatch(99, "00" * 16, record.batches[0].ordinals),)
    records = [replace(record, batches=other), replace(record, batches=unknown)]
    now = town.house.clock()
    done = replay(town.house.database, records, seen.doors(), actor="tester", now=now)
    assert (done.examples, seen.marked) == (0, [])


def test_a_restore_that_cannot_erase_again_does_not_go_live(town: Town, place: Place) -> None:
    (file, _made), keys = town.backup(), town.keys()
    erase(town)
    seen: list[Seen] = []

    def failing(house: House) -> Doors:
        seen.append(Seen(house, fails=not seen))
        return seen[-1].doors()

    with pytest.raises(SetupError, match="disk is gone"):
        place.restore(file, keys, erasures=town.ledger, doors=failing)
    with pytest.raises(SetupError, match="registry restore FILE"):
        open_house(place.settings)
    with pytest.raises(ConflictError, match=r"the list of erasures at .* and none is another"):
        place.restore(file, keys, erasures=None, doors=failing)
    place.restore(file, keys, erasures=town.ledger, doors=failing)
    with place.opened() as house:
        assert (house.ledger.index.count(), located(house, "ada")) == (3, [])


@pytest.mark.parametrize(
    "step", ["rows of account", "rows of batch_binding", "3 objects", "erasures again"]
)
def test_a_restore_that_broke_off_ends_as_one_that_did_not(
    town: Town, place: Place, step: str
) -> None:
    (file, _made), keys = town.backup(), town.keys()
    record = erase(town)

    def break_off(said: str) -> None:
        if step in said:
            raise SetupError("The machine stopped.", remedy="Start it.")

    def doors(house: House) -> Doors:
        return Seen(house).doors()

    with pytest.raises(SetupError, match="machine stopped"):
        place.restore(file, keys, erasures=town.ledger, doors=doors, report=break_off)
    if step.startswith("rows of"):
        assert is_empty(place.settings)
    else:
        with pytest.raises(SetupError, match="is being restored"):
            open_house(place.settings)
    done = place.restore(file, keys, erasures=town.ledger, doors=doors)
    assert (done.records, done.examples) == (1, 5)
    with place.opened() as house:
        assert (house.ledger.index.count(), located(house, "ada")) == (3, [])
        with house.database.read() as session:
            assert rows_of_case(session, CASE) == (record.suppressions, record.restrictions)


def test_payloads_of_entries_that_were_redacted_are_redacted_again(town: Town) -> None:
    house = town.house
    with house.database.read() as session:
        some = session.execute(select(ENTRY).order_by(ENTRY.c.id).limit(2)).all()
    gone = tuple(bytes(row.leaf_data) for row in some)
    entries = (*gone, bytes(32))
    record = ErasureRecord("step", CASE, house.clock(), PLAN, entries=entries)
    assert read_record(record_json(record), name="it") == record
    doors = Seen(house).doors()
    for _ in range(2):
        replay(house.database, [record], doors, actor="tester", now=house.clock())
    with house.database.read() as session:
        rows = session.execute(select(ENTRY).where(ENTRY.c.leaf_data.in_(gone))).all()
        kinds = list(session.execute(select(ENTRY.c.kind)).scalars())
    assert [(row.salt, row.payload) for row in rows] == [(None, None)] * 2
    assert kinds.count("audit.payload.redacted") == 1


def test_an_erasure_before_the_backup_is_not_done_again(town: Town, place: Place) -> None:
    record = erase(town)
    write_record(
        town.ledger,
        replace(record, at=record.at - timedelta(days=40), id="old"),
        signer_of(town.house.keyring),
    )
    (file, _made), keys = town.backup(), town.keys()
    done = place.restore(file, keys, erasures=town.ledger, doors=lambda house: Seen(house).doors())
    assert done.records == 1  # that of this day: clocks differ


def test_a_record_key_that_was_shredded_since_is_shredded_again(town: Town, place: Place) -> None:
    house = town.house
    with house.database.write() as session:
        sealer = make_record_key(session, house.keyring, now=house.clock())
    (file, _made), keys = town.backup(), town.keys()
    with house.database.write() as session:
        destroy_record_key(session, sealer.id, now=house.clock(), record=recording_as("tester"))
    record = ErasureRecord("step", CASE, house.clock(), PLAN, record_keys=(sealer.id,))
    write_record(town.ledger, record, signer_of(house.keyring))
    assert place.restore(file, keys, erasures=town.ledger).keys == 1
    with place.opened() as restored, restored.database.read() as session:
        row = session.execute(select(RECORD_KEY).where(RECORD_KEY.c.id == sealer.id)).one()
    assert (row.wrapped, row.destroyed_at) == (None, record.at)


def test_a_list_of_another_registry_is_refused(town: Town, place: Place, tmp_path: Path) -> None:
    (file, _made), keys = town.backup(), town.keys()
    other = Objects(str(tmp_path / "other"))
    begin_list(other, Signer(bytes(32)), now=town.house.clock())
    with pytest.raises(NotVerifiedError, match=r"list\.json"):
        place.restore(file, keys, erasures=other)
    assert not list(tmp_path.joinpath("restored").glob("ledger/objects/*"))
