"""Who asks: verified by a person, or asked for more; the clock may stand still meanwhile.

Rules:
1. Until the identity is verified nothing is planned, restricted or told (case 11); from then on
   the person's examples are in no manifest.
2. More is asked for only on reasonable doubt or where the person cannot be found without
   (GDPR Art. 11(2), 12(6)). The question is kept with the case.
3. Where `pause_for_identity` is on, the month of the GDPR stands still from a question about
   identity to its answer; the days are counted, and the deadline worked out anew.
"""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.erasure.case.cases import (
    Case,
    change_case,
    read_case,
    require_state,
    require_words,
    take_turn,
)
from registry.erasure.case.deadlines import Deadline, WorkingDays, answer_by
from registry.erasure.case.identifiers import open_identifiers, reject_identifiers
from registry.erasure.case.in_queue import ask_to_conclude
from registry.erasure.case.intake import day_of
from registry.erasure.case.post import Desk
from registry.erasure.case.taking_up import take_up
from registry.erasure.case.timeline import add_step
from registry.erasure.lifecycle import Identity, Regime, RequestState
from registry.errors import ConflictError

_ASKABLE = (
    RequestState.RECEIVED,
    RequestState.AWAITING_IDENTITY,
    RequestState.AWAITING_INFORMATION,
)


def verify_identity(
    session: Session, desk: Desk, request_id: str, *, method: str, actor: str, now: datetime
) -> Case:
    """Record that the person was found to be who they say, and how; go on with the case.

    Raises NotFoundError, ConflictError where that is known already or the case is closed,
    InvalidInputError without a method. Effects: rows, steps; does not commit.
    """
    take_turn(session)
    case = read_case(session, request_id, held=True)
    if case.is_verified:
        raise ConflictError(
            f"Who asks in the request {case.id} is known: {case.identity.value}.",
            remedy="Go on with planning it.",
        )
    require_state(
        case,
        RequestState.AWAITING_IDENTITY,
        RequestState.AWAITING_INFORMATION,
        to="verifying the identity",
    )
    require_words(method, path="method")
    reject_identifiers(open_identifiers(session, desk.keyring, case), {"method": method})
    case = _resume_clock(session, case, actor, now)
    case = change_case(
        session,
        case,
        state=RequestState.RECEIVED,
        identity=Identity.VERIFIED.value,
        verified_by=actor,
        verified_at=now,
    )
    kind = EntryKind.ERASURE_IDENTITY_VERIFIED
    add_step(session, case, kind, actor=actor, now=now, words={"method": method})
    return take_up(session, desk, case, actor=actor, now=now)


def ask_information(
    session: Session, desk: Desk, request_id: str, *, question: str, actor: str, now: datetime
) -> Case:
    """Record that the person was asked for something that is needed to go on.

    Raises NotFoundError, ConflictError, InvalidInputError. Effects: rows, steps; does not commit.
    """
    case = read_case(session, request_id, held=True)
    require_state(case, *_ASKABLE, to="a question to the person")
    require_words(question, path="question")
    reject_identifiers(open_identifiers(session, desk.keyring, case), {"question": question})
    if case.state is not RequestState.AWAITING_INFORMATION:
        case = change_case(session, case, state=RequestState.AWAITING_INFORMATION)
    kind = EntryKind.ERASURE_INFORMATION_ASKED
    add_step(session, case, kind, actor=actor, now=now, words={"question": question})
    pauses = desk.rules.pause_for_identity and case.regime is Regime.GDPR
    if not pauses or case.is_verified or case.paused_at is not None:
        return case
    case = change_case(session, case, paused_at=now)
    add_step(session, case, EntryKind.ERASURE_CLOCK_PAUSED, actor=actor, now=now)
    return case


def take_answer(
    session: Session, desk: Desk, request_id: str, *, answer: str, actor: str, now: datetime
) -> Case:
    """Record that the person answered; the case waits for the identity again, or goes on.

    Raises NotFoundError, ConflictError unless something was asked, InvalidInputError. Effects:
    rows, steps; does not commit.
    """
    case = read_case(session, request_id, held=True)
    require_state(case, RequestState.AWAITING_INFORMATION, to="an answer of the person")
    require_words(answer, path="answer")
    reject_identifiers(open_identifiers(session, desk.keyring, case), {"answer": answer})
    case = _resume_clock(session, case, actor, now)
    to = RequestState.RECEIVED if case.is_verified else RequestState.AWAITING_IDENTITY
    case = change_case(session, case, state=to)
    kind = EntryKind.ERASURE_INFORMATION_GIVEN
    add_step(session, case, kind, actor=actor, now=now, words={"answer": answer})
    # What was asked for may have been done before the question.
    ask_to_conclude(session, case.id, now=now)
    return case


def deadline_of(case: Case, *, extended: bool | None = None) -> Deadline:
    """The deadline of a case as it follows from what is recorded; `extended` as if it were so."""
    return answer_by(
        case.regime,
        day_of(case.received_at),
        WorkingDays(case.region),
        extended=case.extended_at is not None if extended is None else extended,
        paused_days=case.paused_days,
    )


def _resume_clock(session: Session, case: Case, actor: str, now: datetime) -> Case:
    """Let a clock that stands still run on, and work the deadline out anew (rule 3)."""
    if case.paused_at is None:
        return case
    days = (day_of(now) - day_of(case.paused_at)).days
    case = change_case(session, case, paused_at=None, paused_days=case.paused_days + days)
    due = deadline_of(case)
    case = change_case(session, case, due_on=due.due_on.isoformat(), due_because=due.because)
    facts = {"days": days, "due": due.due_on.isoformat()}
    kind = EntryKind.ERASURE_CLOCK_RESUMED
    add_step(session, case, kind, actor=actor, now=now, facts=facts)
    return case
