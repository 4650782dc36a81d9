"""Takes what a plan erases out of the files of its batches, one after the other, and looks again.

Rules (DESIGN §1.5, §1.10, §1.12; issue "Erasure, the hands"):
1. Only rows that are marked as erased leave a file, and none that a hold keeps now: that is asked
   in the transaction that begins each file. What is kept leaves its file's task withheld.
2. What a file is about to be is kept before it is swapped, and what it is afterwards before it is
   looked at again; so a round that was cut off anywhere is begun again and ends the same.
3. Only a proof makes a file verified. A file that the settings do not let us touch stays pending
   with the reason, and a person may say with evidence what became of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from sqlalchemy import select
from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.catalog.version_tables import BatchNumber
from registry.erasure.aftermath import file_target as name_of_file
from registry.erasure.connectors.protocol import (
    Connector,
    Erased,
    Intent,
    Ordinals,
    Proof,
    Target,
    Watch,
)
from registry.erasure.connectors.trouble import Reason, StoppedError, Trouble
from registry.erasure.execution import ROUNDS
from registry.erasure.file_states import (
    FileKey,
    drop_intent,
    file_target,
    note_erased,
    note_intent,
    read_states,
)
from registry.erasure.hands import Hands, read_planned
from registry.erasure.identifiers import kept_keys, people_of, under_every_version
from registry.erasure.in_copies import is_copy
from registry.erasure.lifecycle import AT_WORK, TaskKind, TaskState
from registry.erasure.marking import is_carried_out
from registry.erasure.members import read_erase_set
from registry.erasure.sets import Sets, without
from registry.erasure.targets import target_for_file, targets_of
from registry.erasure.tasks import TaskChange, TaskView, read_task, read_tasks, turn_task
from registry.erasure.withheld import all_withheld, withheld
from registry.ledger.erasing import without_holes
from registry.ledger.fetch import is_under
from registry.ledger.source_files import BatchFileNode, files_of, readable_path
from registry.storage.columns import table_of

_number = table_of(BatchNumber)
_WORKABLE = frozenset({TaskState.PENDING, TaskState.WITHHELD}) | AT_WORK
# Where a task may go from *erased* without being begun again.
_FROM_ERASED = frozenset({TaskState.VERIFIED, TaskState.FAILED_RETRYABLE, TaskState.FAILED_FINAL})
#: The ground of a file's task that a hold keeps, and not its store.
BY_HOLD = "hold"
_NOTHING = np.empty(0, np.uint32)
_OTHERS = Trouble(Reason.BUSY, "Another erasure took rows out of it meanwhile.")
_NO_PLACE = (
    "Nobody recorded which rows lie in it: record its rows (`registry adopt`) and plan anew."
)
_NO_ROOT = (
    "It does not lie where this registry may erase: have its folder or bucket added to "
    "REGISTRY_FILE_ROOTS, or erase there and record that with evidence."
)


@dataclass(frozen=True, slots=True, eq=False)
class _Begun:
    """A file that is being worked on: `rows` leave it, `kept` rows of the plan stay. `known`: what
    was recorded of it then; `intended_rows`: what an erasure that broke off was taking out.
    """

    request_id: str
    task_id: str
    key: FileKey
    target: Target
    rows: Ordinals
    kept: int
    known: tuple[bytes | None, bytes | None]
    intended_rows: Ordinals


def has_files(session: Session, request_id: str) -> bool:
    """Whether a round of work on the files of a case may do something."""
    return bool(_workable(session, request_id))


def erase_in_files(hands: Hands, request_id: str, *, rounds: int = 1) -> bool:
    """Take what is marked out of every file of a case; whether no other round is needed.

    `rounds`: how often it was tried; after the last one what failed has failed for good. A case
    that is not carried out has no work. Effects: commits; files are swapped, one after the other.
    """
    with hands.database.read() as session:
        tasks = _workable(session, request_id)
    for done, task in enumerate(tasks):
        hands.report(f"{done} of {len(tasks)} files")
        _erase_in_one(hands, request_id, task.id, is_last=rounds >= ROUNDS)
    with hands.database.read() as session:
        left = read_tasks(session, request_id, kinds=[TaskKind.FILE])
    return not any(task.state in AT_WORK for task in left)


def _workable(session: Session, request_id: str) -> list[TaskView]:
    tasks = read_tasks(session, request_id, kinds=[TaskKind.FILE])
    return [task for task in tasks if task.state in _WORKABLE and not is_copy(task)]


def _erase_in_one(hands: Hands, request_id: str, task_id: str, *, is_last: bool) -> None:
    begun = hands.database.transact(lambda session: _begin(session, hands, request_id, task_id))
    if begun is None:
        return
    watch = Watch(
        progress=lambda said: hands.report(f"file {said.step}: {said.bytes_done} bytes"),
        intend=lambda intent: _intend(hands, begun, intent),
    )
    try:
        connector = hands.connectors.of(begun.target)
    except StoppedError as error:
        trouble = error.trouble
        hands.database.transact(lambda s: _stop(s, hands, begun, trouble, is_last=is_last))
        return
    if begun.target.intended is not None:
        if not _settle(hands, begun, connector, is_last=is_last):
            return
        _erase_in_one(hands, request_id, task_id, is_last=is_last)
        return
    done = connector.erase(begun.target, begun.rows, watch)
    hands.database.transact(lambda s: _note_erased(s, hands, begun, done, is_last=is_last))
    hands.report("file noted")
    if done.trouble is not None:
        return
    after = replace(begun, known=(done.sha256, None))
    proof = connector.prove(begun.target.after(begun.rows, done.sha256), begun.rows, watch)
    hands.database.transact(lambda s: _note_proof(s, hands, after, proof, is_last=is_last))


def _settle(hands: Hands, begun: _Begun, connector: Connector, *, is_last: bool) -> bool:
    """Find out whether an erasure that broke off had swapped the file (rule 2); whether that is
    known now. Its rows may have been another request's.
    """
    rows = begun.intended_rows
    watch = Watch(progress=lambda said: hands.report(f"file {said.step}: {said.bytes_done} bytes"))
    found = connector.find(begun.target, rows, watch)
    target, trouble = begun.target, found.trouble

    def work(session: Session) -> None:
        now = hands.clock()
        if trouble is not None:
            _stop(session, hands, begun, trouble, is_last=is_last)
        elif _known(session, begun.key) != begun.known:
            return
        elif found.present:
            drop_intent(session, begun.key, now=now)
        else:
            left = _left(target.after(rows, target.intended))
            sha256 = target.intended
            note_erased(session, begun.key, rows, sha256=sha256, left=left, actor=SYSTEM, now=now)

    hands.database.transact(work)
    return trouble is None


def _begin(session: Session, hands: Hands, request_id: str, task_id: str) -> _Begun | None:
    """Begin a file (rule 1), unless nothing may be done in it now (rule 3)."""
    now = hands.clock()
    case, plan = read_planned(session, request_id, held=True)
    task = read_task(session, task_id, request_id=request_id)
    if not is_carried_out(case) or task.state not in _WORKABLE:
        return None
    file = next(each for each in plan.document["files"] if name_of_file(each) == task.target)
    number = int(file["batch"])
    node = _node(session, number, int(file["position"]), str(file["uri"]))
    if node is None or node.first is None or node.rows is None:
        _wait(session, task, _NO_PLACE, now)
        return None
    if not _may_touch(node.uri, hands.connectors.file_roots):
        _wait(session, task, _NO_ROOT, now)
        return None
    planned = read_erase_set(session, plan.id)
    free = _free(session, hands, case.id, planned, now)
    all_rows = _within(planned, number, node.first, node.rows)
    rows = _within(free, number, node.first, node.rows)
    kept = int(all_rows.size - rows.size)
    if not rows.size or _is_all_done(task, rows, kept):
        _turn(session, task, TaskState.WITHHELD, _kept(kept), now)
        return None
    key = FileKey(_dataset_of(session, number), number, node.uri)
    bound = target_for_file(targets_of(session, [key.dataset_id]).get(key.dataset_id, []), node.uri)
    there = read_states(session, [key]).get(key)
    intended = _NOTHING if there is None else there.next_rows.ordinals()
    target = file_target(node, there, bound)
    turn_task(session, task, TaskState.RUNNING, actor=SYSTEM, now=now)
    known = _known(session, key)
    return _Begun(request_id, task_id, key, target, rows, kept, known, intended)


def _free(session: Session, hands: Hands, case_id: str, planned: Sets, now: datetime) -> Sets:
    """What of a plan is marked, and kept by no hold now (rule 1)."""
    marked = without(planned, without_holes(session, planned))
    keyring = hands.ledger.keyring
    people = people_of(keyring, kept_keys(session, case_id))
    keys = under_every_version(keyring, people)
    return without(marked, all_withheld(withheld(session, hands.ledger, marked, keys=keys, at=now)))


def _is_all_done(task: TaskView, rows: Ordinals, kept: int) -> bool:
    """Whether all that may go has gone, and nothing new may."""
    return task.state is TaskState.WITHHELD and kept > 0 and task.verified == rows.size


def _kept(count: int) -> TaskChange:
    return TaskChange(ground=BY_HOLD, detail=f"{count} of its rows are kept by a hold.")


def _within(sets: Sets, number: int, first: int, count: int) -> Ordinals:
    rows = sets.get(number, _NOTHING)
    return rows[(rows >= first) & (rows < first + count)]


def _node(session: Session, number: int, position: int, uri: str) -> BatchFileNode | None:
    files = files_of(session, [number]).get(number, [])
    found = files[position] if position < len(files) else None
    return found if found is not None and found.uri == uri else None


def _dataset_of(session: Session, number: int) -> bytes:
    query = select(_number.c.dataset_id).where(_number.c.number == number)
    return bytes(session.execute(query).scalar_one())


def _may_touch(uri: str, roots: tuple[str, ...]) -> bool:
    if uri.startswith("s3://"):
        return is_under(uri, roots)
    return readable_path(uri, roots) is not None


def _wait(session: Session, task: TaskView, why: str, now: datetime) -> None:
    if task.state is not TaskState.PENDING or task.detail != why:
        _turn(session, task, TaskState.PENDING, TaskChange(detail=why), now)


def _intend(hands: Hands, begun: _Begun, intent: Intent) -> None:
    hands.database.transact(
        lambda session: note_intent(
            session, begun.key, intent.sha256, begun.rows, now=hands.clock()
        )
    )
    hands.report("file intended")


def _note_erased(
    session: Session, hands: Hands, begun: _Begun, done: Erased, *, is_last: bool
) -> None:
    """Keep what the file is now, also beside a trouble (rule 2)."""
    now = hands.clock()
    there = read_states(session, [begun.key]).get(begun.key)
    is_noted = there is not None and not there.holes.present(begun.rows).size
    if done.sha256 is not None and not (
        is_noted and there is not None and there.sha256 == done.sha256
    ):
        if there is not None and there.sha256 not in (None, begun.target.sha256):
            _stop(session, hands, begun, _OTHERS, is_last=is_last)
            return
        left = _left(begun.target.after(begun.rows, done.sha256))
        note_erased(
            session,
            begun.key,
            begun.rows,
            sha256=done.sha256,
            left=left if done.rows is None else done.rows,
            actor=SYSTEM,
            now=now,
        )
    if done.trouble is not None:
        _stop(session, hands, begun, done.trouble, is_last=is_last)
        return
    counted = done.erased + done.already
    task = read_task(session, begun.task_id)
    _turn(session, task, TaskState.ERASED, TaskChange(found=counted, erased=counted), now)


def _left(target: Target) -> int | None:
    if target.rows is None:
        return None
    return target.holes.left(target.first, target.first + target.rows)


def _known(session: Session, key: FileKey) -> tuple[bytes | None, bytes | None]:
    """What is recorded of a file: its digest after erasures, and the one it was about to have."""
    there = read_states(session, [key]).get(key)
    return (None, None) if there is None else (there.sha256, there.next_sha256)


def _note_proof(
    session: Session, hands: Hands, begun: _Begun, proof: Proof, *, is_last: bool
) -> None:
    """Say what looking again came to (rule 3)."""
    task = read_task(session, begun.task_id)
    if proof.trouble is not None:
        _stop(session, hands, begun, proof.trouble, is_last=is_last)
        return
    verified = int(begun.rows.size)
    if task.erased != verified:
        said = TaskChange(detail=f"{task.erased} rows are said to be erased, of {verified}.")
        to = TaskState.FAILED_FINAL if is_last else TaskState.FAILED_RETRYABLE
    elif begun.kept:
        said = replace(_kept(begun.kept), verified=verified)
        to = TaskState.WITHHELD
    else:
        said = TaskChange(verified=verified, detail="Looked into again, and not found.")
        to = TaskState.VERIFIED
    _turn(session, task, to, said, hands.clock())


def _stop(
    session: Session, hands: Hands, begun: _Begun, trouble: Trouble, *, is_last: bool
) -> None:
    """Bring a file's task to where a trouble leaves it. What the registry itself changed meanwhile,
    for another request or another worker, is nobody else's change.
    """
    if trouble.state is TaskState.CHANGED_OUTSIDE and _known(session, begun.key) != begun.known:
        trouble = _OTHERS
    task = read_task(session, begun.task_id)
    is_over = is_last and trouble.state is TaskState.FAILED_RETRYABLE
    to = TaskState.FAILED_FINAL if is_over else trouble.state
    said = f"{trouble.reason.value}: {trouble.detail} {trouble.remedy}"[:2_000]
    _turn(session, task, to, TaskChange(detail=said, until=trouble.until), hands.clock())


def _turn(
    session: Session, task: TaskView, to: TaskState, change: TaskChange, now: datetime
) -> None:
    """Turn a task, begun again first where it may not go there from its state."""
    must_begin = {
        TaskState.ERASED: to not in _FROM_ERASED,
        TaskState.WITHHELD: to not in (TaskState.WITHHELD, TaskState.PENDING, TaskState.RUNNING),
    }.get(task.state, False)
    if must_begin:
        task = turn_task(session, task, TaskState.RUNNING, actor=SYSTEM, now=now)
    turn_task(session, task, to, change, actor=SYSTEM, now=now)
