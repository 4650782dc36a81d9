"""Takes tasks from the queue under leases and runs their handlers on threads.

Rules:
1. A lease is renewed every third of its time while the handler runs; a process that dies loses it,
   and another worker takes the task after that time.
2. A handler that fails sends its task back to wait; after the last attempt it is dead, which is an
   entry in the audit journal, in the same transaction. So is a task that killed its worker each
   time.
3. Tasks that come again and again are put by whichever worker is first (`storage.schedule`).
4. Stopping is graceful: no task is taken any more, and the running ones get some time to end.
   What does not end in time is taken over by another worker.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.errors import RegistryError, StorageUnavailableError
from registry.request import House
from registry.storage.queue import (
    MAX_ATTEMPTS,
    LeasedTask,
    TaskKind,
    TaskState,
    fail_task,
    has_due_task,
    lease_task,
    renew_lease,
)
from registry.storage.schedule import Period, has_due, put_due
from registry.workers.context import Handler, TaskContext, TaskLostError
from registry.workers.repeat import repeating
from registry.workers.tasks import HANDLERS, PERIODS

LEASE = timedelta(seconds=60)
POLL_SECONDS = 1.0
SCHEDULE_SECONDS = 30.0
GRACE_SECONDS = 30.0
_log = logging.getLogger(__name__)


class Workers:
    """Some threads that work off the queue of one house."""

    def __init__(
        self,
        house: House,
        *,
        threads: int = 1,
        lease: timedelta = LEASE,
        poll_seconds: float = POLL_SECONDS,
        handlers: Mapping[TaskKind, Handler] = HANDLERS,
        periods: Mapping[TaskKind, Period] = PERIODS,
    ) -> None:
        self._house = house
        self._threads = threads
        self._lease = lease
        self._poll_seconds = poll_seconds
        self._handlers = handlers
        self._periods = periods
        self._kinds = frozenset(handlers)
        self._name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._stop = threading.Event()
        self._running: dict[str, TaskContext] = {}
        self._lock = threading.Lock()

    @contextmanager
    def running(self, *, grace_seconds: float = GRACE_SECONDS) -> Iterator[None]:
        """Work on threads while the block runs; then stop gracefully (rule 4)."""
        self._stop.clear()
        threads = [
            threading.Thread(
                target=self._work, args=(number,), name=f"registry-worker-{number}", daemon=True
            )
            for number in range(self._threads)
        ]
        with (
            repeating(self._renew, every_seconds=self._lease.total_seconds() / 3),
            repeating(self.schedule, every_seconds=SCHEDULE_SECONDS),
        ):
            for thread in threads:
                thread.start()
            try:
                yield
            finally:
                self._stop.set()
                until = time.monotonic() + grace_seconds
                for thread in threads:
                    thread.join(max(0.0, until - time.monotonic()))

    def work_off(self) -> int:
        """Run what is due in this thread until nothing is; give how many tasks were tried."""
        tried = 0
        with repeating(self._renew, every_seconds=self._lease.total_seconds() / 3):
            while self._turn(f"{self._name}:0"):
                tried += 1
        return tried

    def schedule(self) -> None:
        """Put what is due again. Nothing is written where nothing is due."""
        database, now = self._house.database, self._house.clock()
        with database.read() as session:
            if not has_due(session, self._periods, now=now):
                return
        database.transact(lambda session: put_due(session, self._periods, now=now))

    def _work(self, number: int) -> None:
        while not self._stop.is_set():
            try:
                idle = not self._turn(f"{self._name}:{number}")
            except StorageUnavailableError as error:
                _log.warning("the queue cannot be reached: %s", error)
                idle = True
            except Exception as error:  # noqa: BLE001 - the edge: the thread must live on
                _log.error("the queue cannot be worked off", exc_info=error)
                idle = True
            if idle:
                self._stop.wait(self._poll_seconds)

    def _turn(self, worker: str) -> bool:
        """Take one task and run it; False where nothing is due."""
        task = self._take(worker)
        if task is None:
            return False
        if task.attempt > MAX_ATTEMPTS:
            self._fail(task, worker, "Each worker that took the task ended before it did.")
            return True
        context = TaskContext(self._house, task, worker)
        with self._lock:
            self._running[task.id] = context
        try:
            self._run(context)
        finally:
            with self._lock:
                del self._running[task.id]
        return True

    def _take(self, worker: str) -> LeasedTask | None:
        database, now = self._house.database, self._house.clock()
        with database.read() as session:
            if not has_due_task(session, kinds=self._kinds, now=now):
                return None

        def take(session: Session) -> LeasedTask | None:
            return lease_task(session, worker=worker, kinds=self._kinds, now=now, lease=self._lease)

        return database.transact(take)

    def _run(self, context: TaskContext) -> None:
        task, worker = context.task, context.worker
        try:
            self._handlers[task.kind](context)
            if not context.concluded:
                context.conclude(lambda _session: None)
        except TaskLostError:
            _log.warning("task %s (%s) was taken over by another worker", task.id, task.kind)
        except Exception as error:  # noqa: BLE001 - the edge: a handler's error is the task's
            # An error of ours says all there is to say; of any other the place is wanted too.
            trace = None if isinstance(error, RegistryError) else error
            reason = _reason(error)
            _log.warning("task %s (%s) failed: %s", task.id, task.kind, reason, exc_info=trace)
            self._fail(task, worker, _reason(error))

    def _fail(self, task: LeasedTask, worker: str, detail: str) -> None:
        now = self._house.clock()

        def fail(session: Session) -> None:
            state = fail_task(session, task, worker=worker, now=now, error=detail)
            if state is TaskState.DEAD:
                facts = {"task": task.id, "kind": task.kind.value, "attempts": task.attempt}
                append_entries(session, [Entry(EntryKind.TASK_DIED, SYSTEM, facts)], at=now)

        self._house.database.transact(fail)

    def _renew(self) -> None:
        """Keep every running task for another lease; mark those that were lost."""
        with self._lock:
            contexts = list(self._running.values())
        until = self._house.clock() + self._lease
        for context in contexts:

            def keep(session: Session, context: TaskContext = context) -> bool:
                return renew_lease(
                    session,
                    context.task.id,
                    worker=context.worker,
                    until=until,
                    progress=context.progress,
                )

            if not self._house.database.transact(keep):
                context.lost = True


def _reason(error: Exception) -> str:
    """What is kept of an error: no more than its first line, as the rest may hold personal data."""
    if isinstance(error, RegistryError):
        return error.detail
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}"
