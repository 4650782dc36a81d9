"""Vets a version: clear rights to train, represents its population, traceable. Evidence, no guess.

Rules:
1. Each question is answered yes, no or cannot_tell, and says by which facts.
2. Rights: the decision for `model_training` (allow, deny, cannot_tell).
3. Population: the recorded shares against the target of `vet.yaml`; without a target, or where
   nobody recorded the dimension, cannot_tell.
4. Traceable: every example of every batch leads to a source that is recorded with an origin: no
   step without a map, nothing that is not bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from sqlmodel import Session

from registry.policy.decision import Outcome
from registry.policy.forms import Target, VetPolicy
from registry.policy.gather import Gathered
from registry.storage.bulk import TypedColumn, select_by_rows

_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)
_SUMS = """
SELECT s.dimension, s.value, sum(s.examples) FROM {rows} AS w
JOIN batch_sum s ON s.number = w.number GROUP BY s.dimension, s.value
"""


class Answer(StrEnum):
    """What a question comes to."""

    YES = "yes"
    NO = "no"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True)
class Finding:
    """A question with its answer and the facts that it rests on."""

    question: str
    answer: Answer
    evidence: tuple[str, ...]


def rights_finding(outcome: Outcome, evidence: tuple[str, ...]) -> Finding:
    """Rule 2."""
    answer = {
        Outcome.ALLOW: Answer.YES,
        Outcome.DENY: Answer.NO,
        Outcome.CANNOT_TELL: Answer.CANNOT_TELL,
    }[outcome]
    return Finding("clear_rights", answer, evidence)


def slices_of(session: Session, members: Sequence[int]) -> dict[str, dict[str, int]]:
    """How many examples have each value of each recorded dimension."""
    found: dict[str, dict[str, int]] = {}
    rows = [(number,) for number in members]
    for dimension, value, count in select_by_rows(session, _SUMS, _NUMBER, rows):
        found.setdefault(dimension, {})[value] = int(count)
    return found


def population_finding(
    policy: VetPolicy, namespace: str, name: str, slices: Mapping[str, Mapping[str, int]]
) -> Finding:
    """Rule 3. Pure."""
    targets = [
        target
        for target in policy.targets
        if fnmatchcase(namespace, target.namespace) and fnmatchcase(name, target.dataset)
    ]
    if not targets:
        told = ("policies/vet.yaml has no target for it",)
        return Finding("represents_population", Answer.CANNOT_TELL, told)
    found = [_held_against(policy, target, slices) for target in targets]
    answers = {answer for answer, _ in found}
    evidence = tuple(line for _, lines in found for line in lines)
    for answer in (Answer.NO, Answer.CANNOT_TELL):
        if answer in answers:
            return Finding("represents_population", answer, evidence)
    return Finding("represents_population", Answer.YES, evidence)


def _held_against(
    policy: VetPolicy, target: Target, slices: Mapping[str, Mapping[str, int]]
) -> tuple[Answer, list[str]]:
    counts = slices.get(target.dimension, {})
    total = sum(counts.values())
    unknown = counts.get("", 0)
    if not total or unknown == total:
        return Answer.CANNOT_TELL, [f"nobody recorded {target.dimension}"]
    worst, lines = Answer.YES, []
    for value, share in target.shares.items():
        there = counts.get(value, 0) / total
        # What is not recorded might all be of this value, or none of it.
        most = (counts.get(value, 0) + unknown) / total
        line = f"{target.dimension} {value}: {there:.1%}, target {share:.1%}"
        if most < share - policy.tolerance or there > share + policy.tolerance:
            worst = Answer.NO
            lines.append(f"{line}: off")
        elif unknown and abs(there - share) > policy.tolerance:
            worst = Answer.CANNOT_TELL if worst is Answer.YES else worst
            lines.append(f"{line}: {unknown} examples are not recorded")
        else:
            lines.append(line)
    return worst, lines


def traceable_finding(gathered: Gathered) -> Finding:
    """Rule 4. Pure."""
    steps, batches = gathered.steps, gathered.batches
    if not steps.members:
        return Finding("traceable", Answer.CANNOT_TELL, ("no batch of it is recorded",))
    broken: list[str] = []
    pending: list[str] = []
    for number in steps.order:
        batch = batches[number]
        if steps.owed.get(number) or number in steps.unmapped:
            broken.append(f"batch {number} owes a map to what its run read")
        elif batch.is_pending or batch.rows is None:
            pending.append(f"batch {number} is not bound, or nobody counted its examples")
        elif not batch.facts.derived and batch.facts.origin_kind is None:
            pending.append(f"batch {number} does not say where it came from")
    if broken:
        return Finding("traceable", Answer.NO, tuple(broken[:20]))
    if pending:
        return Finding("traceable", Answer.CANNOT_TELL, tuple(pending[:20]))
    sources = sum(not batches[n].facts.derived for n in steps.order)
    told = f"every example leads through its maps to one of {sources} source batches"
    return Finding("traceable", Answer.YES, (told,))
