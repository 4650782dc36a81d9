"""The one-example rule for all examples of a batch at once, as masks. Pure: numpy in and out.

Rules:
1. What a mask says of an example is what `use.judge_example` says of it: the table of masks of
   people is made by that very rule, one entry for each state a person can be in.
2. An example with several people has what is said of each of them, joined by OR; so has one with
   several parents (`decision` rule 2).
3. A batch whose examples all have the same mask is one number and costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, reduce
from itertools import product

import numpy as np
import numpy.typing as npt

from registry.policy.decision import Outcome, Reason, Rule, bit, mask_of
from registry.policy.facts import BatchFacts, ExampleFacts, Question, Standing, SubjectFacts
from registry.policy.policy_set import PolicySet
from registry.policy.use import judge_batch, judge_one
from registry.rights.licenses import Permission

Array = npt.NDArray[np.uint32]
Ordinals = npt.NDArray[np.uint32]
#: One number for all examples of a batch, or n uint32.
Masks = int | Array

_CONSENTS: tuple[Standing | None, ...] = (None, *Standing)
_EXPLICIT = (None, False, True)
_FLAGS = (False, True)
#: Every state that a person can be in; a person's code is the place in this list.
STATES: tuple[SubjectFacts, ...] = tuple(
    SubjectFacts(consent, explicit, restricted, suppressed, held)
    for consent, explicit, restricted, suppressed, held in product(
        _CONSENTS, _EXPLICIT, _FLAGS, _FLAGS, _FLAGS
    )
)
CODE_OF = {state: code for code, state in enumerate(STATES)}
UNKNOWN_PERSON = CODE_OF[SubjectFacts()]
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_LOW = np.uint32(0xFFFF)
_SHIFT = np.uint32(16)


@dataclass(frozen=True, slots=True)
class Places:
    """Which examples have which people: k pairs, sorted by ordinal; made once for a batch.

    `ordinals`: k uint32; `who`: k int32, the place of the person in a list of their own.
    `first`: where the pairs of each example begin, None where each has one person. `is_whole`:
    the examples are exactly 0 … m - 1.
    """

    ordinals: Ordinals
    who: npt.NDArray[np.int32]
    first: npt.NDArray[np.int64] | None
    is_whole: bool

    @classmethod
    def of(cls, ordinals: Ordinals, who: npt.NDArray[np.int32]) -> Places:
        """From pairs that are sorted by ordinal."""
        if not ordinals.size:
            return cls(ordinals, who, None, True)
        starts = np.flatnonzero(np.concatenate(([True], ordinals[1:] != ordinals[:-1])))
        once = starts.size == ordinals.size
        is_whole = int(ordinals[0]) == 0 and int(ordinals[-1]) == starts.size - 1
        return cls(ordinals, who, None if once else starts, is_whole)

    @property
    def examples(self) -> Ordinals:
        """The examples that have people, sorted."""
        return self.ordinals if self.first is None else self.ordinals[self.first]


@dataclass(frozen=True, slots=True)
class People:
    """The people of a batch's examples, and the state of each: `codes`, one uint8 a person."""

    places: Places
    codes: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Marks:
    """What single examples of a batch have, each a set of ordinals; and licences of their own.

    `licenses`: n int32 places in `grants`, -1 for none.
    """

    restricted: Ordinals | None = None
    suppressed: Ordinals | None = None
    held: Ordinals | None = None
    licenses: npt.NDArray[np.int32] | None = None
    grants: tuple[Mapping[str, Permission], ...] = ()


def masks_of_batch(
    policies: PolicySet,
    batch: BatchFacts,
    rows: int,
    question: Question,
    people: People | None = None,
    marks: Marks | None = None,
) -> Masks:
    """The masks of all examples of a batch by its own facts. Cost: one pass over its people."""
    common = mask_of(judge_batch(policies, batch, question))
    alone = mask_of(_but_license(policies, batch, ExampleFacts(), question))
    found: Masks = common | alone
    if people is not None and people.places.ordinals.size:
        table = people_table(policies, batch)
        found = _of_people(table[people.codes], people, rows, common, common | alone)
    if marks is None or marks.licenses is None:
        lacks = mask_of(_license(policies, batch, ExampleFacts(), question))
        found = joined([found, lacks], rows)
    if marks is None:
        return found
    for ordinals, rule in (
        (marks.restricted, Rule.RESTRICTION),
        (marks.suppressed, Rule.SUPPRESSION),
        (marks.held, Rule.HOLD),
    ):
        if ordinals is not None and ordinals.size:
            found = as_array(found, rows)
            found[ordinals[ordinals < rows]] |= np.uint32(bit(rule, Outcome.DENY))
    if marks.licenses is not None:
        found = _with_licenses(policies, batch, question, marks, as_array(found, rows))
    return found


def people_table(policies: PolicySet, batch: BatchFacts) -> Array:
    """For each state of a person (`STATES`), the mask it gives an example of this batch."""
    said = (batch.legal_basis, batch.personal_data, batch.special_category_condition)
    return _table(policies, *said)


@lru_cache(maxsize=256)
def _table(
    policies: PolicySet, legal_basis: str | None, personal_data: str | None, condition: str | None
) -> Array:
    """The table by all that it follows from (`use.judge_person`); not to be written to."""
    batch = BatchFacts(
        legal_basis=legal_basis,
        personal_data=personal_data,
        special_category_condition=condition,
    )
    question = Question("", _ANY_TIME)
    found = np.array(
        [mask_of(_but_license(policies, batch, ExampleFacts((s,)), question)) for s in STATES],
        np.uint32,
    )
    found.flags.writeable = False
    return found


def _license(
    policies: PolicySet, batch: BatchFacts, example: ExampleFacts, question: Question
) -> list[Reason]:
    """What is said of an example's licence, which is decided beside its people."""
    said = judge_one(policies, batch, example, question)
    return [reason for reason in said if reason.rule is Rule.LICENSE]


def _but_license(
    policies: PolicySet, batch: BatchFacts, example: ExampleFacts, question: Question
) -> list[Reason]:
    said = judge_one(policies, batch, example, question)
    return [reason for reason in said if reason.rule is not Rule.LICENSE]


def _of_people(said: Array, people: People, rows: int, common: int, nobody: int) -> Masks:
    """Give each example what is said of its people; `nobody`: the mask of one without any."""
    places = people.places
    examples = places.ordinals.size if places.first is None else places.first.size
    if not said.any() and (common == nobody or (places.is_whole and examples == rows)):
        return common
    theirs = (said | np.uint32(common)).take(places.who, mode="clip")
    if places.first is not None:
        theirs = np.bitwise_or.reduceat(theirs, places.first)
    if places.is_whole and examples >= rows:
        return theirs[:rows]
    masks = np.full(rows, nobody, np.uint32)
    ordinals = places.examples
    inside = slice(0, int(np.searchsorted(ordinals, rows)))
    masks[ordinals[inside]] = theirs[inside]
    return masks


def _with_licenses(
    policies: PolicySet, batch: BatchFacts, question: Question, marks: Marks, masks: Array
) -> Array:
    assert marks.licenses is not None
    table = [
        mask_of(_license(policies, batch, ExampleFacts(grants=grants), question))
        for grants in marks.grants
    ]
    lacks = mask_of(_license(policies, batch, ExampleFacts(), question))
    result: Array = masks | np.array([*table, lacks], np.uint32)[marks.licenses]
    return result


def as_array(masks: Masks, rows: int) -> Array:
    """The masks as n uint32 that may be written to."""
    return np.full(rows, masks, np.uint32) if isinstance(masks, int) else masks


def joined(masks: Iterable[Masks], rows: int) -> Masks:
    """Masks of the same examples from several sides, by OR."""
    found: Masks = 0
    for each in masks:
        if isinstance(found, int) and isinstance(each, int):
            found |= each
        else:
            found = np.bitwise_or(
                np.uint32(found) if isinstance(found, int) else found,
                np.uint32(each) if isinstance(each, int) else each,
            )
    return found if isinstance(found, int) else as_array(found, rows)


def normal(masks: Array) -> Array:
    """Each mask without the "cannot tell" of a rule that denies."""
    return masks & ~((masks >> _SHIFT) & _LOW)


def normal_mask(mask: int) -> int:
    """As `normal`, of one."""
    return mask & ~((mask >> 16) & 0xFFFF)


def counted(masks: Masks, rows: int) -> dict[int, int]:
    """How many examples have each mask, normal ones; those without examples are left out."""
    if isinstance(masks, int):
        return {normal_mask(masks): rows} if rows else {}
    spoken = masks[masks != 0]
    values, counts = np.unique(normal(spoken), return_counts=True)
    found = {0: int(masks.size - spoken.size)} if spoken.size < masks.size else {}
    return found | dict(zip(values.tolist(), counts.tolist(), strict=True))


def any_bits(masks: Masks) -> tuple[int, int]:
    """The bits that some example has, and those that every example has; (0, 0) for no examples."""
    if isinstance(masks, int):
        return masks, masks
    if not masks.size:
        return 0, 0
    return int(np.bitwise_or.reduce(masks)), int(np.bitwise_and.reduce(masks))


def unknown_step(masks: Iterable[Masks]) -> int:
    """What an output has from inputs of which nobody recorded the rows it was made of.

    Bits that every example of every input has are certain; any other bit makes it unknown.
    """
    pairs = [any_bits(each) for each in masks]
    if not pairs:
        return bit(Rule.LINEAGE, Outcome.CANNOT_TELL)
    some = reduce(lambda a, b: a | b, (pair[0] for pair in pairs))
    every = reduce(lambda a, b: a & b, (pair[1] for pair in pairs))
    return every if some == every else every | bit(Rule.LINEAGE, Outcome.CANNOT_TELL)


def principal(counts: Mapping[int, int], bits: int) -> tuple[int, dict[tuple[Rule, Outcome], int]]:
    """How many examples none of `bits` withholds, and of the others how many for which rule.

    An example that several rules withhold is counted once, under the first of them.
    """
    allowed = 0
    withheld: dict[tuple[Rule, Outcome], int] = {}
    for mask, count in counts.items():
        told = first_of(mask & bits)
        if told is None:
            allowed += count
        else:
            withheld[told] = withheld.get(told, 0) + count
    return allowed, withheld


def first_of(mask: int) -> tuple[Rule, Outcome] | None:
    """The rule that an example with this mask is counted under."""
    for outcome in (Outcome.DENY, Outcome.CANNOT_TELL):
        for rule in Rule:
            if mask & bit(rule, outcome):
                return rule, outcome
    return None
