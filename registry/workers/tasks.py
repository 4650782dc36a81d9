"""What a task does when its turn comes: one handler for each kind, and what a handler may use.

Rules:
1. A handler may run again after it was done in part, so it is idempotent: each of its transactions
   leaves the catalog whole.
2. A handler that works long calls `report` between its transactions; TaskLostError there means
   that another worker took the task over, and that this one must stop.
3. What a handler must do exactly once, it does in `conclude`: that transaction also marks the task
   done, and is rolled back where the lease was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.catalog.owners import reassign_some
from registry.keys.tables import Purpose
from registry.ledger.bindings import ask_to_sum
from registry.ledger.record import bind_batch
from registry.ledger.sums import store_sums, sum_batch
from registry.request import House
from registry.storage.queue import LeasedTask, TaskKind, finish_task


class TaskLostError(Exception):
    """Another worker took the task over; whatever this one still does must not be kept."""


@dataclass(slots=True)
class TaskContext:
    """What a handler gets: the house and its task. The loop keeps the lease meanwhile."""

    house: House
    task: LeasedTask
    worker: str
    progress: str | None = field(default=None, init=False)
    lost: bool = field(default=False, init=False)
    concluded: bool = field(default=False, init=False)

    def report(self, progress: str) -> None:
        """Say how far the task is; shown with the next renewal. Raises TaskLostError."""
        self.progress = progress
        if self.lost:
            raise TaskLostError(self.task.id)

    def conclude(self, work: Callable[[Session], None]) -> None:
        """Run the last transaction of the task, and mark it done in it. Raises TaskLostError."""

        def last(session: Session) -> None:
            work(session)
            now = self.house.clock()
            if not finish_task(session, self.task.id, worker=self.worker, now=now):
                raise TaskLostError(self.task.id)

        self.house.database.transact(last)
        self.concluded = True


Handler = Callable[[TaskContext], None]


def reassign_names(context: TaskContext) -> None:
    """Allot anew who owns each name, some hundred names a transaction, by the claims of now."""
    house = context.house
    actor = str(context.task.payload.get("actor", SYSTEM))
    for kind in ("dataset", "job"):
        looked_at = 0
        after: bytes | None = b""
        while after is not None:
            move = partial(reassign_some, kind=kind, after=after, actor=actor, now=house.clock())
            after, count = house.database.transact(move)
            looked_at += count
            context.report(f"{looked_at} {kind} names looked at")


def bind(context: TaskContext) -> None:
    """Bind a batch to its objects and maps, or note what it waits for."""
    house = context.house
    bind_batch(
        house.ledger,
        house.database,
        int(str(context.task.payload["batch"])),
        now=house.clock(),
        conclude=context.conclude,
    )


def sum_up(context: TaskContext) -> None:
    """Sum up a bound batch, then what is derived from it; waits for the sums of its inputs."""
    house = context.house
    number = int(str(context.task.payload["batch"]))
    with house.database.read() as session:
        sums = sum_batch(session, house.ledger, number)
        following = house.ledger.graph.outputs(session, [number]).get(number, [])

    def store(session: Session) -> None:
        if sums is None:
            return
        store_sums(session, number, sums)
        for output in following:
            ask_to_sum(session, output, now=house.clock())

    context.conclude(store)


def move_keys(context: TaskContext, purpose: Purpose) -> None:
    """Move what is under retiring versions of a key, and come again while anything is left."""
    house = context.house
    moved = house.rotation.move(purpose, context.report)
    is_finished = house.rotation.is_finished(purpose)

    def conclude(session: Session) -> None:
        facts = {"purpose": purpose.value, "moved": moved, "finished": is_finished}
        append_entries(session, [Entry(EntryKind.KEY_USES_MOVED, SYSTEM, facts)], at=house.clock())
        if not is_finished:
            house.rotation.queue(session, purpose)

    context.conclude(conclude)


HANDLERS: Mapping[TaskKind, Handler] = {
    TaskKind.NAMES_REASSIGN: reassign_names,
    TaskKind.BIND_BATCH: bind,
    TaskKind.SUM_BATCH: sum_up,
    TaskKind.SUBJECT_KEYS_ROTATE: partial(move_keys, purpose=Purpose.SUBJECT),
    TaskKind.DATA_KEYS_ROTATE: partial(move_keys, purpose=Purpose.DATA),
}
