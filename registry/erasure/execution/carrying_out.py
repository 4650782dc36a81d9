"""Carries an approved plan out in what the registry itself holds, step by step, and proves it.

Rules (DESIGN §1.10, §1.12, §6; the governance page, cases 2, 3, 4, 8, 10, 19):
1. Every step may be done twice: a run that was cut off anywhere is begun again from the first step
   and ends in the same state. What was done before is success.
2. The approved plan says what is erased, whatever the policies say by now.
3. Nothing is called verified but what was looked for and not found. Where something is left, what
   takes it away (sums, purges, discards) runs as tasks of the queue, and it is looked again later.
4. What was marked, and then what was redacted, is listed beside the ledger once it is committed, so
   that a restore does it again. Backups that were made until it is proven are tasks.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.audit.events import EntryKind
from registry.audit.tables import ENTRY
from registry.erasure.case.approve import read_begun
from registry.erasure.case.cases import Case, change_case, read_case, require_state
from registry.erasure.case.in_queue import ask_to_carry_out
from registry.erasure.case.timeline import add_step
from registry.erasure.execution.aftermath import KnownBackup, tasks_of
from registry.erasure.execution.hands import Hands, Work, read_planned
from registry.erasure.execution.in_backups import name_backups
from registry.erasure.execution.in_copies import copy_tasks
from registry.erasure.execution.keepsake import forget
from registry.erasure.execution.listed import list_erasure
from registry.erasure.execution.marking import mark_away
from registry.erasure.execution.own_logs import (
    LOGS,
    Left,
    count_wiped,
    find_in_logs,
    wipe_event_log,
    wipe_journal,
)
from registry.erasure.lifecycle import RequestState, TaskKind, TaskState
from registry.erasure.plan.document import grown
from registry.erasure.tasks import (
    TaskChange,
    TaskView,
    open_tasks,
    read_tasks,
    reopen_grown,
    reopen_stopped,
    turn_task,
)
from registry.errors import StorageUnavailableError
from registry.ledger.remainders import Remains
from registry.ledger.remains import find_remains
from registry.ledger.wiping import wipe
from registry.lineage.erase_events import EVENT_TABLES
from registry.lineage.tables import EventRedaction
from registry.storage.columns import table_of
from registry.storage.residue import scrub_residue

#: How often it is looked before a person must: more than two hours, by the worker's delays.
ROUNDS = 14
# The tables that held something of what is erased.
_SCRUBBED = list(dict.fromkeys([*EVENT_TABLES, table_of(EventRedaction), ENTRY]))


def begin(
    session: Session,
    request_id: str,
    *,
    backups: list[KnownBackup],
    today: date,
    actor: str,
    now: datetime,
) -> Case:
    """Begin to carry out an approved plan: its tasks, and the work in the queue.

    An extended plan opens what is new in it, and again what it has more of. Of a case that is being
    carried out, or was in part, it asks for another round, and takes up copies that were bound
    meanwhile, as where a binding was corrected. Raises NotFoundError, ConflictError. Effects: rows,
    a step, a task of the queue; does not commit.
    """
    case, plan = read_planned(session, request_id, held=True)
    again = (RequestState.EXECUTING, RequestState.VERIFYING, RequestState.PARTIALLY_FULFILLED)
    require_state(case, RequestState.APPROVED, *again, to="carrying it out")
    copies = copy_tasks(session, plan.document, due_on=case.due_on)
    if case.state is RequestState.APPROVED:
        tasks = tasks_of(plan.document, backups=backups, due_on=case.due_on, approved_on=today)
        opened = [*tasks, *copies]
        open_tasks(session, case.id, plan.id, opened, actor=actor, now=now)
        before = read_begun(session, case)
        if before is not None:
            more = grown(before.document, plan.document)
            reopen_grown(session, case.id, opened, more, actor=actor, now=now)
        case = change_case(session, case, state=RequestState.EXECUTING)
        facts = {"plan": plan.digest}
        add_step(session, case, EntryKind.ERASURE_EXECUTED, actor=actor, now=now, facts=facts)
    else:
        open_tasks(session, case.id, plan.id, copies, actor=actor, now=now)
        reopen_stopped(session, case.id, actor=actor, now=now)
    ask_to_carry_out(session, case.id, now=now)
    return case


def carry_out(hands: Hands, request_id: str, *, rounds: int = 1) -> bool:
    """Do what an approved plan asks of the registry's own data; whether that is proven (rule 3).

    `rounds`: how often it was looked. A case that is over has no work left. Raises ConflictError
    for one that nobody began to carry out, StorageUnavailableError; then call it again. Effects:
    commits.
    """
    with hands.database.read() as session:
        if read_case(session, request_id).state is RequestState.FULFILLED:
            return True
    work = mark_away(hands, request_id)
    list_erasure(hands, work)
    wiped = wipe(
        hands.ledger,
        hands.database,
        work.sets,
        turns=hands.turns,
        now=hands.clock(),
        report=hands.report,
    )
    hands.report(f"{wiped.index_rows} rows of the index and {wiped.objects} objects wiped")
    if _are_logs_open(hands, work.case):
        wipe_event_log(hands, work)
        wipe_journal(hands, work)
        list_erasure(hands, work)
        if not scrub_residue(hands.database, _SCRUBBED):
            raise StorageUnavailableError(
                "Deleted rows still lie in the database's own files.",
                remedy="Readers or writers were in the way; it is tried again.",
            )
    hands.database.transact(lambda session: _note_erased(session, work.case.id, hands))
    return _prove(hands, work, rounds)


def _are_logs_open(hands: Hands, case: Case) -> bool:
    """Whether the logs are still to be wiped: nobody noted yet that they are."""
    with hands.database.read() as session:
        tasks = read_tasks(session, case.id, kinds=[TaskKind.OWN_DATA])
    return any(task.target in LOGS and task.state is TaskState.RUNNING for task in tasks)


def _note_erased(session: Session, request_id: str, hands: Hands) -> None:
    case, _ = read_planned(session, request_id, held=True)
    now = hands.clock()
    tasks = read_tasks(session, case.id, kinds=[TaskKind.OWN_DATA])
    running = [task for task in tasks if task.state is TaskState.RUNNING]
    # What was counted by a round that was cut off is counted here too.
    is_of_logs = any(task.target in LOGS for task in running)
    counts = count_wiped(session, case.id) if is_of_logs else {}
    for task in running:
        found = counts.get(task.target, task.found)
        change = TaskChange(found=found, erased=found)
        turn_task(session, task, TaskState.ERASED, change, actor=SYSTEM, now=now)
    if case.state is RequestState.EXECUTING:
        change_case(session, case, state=RequestState.VERIFYING)


def _prove(hands: Hands, work: Work, rounds: int) -> bool:
    remains = find_remains(
        hands.ledger, hands.database, work.sets, known=work.known, report=hands.report
    )
    left: dict[str, Left] = find_in_logs(hands, work) if _are_logs_erased(hands, work.case) else {}
    in_ledger = _left_in(remains)
    hands.database.transact(
        lambda session: _note_proof(session, hands, work, in_ledger, left, rounds)
    )
    if remains.is_clean:
        forget(hands.ledger.objects, work.case)
    return remains.is_clean and not any(each.goes for each in left.values())


def _are_logs_erased(hands: Hands, case: Case) -> bool:
    with hands.database.read() as session:
        tasks = read_tasks(session, case.id, kinds=[TaskKind.OWN_DATA])
    return any(task.target in LOGS and task.state is TaskState.ERASED for task in tasks)


def _left_in(remains: Remains) -> Left:
    places = [f"{each.place} {each.name} ({each.rows})" for each in remains.found]
    places += [f"not told: {each}" for each in remains.untold]
    return Left(tuple(places))


def _note_proof(
    session: Session, hands: Hands, work: Work, ledger: Left, logs: dict[str, Left], rounds: int
) -> None:
    now, is_proven_now = hands.clock(), False
    case, _ = read_planned(session, work.case.id, held=True)
    for task in read_tasks(session, case.id, kinds=[TaskKind.OWN_DATA]):
        if task.state is not TaskState.ERASED:
            continue
        left = logs.get(task.target) if task.target in LOGS else ledger
        if left is None:
            # Another round erased it after this one had looked; that one looks too.
            continue
        if not left.places:
            is_proven_now = is_proven_now or bool(task.erased)
            change = TaskChange(verified=task.erased, detail="Looked for, and not found.")
            turn_task(session, task, TaskState.VERIFIED, change, actor=SYSTEM, now=now)
        else:
            _still_there(session, task, left, rounds, now)
    if is_proven_now:
        # A backup that was made since the plan was taken up may hold it as well.
        name_backups(session, case, work.plan.id, actor=SYSTEM, now=now)


def _still_there(session: Session, task: TaskView, left: Left, rounds: int, now: datetime) -> None:
    change = TaskChange(detail=f"Still found in: {'; '.join(left.places)}"[:2_000])
    is_final = rounds >= ROUNDS or not left.goes
    to = TaskState.FAILED_FINAL if is_final else TaskState.FAILED_RETRYABLE
    turn_task(session, task, to, change, actor=SYSTEM, now=now)
