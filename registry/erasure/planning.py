"""Makes the plan of a case: the scope as it is now, with what a person decided, frozen.

Rules (the governance page, "Erasure request", cases 4 to 7, 12, 14, 19):
1. A case is `scoping` while its first scope is computed, outside any transaction that writes; a
   plan that was cut off is simply made again. A new plan needs a new approval; one that cannot be
   made leaves the plan that there is, and its approval.
2. What is reviewed is decided by reason: *erase* moves it into the erase set, *keep* leaves it and
   says why. What nobody decided becomes a task, and the request is at best partially fulfilled.
3. From here on retention and purges leave what the plan names (evidence), and no manifest holds
   what it would erase, beyond the person's own examples, which are restricted already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import func, insert, select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.canonical import parse_digest
from registry.erasure.approve import PlanView, read_plan
from registry.erasure.cases import (
    Case,
    change_case,
    read_case,
    require_state,
    require_verified,
    require_words,
)
from registry.erasure.copies import Part, file_copies, held_versions
from registry.erasure.identifiers import (
    kept_keys,
    open_identifiers,
    people_of,
    reject_identifiers,
    under_every_version,
)
from registry.erasure.lifecycle import RequestState, Right
from registry.erasure.members import Member, keep_members
from registry.erasure.plan import Plan, make_plan, plan_of
from registry.erasure.reach import Reason
from registry.erasure.rules import LoadedRules
from registry.erasure.scope import Scope, all_marks, find_scope
from registry.erasure.sets import Ordinals, Sets, add_marks, marks_without, merged, without
from registry.erasure.tables import ErasurePlan
from registry.erasure.timeline import add_step
from registry.erasure.withheld import withheld
from registry.errors import ConflictError, InvalidInputError
from registry.ids import fresh_id
from registry.ledger.erasing import read_holes
from registry.ledger.opened import Ledger
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


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about everything that is reviewed for one reason (rule 2)."""

    reason: str
    decision: str
    why: str


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
    case, keys, schemes = database.transact(
        lambda session: _begin(session, ledger, request_id, decisions, confine)
    )
    with database.read() as session:
        scope = find_scope(
            session,
            ledger,
            keys,
            schemes=schemes,
            rules=rules,
            at=now,
            received_at=case.received_at,
            erased_before=_erased_before,
        )
        decided = decide(session, ledger, scope, decisions, keys=keys, at=now)
    said = {"decided": _told(decisions), "suppression": _suppression(rules, case)}
    plan = plan_of({**make_plan(decided).document, **said})
    return database.transact(
        lambda session: _freeze(session, case.id, decided, plan, rules, actor, now)
    )


def _begin(
    session: Session,
    ledger: Ledger,
    request_id: str,
    decisions: Sequence[Decision],
    confine: Any,
) -> tuple[Case, list[bytes], frozenset[str]]:
    """Turn a case to scoping; its live subject keys, and the kinds of its identifiers."""
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
    keys = kept_keys(session, case.id)
    live = under_every_version(ledger.keyring, people_of(ledger.keyring, keys))
    if case.state is RequestState.RECEIVED:
        case = change_case(session, case, state=RequestState.SCOPING)
    return case, live, frozenset(each.scheme.value for each in keys)


def _erased_before(session: Session, numbers: Collection[int]) -> Mapping[int, Ordinals]:
    return {number: each.ordinals() for number, each in read_holes(session, numbers).items()}


def decide(
    session: Session,
    ledger: Ledger,
    scope: Scope,
    decisions: Sequence[Decision],
    *,
    keys: Collection[bytes],
    at: datetime,
) -> Scope:
    """The scope after what a person decided (rule 2). Reads only.

    Raises InvalidInputError for a reason that nothing is reviewed for, or no decision.
    """
    moved: list[Sets] = []
    review = dict(scope.review)
    for place, each in enumerate(decisions):
        reason = _known(each, scope, place)
        if review.pop(reason, None) is None:
            raise InvalidInputError(
                f"What is reviewed for the reason {reason.value} is decided on twice.",
                remedy="Decide once for each reason.",
                path=f"decisions[{place}].reason",
            )
        if each.decision == "erase":
            moved.append(_each_of(scope, reason, place))
    if not decisions:
        return scope
    erase = merged([scope.erase, *moved])
    review = {
        reason: left for reason, marks in review.items() if (left := marks_without(marks, erase))
    }
    reviewed = all_marks(review)
    versions = held_versions(session, erase, Part.ERASE)
    also = held_versions(session, reviewed.keys() - erase.keys(), Part.REVIEW)
    return replace(
        scope,
        erase=erase,
        review=review,
        files=tuple(file_copies(session, erase, reviewed)),
        versions=(*versions, *also),
        withheld=withheld(session, ledger, erase, keys=keys, at=at),
    )


def _known(said: Decision, scope: Scope, place: int) -> Reason:
    require_words(said.why, path=f"decisions[{place}].why")
    if said.decision not in ("erase", "keep"):
        raise InvalidInputError(
            f"{said.decision[:40]!r} is no decision.",
            remedy="Decide to erase, or to keep.",
            path=f"decisions[{place}].decision",
        )
    there = ", ".join(sorted(each.value for each in scope.review)) or "none"
    if said.reason not in {each.value for each in scope.review}:
        raise InvalidInputError(
            f"Nothing is reviewed for the reason {said.reason[:40]!r}.",
            remedy=f"The reasons there are: {there}.",
            path=f"decisions[{place}].reason",
        )
    return Reason(said.reason)


def _each_of(scope: Scope, reason: Reason, place: int) -> Sets:
    """Every example that is reviewed for a reason, one by one."""
    found: Sets = {}
    for number, ordinals in scope.review[reason].items():
        rows = scope.nodes[number].rows
        if ordinals is not None:
            found[number] = ordinals
        elif rows is not None:
            found[number] = np.arange(rows, dtype=np.uint32)
        else:
            raise InvalidInputError(
                f"Nobody counted the rows of batch {number}, so they cannot be erased one by one.",
                remedy="Decide to keep it here, and have the batch erased where it lies.",
                path=f"decisions[{place}].decision",
            )
    return found


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
    request_id: str,
    scope: Scope,
    plan: Plan,
    rules: LoadedRules,
    actor: str,
    now: datetime,
) -> tuple[Case, PlanView]:
    case = read_case(session, request_id, held=True)
    require_state(case, *_FROM[1:], to="keeping a plan")
    if case.state is not RequestState.SCOPING:
        case = change_case(session, case, state=RequestState.SCOPING)
    last = select(func.max(_plan.c.revision)).where(_plan.c.request_id == case.id)
    row = {
        "id": fresh_id(),
        "request_id": case.id,
        "revision": (session.execute(last).scalar() or 0) + 1,
        "digest": parse_digest(plan.digest),
        "document": plan.text.decode(),
        "policy": rules.digest,
        "made_by": actor,
        "made_at": now,
    }
    session.execute(insert(_plan).values(row))
    keep_members(session, str(row["id"]), _members(scope))
    _keep_meanwhile(session, case, scope, actor, now)
    case = change_case(
        session,
        case,
        state=RequestState.PENDING_APPROVAL,
        plan_id=row["id"],
        approved_by=None,
        approved_at=None,
    )
    facts = {"plan": plan.digest, "revision": row["revision"]}
    add_step(session, case, EntryKind.ERASURE_PLANNED, actor=actor, now=now, facts=facts)
    kept = read_plan(session, case)
    if kept is None:
        raise AssertionError("a plan that was just kept is there")
    return case, kept


def _members(scope: Scope) -> Iterator[Member]:
    for number, ordinals in sorted(scope.erase.items()):
        yield Member(number, "erase", "", ordinals, int(ordinals.size))
    for reason, marks in sorted(scope.review.items()):
        for number, some in sorted(marks_without(marks, scope.erase).items()):
            count = scope.nodes[number].rows if some is None else int(some.size)
            yield Member(number, "review", reason.value, some, count or 0)


def _keep_meanwhile(session: Session, case: Case, scope: Scope, actor: str, now: datetime) -> None:
    """Protect what the plan is about, and take what it erases out of every manifest (rule 3)."""
    release_evidence(session, case.id, actor=actor, now=now)
    named = scope.reviewed
    add_marks(named, scope.erase)
    evidence = [Marked(number, ordinals) for number, ordinals in sorted(named.items())]
    protect_evidence(session, evidence, case_id=case.id, actor=actor, now=now)
    lift_restrictions_of(session, case.id, actor=actor, now=now, kinds=EXAMPLES)
    others = without(scope.erase, scope.own)
    # What another case restricts already is restricted for this one too: that one may end first.
    restrict_examples(
        session,
        [Marked(number, ordinals) for number, ordinals in sorted(others.items())],
        reason="a plan of erasure names them",
        case_id=case.id,
        actor=actor,
        now=now,
    )
