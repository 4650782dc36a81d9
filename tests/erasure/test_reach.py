"""The closure equals brute force: not one example more or fewer, on thousands of pipelines."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.erasure.rules import DuplicateRules, Effect, ErasureRules, SharedRules, load_rules
from registry.erasure.scope.reach import Reached, Reason, reach
from registry.erasure.scope.sets import Marks, Ordinals
from registry.ledger.rowmap import Role
from tests.erasure.naive import Naive
from tests.erasure.worlds import Address, Story, StoryWorld, story_of

RULES = load_rules().said
STRICT = msgspec.structs.replace(
    RULES,
    roles={**RULES.roles, Role.AUGMENTED: Effect.REVIEW, Role.AGGREGATED: Effect.ERASE},
    duplicates=DuplicateRules(minimum_bytes=0),
    shared=SharedRules(example="erase", packed="review"),
)
WIDE = msgspec.structs.replace(
    RULES,
    roles={**RULES.roles, Role.DUPLICATE_OF: Effect.ERASE},
    shared=SharedRules(example="review", packed="review"),
)
CUT = msgspec.structs.replace(RULES, shared=SharedRules(packed="redact"))
PIPELINES_PER_RULES = 1_000


def as_set(marks: Marks, story: Story) -> set[Address]:
    return {
        (number, row)
        for number, ordinals in marks.items()
        for row in (range(story.batches[number].rows) if ordinals is None else ordinals.tolist())
    }


def check(seed: int, asked: frozenset[int], rules: ErasureRules) -> Reached:
    story = story_of(seed)
    world = StoryWorld(story, asked)
    found = reach(world, world.own(), rules)
    naive = Naive(story, asked, rules)
    assert as_set(dict(found.erase), story) == naive.erase, seed
    expected = {reason: marks - naive.erase for reason, marks in naive.review.items()}
    reviewed = {
        reason: as_set(marks, story) - naive.erase for reason, marks in found.review.items()
    }
    assert {r: m for r, m in reviewed.items() if m} == {r: m for r, m in expected.items() if m}, (
        seed
    )
    for marks in (dict[int, Ordinals | None](found.erase), *found.review.values()):
        for ordinals in marks.values():
            assert ordinals is None or np.all(np.diff(ordinals.astype(np.int64)) > 0)
    return found


@pytest.mark.parametrize(
    "rules", [RULES, STRICT, WIDE, CUT], ids=["shipped", "strict", "wide", "cut"]
)
def test_the_closure_of_a_thousand_pipelines_equals_brute_force(rules: ErasureRules) -> None:
    met: set[Reason] = set()
    erased = 0
    for seed in range(PIPELINES_PER_RULES):
        found = check(seed, frozenset({seed % 5}), rules)
        met |= set(found.review)
        erased += sum(rows.size for rows in found.erase.values())
    assert erased > PIPELINES_PER_RULES
    always = {Reason.ORIGIN, Reason.NEAR_DUPLICATE, Reason.SYNTHETIC, Reason.UNKNOWN_STEP}
    assert met >= always | {Reason.SEVERAL_SUBJECTS, Reason.SHARED_DUPLICATE}
    # What is read in rows is no question of pipelines.
    assert len(met) >= len(Reason) - 4
    assert (Reason.PACKED_SPAN in met) == (rules is CUT)


def test_what_is_erased_after_all_has_nobody_review_what_was_made_of_it() -> None:
    check(11_107, frozenset({1, 2}), RULES)


@given(
    seed=st.integers(0, 2**32 - 1),
    asked=st.frozensets(st.integers(0, 4), min_size=1, max_size=5),
    rules=st.sampled_from([RULES, STRICT, WIDE]),
)
def test_the_closure_of_several_people_equals_brute_force(
    seed: int, asked: frozenset[int], rules: ErasureRules
) -> None:
    check(seed, asked, rules)
