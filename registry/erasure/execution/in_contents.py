"""Reads batches of which nobody recorded the people for the people of a case, and extends its plan.

Rules (DESIGN §1.10; the governance page, "Erasure request"; issue "Erasure, the hands", 4):
1. Every file of the batch is read as it is recorded, under the same roots and bindings as erasures.
   Where one cannot be, the batch was not searched: the task says why and what to do, and what the
   other files hold is found all the same.
2. What names a person surely is linked to them in the ledger, and in no manifest from then on; what
   only may, a person decides on. Identifiers leave this module as subject keys alone.
3. What was found and is in no plan yet extends the plan: the case waits for an approval of the
   whole, by somebody else than who filed it. Then the task is over; what was found has its own.
4. It is read when all other work on the case has ended. Every step may be done twice: links are
   made once, and what was found is noted with the task, before the plan is extended.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import select
from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.audit.events import EntryKind
from registry.catalog.version_tables import BatchNumber
from registry.erasure.case.cases import Case, read_case
from registry.erasure.case.identifiers import kept_keys, open_identifiers
from registry.erasure.case.timeline import add_step
from registry.erasure.connectors.content_scan import Scan, scan_file
from registry.erasure.connectors.person_patterns import How, Person, person_of
from registry.erasure.connectors.protocol import Ordinals, Watch
from registry.erasure.connectors.trouble import Reason, StoppedError, Trouble
from registry.erasure.execution.carrying_out import ROUNDS
from registry.erasure.execution.hands import Hands, read_planned
from registry.erasure.execution.marking import is_carried_out
from registry.erasure.lifecycle import TaskKind, TaskState, is_at_work
from registry.erasure.plan.members import PARTS, read_marks
from registry.erasure.plan.planning import extend_plan
from registry.erasure.scope.sets import Marks, marks_beyond
from registry.erasure.targets.bindings import target_for_file, targets_of
from registry.erasure.targets.file_states import FileKey, file_target, read_states
from registry.erasure.tasks import TaskChange, TaskView, read_task, read_tasks, turn_task
from registry.ledger.erasing import read_holes
from registry.ledger.holes import Holes
from registry.ledger.scans import ScannedFor, append_links, note_scan
from registry.ledger.source_files import BatchFileNode, files_of
from registry.ledger.tables import BatchBinding, BindingState
from registry.rights.restrictions import Marked, restrict_examples
from registry.storage.columns import table_of

_number, _binding = table_of(BatchNumber), table_of(BatchBinding)
_TO_DO = frozenset({TaskState.PENDING, TaskState.RUNNING, TaskState.FAILED_RETRYABLE})
_NOTHING = np.empty(0, np.uint32)
_UNPLACED = (
    "Nobody recorded in which files its rows lie, with their digests and counts: record them "
    "(`registry adopt`) and carry the plan out again, or look into it and record what was found."
)
_UNBOUND = "It is not bound: send what it waits for, and carry the plan out again."
_SHORT = (
    "{count} of the identifiers are too short to be searched for in texts: look into it, and "
    "record what was found."
)


@dataclass(frozen=True, slots=True, eq=False)
class _Looked:
    """What reading a batch came to. `sure` and `maybe`: sorted ordinals for each identifier of the
    request; `trouble`: why some of it was not read.
    """

    sure: dict[int, Ordinals]
    maybe: dict[int, Ordinals]
    rows: int = 0
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Begun:
    """A batch that is being read, as it lies in files; `why`: what of it has no known place."""

    case: Case
    task_id: str
    number: int
    person: Person
    files: tuple[BatchFileNode, ...]
    dataset_id: bytes
    why: str | None


def has_contents(session: Session, request_id: str) -> bool:
    """Whether batches of a case wait to be read, and nothing else of it is being worked on."""
    if not is_carried_out(read_case(session, request_id)):
        return False
    tasks = read_tasks(session, request_id)
    scans = [task for task in tasks if task.kind is TaskKind.CONTENT_SCAN]
    is_waiting = any(task.state in _TO_DO or _is_unplanned(task) for task in scans)
    others = (task.standing for task in tasks if task.kind is not TaskKind.CONTENT_SCAN)
    return is_waiting and not any(is_at_work(each) for each in others)


def scan_contents(hands: Hands, request_id: str, *, rounds: int = 1) -> bool:
    """Read what is to be read for a case, then extend its plan; whether no other round is needed.

    `rounds`: how often it was tried; after the last one what could not be read was not searched.
    Effects: commits; links in the index. Cost: reads every file of these batches twice.
    """
    is_last = rounds >= ROUNDS
    with hands.database.read() as session:
        tasks = _scans(session, request_id)
    for done, task in enumerate(tasks):
        if task.state in _TO_DO and not _is_unplanned(task):
            hands.report(f"{done} of {len(tasks)} batches read")
            _scan_one(hands, request_id, task.id, is_last=is_last)
    with hands.database.read() as session:
        left = _scans(session, request_id)
        is_due = is_carried_out(read_case(session, request_id))
    if any(task.state is TaskState.FAILED_RETRYABLE for task in left):
        return False
    if is_due and any(_is_unplanned(task) for task in left):
        hands.report("extending the plan")
        extend_plan(
            hands.database,
            hands.ledger,
            hands.rules,
            request_id,
            also=lambda session, case: _note_planned(session, case, hands),
            actor=SYSTEM,
            now=hands.clock(),
        )
    return True


def _scans(session: Session, request_id: str) -> list[TaskView]:
    return read_tasks(session, request_id, kinds=[TaskKind.CONTENT_SCAN])


def _is_unplanned(task: TaskView) -> bool:
    """Whether rows were found that no plan holds yet (rule 3)."""
    was_read = task.state in (TaskState.RUNNING, TaskState.NOT_SEARCHED)
    return was_read and (task.found or 0) > (task.verified or 0)


def _note_planned(session: Session, case: Case, hands: Hands) -> None:
    for task in _scans(session, case.id):
        if _is_unplanned(task):
            is_whole = task.state is TaskState.RUNNING
            to = TaskState.VERIFIED if is_whole else task.state
            change = TaskChange(verified=task.found)
            turn_task(session, task, to, change, actor=SYSTEM, now=hands.clock())


def _scan_one(hands: Hands, request_id: str, task_id: str, *, is_last: bool) -> None:
    begun = hands.database.transact(lambda session: _begin(session, hands, request_id, task_id))
    if begun is None:
        return
    looked = _read(hands, begun)
    with hands.database.read() as session:
        scanned = _scanned(session, begun, looked)
    append_links(hands.ledger, hands.database, hands.turns, begun.number, scanned)
    hands.report("rows linked")
    hands.database.transact(lambda s: _note(s, hands, begun, looked, scanned, is_last=is_last))
    hands.report("scan noted")


def _begin(session: Session, hands: Hands, request_id: str, task_id: str) -> _Begun | None:
    """Begin a batch; None where nothing may be read of it now (rule 1)."""
    now = hands.clock()
    case, _ = read_planned(session, request_id, held=True)
    task = read_task(session, task_id, request_id=request_id)
    if not is_carried_out(case) or task.state not in _TO_DO or task.batch_number is None:
        return None
    number = task.batch_number
    state = select(_binding.c.state).where(_binding.c.number == number)
    # What was found by a reading that broke off is found again.
    reset = TaskChange(found=task.verified or 0)
    task = turn_task(session, task, TaskState.RUNNING, reset, actor=SYSTEM, now=now)
    if session.execute(state).scalar_one_or_none() != BindingState.BOUND.value:
        turn_task(
            session,
            task,
            TaskState.NOT_SEARCHED,
            TaskChange(detail=_UNBOUND),
            actor=SYSTEM,
            now=now,
        )
        return None
    files = files_of(session, [number]).get(number, [])
    placed = [f for f in files if f.first is not None and f.rows is not None and f.sha256]
    identifiers = open_identifiers(session, hands.ledger.keyring, case)
    person = person_of([(each.scheme.value, each.value) for each in identifiers])
    dataset = select(_number.c.dataset_id).where(_number.c.number == number)
    dataset_id = bytes(session.execute(dataset).scalar_one())
    why = _UNPLACED if not files or len(placed) < len(files) else None
    return _Begun(case, task.id, number, person, tuple(placed), dataset_id, why)


def _read(hands: Hands, begun: _Begun) -> _Looked:
    """Read the files of a batch one after the other (rule 1)."""
    sure: dict[int, list[int]] = {}
    maybe: dict[int, list[int]] = {}
    rows, troubles = 0, []
    for done, file in enumerate(begun.files):
        hands.report(f"file {done} of {len(begun.files)} of batch {begun.number}")
        scan = _read_file(hands, begun, file)
        rows += scan.rows
        if scan.trouble is not None:
            troubles.append(scan.trouble)
        for hit in scan.hits:
            into = sure if hit.how is How.NORMALISED else maybe
            into.setdefault(hit.position, []).append(hit.ordinal)
    every = _sorted(ordinal for some in sure.values() for ordinal in some)
    # A row that surely names somebody who asks needs nobody's decision.
    open_ones = {at: np.setdiff1d(_sorted(some), every) for at, some in maybe.items()}
    # What may pass by itself is tried again, whatever else there is.
    troubles.sort(key=lambda each: each.state is not TaskState.FAILED_RETRYABLE)
    trouble = troubles[0] if troubles else None
    return _Looked({at: _sorted(some) for at, some in sure.items()}, open_ones, rows, trouble)


def _sorted(ordinals: Iterable[int]) -> Ordinals:
    return np.unique(np.fromiter(ordinals, np.uint32))


def _read_file(hands: Hands, begun: _Begun, file: BatchFileNode) -> Scan:
    key = FileKey(begun.dataset_id, begun.number, file.uri)
    with hands.database.read() as session:
        there = read_states(session, [key]).get(key)
        targets = targets_of(session, [key.dataset_id]).get(key.dataset_id, [])
    target = file_target(file, there, target_for_file(targets, file.uri))
    busy = Trouble(Reason.BUSY, f"An erasure of {file.uri} broke off, and is settled first.")
    if target.intended is not None:
        return Scan(trouble=busy)
    watch = Watch(progress=lambda said: hands.report(f"file {said.step}: {said.bytes_done} bytes"))
    try:
        scan = scan_file(hands.connectors.place_of(target), target, begun.person, watch)
    except StoppedError as error:
        return Scan(trouble=error.trouble)
    if scan.trouble is not None:
        with hands.database.read() as session:
            is_ours = read_states(session, [key]).get(key) != there
        return replace(scan, trouble=busy) if is_ours else scan
    left = target.holes.left(target.first, target.first + (target.rows or 0))
    if scan.rows != left:
        said = f"{file.uri} has {scan.rows} rows, and {left} are recorded."
        return Scan(trouble=Trouble(Reason.ROWS_DIFFER, said))
    return scan


def _scanned(session: Session, begun: _Begun, looked: _Looked) -> list[ScannedFor]:
    """What was read for each identifier that can be searched for, as subject keys (rule 2)."""
    return [
        ScannedFor(
            key.position,
            key.key,
            key.version,
            looked.sure.get(key.position, _NOTHING),
            looked.maybe.get(key.position, _NOTHING),
        )
        for key in kept_keys(session, begun.case.id)
        if key.position not in begun.person.unsearchable
    ]


def _note(
    session: Session,
    hands: Hands,
    begun: _Begun,
    looked: _Looked,
    scanned: list[ScannedFor],
    *,
    is_last: bool,
) -> None:
    """Keep what was read and found, and say what it comes to (rules 2 and 3)."""
    now, number = hands.clock(), begun.number
    case, plan = read_planned(session, begun.case.id, held=True)
    task = read_task(session, begun.task_id)
    if not is_carried_out(case) or task.state is not TaskState.RUNNING:
        return
    whole = looked.trouble is None and begun.why is None
    note_scan(session, number, case.id, scanned, whole=whole, now=now)
    holes = read_holes(session, [number]).get(number, Holes())
    sure = holes.present(_union(looked.sure.values()))
    maybe = holes.present(_union(looked.maybe.values()))
    new: Marks = {number: np.union1d(sure, maybe)}
    for part in PARTS:
        new = marks_beyond(new, read_marks(session, plan.id, part, batch=number))
    named = marks_beyond({number: sure}, read_marks(session, plan.id, "erase", batch=number))
    restricted = [Marked(*each) for each in named.items()]
    restrict_examples(
        session,
        restricted,
        reason="a content scan found the person in them",
        case_id=case.id,
        actor=SYSTEM,
        now=now,
    )
    found = (task.verified or 0) + sum(0 if rows is None else rows.size for rows in new.values())
    said = f"{sure.size} rows name the person, and {maybe.size} may."
    to, why = _outcome(begun, looked, is_last=is_last, is_found=bool(new))
    change = TaskChange(found=found, detail=f"{said} {why}".strip()[:2_000])
    if to is TaskState.VERIFIED:
        change = replace(change, verified=found)
    turn_task(session, task, to, change, actor=SYSTEM, now=now)
    facts = {
        "task": task.id,
        "batch": number,
        "rows": looked.rows,
        "found": int(sure.size),
        "candidates": int(maybe.size),
        "to": to.value,
    }
    add_step(session, case, EntryKind.ERASURE_CONTENT_SCANNED, actor=SYSTEM, now=now, facts=facts)


def _union(parts: Iterable[Ordinals]) -> Ordinals:
    return np.unique(np.concatenate([_NOTHING, *parts]))


def _outcome(
    begun: _Begun, looked: _Looked, *, is_last: bool, is_found: bool
) -> tuple[TaskState, str]:
    """The state of a task after its batch was read, and why it is not over."""
    trouble = looked.trouble
    if trouble is not None:
        is_open = trouble.state is TaskState.FAILED_RETRYABLE and not is_last
        to = TaskState.FAILED_RETRYABLE if is_open else TaskState.NOT_SEARCHED
        return to, f"{trouble.reason.value}: {trouble.detail} {trouble.remedy}"
    if begun.why is not None:
        return TaskState.NOT_SEARCHED, begun.why
    if begun.person.unsearchable:
        return TaskState.NOT_SEARCHED, _SHORT.format(count=len(begun.person.unsearchable))
    if is_found:
        return TaskState.RUNNING, "The plan is extended by them."
    return TaskState.VERIFIED, ""
