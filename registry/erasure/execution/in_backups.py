"""Backups that hold what a case erases: a task for each, until it ends by itself.

Rules (the governance page, case 8; CCPA regulations §7022(d)):
1. A backup of data counts when it was made before the erasure was proven and is kept still. It is
   called by the digest of its file and the day it was made, as `registry backups` lists it.
2. When the time of a backup is over it holds nothing any more, and the outcome is stated anew.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.canonical import digest_text
from registry.erasure.case.cases import Case, read_case
from registry.erasure.case.timeline import add_step
from registry.erasure.execution.aftermath import KnownBackup, backup_task
from registry.erasure.lifecycle import TaskKind, TaskState
from registry.erasure.tables import ErasureTask
from registry.erasure.tasks import TaskChange, open_tasks, read_task, turn_task
from registry.storage.backup_list import BackupFacts, list_backups
from registry.storage.backup_tables import BackupKind
from registry.storage.columns import table_of

_task = table_of(ErasureTask)


def known_backups(session: Session, *, now: datetime) -> list[KnownBackup]:
    """The backups of data that were made before now and are kept still (rule 1)."""
    return [
        KnownBackup(_name(each), each.expires_at)
        for each in list_backups(session, at=now)
        if each.kind is BackupKind.DATA and each.made_at <= now
    ]


def _name(backup: BackupFacts) -> str:
    return f"{digest_text(backup.digest)} of {backup.made_at.date().isoformat()}"


def name_backups(session: Session, case: Case, plan_id: str, *, actor: str, now: datetime) -> int:
    """Open a task for each backup that has none in this case; how many. Does not commit."""
    tasks = [backup_task(each) for each in known_backups(session, now=now)]
    return open_tasks(session, case.id, plan_id, tasks, actor=actor, now=now)


def end_backups(session: Session, *, actor: str, now: datetime) -> list[str]:
    """End the tasks of backups whose time is over (rule 2); the requests that they are of.

    Effects: rows, a step for each task; does not commit.
    """
    query = (
        select(_task.c.id, _task.c.request_id)
        .where(
            _task.c.kind == TaskKind.BACKUP.value,
            _task.c.state == TaskState.DEFERRED_BACKUP.value,
            _task.c.until <= now,
        )
        .order_by(_task.c.request_id, _task.c.id)
    )
    ended: dict[str, list[str]] = {}
    for task_id, request_id in session.execute(query).all():
        ended.setdefault(request_id, []).append(task_id)
    for request_id, task_ids in ended.items():
        case = read_case(session, request_id, held=True)
        for task_id in task_ids:
            _end(session, case, task_id, actor, now)
    return list(ended)


def _end(session: Session, case: Case, task_id: str, actor: str, now: datetime) -> None:
    task = read_task(session, task_id, request_id=case.id)
    if task.state is not TaskState.DEFERRED_BACKUP:
        return
    change = TaskChange(detail="Its time is over: it is not kept any more.")
    task = turn_task(session, task, TaskState.NOT_PRESENT, change, actor=actor, now=now)
    facts = {"task": task.id, "kind": task.kind.value, "to": task.state.value}
    add_step(session, case, EntryKind.ERASURE_TASK_CHANGED, actor=actor, now=now, facts=facts)
