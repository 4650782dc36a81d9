"""Marks what a plan erases, in the one transaction that asks about holds and suppresses.

Rules (DESIGN §1.12; the governance page, cases 2, 3 and 9):
1. What a hold keeps at this moment is not marked, whatever the plan said; each hold is a task that
   stands for what it keeps, and goes on when it keeps nothing any more.
2. The people of an erasure and the contents of what is marked are suppressed in the same
   transaction; so nothing comes in again between the two. A short content may be anybody's, and
   is not suppressed.
3. What another request erased before counts as found and erased: already erased is success.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import func, select
from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.durations import parse_duration
from registry.erasure.case.approve import PlanView
from registry.erasure.case.cases import Case, require_state
from registry.erasure.case.identifiers import kept_keys, people_of, under_every_version
from registry.erasure.execution.aftermath import (
    AUDIT_LOG,
    EVENT_LOG,
    LEDGER,
    held_task,
    hold_target,
)
from registry.erasure.execution.hands import Hands, Work, read_planned
from registry.erasure.execution.keepsake import remember, remember_names
from registry.erasure.lifecycle import RequestState, TaskKind, TaskState
from registry.erasure.plan.members import read_erase_set
from registry.erasure.scope.sets import Sets, as_addresses, size, without
from registry.erasure.scope.withheld import Withheld, all_withheld, withheld
from registry.erasure.targets.bindings import bound_batches
from registry.erasure.tasks import TaskChange, TaskView, open_tasks, read_tasks, turn_task
from registry.ledger.erasing import mark_erased, without_holes
from registry.ledger.opened import Ledger
from registry.ledger.remainders import Known
from registry.ledger.remains import read_known
from registry.rights.suppression import Basis, suppress
from registry.rights.tables import Suppression
from registry.storage.columns import table_of

_suppression = table_of(Suppression)
_FROM = (
    RequestState.EXECUTING,
    RequestState.VERIFYING,
    RequestState.PARTIALLY_FULFILLED,
)


def is_carried_out(case: Case) -> bool:
    """Whether there may be work left on the case. A round that comes too late finds none."""
    return case.state in _FROM


def mark_away(hands: Hands, request_id: str) -> Work:
    """Mark what may go of a plan now, and suppress it. Raises ConflictError for a case that is not
    being carried out. Effects: commits.
    """
    with hands.database.read() as session:
        case, plan = read_planned(session, request_id)
        require_state(case, *_FROM, to="carrying it out")
        sets = read_erase_set(session, plan.id)
        known = remember(session, hands.ledger, case, read_known(hands.ledger, sets))
        bound = bound_batches(session, sets)
        if bound:
            named = {number: sets[number] for number in bound}
            remember_names(session, hands.ledger, case, named)
    minimum_bytes = plan.document["suppression"]["minimum_bytes"]
    contents = long_contents(hands.ledger, sets, minimum_bytes=minimum_bytes)
    return hands.database.transact(
        lambda session: _mark(session, hands, request_id, sets, contents, known)
    )


def _mark(
    session: Session,
    hands: Hands,
    request_id: str,
    sets: Sets,
    contents: pa.Table,
    known: Known,
) -> Work:
    now = hands.clock()
    case, plan = read_planned(session, request_id, held=True)
    require_state(case, *_FROM, to="carrying it out")
    keys = kept_keys(session, case.id, held=True)
    people = under_every_version(hands.ledger.keyring, people_of(hands.ledger.keyring, keys))
    # What is erased already, no hold can keep.
    left = without_holes(session, sets)
    held = withheld(session, hands.ledger, left, keys=people, at=now)
    free = without(sets, all_withheld(held))
    new = mark_erased(session, free, now=now, under=case.id)
    basis = _basis(case, plan, now)
    is_first = not _is_suppressed(session, case)
    suppress(
        session,
        subject_keys=[(key.key, key.version) for key in keys] if is_first else [],
        digests=_digests_of(contents, new),
        basis=basis,
        actor=SYSTEM,
        now=now,
    )
    _turn_tasks(session, case, plan.id, held, size(free), now, is_new=bool(new))
    return Work(case, plan, free, known)


def long_contents(ledger: Ledger, sets: Sets, *, minimum_bytes: int) -> pa.Table:
    """Address and keyed digest of those examples that are known to have so many bytes (rule 2)."""
    rows = ledger.index.rows(as_addresses(sets), ["address", "digest", "bytes"])
    is_long = pc.fill_null(pc.greater_equal(rows.column("bytes"), minimum_bytes), False)
    return rows.filter(pc.and_(is_long, pc.is_valid(rows.column("digest"))))


def _digests_of(contents: pa.Table, marked: Sets) -> list[bytes]:
    if not contents.num_rows:
        return []
    is_marked = np.isin(contents.column("address").to_numpy(), as_addresses(marked))
    return sorted(set(contents.column("digest").filter(pa.array(is_marked)).to_pylist()))


def _is_suppressed(session: Session, case: Case) -> bool:
    mine = _suppression.c.case_id == case.id
    query = select(func.count()).select_from(_suppression).where(mine)
    return bool(session.execute(query).scalar_one())


def _basis(case: Case, plan: PlanView, now: datetime) -> Basis:
    """What the suppressions stand on, as it was approved (case 19)."""
    said = plan.document["suppression"]
    until = None if said["period"] is None else parse_duration(said["period"]).after(now)
    return Basis(case.regime.value, said["basis"], case.id, until)


def _turn_tasks(
    session: Session,
    case: Case,
    plan_id: str,
    held: tuple[Withheld, ...],
    free: int,
    now: datetime,
    *,
    is_new: bool,
) -> None:
    """Bring the tasks of the registry's own data to where the marks are (rules 1 and 3).

    `is_new`: some of the `free` examples were marked now. Each is counted by one task.
    """
    tasks = {each.target: each for each in read_tasks(session, case.id, kinds=[TaskKind.OWN_DATA])}
    kept = {hold_target(each.hold_id): each for each in held}
    holds = [task for target, task in tasks.items() if target.startswith(hold_target(""))]
    before = {task.id: task.found or 0 for task in holds if task.state is not TaskState.WITHHELD}
    uncounted = free - (tasks[LEDGER].found or 0) - sum(before.values())
    released = 0
    for task in holds:
        now_kept = kept.pop(task.target, None)
        if now_kept is not None:
            _still_held(session, task, size(now_kept.examples), now)
            continue
        # Two holds may have kept the same examples, and one of them still may.
        count = before.get(task.id)
        if count is None:
            count = min(task.expected or 0, max(0, uncounted))
            uncounted -= count
        released += count
        _run(session, task, count, now)
    opened = [
        held_task(
            each.hold_id,
            ground=each.ground.value,
            matter=each.matter,
            examples=size(each.examples),
        )
        for each in kept.values()
    ]
    open_tasks(session, case.id, plan_id, opened, actor=SYSTEM, now=now)
    _run(session, tasks[LEDGER], max(0, free - released), now)
    for target in (EVENT_LOG, AUDIT_LOG):
        if is_new or tasks[target].state not in _DONE:
            _run(session, tasks[target], None, now)


def _still_held(session: Session, task: TaskView, examples: int, now: datetime) -> None:
    if task.state is TaskState.WITHHELD and task.expected == examples:
        return
    if task.state is not TaskState.WITHHELD and task.state is not TaskState.PENDING:
        task = turn_task(session, task, TaskState.PENDING, actor=SYSTEM, now=now)
    change = TaskChange(expected=examples)
    turn_task(session, task, TaskState.WITHHELD, change, actor=SYSTEM, now=now)


def _run(session: Session, task: TaskView, count: int | None, now: datetime) -> None:
    """Begin a task, unless it ended well with the same count."""
    if task.state in _DONE and count is not None and task.found == count:
        return
    if task.state in (TaskState.VERIFIED, TaskState.NOT_PRESENT):
        task = turn_task(session, task, TaskState.PENDING, actor=SYSTEM, now=now)
    change = TaskChange(expected=count, found=count)
    turn_task(session, task, TaskState.RUNNING, change, actor=SYSTEM, now=now)


_DONE = frozenset({TaskState.VERIFIED, TaskState.NOT_PRESENT})
