"""Takes what a plan erases out of the files of its batches and the bound copies, one by one.

Rules (DESIGN §1.5, §1.10; issue "Erasure, the hands"):
1. A file of a batch is erased in by position, as far as the settings let us touch it; else its task
   stays pending with the reason, and a person may say with evidence what became of it.
2. Where a binding that covers it has a key column or a content column, and the keys or digests of
   its rows are known, they are checked before a byte is written.
3. How rows are taken out of any of them is `taking_out`; what a bound copy is, `in_copies`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import select
from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.catalog.version_tables import Batch, BatchFile, BatchNumber
from registry.erasure.case.cases import read_case
from registry.erasure.connectors.protocol import Target
from registry.erasure.execution.aftermath import file_target as name_of_file
from registry.erasure.execution.carrying_out import ROUNDS
from registry.erasure.execution.hands import Hands, read_planned
from registry.erasure.execution.in_copies import erase_in_copy
from registry.erasure.execution.keepsake import Digests, Names, recall_digests, recall_names
from registry.erasure.execution.marking import is_carried_out
from registry.erasure.execution.taking_out import (
    NO_ROOT,
    NOTHING,
    Begun,
    Part,
    free_of,
    keep_back,
    known_of,
    may_touch,
    take_out,
    wait,
)
from registry.erasure.lifecycle import AT_WORK, WORKABLE, TaskKind, TaskState
from registry.erasure.plan.members import read_erase_set
from registry.erasure.scope.sets import Ordinals, Sets
from registry.erasure.targets.bindings import TargetView, is_copy, target_for_file, targets_of
from registry.erasure.targets.file_states import FileKey, file_target, read_states
from registry.erasure.tasks import TaskView, read_task, read_tasks, tasks_alike, turn_task
from registry.ledger.source_files import BatchFileNode, files_of
from registry.storage.columns import table_of

_T = TypeVar("_T")
_number, _batch, _file = table_of(BatchNumber), table_of(Batch), table_of(BatchFile)
#: How many later batches a changed file is held against.
_LATER = 3
_NO_PLACE = (
    "Nobody recorded which rows lie in it: have the rows taken out there, and record that with "
    "evidence (`registry erasure task record`)."
)


def has_files(session: Session, request_id: str) -> bool:
    """Whether a round of work on the files and copies of a case may do something."""
    return bool(_workable(session, request_id))


def erase_in_files(hands: Hands, request_id: str, *, rounds: int = 1) -> bool:
    """Take what is marked out of every file and copy of a case; whether no other round is needed.

    `rounds`: how often it was tried; after the last one what failed has failed for good. A case
    that is not carried out has no work. Effects: commits; files are swapped, one after the other.
    """
    is_last = rounds >= ROUNDS
    with hands.database.read() as session:
        tasks = _workable(session, request_id)
    for done, task in enumerate(tasks):
        hands.report(f"{done} of {len(tasks)} files")
        if is_copy(task.target):
            erase_in_copy(hands, request_id, task.id, is_last=is_last)
        else:
            _erase_in_file(hands, request_id, task.id, is_last=is_last)
    with hands.database.read() as session:
        left = _tasks(session, request_id)
    return not any(task.state in AT_WORK for task in left)


def _tasks(session: Session, request_id: str) -> list[TaskView]:
    tasks = read_tasks(session, request_id, kinds=[TaskKind.FILE, TaskKind.RECIPIENT])
    return [task for task in tasks if task.kind is TaskKind.FILE or is_copy(task.target)]


def _workable(session: Session, request_id: str) -> list[TaskView]:
    return [task for task in _tasks(session, request_id) if task.state in WORKABLE]


def _erase_in_file(hands: Hands, request_id: str, task_id: str, *, is_last: bool) -> None:
    with hands.database.read() as session:
        task = read_task(session, task_id, request_id=request_id)
        asked = [request_id, *(each.request_id for each in tasks_alike(session, task))]
        cases = [read_case(session, each) for each in asked]
        names = _merged(recall_names(session, hands.ledger, each) for each in cases)
        digests = _merged(recall_digests(session, hands.ledger, each) for each in cases)
    known = _Kept(names, digests)
    take_out(
        hands, lambda session: _begin(session, hands, request_id, task_id, known), is_last=is_last
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """What was kept of rows, of every request that asks some out of a file."""

    names: Names
    digests: Digests


def _merged(some: Iterable[Mapping[int, Mapping[int, _T]]]) -> dict[int, dict[int, _T]]:
    found: dict[int, dict[int, _T]] = {}
    for each in some:
        for number, rows in each.items():
            found.setdefault(number, {}).update(rows)
    return found


def _begin(
    session: Session, hands: Hands, request_id: str, task_id: str, kept_of: _Kept
) -> Begun | None:
    """Begin a file, unless nothing may be done in it now (rule 1)."""
    now = hands.clock()
    case, plan = read_planned(session, request_id, held=True)
    task = read_task(session, task_id, request_id=request_id)
    if not is_carried_out(case) or task.state not in WORKABLE:
        return None
    # The batch may have been told of anew with other files before its plan was extended.
    named = (each for each in plan.document["files"] if name_of_file(each) == task.target)
    file = next(named, None)
    number = 0 if file is None else int(file["batch"])
    node = None if file is None else _node(session, number, file)
    if node is None or node.first is None or node.rows is None:
        wait(session, task, _NO_PLACE, now)
        return None
    if not may_touch(node.uri, hands.connectors.file_roots):
        wait(session, task, NO_ROOT, now)
        return None
    planned = read_erase_set(session, plan.id)
    all_rows = _within(planned, number, node)
    rows = _within(free_of(session, hands, case.id, planned, now), number, node)
    kept = int(all_rows.size - rows.size)
    if keep_back(session, task, int(rows.size), kept, now, done=task.verified):
        return None
    key = FileKey(_dataset_of(session, number), number, node.uri)
    there = read_states(session, [key]).get(key)
    parts = (Part(key, rows),)
    turn_task(session, task, TaskState.RUNNING, actor=SYSTEM, now=now)
    return Begun(
        "file",
        request_id,
        task_id,
        file_target(
            node,
            there,
            _bound(session, key),
            keys=kept_of.names.get(number, {}),
            digests=kept_of.digests.get(number, {}),
            digest_of=hands.ledger.digests.keyed,
        ),
        rows,
        parts,
        kept,
        known_of(session, parts),
        intended_rows=NOTHING if there is None else there.next_rows.ordinals(),
        along=_along(session, hands, task, number, node, now),
        later=lambda s: _later(s, key, node),
    )


def _bound(session: Session, key: FileKey) -> TargetView | None:
    """The binding that covers a file."""
    targets = targets_of(session, [key.dataset_id]).get(key.dataset_id, [])
    return target_for_file(targets, key.uri)


def _later(session: Session, key: FileKey, node: BatchFileNode) -> dict[int, Target]:
    """The file as the later batches of its dataset have it, the last one first, but for those that
    have the bytes of this one and those that are being rewritten (`taking_out` rule 4).
    """
    query = (
        select(_batch.c.number)
        .join(
            _file,
            (_file.c.dataset_id == _batch.c.dataset_id)
            & (_file.c.run_id == _batch.c.run_id)
            & (_file.c.batch_name == _batch.c.name),
        )
        .where(
            _file.c.dataset_id == key.dataset_id,
            _file.c.uri == key.uri,
            _batch.c.number > key.batch_number,
        )
    )
    numbers = sorted(set(session.execute(query).scalars()), reverse=True)[:_LATER]
    files = files_of(session, numbers)
    bound, found = _bound(session, key), {}
    for number in numbers:
        there = FileKey(key.dataset_id, number, key.uri)
        state = read_states(session, [there]).get(there)
        for file in files.get(number, []):
            is_whole = file.first is not None and file.sha256 not in (None, node.sha256)
            if file.uri != key.uri or not is_whole:
                continue
            target = file_target(file, state, bound)
            if target.intended is None:
                found[number] = target
    return found


def _along(
    session: Session, hands: Hands, task: TaskView, number: int, node: BatchFileNode, now: datetime
) -> Ordinals:
    """Rows that other requests ask out of a file and that may go now (`taking_out` rule 4)."""
    found = [NOTHING]
    for other in tasks_alike(session, task):
        case, plan = read_planned(session, other.request_id)
        if is_carried_out(case):
            planned = read_erase_set(session, plan.id, batch=number)
            found.append(_within(free_of(session, hands, case.id, planned, now), number, node))
    return np.unique(np.concatenate(found))


def _within(sets: Sets, number: int, file: BatchFileNode) -> Ordinals:
    first = file.first or 0
    rows = sets.get(number, NOTHING)
    return rows[(rows >= first) & (rows < first + (file.rows or 0))]


def _node(session: Session, number: int, file: Mapping[str, Any]) -> BatchFileNode | None:
    files = files_of(session, [number]).get(number, [])
    position = int(file["position"])
    found = files[position] if position < len(files) else None
    return found if found is not None and found.uri == str(file["uri"]) else None


def _dataset_of(session: Session, number: int) -> bytes:
    query = select(_number.c.dataset_id).where(_number.c.number == number)
    return bytes(session.execute(query).scalar_one())
