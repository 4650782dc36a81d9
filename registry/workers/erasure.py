"""Handlers that carry plans out, state outcomes, and go on with what a hold or a backup kept.

Rules:
1. A round that still finds something is followed by another, later and later: first what the queue
   itself has to do (sums, purges), at last an hour on, when files that nobody names may be removed.
   After the last one the task has failed, the outcome says so, and a person asks for more.
   Files follow the registry's own data, in rounds of their own; then batches are read of which
   nobody recorded the people. The outcome waits for both.
2. A case whose plan was extended waits for its approval: rounds that come meanwhile do nothing.
   From the approval on it goes on by itself.
3. What rows of copies are called is forgotten once the outcome is that nothing is left to do.
4. A certificate is sealed as soon as its outcome is stated; whoever reads it first does it else.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.erasure.case.approve import read_begun
from registry.erasure.case.cases import read_case
from registry.erasure.case.in_queue import (
    ask_to_carry_out,
    ask_to_conclude,
    ask_to_erase_in_files,
    ask_to_scan,
)
from registry.erasure.case.intake import day_of
from registry.erasure.execution.carrying_out import ROUNDS, begin, carry_out
from registry.erasure.execution.in_backups import end_backups, known_backups
from registry.erasure.execution.in_contents import has_contents, scan_contents
from registry.erasure.execution.in_files import erase_in_files, has_files
from registry.erasure.execution.keepsake import forget_names
from registry.erasure.execution.listed import list_files
from registry.erasure.execution.resuming import files_kept_no_more, kept_no_more
from registry.erasure.lifecycle import RequestState
from registry.erasure.outcome.certifying import list_certificates, seal_certificate
from registry.erasure.outcome.concluding import conclude
from registry.request import House
from registry.workers.context import TaskContext

_WAITING = (RequestState.SCOPING, RequestState.PENDING_APPROVAL, RequestState.APPROVED)
_FIRST, _LONGEST = timedelta(seconds=2), timedelta(minutes=30)


def carry_out_erasure(context: TaskContext) -> None:
    """One round of work on a case, and the outcome that its tasks come to."""
    house = context.house
    request_id = str(context.task.payload["request"])
    rounds = int(str(context.task.payload.get("rounds", 1)))
    hands = replace(house.hands, report=context.report)
    if not house.database.transact(lambda session: _is_to_go_on(session, house, request_id)):
        context.conclude(lambda _session: None)
        return
    is_proven = carry_out(hands, request_id, rounds=rounds)
    is_last = is_proven or rounds >= ROUNDS
    with house.database.read() as session:
        files_wait = has_files(session, request_id)
    if is_last and not files_wait:
        state_outcome(house, request_id)

    def last(session: Session) -> None:
        now = house.clock()
        if files_wait and (is_last or rounds == 1):
            together = timedelta(seconds=house.settings.erase_together_seconds)
            ask_to_erase_in_files(session, request_id, now=now, delay=together)
        if not is_last:
            delay = _delay_after(rounds)
            ask_to_carry_out(session, request_id, now=now, rounds=rounds + 1, delay=delay)

    context.conclude(last)


def _is_to_go_on(session: Session, house: House, request_id: str) -> bool:
    """Whether a case is to be worked on; an extension that was approved is begun (rule 2)."""
    case = read_case(session, request_id, held=True)
    if read_begun(session, case) is None:
        return True
    if case.state is RequestState.APPROVED:
        now = house.clock()
        case = begin(
            session,
            request_id,
            backups=known_backups(session, now=now),
            today=day_of(now),
            actor=SYSTEM,
            now=now,
        )
    return case.state not in _WAITING


def erase_in_files_of(context: TaskContext) -> None:
    """One round of work on the files of a case; after the last one its outcome is stated."""
    house = context.house
    request_id = str(context.task.payload["request"])
    rounds = int(str(context.task.payload.get("rounds", 1)))
    hands = replace(house.hands, report=context.report)
    is_last = erase_in_files(hands, request_id, rounds=rounds) or rounds >= ROUNDS
    # A registry that is restored from a backup must know the files as they are now.
    list_files(hands, request_id)

    def last(session: Session) -> None:
        now = house.clock()
        if is_last:
            # Own data may have been proven meanwhile, and its round left the outcome to this one.
            ask_to_conclude(session, request_id, now=now)
        else:
            delay = _delay_after(rounds)
            ask_to_erase_in_files(session, request_id, now=now, rounds=rounds + 1, delay=delay)

    context.conclude(last)


def _delay_after(rounds: int) -> timedelta:
    return min(_FIRST * (1 << (rounds - 1)), _LONGEST)


def conclude_erasure(context: TaskContext) -> None:
    """State the outcome of a case anew."""
    state_outcome(context.house, str(context.task.payload["request"]))


def state_outcome(house: House, request_id: str) -> None:
    """State the outcome of a case, and seal what it certifies (rules 3 and 4), unless something is
    to be read first. Effects: commits.
    """
    hands = house.hands
    if house.database.transact(lambda session: _asked_to_scan(session, house, request_id)):
        return
    conclude(hands, request_id, actor=SYSTEM)
    with house.database.read() as session:
        case = read_case(session, request_id)
        certificates = list_certificates(session, request_id)
    if case.state is RequestState.FULFILLED:
        forget_names(house.ledger.objects, case)
    for certificate in certificates:
        if certificate.envelope is None:
            seal_certificate(house.database, house.audit, certificate.number)


def _asked_to_scan(session: Session, house: House, request_id: str) -> bool:
    is_to_read = has_contents(session, request_id)
    if is_to_read:
        ask_to_scan(session, request_id, now=house.clock())
    return is_to_read


def scan_contents_of(context: TaskContext) -> None:
    """One round of reading for a case; after the last one its outcome is stated."""
    house = context.house
    request_id = str(context.task.payload["request"])
    rounds = int(str(context.task.payload.get("rounds", 1)))
    hands = replace(house.hands, report=context.report)
    is_last = scan_contents(hands, request_id, rounds=rounds) or rounds >= ROUNDS

    def last(session: Session) -> None:
        now = house.clock()
        if is_last:
            ask_to_conclude(session, request_id, now=now)
        else:
            delay = _delay_after(rounds)
            ask_to_scan(session, request_id, now=now, rounds=rounds + 1, delay=delay)

    context.conclude(last)


def resume_erasures(context: TaskContext) -> None:
    """Go on with every case of which a hold, or a backup, keeps nothing any more (governance cases
    2 and 8).
    """
    house = context.house

    def work(session: Session) -> None:
        now = house.clock()
        for request_id in kept_no_more(session, at=now):
            ask_to_carry_out(session, request_id, now=now)
            ask_to_conclude(session, request_id, now=now)
        for request_id in files_kept_no_more(session, at=now):
            ask_to_erase_in_files(session, request_id, now=now)
        for request_id in end_backups(session, actor=SYSTEM, now=now):
            ask_to_conclude(session, request_id, now=now)

    context.conclude(work)
