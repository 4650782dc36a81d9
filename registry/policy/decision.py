"""Three answers and their reasons: allow, deny, cannot tell. Pure.

Rules (DESIGN §1.7):
1. Reasons are combined deny > cannot_tell > allow; no reason at all is cannot_tell, never allow.
2. A set of reasons of one example is a *mask*: one bit for each rule that denies (the upper 16),
   one for each that cannot tell (the lower 16). Nothing set means allow, so masks of an example
   and of all it was made from are joined by OR, also a million at a time.
3. `HARD` rules, where they deny, deny in every mode of a project: a person's no, a restriction, a
   suppression and a hold are never merely counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What a rule, or all of them together, say."""

    ALLOW = "allow"
    DENY = "deny"
    CANNOT_TELL = "cannot_tell"


class Rule(StrEnum):
    """Every rule there is; the order is the one in which reasons are told and counted."""

    RESTRICTION = "restriction"
    SUPPRESSION = "suppression"
    HOLD = "hold"
    OBJECTION = "objection"
    CONSENT = "consent"
    LEGAL_BASIS = "legal_basis"
    SPECIAL_CATEGORY = "special_category"
    LEGITIMATE_INTERESTS = "legitimate_interests"
    PURPOSE = "purpose"
    LICENSE = "license"
    OPT_OUT = "opt_out"
    RESIDENCY = "residency"
    CLASSIFICATION = "classification"
    RETENTION = "retention"
    LINEAGE = "lineage"


class Mode(StrEnum):
    """How a project's policies act (`registry.actors.tables.ProjectMode`)."""

    OBSERVE = "observe"
    WARN = "warn"
    ENFORCE = "enforce"


ORDER: tuple[Rule, ...] = tuple(Rule)
HARD: frozenset[Rule] = frozenset(
    {Rule.RESTRICTION, Rule.SUPPRESSION, Rule.HOLD, Rule.OBJECTION, Rule.CONSENT}
)
_DENY_SHIFT = 16
DENY_BITS = 0xFFFF_0000
_WEIGHT = {Outcome.ALLOW: 0, Outcome.CANNOT_TELL: 1, Outcome.DENY: 2}


@dataclass(frozen=True, slots=True)
class Reason:
    """What one rule says and the fact it rests on; `count`: of how many examples."""

    rule: Rule
    outcome: Outcome
    fact: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, its reasons (one for each rule that had something to say), and the policy."""

    outcome: Outcome
    reasons: tuple[Reason, ...]
    policy: str


def combine(outcomes: Iterable[Outcome]) -> Outcome:
    """Rule 1. Nothing to combine is cannot_tell."""
    return max(outcomes, key=_WEIGHT.__getitem__, default=Outcome.CANNOT_TELL)


def decide(reasons: Iterable[Reason], policy: str) -> Decision:
    """All reasons as one decision, those that speak against the use first."""
    told = sorted(reasons, key=lambda r: (-_WEIGHT[r.outcome], ORDER.index(r.rule), r.fact))
    return Decision(combine(reason.outcome for reason in told), tuple(told), policy)


def bit(rule: Rule, outcome: Outcome) -> int:
    """The bit of a rule that denies or cannot tell; 0 for one that allows (rule 2)."""
    match outcome:
        case Outcome.ALLOW:
            return 0
        case Outcome.CANNOT_TELL:
            return 1 << ORDER.index(rule)
        case Outcome.DENY:
            return 1 << (ORDER.index(rule) + _DENY_SHIFT)


HARD_BITS = sum(bit(rule, Outcome.DENY) for rule in HARD)


def mask_of(reasons: Iterable[Reason]) -> int:
    """The mask of some reasons."""
    mask = 0
    for reason in reasons:
        mask |= bit(reason.rule, reason.outcome)
    return mask


def outcome_of(mask: int) -> Outcome:
    """What a mask comes to."""
    if mask & DENY_BITS:
        return Outcome.DENY
    return Outcome.CANNOT_TELL if mask else Outcome.ALLOW


def told_by(mask: int) -> list[tuple[Rule, Outcome]]:
    """The rules whose bits are set, those that deny first, each in the order of the rules."""
    return [
        (rule, outcome)
        for outcome in (Outcome.DENY, Outcome.CANNOT_TELL)
        for rule in ORDER
        if mask & bit(rule, outcome)
    ]


def withholding(mode: Mode) -> int:
    """The bits that keep an example out of a manifest in this mode (rule 3)."""
    match mode:
        case Mode.ENFORCE:
            return 0xFFFF_FFFF
        case Mode.WARN | Mode.OBSERVE:
            return HARD_BITS
