"""States what the tasks of a case have come to, with a certificate for each outcome.

Rules (DESIGN §1.10; the governance page, "Erasure request"):
1. The outcome is computed from the tasks. It is stated anew whenever what it rests on changed, and
   then has a certificate of its own number; what was stated before stays.
2. The first outcome is told to the person by a letter, and so is the one that ends the case.
3. A case that is fulfilled lets go of its evidence and its restrictions, as nothing is left that
   they are about; what keeps the data from coming back are the suppressions. In part, they stay.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.signing import current_origin
from registry.erasure.case.approve import PlanView, read_plan
from registry.erasure.case.cases import Case, change_case, read_case, take_turn
from registry.erasure.case.identifiers import open_identifiers
from registry.erasure.case.post import LetterKind, keep_letter
from registry.erasure.case.taking_up import settle_duplicates
from registry.erasure.case.timeline import add_step, read_steps
from registry.erasure.case.writing import write_completion
from registry.erasure.certificate.facts import CertificateFacts, Issuer
from registry.erasure.execution.hands import Hands
from registry.erasure.lifecycle import ENDED_WELL, RequestState, Right, outcome_of
from registry.erasure.outcome.certified import facts_of
from registry.erasure.outcome.certifying import last_facts, number_certificate
from registry.erasure.tasks import TaskView, read_tasks
from registry.rights.restrictions import lift_restrictions_of, release_evidence
from registry.rights.tables import Suppression
from registry.storage.columns import table_of

_suppression = table_of(Suppression)
_STATED = (RequestState.FULFILLED, RequestState.PARTIALLY_FULFILLED)
_BY_TASKS = (RequestState.EXECUTING, RequestState.VERIFYING, RequestState.PARTIALLY_FULFILLED)


def conclude(hands: Hands, request_id: str, *, actor: str) -> Case:
    """State the outcome of a case, if it is a new one (rule 1); the case as it stands then.

    A case whose tasks are not there yet, or still at work, stays as it is. Raises NotFoundError.
    Effects: commits; a certificate that is not sealed yet, letters, steps.
    """
    issuer = issuer_of(hands)

    def work(session: Session) -> Case:
        take_turn(session)
        case = read_case(session, request_id, held=True)
        tasks = read_tasks(session, case.id)
        if not _is_ready(case, tasks):
            return case
        return _state(session, hands, case, tasks, issuer, actor, hands.clock())

    return hands.database.transact(work)


def issuer_of(hands: Hands) -> Issuer:
    """Who certifies. Not to be asked in a transaction that writes: it may open the log."""
    return Issuer(_origin(hands), hands.url)


def certify_denial(
    session: Session, hands: Hands, case: Case, *, issuer: Issuer, actor: str, now: datetime
) -> CertificateFacts:
    """The certificate of a request that was denied. Effects: rows, an entry; does not commit."""
    return _certify(session, hands, case, RequestState.DENIED, [], issuer, actor, now)


def _origin(hands: Hands) -> str:
    with hands.database.read() as session:
        origin = current_origin(session)
    if origin is None:
        hands.audit.catch_up()
        return _origin(hands)
    return origin.name


def _is_ready(case: Case, tasks: list[TaskView]) -> bool:
    """Whether an outcome may follow from the tasks now."""
    if case.right is Right.ERASURE:
        return case.state in _BY_TASKS
    # Other rights have no plan: their tasks are there from the verified identity on, and until
    # they have ended the person has no answer.
    has_ended = bool(tasks) and all(task.state in ENDED_WELL for task in tasks)
    return has_ended and case.state in (*_BY_TASKS, RequestState.RECEIVED)


def _state(
    session: Session,
    hands: Hands,
    case: Case,
    tasks: list[TaskView],
    issuer: Issuer,
    actor: str,
    now: datetime,
) -> Case:
    outcome = outcome_of(task.standing for task in tasks)
    if outcome is RequestState.EXECUTING:
        return case
    before = last_facts(session, case.id)
    case = _moved(session, case, outcome, actor, now)
    facts = _facts(session, hands, case, outcome, tasks, issuer, now)
    if before is not None and _same(before, facts):
        _answer_duplicates(session, hands, case, before, actor, now)
        return case
    told = {"outcome": outcome.value, "tasks": len(tasks)}
    kind = EntryKind.ERASURE_CONCLUDED
    add_step(session, case, kind, actor=actor, now=now, facts=told)
    certified = _certify(session, hands, case, outcome, tasks, issuer, actor, now)
    if before is None or outcome is RequestState.FULFILLED:
        letter = _letter_of(session, hands, case, certified)
        kind_of = LetterKind.COMPLETION
        keep_letter(session, hands.desk.keyring, case, kind_of, letter, actor=actor, now=now)
    _answer_duplicates(session, hands, case, certified, actor, now)
    if outcome is RequestState.FULFILLED:
        release_evidence(session, case.id, actor=actor, now=now)
        if case.right is Right.ERASURE:
            lift_restrictions_of(session, case.id, actor=actor, now=now)
    return case


def _letter_of(session: Session, hands: Hands, case: Case, certified: CertificateFacts) -> str:
    plan = read_plan(session, case)
    datasets = 0 if plan is None else len(plan.document["erase"]["by_dataset"])
    return write_completion(certified, hands.rules.said, datasets=datasets)


def _answer_duplicates(
    session: Session,
    hands: Hands,
    case: Case,
    certified: CertificateFacts,
    actor: str,
    now: datetime,
) -> None:
    """Tell those whose requests are duplicates of this one; some may have come since the last."""
    plan = read_plan(session, case)
    settle_duplicates(
        session,
        hands.desk,
        case,
        known_until=case.received_at if plan is None else plan.made_at,
        letter=lambda: _letter_of(session, hands, case, certified),
        actor=actor,
        now=now,
    )


def _moved(session: Session, case: Case, outcome: RequestState, actor: str, now: datetime) -> Case:
    """The case in the state of its outcome."""
    if case.state is outcome:
        return case
    if case.state in (RequestState.RECEIVED, RequestState.EXECUTING):
        case = change_case(session, case, state=RequestState.VERIFYING)
    values: dict[str, object] = {"state": outcome}
    if outcome is RequestState.FULFILLED:
        values |= {"closed_at": now, "closed_by": actor}
    return change_case(session, case, **values)


def _certify(
    session: Session,
    hands: Hands,
    case: Case,
    outcome: RequestState,
    tasks: list[TaskView],
    issuer: Issuer,
    actor: str,
    now: datetime,
) -> CertificateFacts:
    facts = _facts(session, hands, case, outcome, tasks, issuer, now)
    return number_certificate(
        session, case.id, lambda number: replace(facts, number=number), actor=actor, now=now
    )


def _facts(
    session: Session,
    hands: Hands,
    case: Case,
    outcome: RequestState,
    tasks: list[TaskView],
    issuer: Issuer,
    now: datetime,
) -> CertificateFacts:
    plan: PlanView | None = read_plan(session, case)
    query = select(_suppression.c.id).where(_suppression.c.case_id == case.id)
    return facts_of(
        0,
        case,
        outcome,
        issuer=issuer,
        reference=_reference(session, hands, case),
        plan=plan,
        tasks=tasks,
        steps=read_steps(session, case.id),
        suppressions=list(session.execute(query.order_by(_suppression.c.id)).scalars()),
        now=now,
    )


def _same(before: CertificateFacts, now: CertificateFacts) -> bool:
    """Whether nothing but number, time and history differs."""
    return before == replace(
        now,
        number=before.number,
        issued_at=before.issued_at,
        issuer=before.issuer,
        timeline=before.timeline,
    )


def _reference(session: Session, hands: Hands, case: Case) -> str:
    """The keyed pseudonym of the people of a request: they can be matched with it as long as the
    digest key lives, also when their identifiers here are destroyed.
    """
    before = last_facts(session, case.id)
    if before is not None:
        return before.request.reference
    forms = sorted(
        f"{each.scheme.value}\x1f{each.form}"
        for each in open_identifiers(session, hands.ledger.keyring, case)
    )
    digest = hashlib.sha256("\x1e".join(["erasure-reference", *forms]).encode()).digest()
    return hands.ledger.digests.keyed(digest).hex()
