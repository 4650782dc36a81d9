"""A case is decided: approved by somebody else, refused with its reason, extended, or withdrawn.

Rules (GDPR Art. 12(3), 12(4); the governance page, cases 11, 13, 14 and 19):
1. An approval names the digest of the plan that it is about. Another plan needs another approval.
2. Nobody decides on what they filed. The caller records who tried.
3. Plans without anything withheld or to be reviewed may be approved many at once, each by itself.
4. A refusal has a reason of the list in `policies/requests.yaml` and one in words; the person gets
   a letter. It lifts what the case restricted, releases what it protected, and the first duplicate
   goes on in its place. So does a withdrawal, without a letter.
5. An extension is told, with reasons, inside the first period, once, and never after.
6. A deadline that has passed stops nothing: there is no state "expired".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.canonical import digest_text, parse_digest
from registry.erasure.case.cases import (
    UNANSWERED,
    Case,
    change_case,
    read_case,
    require_state,
    require_verified,
    require_words,
    take_turn,
)
from registry.erasure.case.identifiers import open_identifiers, reject_identifiers
from registry.erasure.case.identity import deadline_of
from registry.erasure.case.in_queue import ask_to_carry_out
from registry.erasure.case.intake import day_of
from registry.erasure.case.post import Desk, LetterKind, make_letter
from registry.erasure.case.taking_up import resume_duplicates
from registry.erasure.case.timeline import add_step, read_steps
from registry.erasure.lifecycle import BEFORE_EXECUTION, RequestState
from registry.erasure.tables import ErasurePlan
from registry.errors import ConflictError, ForbiddenError
from registry.rights.restrictions import lift_restrictions_of, release_evidence
from registry.storage.columns import table_of

_plan = table_of(ErasurePlan)
#: Members of a plan that a person must look at before it is approved.
_TO_LOOK_AT = ("review", "withheld")


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan as it was frozen; `document` is what its digest (`sha256:…`) is of."""

    id: str
    revision: int
    digest: str
    document: dict[str, Any]
    policy: str
    made_by: str
    made_at: datetime


def read_plan(session: Session, case: Case) -> PlanView | None:
    """The newest plan of a case, or None."""
    if case.plan_id is None:
        return None
    return _view(session.execute(select(_plan).where(_plan.c.id == case.plan_id)).one())


def read_begun(session: Session, case: Case) -> PlanView | None:
    """The plan of a case that somebody began to carry out, the newest of them; None before that."""
    steps = read_steps(session, case.id)
    begun = [step for step in steps if step.kind is EntryKind.ERASURE_EXECUTED]
    if not begun:
        return None
    digest = parse_digest(str(begun[-1].detail["plan"]))
    mine = (_plan.c.request_id == case.id) & (_plan.c.digest == digest)
    newest = select(_plan).where(mine).order_by(_plan.c.revision.desc()).limit(1)
    return _view(session.execute(newest).one())


def _view(row: Any) -> PlanView:
    return PlanView(
        row.id,
        row.revision,
        digest_text(bytes(row.digest)),
        msgspec.json.decode(row.document),
        row.policy,
        row.made_by,
        row.made_at,
    )


def approve_plan(
    session: Session,
    request_id: str,
    *,
    plan: str,
    actor: str,
    now: datetime,
    only_plain: bool = False,
) -> Case:
    """Approve the plan with this digest (rules 1 and 2). One that extends what is being carried out
    goes on by itself.

    `only_plain`: refuse one with something withheld or to be reviewed (rule 3). Raises
    NotFoundError, ConflictError where the state, the identity or the plan is another,
    ForbiddenError for who filed it, InvalidInputError for what is no digest. Effects: one row, one
    step, a task of the queue; does not commit.
    """
    given = digest_text(parse_digest(plan, path="plan"))
    case = read_case(session, request_id, held=True)
    require_verified(case, to="an approval")
    require_second_person(case, actor)
    require_state(case, RequestState.PENDING_APPROVAL, to="an approval")
    frozen = read_plan(session, case)
    if frozen is None or frozen.digest != given:
        raise ConflictError(
            f"The plan of the request {case.id} is {frozen.digest if frozen else 'none'}, and the "
            f"approval is of {given}.",
            remedy="Read the plan as it is now, and approve that.",
        )
    if only_plain and (reasons := [name for name in _TO_LOOK_AT if frozen.document.get(name)]):
        raise ConflictError(
            f"The plan of the request {case.id} has something under {' and '.join(reasons)}.",
            remedy=f"Look at it, and approve it by itself: registry erasure approve {case.id}.",
        )
    case = change_case(
        session, case, state=RequestState.APPROVED, approved_by=actor, approved_at=now
    )
    facts = {"plan": frozen.digest, "revision": frozen.revision}
    add_step(session, case, EntryKind.ERASURE_APPROVED, actor=actor, now=now, facts=facts)
    if read_begun(session, case) is not None:
        ask_to_carry_out(session, case.id, now=now)
    return case


def require_second_person(case: Case, actor: str) -> None:
    """Raise ForbiddenError for who filed the request (rule 2)."""
    if case.filed_by == actor:
        raise ForbiddenError(
            f"You filed the request {case.id}; the decision is another person's.",
            remedy="Ask somebody else who may approve requests.",
        )


def deny_request(
    session: Session,
    desk: Desk,
    request_id: str,
    *,
    justification: str,
    reasons: str,
    actor: str,
    now: datetime,
) -> Case:
    """Refuse a request before its data was touched (rules 2 and 4).

    Raises NotFoundError, ConflictError, ForbiddenError for who filed it, InvalidInputError for an
    unknown justification or words that cannot be kept. Effects: rows, steps, a letter; does not
    commit.
    """
    reason = desk.rules.justification(justification)
    take_turn(session)
    case = _held_for_words(session, desk, request_id, reasons, path="reasons")
    require_second_person(case, actor)
    require_state(case, *sorted(BEFORE_EXECUTION), to="a refusal")
    _require_unsettled(case)
    _require_untouched(session, case, to="a refusal")
    case = change_case(
        session,
        case,
        state=RequestState.DENIED,
        closed_at=now,
        closed_by=actor,
        justification=justification,
        note=reasons,
    )
    facts = {"justification": justification}
    add_step(session, case, EntryKind.ERASURE_DENIED, actor=actor, now=now, facts=facts)
    make_letter(
        session,
        desk,
        case,
        LetterKind.REFUSAL,
        actor=actor,
        now=now,
        reasons=reasons,
        justification=reason,
    )
    _let_go(session, desk, case, actor, now)
    return case


def cancel_request(
    session: Session, desk: Desk, request_id: str, *, reasons: str, actor: str, now: datetime
) -> Case:
    """End a request that the person withdrew, before its data was touched (rule 4).

    Raises NotFoundError, ConflictError, InvalidInputError. Effects: rows, steps; does not commit.
    """
    take_turn(session)
    case = _held_for_words(session, desk, request_id, reasons, path="reasons")
    require_state(case, *sorted(BEFORE_EXECUTION), to="a withdrawal")
    _require_unsettled(case)
    _require_untouched(session, case, to="a withdrawal")
    case = change_case(
        session,
        case,
        state=RequestState.CANCELLED,
        closed_at=now,
        closed_by=actor,
        note=reasons,
    )
    add_step(session, case, EntryKind.ERASURE_CANCELLED, actor=actor, now=now)
    _let_go(session, desk, case, actor, now)
    return case


def extend_deadline(
    session: Session, desk: Desk, request_id: str, *, reasons: str, actor: str, now: datetime
) -> Case:
    """Take the longer period, and tell the person why (rule 5).

    Raises NotFoundError, ConflictError where it is answered, extended, or the first period is over;
    InvalidInputError. Effects: one row, steps, a letter; does not commit.
    """
    case = _held_for_words(session, desk, request_id, reasons, path="reasons")
    require_state(case, *sorted(UNANSWERED), to="an extension")
    if case.extended_at is not None:
        raise ConflictError(
            f"The request {case.id} was extended at {case.extended_at:%Y-%m-%d}, to "
            f"{case.due_on.isoformat()}; it is extended once.",
            remedy="Answer it, in part if need be.",
        )
    if case.paused_at is None and day_of(now) > case.due_on:
        raise ConflictError(
            f"The request {case.id} was to be answered or extended by {case.due_on.isoformat()}, "
            f"and it is {day_of(now).isoformat()}.",
            remedy="Answer it now; it is overdue and stays executable.",
        )
    first, due = case.due_on, deadline_of(case, extended=True)
    case = change_case(
        session,
        case,
        extended_by=actor,
        extended_at=now,
        extension_reason=reasons,
        due_on=due.due_on.isoformat(),
        due_because=due.because,
    )
    facts = {"due": due.due_on.isoformat()}
    add_step(session, case, EntryKind.ERASURE_EXTENDED, actor=actor, now=now, facts=facts)
    make_letter(
        session,
        desk,
        case,
        LetterKind.EXTENSION,
        actor=actor,
        now=now,
        reasons=reasons,
        extended_from=first,
    )
    return case


def _held_for_words(
    session: Session, desk: Desk, request_id: str, words: str, *, path: str
) -> Case:
    """The case, held, once the words about it can be kept."""
    case = read_case(session, request_id, held=True)
    require_words(words, path=path)
    if case.key_destroyed_at is None:
        reject_identifiers(open_identifiers(session, desk.keyring, case), {path: words})
    return case


def _require_unsettled(case: Case) -> None:
    if case.closed_at is not None:
        raise ConflictError(
            f"The request {case.id} was answered at {case.closed_at:%Y-%m-%d} with the request "
            f"{case.canonical_id}.",
            remedy="There is nothing left to decide.",
        )


def _require_untouched(session: Session, case: Case, *, to: str) -> None:
    if read_begun(session, case) is not None:
        raise ConflictError(
            f"The request {case.id} was being carried out when its plan was extended; {to} needs "
            "one of which nothing was touched.",
            remedy="Approve the extended plan; what must stay of it is kept by a hold.",
        )


def _let_go(session: Session, desk: Desk, case: Case, actor: str, now: datetime) -> None:
    lift_restrictions_of(session, case.id, actor=actor, now=now)
    release_evidence(session, case.id, actor=actor, now=now)
    resume_duplicates(session, desk, case, actor=actor, now=now)
