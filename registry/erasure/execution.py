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

from sqlalchemy import Table
from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.audit.events import EntryKind
from registry.audit.tables import ENTRY
from registry.erasure.aftermath import AUDIT_LOG, EVENT_LOG, KnownBackup, tasks_of
from registry.erasure.cases import Case, change_case, require_state
from registry.erasure.hands import Hands, Work, read_planned
from registry.erasure.in_backups import name_backups
from registry.erasure.in_queue import ask_to_carry_out
from registry.erasure.keepsake import forget
from registry.erasure.lifecycle import RequestState, TaskKind, TaskState
from registry.erasure.listed import list_erasure
from registry.erasure.marking import mark_away
from registry.erasure.own_logs import wipe_event_log, wipe_journal
from registry.erasure.tasks import TaskChange, TaskView, open_tasks, read_tasks, turn_task
from registry.erasure.timeline import add_step
from registry.errors import StorageUnavailableError
from registry.ledger.remainders import Remains
from registry.ledger.remains import find_remains
from registry.ledger.wiping import wipe
from registry.lineage.tables import EventRedaction, LineageEvent
from registry.storage.columns import table_of
from registry.storage.residue import scrub_residue

_ROUNDS_BEFORE_FAILURE = 12


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

    Of a case that is being carried out, or was in part, it asks for another round. Raises
    NotFoundError, ConflictError. Effects: rows, a step, a task of the queue; does not commit.
    """
    case, plan = read_planned(session, request_id, held=True)
    again = (RequestState.EXECUTING, RequestState.VERIFYING, RequestState.PARTIALLY_FULFILLED)
    require_state(case, RequestState.APPROVED, *again, to="carrying it out")
    if case.state is RequestState.APPROVED:
        tasks = tasks_of(plan.document, backups=backups, due_on=case.due_on, approved_on=today)
        open_tasks(session, case.id, plan.id, tasks, actor=actor, now=now)
        case = change_case(session, case, state=RequestState.EXECUTING)
        facts = {"plan": plan.digest}
        add_step(session, case, EntryKind.ERASURE_EXECUTED, actor=actor, now=now, facts=facts)
    ask_to_carry_out(session, case.id, now=now)
    return case


def carry_out(hands: Hands, request_id: str, *, rounds: int = 1) -> bool:
    """Do what an approved plan asks of the registry's own data; whether that is proven (rule 3).

    `rounds`: how often it was looked. Raises ConflictError for a case that is not being carried
    out, StorageUnavailableError; then call it again. Effects: commits.
    """
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
    redacted = wipe_event_log(hands, work)
    entries = wipe_journal(hands, work)
    list_erasure(hands, work)
    if not scrub_residue(hands.database, _scrubbed()):
        raise StorageUnavailableError(
            "Deleted rows still lie in the database's own files.",
            remedy="Readers or writers were in the way; it is tried again.",
        )
    counts = {EVENT_LOG: redacted, AUDIT_LOG: entries}
    hands.database.transact(lambda session: _note_erased(session, work.case.id, counts, hands))
    return _prove(hands, work, rounds)


def _scrubbed() -> list[Table]:
    """The tables that held something of what is erased."""
    return [table_of(LineageEvent), table_of(EventRedaction), ENTRY]


def _note_erased(session: Session, request_id: str, counts: dict[str, int], hands: Hands) -> None:
    case, _ = read_planned(session, request_id, held=True)
    now = hands.clock()
    for task in read_tasks(session, case.id, kinds=[TaskKind.OWN_DATA]):
        if task.state is not TaskState.RUNNING:
            continue
        more = counts.get(task.target)
        found = task.found if more is None else (task.found or 0) + more
        change = TaskChange(found=found, erased=found)
        turn_task(session, task, TaskState.ERASED, change, actor=SYSTEM, now=now)
    if case.state is RequestState.EXECUTING:
        change_case(session, case, state=RequestState.VERIFYING)


def _prove(hands: Hands, work: Work, rounds: int) -> bool:
    remains = find_remains(
        hands.ledger, hands.database, work.sets, known=work.known, report=hands.report
    )
    hands.database.transact(lambda session: _note_proof(session, hands, work, remains, rounds))
    if remains.is_clean:
        forget(hands.ledger.objects, work.case)
    return remains.is_clean


def _note_proof(session: Session, hands: Hands, work: Work, remains: Remains, rounds: int) -> None:
    now, is_proven_now = hands.clock(), False
    for task in read_tasks(session, work.case.id, kinds=[TaskKind.OWN_DATA]):
        if task.state is not TaskState.ERASED:
            continue
        if remains.is_clean or task.target in (EVENT_LOG, AUDIT_LOG):
            is_proven_now = is_proven_now or bool(task.erased)
            change = TaskChange(verified=task.erased, detail="Looked for, and not found.")
            turn_task(session, task, TaskState.VERIFIED, change, actor=SYSTEM, now=now)
        else:
            _still_there(session, task, remains, rounds, now)
    if is_proven_now:
        # A backup that was made since the plan was taken up may hold it as well.
        name_backups(session, work.case, work.plan.id, actor=SYSTEM, now=now)


def _still_there(
    session: Session, task: TaskView, remains: Remains, rounds: int, now: datetime
) -> None:
    places = [f"{each.place} {each.name} ({each.rows})" for each in remains.found]
    places += [f"not told: {each}" for each in remains.untold]
    change = TaskChange(detail=f"Still found in: {'; '.join(places)}"[:2_000])
    is_final = rounds >= _ROUNDS_BEFORE_FAILURE
    to = TaskState.FAILED_FINAL if is_final else TaskState.FAILED_RETRYABLE
    turn_task(session, task, to, change, actor=SYSTEM, now=now)
