"""Applies to a scope what a person decided about what is reviewed in it.

Rules (the governance page, cases 5 to 7):
1. It is decided by reason: *erase* moves all that is reviewed for it into the erase set, *keep*
   leaves it and says why. Each reason is decided once.
2. Erasing is one by one: what nobody counted cannot be erased so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from sqlmodel import Session

from registry.erasure.case.cases import require_words
from registry.erasure.scope.copies import Part, file_copies, held_versions
from registry.erasure.scope.found import Scope, all_marks
from registry.erasure.scope.reach import Reason
from registry.erasure.scope.sets import Sets, marks_without, merged
from registry.erasure.scope.withheld import withheld
from registry.errors import InvalidInputError
from registry.ledger.erasing import without_holes
from registry.ledger.opened import Ledger


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about everything that is reviewed for one reason (rule 1)."""

    reason: str
    decision: str
    why: str


def decide(
    session: Session,
    ledger: Ledger,
    scope: Scope,
    decisions: Sequence[Decision],
    *,
    keys: Collection[bytes],
    at: datetime,
) -> Scope:
    """The scope after what a person decided (rule 1). Reads only.

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
        withheld=withheld(session, ledger, without_holes(session, erase), keys=keys, at=at),
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
