"""Tasks are done once at a time, taken over from the dead, and given up after the last try."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlmodel import Session

from registry.audit.tables import AuditEntry
from registry.clock import system_clock
from registry.errors import ConflictError
from registry.request import House
from registry.settings import Settings
from registry.storage.columns import table_of
from registry.storage.database import Database
from registry.storage.queue import MAX_ATTEMPTS, TaskKind, lease_task, put_task
from registry.storage.tables import Task
from registry.workers.loop import Workers
from registry.workers.tasks import Handler, TaskContext
from tests.clock import FrozenClock

_task, _entry = table_of(Task), table_of(AuditEntry)
KIND = TaskKind.NAMES_REASSIGN
PATIENCE_SECONDS = 20


def put(house: House, **payload: object) -> str:
    with house.database.write() as session:
        task = put_task(session, KIND, dict(payload), now=house.clock())
    assert task is not None
    return task


def row(house: House, task: str) -> Any:
    with house.database.read() as session:
        return session.execute(select(_task).where(_task.c.id == task)).one()


def deaths(house: House) -> list[dict[str, Any]]:
    with house.database.read() as session:
        payloads = session.execute(
            select(_entry.c.payload).where(_entry.c.kind == "workers.task.died")
        ).scalars()
        return [json.loads(payload) for payload in payloads]


def handlers(handler: Handler) -> Mapping[TaskKind, Handler]:
    return {KIND: handler}


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until, "that did not happen in time"
        threading.Event().wait(0.01)


def test_a_task_is_done_and_stays_done(house: House) -> None:
    seen: list[dict[str, object]] = []
    task = put(house, number=1)
    workers = Workers(house, handlers=handlers(lambda context: seen.append(context.task.payload)))
    assert workers.work_off() == 1
    assert workers.work_off() == 0
    assert seen == [{"number": 1}]
    done = row(house, task)
    assert (done.state, done.attempts, done.finished_at) == ("done", 1, house.clock())


def test_tasks_are_done_oldest_first(house: House, frozen_clock: FrozenClock) -> None:
    seen: list[object] = []
    for number in range(5):
        put(house, number=number)
        frozen_clock.advance(seconds=1)
    Workers(
        house, handlers=handlers(lambda context: seen.append(context.task.payload["number"]))
    ).work_off()
    assert seen == [0, 1, 2, 3, 4]


def test_a_task_of_an_unknown_kind_is_left_for_a_newer_worker(house: House) -> None:
    task = put(house)
    assert Workers(house, handlers={}).work_off() == 0
    assert row(house, task).state == "waiting"


def test_a_failing_task_waits_longer_each_time_and_then_dies(
    house: House, frozen_clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_context: TaskContext) -> None:
        raise ConflictError("The shelf is full.", remedy="Wait.")

    task = put(house)
    workers = Workers(house, handlers=handlers(fail))
    with caplog.at_level(logging.CRITICAL):
        for attempt in range(1, MAX_ATTEMPTS):
            assert workers.work_off() == 1
            waiting = row(house, task)
            assert (waiting.state, waiting.attempts) == ("waiting", attempt)
            assert waiting.run_after - house.clock() == timedelta(seconds=2**attempt)
            assert waiting.error == "The shelf is full."
            assert workers.work_off() == 0
            frozen_clock.advance(seconds=2**attempt)
        assert deaths(house) == []
        assert workers.work_off() == 1
    assert row(house, task).state == "dead"
    assert deaths(house) == [{"task": task, "kind": KIND.value, "attempts": MAX_ATTEMPTS}]
    frozen_clock.advance(days=30)
    assert workers.work_off() == 0


def test_an_error_keeps_one_line_and_no_more(house: House) -> None:
    def fail(_context: TaskContext) -> None:
        raise ValueError("no such column\nparameters: ada@example.org")

    task = put(house)
    Workers(house, handlers=handlers(fail)).work_off()
    assert row(house, task).error == "ValueError: no such column"


def test_a_task_of_a_worker_that_died_is_taken_over_after_its_lease(
    house: House, frozen_clock: FrozenClock
) -> None:
    task = put(house)
    with house.database.write() as session:
        lease_task(
            session,
            worker="the one that dies",
            kinds=frozenset({KIND}),
            now=house.clock(),
            lease=timedelta(seconds=60),
        )
    seen: list[int] = []
    workers = Workers(house, handlers=handlers(lambda context: seen.append(context.task.attempt)))
    frozen_clock.advance(seconds=60)
    assert workers.work_off() == 0
    frozen_clock.advance(seconds=1)
    assert workers.work_off() == 1
    assert seen == [2]
    assert row(house, task).state == "done"


def test_a_task_that_killed_every_worker_dies_without_another_try(
    house: House, frozen_clock: FrozenClock
) -> None:
    task = put(house)
    with house.database.write() as session:
        session.execute(
            update(_task).values(
                state="running",
                attempts=MAX_ATTEMPTS,
                leased_by="the last one",
                leased_until=house.clock(),
            )
        )
    frozen_clock.advance(seconds=1)
    seen: list[str] = []
    Workers(house, handlers=handlers(lambda context: seen.append(context.task.id))).work_off()
    assert seen == []
    assert row(house, task).state == "dead"
    assert len(deaths(house)) == 1


def test_what_a_worker_concludes_after_losing_its_lease_is_not_kept(
    house: House, frozen_clock: FrozenClock
) -> None:
    def slow(context: TaskContext) -> None:
        # The lease runs out, and another worker does the task.
        frozen_clock.advance(hours=1)
        quick = Workers(house, handlers=handlers(lambda _context: None))
        assert quick.work_off() == 1
        context.conclude(lambda session: put_task_again(session, context.house))

    task = put(house)
    Workers(house, handlers=handlers(slow)).work_off()
    assert (row(house, task).state, row(house, task).attempts) == ("done", 2)
    with house.database.read() as session:
        assert len(session.execute(select(_task.c.id)).all()) == 1


def put_task_again(session: Session, house: House) -> None:
    put_task(session, KIND, {"number": 2}, now=house.clock())


def test_what_a_handler_concludes_is_kept_with_the_tasks_end(house: House) -> None:
    def once(context: TaskContext) -> None:
        if not context.task.payload:
            context.conclude(lambda session: put_task_again(session, context.house))

    first = put(house)
    assert Workers(house, handlers=handlers(once)).work_off() == 2
    assert row(house, first).state == "done"


@pytest.fixture
def live_house(house: House) -> House:
    """The same registry by the real clock, for what runs on threads."""
    return replace(house, clock=system_clock)


def test_two_workers_never_do_one_task_at_once(live_house: House, settings: Settings) -> None:
    tasks = 40
    busy: Counter[str] = Counter()
    done: Counter[str] = Counter()
    overlaps: list[str] = []
    lock = threading.Lock()

    def work(context: TaskContext) -> None:
        with lock:
            busy[context.task.id] += 1
            if busy[context.task.id] > 1:
                overlaps.append(context.task.id)
        time.sleep(0)
        with lock:
            busy[context.task.id] -= 1
            done[context.task.id] += 1

    for number in range(tasks):
        put(live_house, number=number)
    # Two processes would each have connections of their own.
    other = Database(settings.database)
    second = replace(live_house, database=other)
    try:
        with (
            Workers(live_house, threads=3, poll_seconds=0.01, handlers=handlers(work)).running(),
            Workers(second, threads=3, poll_seconds=0.01, handlers=handlers(work)).running(),
        ):
            wait_for(lambda: sum(done.values()) >= tasks)
    finally:
        other.close()
    assert overlaps == []
    assert set(done.values()) == {1}
    assert len(done) == tasks


def test_a_lease_is_renewed_while_the_handler_runs(live_house: House) -> None:
    go_on = threading.Event()
    started = threading.Event()

    def long(context: TaskContext) -> None:
        context.report("half way")
        started.set()
        assert go_on.wait(PATIENCE_SECONDS)

    task = put(live_house)
    lease = timedelta(seconds=0.6)
    with Workers(live_house, lease=lease, poll_seconds=0.01, handlers=handlers(long)).running():
        assert started.wait(PATIENCE_SECONDS)
        first = row(live_house, task).leased_until
        wait_for(lambda: row(live_house, task).leased_until > first + lease)
        assert row(live_house, task).progress == "half way"
        assert row(live_house, task).attempts == 1
        go_on.set()
    assert row(live_house, task).state == "done"


def test_stopping_lets_the_running_task_end_and_takes_no_other(live_house: House) -> None:
    started = threading.Event()

    def work(_context: TaskContext) -> None:
        started.set()
        threading.Event().wait(0.05)

    tasks = [put(live_house, number=number) for number in range(50)]
    with Workers(live_house, poll_seconds=0.01, handlers=handlers(work)).running():
        assert started.wait(PATIENCE_SECONDS)
    states = Counter(row(live_house, task).state for task in tasks)
    assert states["running"] == 0
    assert states["done"] >= 1
    assert states["waiting"] >= 1
