"""Makes the plan of a case: the scope as it is now, with what a person decided, frozen.

Rules (the governance page, "Erasure request", cases 4 to 7, 12, 14, 19):
1. A case is `scoping` while its first scope is computed, outside any transaction that writes; a
   plan that was cut off is simply made again. A new plan needs a new approval; one that cannot be
   made leaves the plan that there is, and its approval.
2. What is reviewed is decided by reason: *erase* moves it into the erase set, *keep* leaves it and
   says why. What nobody decided becomes a task, and the request is at best partially fulfilled.
3. A plan of a case that is being carried out extends the one before: what that erases it erases
   too, done or not, what was decided stays decided, and data that came later stays out. What was
   found since makes the case wait for an approval again.
4. From here on retention and purges leave what the plan names (evidence), and no manifest holds
   what it would erase, beyond the person's own examples, which are restricted already.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.canonical import parse_digest
from registry.erasure.case.approve import PlanView, read_begun, read_plan
from registry.erasure.case.cases import (
    Case,
    change_case,
    read_case,
    require_state,
    require_verified,
)
from registry.erasure.case.identifiers import (
    kept_keys,
    open_identifiers,
    people_of,
    reject_identifiers,
    under_every_version,
)
from registry.erasure.case.timeline import add_step
from registry.erasure.lifecycle import RequestState, Right
from registry.erasure.plan.deciding import Decision, decide
from registry.erasure.plan.document import Plan, make_plan, plan_of
from registry.erasure.plan.members import KEPT, Member, keep_members, read_erase_set, read_kept
from registry.erasure.rules import LoadedRules
from registry.erasure.scope.found import Scope, find_scope
from registry.erasure.scope.reach import Reason
from registry.erasure.scope.sets import (
    Marks,
    Ordinals,
    add_marks,
    marks_beyond,
    marks_without,
    without,
)
from registry.erasure.tables import ErasurePlan
from registry.errors import ConflictError
from registry.ids import fresh_id
from registry.ledger.erasing import read_holes
from registry.ledger.opened import Ledger
from registry.ledger.scans import scanned_among
from registry.rights.restrictions import (
    EXAMPLES,
    Marked,
    lift_restrictions_of,
    protect_evidence,
    release_evidence,
    restrict_examples,
)
from registry.storage.columns import table_of
from registry.storage.database import Database

_plan = table_of(ErasurePlan)
_FROM = (
    RequestState.RECEIVED,
    RequestState.SCOPING,
    RequestState.PENDING_APPROVAL,
    RequestState.APPROVED,
)
_CARRIED_OUT = (
    RequestState.EXECUTING,
    RequestState.VERIFYING,
    RequestState.PARTIALLY_FULFILLED,
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a plan is made of: a case, the live keys of its people, the kinds of their identifiers,
    and the plan that is being carried out, None before that.
    """

    case: Case
    keys: list[bytes]
    schemes: frozenset[str]
    begun: PlanView | None


def plan_case(
    database: Database,
    ledger: Ledger,
    rules: LoadedRules,
    request_id: str,
    *,
    decisions: Sequence[Decision] = (),
    actor: str,
    now: datetime,
    confine: Any = lambda _session: None,
) -> tuple[Case, PlanView]:
    """Make the plan of a case. `confine` lets a session see what the actor may.

    Raises NotFoundError, ConflictError for a state that has no plan, InvalidInputError for a
    decision about nothing. Effects: commits; evidence, restrictions, a step.
    """
    asked = database.transact(
        lambda session: _begin(session, ledger, request_id, decisions, confine)
    )
    made = _make(database, ledger, rules, asked, decisions, now)
    return database.transact(lambda session: _freeze(session, asked, made, rules, actor, now))


def extend_plan(
    database: Database,
    ledger: Ledger,
    rules: LoadedRules,
    request_id: str,
    *,
    also: Callable[[Session, Case], None],
    actor: str,
    now: datetime,
) -> tuple[Case, PlanView]:
    """Extend the plan of a case that is being carried out by what was found since (rule 3).

    `also` is done in the transaction that keeps the plan. Raises NotFoundError, ConflictError where
    the case is not being carried out. Effects: as `plan_case`; the case waits for an approval.
    """

    def read(session: Session) -> _Asked:
        case = read_case(session, request_id)
        require_state(case, *_CARRIED_OUT, to="an extension of its plan")
        return _asked(session, ledger, case)

    def freeze(session: Session) -> tuple[Case, PlanView]:
        held = read_case(session, request_id, held=True)
        require_state(held, *_CARRIED_OUT, to="an extension of its plan")
        if held.state is RequestState.PARTIALLY_FULFILLED:
            change_case(session, held, state=RequestState.EXECUTING)
        frozen = _freeze(session, asked, made, rules, actor, now)
        also(session, frozen[0])
        return frozen

    with database.read() as session:
        asked = read(session)
    made = _make(database, ledger, rules, asked, (), now)
    return database.transact(freeze)


def _make(
    database: Database,
    ledger: Ledger,
    rules: LoadedRules,
    asked: _Asked,
    decisions: Sequence[Decision],
    now: datetime,
) -> _Made:
    """The scope as it is now, decided on, as a plan (rules 2 and 3)."""
    begun = asked.begun
    with database.read() as session:
        scope = find_scope(
            session,
            ledger,
            asked.keys,
            schemes=asked.schemes,
            rules=rules,
            at=now,
            received_at=asked.case.received_at,
            up_to=None if begun is None else begun.document["known_until"]["batch"],
            erased_before=_erased_before,
            begun=None if begun is None else read_erase_set(session, begun.id),
        )
        kept = {} if begun is None else read_kept(session, begun.id)
        undecided = replace(scope, review=_beyond(scope.review, kept))
        decided = decide(session, ledger, undecided, decisions, keys=asked.keys, at=now)
    for reason in {each.reason for each in decisions if each.decision == "keep"}:
        add_marks(kept.setdefault(reason, {}), undecided.review[Reason(reason)])
    before = [] if begun is None else begun.document["decided"]
    said = {
        "decided": [*before, *_told(decisions)],
        "suppression": _suppression(rules, asked.case),
    }
    return _Made(decided, kept, plan_of({**make_plan(decided).document, **said}))


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """A plan with what it is of: the scope, and what was decided to be kept, by reason."""

    scope: Scope
    kept: Mapping[str, Marks]
    plan: Plan


def _beyond(review: Mapping[Reason, Marks], kept: Mapping[str, Marks]) -> dict[Reason, Marks]:
    """What is reviewed and was not decided to be kept."""
    return {
        reason: left
        for reason, marks in review.items()
        if (left := marks_beyond(marks, kept.get(reason.value, {})))
    }


def _begin(
    session: Session,
    ledger: Ledger,
    request_id: str,
    decisions: Sequence[Decision],
    confine: Any,
) -> _Asked:
    """Turn a case to scoping; what its plan is made of."""
    confine(session)
    case = read_case(session, request_id, held=True)
    require_verified(case, to="a plan")
    if case.right is not Right.ERASURE:
        raise ConflictError(
            f"The request {case.id} is about {case.right.value}, and only erasure has a plan.",
            remedy="Its tasks say what is to be done: registry erasure show REQUEST.",
        )
    require_state(case, *_FROM, to="a plan")
    identifiers = open_identifiers(session, ledger.keyring, case)
    words = {f"decisions[{at}].why": each.why for at, each in enumerate(decisions)}
    reject_identifiers(identifiers, words)
    if case.state is RequestState.RECEIVED:
        case = change_case(session, case, state=RequestState.SCOPING)
    return _asked(session, ledger, case)


def _asked(session: Session, ledger: Ledger, case: Case) -> _Asked:
    keys = kept_keys(session, case.id)
    live = under_every_version(ledger.keyring, people_of(ledger.keyring, keys))
    schemes = frozenset(each.scheme.value for each in keys)
    return _Asked(case, live, schemes, read_begun(session, case))


def _erased_before(session: Session, numbers: Collection[int]) -> Mapping[int, Ordinals]:
    return {number: each.ordinals() for number, each in read_holes(session, numbers).items()}


def _told(decisions: Sequence[Decision]) -> list[dict[str, str]]:
    return [{"reason": d.reason, "decision": d.decision, "why": d.why} for d in decisions]


def _suppression(rules: LoadedRules, case: Case) -> dict[str, Any]:
    """How long and on which footing it is kept from coming back: approved too (case 19)."""
    said = rules.said.regimes[case.regime.value].suppression
    return {
        "regime": case.regime.value,
        "basis": said.basis,
        "period": said.period,
        "minimum_bytes": rules.said.duplicates.minimum_bytes,
    }


def _freeze(
    session: Session,
    asked: _Asked,
    made: _Made,
    rules: LoadedRules,
    actor: str,
    now: datetime,
) -> tuple[Case, PlanView]:
    case = read_case(session, asked.case.id, held=True)
    if case.state not in _CARRIED_OUT:
        require_state(case, *_FROM[1:], to="keeping a plan")
        if case.state is not RequestState.SCOPING:
            case = change_case(session, case, state=RequestState.SCOPING)
    last = select(func.max(_plan.c.revision)).where(_plan.c.request_id == case.id)
    row = {
        "id": fresh_id(),
        "request_id": case.id,
        "revision": (session.execute(last).scalar() or 0) + 1,
        "digest": parse_digest(made.plan.digest),
        "document": made.plan.text.decode(),
        "policy": rules.digest,
        "made_by": actor,
        "made_at": now,
    }
    session.execute(insert(_plan).values(row))
    keep_members(session, str(row["id"]), _members(made))
    _keep_meanwhile(session, case, made.scope, actor, now)
    case = change_case(
        session,
        case,
        state=RequestState.PENDING_APPROVAL,
        plan_id=row["id"],
        approved_by=None,
        approved_at=None,
    )
    facts = {"plan": made.plan.digest, "revision": row["revision"]}
    if asked.begun is not None:
        facts["extends"] = asked.begun.digest
    add_step(session, case, EntryKind.ERASURE_PLANNED, actor=actor, now=now, facts=facts)
    kept = read_plan(session, case)
    if kept is None:
        raise AssertionError("a plan that was just kept is there")
    return case, kept


def _members(made: _Made) -> Iterator[Member]:
    scope = made.scope
    for number, ordinals in sorted(scope.erase.items()):
        yield Member(number, "erase", "", ordinals, int(ordinals.size))
    for reason, marks in sorted(scope.review.items()):
        for number, some in sorted(marks_without(marks, scope.erase).items()):
            count = scope.nodes[number].rows if some is None else int(some.size)
            yield Member(number, "review", reason.value, some, count or 0)
    for said, kept in sorted(made.kept.items()):
        for number, some in sorted(kept.items()):
            yield Member(number, KEPT, said, some, 0 if some is None else int(some.size))


def _keep_meanwhile(session: Session, case: Case, scope: Scope, actor: str, now: datetime) -> None:
    """Protect what the plan is about, and take what it erases out of every manifest (rule 4)."""
    release_evidence(session, case.id, actor=actor, now=now)
    named = scope.reviewed
    add_marks(named, scope.erase)
    evidence = [Marked(number, ordinals) for number, ordinals in sorted(named.items())]
    protect_evidence(session, evidence, case_id=case.id, actor=actor, now=now)
    lift_restrictions_of(session, case.id, actor=actor, now=now, kinds=EXAMPLES)
    # Of a batch that came without people, the person's own examples are not known to manifests.
    scanned = scanned_among(session, scope.erase)
    own = {number: rows for number, rows in scope.own.items() if number not in scanned}
    others = without(scope.erase, own)
    # What another case restricts already is restricted for this one too: that one may end first.
    restrict_examples(
        session,
        [Marked(number, ordinals) for number, ordinals in sorted(others.items())],
        reason="a plan of erasure names them",
        case_id=case.id,
        actor=actor,
        now=now,
    )
