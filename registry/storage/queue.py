"""The queue of work that outlives a process: put, leased, tried, tried again, or left for a person.

Rules:
1. A task is put in the transaction of the change that asks for it, so neither exists alone.
2. A worker takes a task under a lease. A worker that dies loses its lease, and another takes it;
   so a handler must be idempotent.
3. A failing task comes back after 2^attempts seconds (at most an hour). After `MAX_ATTEMPTS` it is
   `dead`: kept, shown, and never dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec
from sqlalchemy import ColumnElement, func, or_, select, update
from sqlmodel import Session

from registry.ids import fresh_id
from registry.storage.columns import changed_rows, insert_unless_there, table_of
from registry.storage.tables import Task

_task = table_of(Task)

MAX_ATTEMPTS = 10
_MAX_BACK_OFF = timedelta(hours=1)


class TaskKind(StrEnum):
    """The closed vocabulary of work, `noun.noun.verb`; `registry.workers.tasks` does it."""

    NAMES_REASSIGN = "catalog.names.reassign"
    BIND_BATCH = "ledger.batch.bind"
    SUM_BATCH = "ledger.batch.sum"
    FETCH_OBJECT = "ledger.object.fetch"
    EXPIRE_OBJECTS = "ledger.objects.expire"
    RETRY_BATCHES = "ledger.batches.retry"
    OPTIMISE_INDEX = "ledger.index.optimise"
    PURGE_INDEX = "ledger.index.purge"
    DISCARD_LEFTOVERS = "ledger.index.discard"
    JUDGE_LINEAGE = "policy.lineage.judge"
    SEND_ALERT = "policy.alert.send"
    SWEEP_RETENTION = "policy.retention.sweep"
    CARRY_OUT_ERASURE = "erasure.request.carry_out"
    ERASE_IN_FILES = "erasure.files.erase"
    SCAN_CONTENTS = "erasure.contents.scan"
    CONCLUDE_ERASURE = "erasure.request.conclude"
    RESUME_ERASURES = "erasure.requests.resume"
    REDACT_RECORDS = "policy.records.redact"
    SUBJECT_KEYS_ROTATE = "keys.subject.rotate"
    DATA_KEYS_ROTATE = "keys.data.rotate"
    WATCH_DEADLINES = "erasure.deadlines.watch"
    SHRED_KEYS = "erasure.keys.shred"


class TaskState(StrEnum):
    """Where a task stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class LeasedTask:
    """A task as its handler sees it; `attempt` counts from 1."""

    id: str
    kind: TaskKind
    payload: dict[str, object]
    attempt: int


def put_task(
    session: Session,
    kind: TaskKind,
    payload: dict[str, object],
    *,
    now: datetime,
    dedupe_key: str = "",
    delay: timedelta = timedelta(),
) -> str | None:
    """Queue work; give its id, or None where the same waits already under `dedupe_key`.

    Effects: one row; does not commit.
    """
    row = {
        "id": fresh_id(),
        "kind": kind,
        "payload": msgspec.json.encode(payload).decode(),
        "dedupe_key": dedupe_key,
        "state": TaskState.WAITING,
        "attempts": 0,
        "run_after": now + delay,
        "created_at": now,
    }
    return str(row["id"]) if insert_unless_there(session, _task, row) else None


def _due(kinds: frozenset[TaskKind], now: datetime) -> ColumnElement[bool]:
    ready = or_(
        (_task.c.state == TaskState.WAITING) & (_task.c.run_after <= now),
        (_task.c.state == TaskState.RUNNING) & (_task.c.leased_until < now),
    )
    return ready & _task.c.kind.in_(sorted(kinds))


def has_due_task(session: Session, *, kinds: frozenset[TaskKind], now: datetime) -> bool:
    """Whether `lease_task` would find something; asks without writing."""
    return session.execute(select(_task.c.id).where(_due(kinds, now)).limit(1)).first() is not None


def lease_task(
    session: Session, *, worker: str, kinds: frozenset[TaskKind], now: datetime, lease: timedelta
) -> LeasedTask | None:
    """Take the task that is due longest, or None. Effects: marks it running; does not commit."""
    query = (
        select(_task.c.id, _task.c.kind, _task.c.payload, _task.c.attempts)
        .where(_due(kinds, now))
        .order_by(_task.c.run_after, _task.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    found = session.execute(query).one_or_none()
    if found is None:
        return None
    attempt = found.attempts + 1
    session.execute(
        update(_task)
        .where(_task.c.id == found.id)
        .values(
            state=TaskState.RUNNING, attempts=attempt, leased_by=worker, leased_until=now + lease
        )
    )
    return LeasedTask(found.id, TaskKind(found.kind), msgspec.json.decode(found.payload), attempt)


def renew_lease(
    session: Session, task_id: str, *, worker: str, until: datetime, progress: str | None
) -> bool:
    """Keep a task longer and record progress; False where the lease was lost to another."""
    statement = (
        update(_task)
        .where(
            _task.c.id == task_id, _task.c.leased_by == worker, _task.c.state == TaskState.RUNNING
        )
        .values(leased_until=until, progress=progress)
    )
    return changed_rows(session, statement) == 1


def finish_task(session: Session, task_id: str, *, worker: str, now: datetime) -> bool:
    """Mark a task done; False where the lease was lost, so that its effects must not be kept."""
    statement = (
        update(_task)
        .where(
            _task.c.id == task_id, _task.c.leased_by == worker, _task.c.state == TaskState.RUNNING
        )
        .values(state=TaskState.DONE, finished_at=now, leased_until=None, error=None)
    )
    return changed_rows(session, statement) == 1


def fail_task(
    session: Session, task: LeasedTask, *, worker: str, now: datetime, error: str
) -> TaskState | None:
    """Send a task back to wait, or to the dead after `MAX_ATTEMPTS` (rule 3).

    Gives the state it is in now, None where the lease was lost to another.
    """
    dead = task.attempt >= MAX_ATTEMPTS
    state = TaskState.DEAD if dead else TaskState.WAITING
    back_off = min(timedelta(seconds=2.0 ** min(task.attempt, 12)), _MAX_BACK_OFF)
    statement = (
        update(_task)
        .where(
            _task.c.id == task.id, _task.c.leased_by == worker, _task.c.state == TaskState.RUNNING
        )
        .values(
            state=state,
            # A twin that was put meanwhile does the work; this one must not clash with it.
            dedupe_key="",
            run_after=now + back_off,
            finished_at=now if dead else None,
            leased_by=None,
            leased_until=None,
            error=error[:2000],
        )
    )
    return state if changed_rows(session, statement) == 1 else None


def count_tasks(session: Session) -> dict[str, int]:
    """How many tasks stand in each state."""
    rows = session.execute(select(_task.c.state, func.count()).group_by(_task.c.state))
    return {row[0]: row[1] for row in rows}
