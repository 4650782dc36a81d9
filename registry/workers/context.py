"""What a handler of a task gets: the house, its task, and how to end it.

Rules:
1. A handler may run again after it was done in part, so it is idempotent: each of its transactions
   leaves the catalog whole.
2. A handler that works long calls `report` between its transactions; TaskLostError there means
   that another worker took the task over, and that this one must stop.
3. What a handler must do exactly once, it does in `conclude`: that transaction also marks the task
   done, and is rolled back where the lease was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlmodel import Session

from registry.request import House
from registry.storage.queue import LeasedTask, finish_task


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
