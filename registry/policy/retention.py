"""When something must go, and what keeps it. Pure.

Rules (the governance page, "Retention"):
1. A rule is scope + trigger + ISO 8601 duration + action + legal basis. Of the rules that match, a
   maximum goes before a default, and of equals the earlier date counts.
2. A statutory minimum puts the date off to its own end; a hold puts it off as long as it holds.
   Precedence: hold > statutory minimum > erasure request > maximum > default.
3. A trigger that nobody recorded leaves the date unknown, and unknown is cannot_tell.
4. `last_used` needs a maximum (`at_most`, from collection), or every training run would renew it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase

from registry.durations import parse_duration
from registry.policy.decision import Outcome, Reason, Rule
from registry.policy.facts import BatchFacts
from registry.policy.forms import Action, Rank, RetentionPolicy, RetentionRule, Scope, Trigger


@dataclass(frozen=True, slots=True)
class Due:
    """What a rule asks of a batch. `at` None: the trigger is not recorded (rule 3).

    `kept_until`: the end of a statutory minimum that goes before it. `unknown`: a rule as strong
    as this one, which might be due earlier, and whose trigger is not recorded.
    """

    rule: RetentionRule
    at: datetime | None
    kept_until: datetime | None = None
    unknown: RetentionRule | None = None

    @property
    def effective_at(self) -> datetime | None:
        """When it is to be disposed of after all (rule 2)."""
        if self.at is None or self.kept_until is None:
            return self.at
        return max(self.at, self.kept_until)


def matches(scope: Scope, facts: BatchFacts) -> bool:
    """Whether a rule is about a batch. `facts.dataset` is "NAMESPACE NAME"."""
    namespace, _, name = facts.dataset.partition(" ")
    listed = (
        (scope.legal_basis, facts.legal_basis),
        (scope.personal_data, facts.personal_data),
        (scope.classification, facts.classification),
        (scope.origin, facts.origin_kind),
    )
    patterns = ((scope.namespace, namespace), (scope.dataset, name), (scope.region, facts.region))
    return all(wanted is None or value in wanted for wanted, value in listed) and all(
        pattern is None or (value is not None and fnmatchcase(value, pattern))
        for pattern, value in patterns
    )


def due_of(policy: RetentionPolicy, facts: BatchFacts) -> Due | None:
    """The rule that decides when a batch must go (rules 1 and 2); None where none is about it."""
    mine = [rule for rule in policy.rules if matches(rule.scope, facts)]
    minima = [_at(rule, facts) for rule in mine if rule.rank is Rank.STATUTORY_MINIMUM]
    ends = [rule for rule in mine if rule.rank is not Rank.STATUTORY_MINIMUM]
    if not ends:
        return None
    strongest = Rank.MAXIMUM if any(r.rank is Rank.MAXIMUM for r in ends) else Rank.DEFAULT
    dated = [(_at(rule, facts), rule) for rule in ends if rule.rank is strongest]
    known = [(at, rule) for at, rule in dated if at is not None]
    kept = max((at for at in minima if at is not None), default=None)
    unknown = next((rule for at, rule in dated if at is None), None)
    if not known:
        return Due(dated[0][1], None, kept, unknown)
    at, rule = min(known, key=lambda pair: (pair[0], pair[1].name))
    return Due(rule, at, kept, unknown)


def _at(rule: RetentionRule, facts: BatchFacts) -> datetime | None:
    start = {
        Trigger.COLLECTED: facts.collected_at,
        Trigger.RECORDED: facts.recorded_at,
        Trigger.LAST_USED: facts.last_used_at or facts.collected_at,
    }[rule.trigger]
    if start is None:
        return None
    at = parse_duration(rule.duration).after(start)
    if rule.at_most is None:
        return at
    if facts.collected_at is None:
        return None
    return min(at, parse_duration(rule.at_most).after(facts.collected_at))


class Disposal(StrEnum):
    """Where the disposal of a batch stands, as far as time and duties decide it."""

    ACTIVE = "active"
    ELIGIBLE = "eligible"
    HELD = "held"


def disposal_of(due: Due | None, *, now: datetime, held: bool, protected: bool) -> Disposal:
    """Whether something may be disposed of now (rule 2).

    `held`: a hold is on it; `protected`: an open case needs it as evidence.
    """
    at = None if due is None else due.effective_at
    if at is None or now < at:
        return Disposal.ACTIVE
    return Disposal.HELD if held or protected else Disposal.ELIGIBLE


def judge_retention(policy: RetentionPolicy, facts: BatchFacts, now: datetime) -> Reason:
    """May a batch still be used, as far as its time goes?

    What is kept beyond its time only because a statute says so is kept, and not used.
    """
    due = due_of(policy, facts)
    if due is None:
        return Reason(Rule.RETENTION, Outcome.ALLOW, "no retention rule is about it")
    if due.at is not None and now >= due.at:
        day = f"{due.at:%Y-%m-%d}"
        if due.rule.action is Action.REVIEW:
            fact = f"{due.rule.name} wants a review since {day}"
            return Reason(Rule.RETENTION, Outcome.CANNOT_TELL, fact)
        return Reason(Rule.RETENTION, Outcome.DENY, f"{due.rule.name} let it stay until {day}")
    if due.unknown is not None:
        fact = f"{due.unknown.name} counts from a moment ({due.unknown.trigger}) nobody recorded"
        return Reason(Rule.RETENTION, Outcome.CANNOT_TELL, fact)
    return Reason(
        Rule.RETENTION, Outcome.ALLOW, f"{due.rule.name} lets it stay until {due.at:%Y-%m-%d}"
    )
