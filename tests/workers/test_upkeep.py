"""What comes again and again comes once, whatever the number of workers, and does its work."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta

import pyarrow as pa
import pytest
from sqlalchemy import delete, select, update

from registry.client.http import HttpClient
from registry.clock import system_clock
from registry.errors import ConflictError
from registry.ledger.bindings import store_binding
from registry.ledger.expire import EXPIRES_AFTER, expire_objects
from registry.ledger.plan import BindPlan, FoundObject
from registry.ledger.tables import LedgerObject, ObjectKind
from registry.request import House
from registry.storage.columns import table_of
from registry.storage.database import Database
from registry.storage.queue import TaskKind, put_task
from registry.storage.schedule import Period, count_for, has_due, put_due
from registry.storage.tables import Schedule, Task
from registry.workers.loop import Workers
from registry.workers.tasks import HANDLERS, PERIODS
from tests.clock import FrozenClock
from tests.ledger import rows
from tests.ledger.pipelines import PARQUET, digest_of, parquet
from tests.ledger.test_fetch import event, standing

_task, _object, _schedule = table_of(Task), table_of(LedgerObject), table_of(Schedule)
OPTIMISE, EXPIRE = TaskKind.OPTIMISE_INDEX, TaskKind.EXPIRE_OBJECTS
TWO = {OPTIMISE: Period(timedelta(hours=1), count=3), EXPIRE: Period(timedelta(hours=6))}


def waiting(database: Database) -> Counter[str]:
    with database.read() as session:
        found = session.execute(select(_task.c.kind).where(_task.c.state == "waiting"))
        return Counter(found.scalars())


def test_a_first_start_puts_nothing_and_a_period_later_each_comes_once(
    database: Database, frozen_clock: FrozenClock
) -> None:
    for hours, expected in [(0, {}), (0.5, {}), (1, {OPTIMISE: 1}), (5, {OPTIMISE: 1, EXPIRE: 1})]:
        frozen_clock.advance(hours=hours)
        for _ in range(2):
            with database.write() as session:
                put_due(session, TWO, now=frozen_clock())
        assert waiting(database) == expected
        with database.read() as session:
            assert not has_due(session, TWO, now=frozen_clock())


def test_enough_that_was_counted_makes_it_due(
    database: Database, frozen_clock: FrozenClock
) -> None:
    with database.write() as session:
        put_due(session, TWO, now=frozen_clock())
    for counted in range(1, 4):
        with database.write() as session:
            count_for(session, OPTIMISE)
            count_for(session, EXPIRE)
        with database.read() as session:
            assert has_due(session, TWO, now=frozen_clock()) is (counted == 3)
    with database.write() as session:
        assert put_due(session, TWO, now=frozen_clock()) == [OPTIMISE]
    with database.write() as session:
        assert put_due(session, TWO, now=frozen_clock()) == []


def test_workers_that_look_at_once_put_it_once(
    database: Database, frozen_clock: FrozenClock
) -> None:
    with database.write() as session:
        put_due(session, TWO, now=frozen_clock())
    frozen_clock.advance(hours=7)
    ready = threading.Barrier(4)
    put: list[TaskKind] = []

    def work() -> None:
        ready.wait(timeout=60)
        put.extend(database.transact(lambda s: put_due(s, TWO, now=frozen_clock())))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(put) == {OPTIMISE: 1, EXPIRE: 1}
    assert waiting(database) == {OPTIMISE: 1, EXPIRE: 1}


def test_every_kind_that_comes_again_is_handled_and_done(
    house: House, frozen_clock: FrozenClock
) -> None:
    assert set(PERIODS) <= set(HANDLERS)
    house.ledger.index.append(rows.examples(1, 3))
    workers = Workers(house)
    workers.schedule()
    assert workers.work_off() == 0
    frozen_clock.advance(days=2)
    workers.schedule()
    assert workers.work_off() == len(PERIODS)
    with house.database.read() as session:
        states = session.execute(select(_task.c.state).distinct()).scalars().all()
    assert states == ["done"]


def upload(client: HttpClient, data: bytes) -> str:
    digest = digest_of(data)
    client.request(
        "PUT",
        f"/api/v1/ledger/objects/{digest.removeprefix('sha256:')}",
        params={"kind": "examples"},
        content=data,
        headers={"Content-Type": PARQUET},
    )
    return digest


def table(number: int) -> bytes:
    return parquet(pa.table({"example_id": [f"{number}-{row}" for row in range(5)]}))


def bound_event(digest: str) -> dict[str, object]:
    said = event("unused")
    said["outputs"][0]["outputFacets"]["registry_batch"]["examples"] = digest
    return said


def object_ids(house: House) -> set[str]:
    with house.database.read() as session:
        return set(session.execute(select(_object.c.id)).scalars())


def stored_ids(house: House) -> set[str]:
    return {name.split("/")[1] for name in house.ledger.objects.names("objects")}


def test_what_nothing_binds_expires_and_what_is_bound_stays(
    house: House, admin: HttpClient, frozen_clock: FrozenClock
) -> None:
    digest = upload(admin, table(1))
    upload(admin, table(2))
    admin.post("/api/v1/lineage", bound_event(digest))
    workers = Workers(house)
    workers.work_off()
    assert len(object_ids(house)) == 2
    frozen_clock.advance(days=8)
    assert expire_objects(house.ledger, house.database, now=frozen_clock()) == 1
    assert len(object_ids(house)) == 1
    assert stored_ids(house) == object_ids(house)
    frozen_clock.advance(days=400)
    assert expire_objects(house.ledger, house.database, now=frozen_clock()) == 0
    assert standing(admin)["state"] == "bound"
    assert house.ledger.index.count() == 5


def test_what_is_sent_again_stays_as_long_as_what_is_new(
    house: House, admin: HttpClient, frozen_clock: FrozenClock
) -> None:
    upload(admin, table(1))
    frozen_clock.advance(days=6)
    upload(admin, table(1))
    frozen_clock.advance(days=6)
    assert expire_objects(house.ledger, house.database, now=frozen_clock()) == 0
    frozen_clock.advance(days=2)
    assert expire_objects(house.ledger, house.database, now=frozen_clock()) == 1


def test_parts_without_a_row_go_when_they_are_old(
    house: House, admin: HttpClient, frozen_clock: FrozenClock
) -> None:
    upload(admin, table(1))
    (object_id,) = object_ids(house)
    with house.database.write() as session:
        session.execute(delete(_object))
    house.ledger.objects.put("objects/stranger/note.txt", b"of somebody")
    # The age of parts is that of their id, which the machine's clock made.
    made = system_clock()
    assert expire_objects(house.ledger, house.database, now=made + EXPIRES_AFTER / 2) == 0
    assert object_id in stored_ids(house)
    assert expire_objects(house.ledger, house.database, now=made + EXPIRES_AFTER * 2) == 1
    assert stored_ids(house) == {"stranger"}


def test_an_object_that_expires_while_a_batch_is_bound_is_waited_for_again(
    house: House, admin: HttpClient, frozen_clock: FrozenClock
) -> None:
    digest = upload(admin, table(1))
    (object_id,) = object_ids(house)
    admin.post("/api/v1/lineage", bound_event(digest))
    examples = FoundObject(object_id, ObjectKind.EXAMPLES, 5, 0)
    with house.database.write() as session:
        session.execute(delete(_object))
    with pytest.raises(ConflictError, match="expired"), house.database.write() as session:
        store_binding(session, BindPlan(1, examples, (), 5), [], 5, frozen_clock())
    Workers(house).work_off()
    assert standing(admin)["state"] == "pending"
    upload(admin, table(1))
    Workers(house).work_off()
    assert standing(admin)["state"] == "bound"


def test_the_index_is_optimised_after_64_batches(
    house: House, admin: HttpClient, frozen_clock: FrozenClock
) -> None:
    workers = Workers(house)
    workers.schedule()
    with house.database.write() as session:
        for _ in range(63):
            count_for(session, OPTIMISE)
    workers.schedule()
    assert waiting(house.database) == {}
    admin.post("/api/v1/lineage", bound_event(upload(admin, table(1))))
    workers.work_off()
    workers.schedule()
    assert waiting(house.database) == {OPTIMISE: 1}
    workers.work_off()
    assert waiting(house.database) == {}


def test_a_purge_is_followed_by_a_discard_an_hour_later(
    house: House, frozen_clock: FrozenClock
) -> None:
    index = house.ledger.index
    index.append(rows.examples(1, 50))
    index.append(rows.examples(2, 50))
    index.clear_batch(1)
    lost = f"{house.settings.ledger}/index/examples.lance/data/{'ab' * 8}.lance"
    with open(lost, "wb") as file:
        file.write(b"of a writer that crashed")
    workers = Workers(house)
    workers.schedule()
    frozen_clock.advance(hours=6)
    workers.schedule()
    workers.work_off()
    assert index.count() == 50
    assert waiting(house.database) == {TaskKind.DISCARD_LEFTOVERS: 1}
    assert not index.residue()[0].is_clean
    frozen_clock.advance(hours=1, minutes=2)
    workers.work_off()
    assert index.residue()[0].is_clean
    assert index.count() == 50


def test_pending_batches_are_asked_for_again(house: House, admin: HttpClient) -> None:
    admin.post("/api/v1/lineage", bound_event(digest_of(table(1))))
    workers = Workers(house)
    workers.work_off()
    upload(admin, table(1))
    # As if the one that woke the batch had been lost.
    with house.database.write() as session:
        session.execute(delete(_task).where(_task.c.state == "waiting"))
        session.execute(update(_schedule).values(counted=0))
    assert workers.work_off() == 0
    with house.database.write() as session:
        put_task(session, TaskKind.RETRY_BATCHES, {}, now=house.clock())
    workers.work_off()
    assert standing(admin)["state"] == "bound"
