"""Puts the tasks that come again and again, once whatever the number of workers.

Rules:
1. A kind of task is due when its period is over, or when enough was counted for it. Whoever of the
   workers changes its row first puts the task, in the same transaction; the others change nothing.
2. A kind that nobody knew yet is due after its first period, so that a start does nothing at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select, update
from sqlmodel import Session

from registry.storage.columns import changed_rows, insert_unless_there, table_of
from registry.storage.queue import TaskKind, put_task
from registry.storage.tables import Schedule

_schedule = table_of(Schedule)


@dataclass(frozen=True, slots=True)
class Period:
    """How often a task comes; `count`: also when so much was counted for it since (0: never)."""

    every: timedelta
    count: int = 0


def has_due(session: Session, periods: Mapping[TaskKind, Period], *, now: datetime) -> bool:
    """Whether `put_due` would change anything; asks without writing."""
    rows = {row.kind: row for row in session.execute(select(_schedule))}
    return any(
        kind not in rows
        or rows[kind].due_at <= now
        or (period.count > 0 and rows[kind].counted >= period.count)
        for kind, period in periods.items()
    )


def put_due(
    session: Session, periods: Mapping[TaskKind, Period], *, now: datetime
) -> list[TaskKind]:
    """Put each task that is due, and say when it is due again; which they were. Does not commit."""
    put: list[TaskKind] = []
    for kind, period in sorted(periods.items()):
        due_at = now + period.every
        first = {"kind": kind, "due_at": due_at, "counted": 0}
        if insert_unless_there(session, _schedule, first):
            continue
        renewed = (
            update(_schedule)
            .where(_schedule.c.kind == kind, _is_due(period, now))
            .values(due_at=due_at, counted=0)
        )
        if changed_rows(session, renewed):
            put_task(session, kind, {}, now=now, dedupe_key=kind)
            put.append(kind)
    return put


def count_for(session: Session, kind: TaskKind) -> None:
    """Count one more thing that the task of a kind has to do. Does not commit."""
    session.execute(
        update(_schedule).where(_schedule.c.kind == kind).values(counted=_schedule.c.counted + 1)
    )


def _is_due(period: Period, now: datetime) -> ColumnElement[bool]:
    over = _schedule.c.due_at <= now
    return or_(over, _schedule.c.counted >= period.count) if period.count else over
