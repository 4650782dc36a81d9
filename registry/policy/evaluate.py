"""Judges every example of a version: batch by batch where examples entered, then through the maps.

Rules:
1. Where no fact differs between the examples of a batch, its people are not even read.
2. An example is judged by its batch and by all it was made of; nothing is lost on the way
   (`steps`, `through`).
3. What is not bound has no examples that could be named: a pending batch is cannot_tell.
4. An erased example is neither allowed nor withheld. What was made of it and is still there keeps
   what its batch says, and of its people nobody can tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from registry.ledger.addresses import unpack
from registry.ledger.holes import Holes
from registry.ledger.opened import Ledger
from registry.ledger.sweep import Store, Sweep
from registry.policy.decision import Outcome, Reason, Rule, bit
from registry.policy.facts import Question
from registry.policy.gather import BatchRead, Gathered, grants_of
from registry.policy.masks import (
    Marks,
    Masks,
    People,
    any_bits,
    counted,
    joined,
    masks_of_batch,
    normal_mask,
    people_table,
    unknown_step,
)
from registry.policy.people import PersonStates, codes_of, people_of
from registry.policy.policy_set import PolicySet
from registry.policy.steps import Steps, copies
from registry.policy.through import inputs_together, through_map
from registry.policy.use import judge_batch

Told = dict[tuple[Rule, Outcome], str]
_PENDING = bit(Rule.LINEAGE, Outcome.CANNOT_TELL)


@dataclass(frozen=True, slots=True)
class BatchTask:
    """A batch to be judged by itself, on a thread or elsewhere."""

    batch: BatchRead
    policies: PolicySet
    question: Question
    people: PersonStates | None


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of it: the masks of each member, in membership order, and what was said why.

    `rows`: of each member, None where nobody counted them; `told`: a fact for each (rule, outcome);
    `by_batch`: what each batch of the graph said itself; `holes`: of members, what was erased.
    """

    members: tuple[int, ...]
    masks: Mapping[int, Masks]
    rows: Mapping[int, int | None]
    told: Told
    by_batch: Mapping[int, Told]
    holes: Mapping[int, Holes] = field(default_factory=dict)

    def told_of(self, number: int) -> Told:
        """A fact for each rule of one batch; what it inherits has that of the whole version."""
        denied = {key: fact for key, fact in self.told.items() if key[1] is not Outcome.ALLOW}
        return denied | self.by_batch[number]

    def counts(self) -> dict[int, int]:
        """How many examples have each mask; 0 for those of which nobody counted the examples."""
        found: dict[int, int] = {}
        for number in self.members:
            for mask, count in self.counts_of(number).items():
                found[mask] = found.get(mask, 0) + count
        return found

    def counts_of(self, number: int) -> dict[int, int]:
        """As `counts`, of one member; what was erased is not among them (rule 4)."""
        masks, rows = self.masks[number], self.rows[number] or 0
        holes = self.holes.get(number)
        if holes is not None and not holes.left(0, rows):
            return {}
        if isinstance(masks, int):
            return {normal_mask(masks): rows if holes is None else holes.left(0, rows)}
        left = masks if holes is None else masks[holes.is_left(masks.size)]
        return counted(left, left.size)

    @property
    def erased(self) -> int:
        """How many examples of the members were erased."""
        return sum(map(len, self.holes.values()))


def evaluate(
    ledger: Ledger, sweep: Sweep, policies: PolicySet, gathered: Gathered, question: Question
) -> Judged:
    """Judge all examples of the members. Cost: one pass over the people, and over each map."""
    steps, batches = gathered.steps, gathered.batches
    tasks = [
        BatchTask(
            batches[n], policies, question, people_for(policies, batches[n], gathered, question)
        )
        for n in steps.order
    ]
    own = dict(_judged_alone(ledger, sweep, tasks))
    needed = _uses(steps)
    found: dict[int, Masks] = {}
    for number in steps.order:
        batch = batches[number]
        found[number] = _with_sources(ledger, steps, batch, own.pop(number), found, batches)
        for source in steps.sources(number):
            needed[source] -= 1
            if not needed[source] and source not in steps.members:
                found.pop(source, None)
    rows = {n: batches[n].rows for n in steps.members if n in batches}
    members = tuple(n for n in steps.members if n in batches)
    by_batch = {
        n: {(r.rule, r.outcome): r.fact for r in judge_batch(policies, b.facts, question)}
        for n, b in batches.items()
    }
    told: Told = {}
    for number in steps.order:
        told = by_batch[number] | told
    holes = {n: each for n in members if (each := batches[n].holes) is not None}
    return Judged(members, found, rows, told, by_batch, holes)


def _judged_alone(
    ledger: Ledger, sweep: Sweep, tasks: list[BatchTask]
) -> Iterator[tuple[int, Masks]]:
    """Each batch by itself; a sweep is only for those that read the index, where there are many."""
    many = [task for task in tasks if task.people is not None or task.batch.own_licenses]
    if len(many) < 2 and sweep.engine == "threads":
        many = []
    swept = {task.batch.number for task in many}
    for task in tasks:
        if task.batch.number not in swept:
            yield task.batch.number, judge_task(ledger.store, task)
    for task, masks in zip(many, sweep.each(judge_task, many), strict=True) if many else ():
        yield task.batch.number, masks


def _uses(steps: Steps) -> dict[int, int]:
    needed = dict.fromkeys(steps.order, 0)
    for number in steps.order:
        for source in steps.sources(number):
            needed[source] = needed.get(source, 0) + 1
    return needed


def people_for(
    policies: PolicySet, batch: BatchRead, gathered: Gathered, question: Question
) -> PersonStates | None:
    """The people's states, unless none of them could change what is said (rule 1)."""
    if gathered.people is None or not batch.facts.has_subjects or batch.is_pending:
        return None
    table = people_table(policies, batch.facts)
    unsaid = masks_of_batch(policies, batch.facts, 0, question)
    if all(int(table[code]) == 0 for code in gathered.people.seen):
        nobody = masks_of_batch(policies, replace(batch.facts, derived=True), 0, question)
        if unsaid == nobody:
            return None
    return gathered.people


def judge_task(store: Store, task: BatchTask) -> Masks:
    """The masks of a batch by itself: the function that a sweep maps over batches."""
    batch = task.batch
    if batch.is_pending or batch.rows is None:
        common = masks_of_batch(task.policies, batch.facts, 0, task.question)
        known, _ = any_bits(common)
        return known | (_PENDING if batch.is_pending else 0)
    people = None
    if task.people is not None:
        found = people_of(store, batch.number)
        people = People(found.places, codes_of(found, task.people))
    marks = _with_licenses(store, task) if batch.own_licenses else batch.marks
    return masks_of_batch(task.policies, batch.facts, batch.rows, task.question, people, marks)


def _with_licenses(store: Store, task: BatchTask) -> Marks:
    """The marks, with the licences that examples have beside their batch's."""
    rows = task.batch.rows or 0
    places: dict[str, int] = {}
    codes = np.full(rows, -1, np.int32)
    for part in store.index.scan_batch(task.batch.number, ["address", "license"]):
        column = part.column("license").combine_chunks()
        if column.null_count == len(column):
            continue
        encoded = column.dictionary_encode()
        known = [places.setdefault(text, len(places)) for text in encoded.dictionary.to_pylist()]
        table = np.array([*known, -1], np.int32)
        _, ordinals = unpack(part.column("address").to_numpy())
        inside = ordinals < rows
        found = table[encoded.indices.fill_null(len(known)).to_numpy(zero_copy_only=False)]
        codes[ordinals[inside]] = found[inside]
    grants = tuple(grants_of(task.policies, text) or {} for text in places)
    return replace(task.batch.marks, licenses=codes, grants=grants)


def _with_sources(
    ledger: Ledger,
    steps: Steps,
    batch: BatchRead,
    own: Masks,
    found: Mapping[int, Masks],
    batches: Mapping[int, BatchRead],
) -> Masks:
    """The masks of a batch, with those of all it was made of (rule 2)."""
    parts = list(_inherited(ledger, steps, batch, found, batches))
    missing = steps.unmapped.get(batch.number, ())
    if missing:
        parts.append(unknown_step(found.get(n, _PENDING) for n in missing))
    return joined([own, *parts], batch.rows or 0)


def _inherited(
    ledger: Ledger,
    steps: Steps,
    batch: BatchRead,
    found: Mapping[int, Masks],
    batches: Mapping[int, BatchRead],
) -> Iterator[Masks]:
    facts = batch.facts
    # A row that nothing leads to entered here: what its batch says of itself must be enough.
    is_said = facts.origin_kind is not None or facts.license is not None
    orphan = 0 if is_said else _PENDING
    for part in copies(steps.nodes[batch.number]):
        masks = inputs_together(
            [(_input(found, batches, number), rows) for number, _, rows in part.inputs]
        )
        if batch.rows is None:
            yield unknown_step([masks])
            continue
        chunks = ledger.graph.open_map(part).chunks()
        yield through_map(masks, chunks, batch.rows, orphan=orphan)


def _input(found: Mapping[int, Masks], batches: Mapping[int, BatchRead], number: int) -> Masks:
    if number not in found or number not in batches:
        return _PENDING
    return found[number]


#: What is said of single examples, where no batch has a fact for it.
FACTS = {
    (Rule.CONSENT, Outcome.DENY): "a person's consent was withdrawn or ended",
    (Rule.CONSENT, Outcome.CANNOT_TELL): "a person's consent is not recorded, or whose data it is",
    (Rule.OBJECTION, Outcome.DENY): "a person objected",
    (Rule.RESTRICTION, Outcome.DENY): "restricted, the example or a person's data",
    (Rule.SUPPRESSION, Outcome.DENY): "suppressed, the content or a person",
    (Rule.HOLD, Outcome.DENY): "held, the example or a person's data",
    (Rule.LICENSE, Outcome.DENY): "the example's own licence does not allow it",
    (Rule.LICENSE, Outcome.CANNOT_TELL): "no licence is recorded, or nobody knows what it allows",
    (Rule.LINEAGE, Outcome.CANNOT_TELL): "a step without a map, or a batch that is not bound yet",
}


def reasons_of(counts: Mapping[int, int], told: Mapping[tuple[Rule, Outcome], str]) -> list[Reason]:
    """One reason for each rule and outcome, with how many examples it speaks of."""
    total = sum(counts.values())
    reasons: list[Reason] = []
    spoken: dict[Rule, int] = {}
    for rule in Rule:
        for outcome in (Outcome.DENY, Outcome.CANNOT_TELL):
            each = bit(rule, outcome)
            if any(mask & each for mask in counts):
                count = sum(n for mask, n in counts.items() if mask & each)
                fact = told.get((rule, outcome)) or FACTS.get((rule, outcome)) or rule.value
                reasons.append(Reason(rule, outcome, fact, count))
                spoken[rule] = spoken.get(rule, 0) + count
    for (rule, outcome), fact in told.items():
        if outcome is Outcome.ALLOW and (rule not in spoken or spoken[rule] < total):
            reasons.append(Reason(rule, outcome, fact, total - spoken.get(rule, 0)))
    return reasons
