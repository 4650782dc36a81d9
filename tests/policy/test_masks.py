"""The vectorised manifest and the one-example rule say the same, whatever the facts."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from registry.ledger.rowmap import NO_PARENT, RowMap
from registry.policy.decision import Outcome, Rule, bit, mask_of
from registry.policy.facts import BatchFacts, ExampleFacts, Question, Standing, SubjectFacts
from registry.policy.manifest import Asked, ManifestFile, part_of
from registry.policy.masks import (
    CODE_OF,
    STATES,
    Marks,
    People,
    Places,
    as_array,
    counted,
    joined,
    masks_of_batch,
    normal,
    normal_mask,
    principal,
)
from registry.policy.policy_set import load_policies, question_of
from registry.policy.through import inputs_together, through_map
from registry.policy.use import judge_example
from registry.rights.licenses import Permission

POLICIES = load_policies()
AT = datetime(2026, 3, 1, tzinfo=UTC)
USES = ("ai_training", "commercial_use", "redistribution", "derivatives")

grants = st.none() | st.fixed_dictionaries({use: st.sampled_from(Permission) for use in USES})
people = st.builds(
    SubjectFacts,
    consent=st.none() | st.sampled_from(Standing),
    explicit=st.none() | st.booleans(),
    restricted=st.booleans(),
    suppressed=st.booleans(),
    held=st.booleans(),
)
# Most people have no duty on them, or nothing else would ever be seen.
mostly = st.sampled_from([SubjectFacts(standing) for standing in (None, *Standing)]) | people
examples = st.builds(
    ExampleFacts,
    subjects=st.lists(mostly, max_size=3).map(tuple),
    grants=grants,
    restricted=st.booleans(),
    suppressed=st.booleans(),
    held=st.booleans(),
)
batches = st.builds(
    BatchFacts,
    legal_basis=st.sampled_from([None, "consent", "contract", "legitimate_interests", "magic"]),
    license=st.sampled_from([None, "MIT"]),
    grants=grants,
    origin_kind=st.sampled_from([None, "crawled", "first_party"]),
    opt_out=st.sampled_from([(), ("robots",)]),
    personal_data=st.sampled_from([None, "none", "personal", "special", "unknown"]),
    special_category_condition=st.sampled_from([None, "explicit_consent", "9_2_j"]),
    balancing_test=st.sampled_from([None, "LIA-7"]),
    purposes=st.sampled_from([None, ("model_training",), ("analytics",)]),
    region=st.sampled_from([None, "eu-west-1", "atlantis"]),
    classification=st.sampled_from([None, "public", "restricted"]),
    has_subjects=st.booleans(),
    derived=st.booleans(),
    owed=st.integers(0, 1),
    restricted=st.booleans(),
    held=st.booleans(),
)
questions = st.builds(
    lambda purpose, region: question_of(POLICIES, purpose, AT, region=region),
    st.sampled_from(["model_training", "fine_tuning", "research"]),
    st.sampled_from([None, "us", "atlantis"]),
)


def vectorised(batch: BatchFacts, found: list[ExampleFacts], question: Question) -> list[int]:
    """The masks by columns, as the sweep makes them."""
    pairs = [(row, who) for row, each in enumerate(found) for who in each.subjects]
    persons = list(dict.fromkeys(who for _, who in pairs))
    places = Places.of(
        np.array([row for row, _ in pairs], np.uint32),
        np.array([persons.index(who) for _, who in pairs], np.int32),
    )
    codes = np.array([CODE_OF[who] for who in persons], np.uint8)
    own = [each.grants for each in found if each.grants is not None]
    place = iter(range(len(own)))
    licenses = np.array([-1 if e.grants is None else next(place) for e in found], np.int32)
    marks = Marks(
        restricted=np.array([n for n, e in enumerate(found) if e.restricted], np.uint32),
        suppressed=np.array([n for n, e in enumerate(found) if e.suppressed], np.uint32),
        held=np.array([n for n, e in enumerate(found) if e.held], np.uint32),
        licenses=licenses if own else None,
        grants=tuple(own),
    )
    masks = masks_of_batch(
        POLICIES, batch, len(found), question, People(places, codes) if pairs else None, marks
    )
    return normal(as_array(masks, len(found))).tolist()


@given(batches, st.lists(examples, min_size=1, max_size=8), questions)
def test_columns_and_single_examples_agree(
    batch: BatchFacts, found: list[ExampleFacts], question: Question
) -> None:
    alone = [normal_mask(mask_of(judge_example(POLICIES, batch, each, question))) for each in found]
    assert vectorised(batch, found, question) == alone


@given(batches, st.lists(examples, min_size=1, max_size=8), questions)
def test_no_rule_allows_what_a_missing_fact_decides(
    batch: BatchFacts, found: list[ExampleFacts], question: Question
) -> None:
    for each in found:
        reasons = judge_example(POLICIES, batch, each, question)
        assert len({reason.rule for reason in reasons}) == len(reasons)
        if mask_of(reasons) or batch.derived:
            continue
        told = {reason.rule for reason in reasons if reason.outcome is Outcome.ALLOW}
        assert {Rule.LICENSE, Rule.LEGAL_BASIS, Rule.RESIDENCY} <= told
        if batch.legal_basis == "consent":
            assert each.subjects
            assert all(who.consent is Standing.GIVEN for who in each.subjects)


masks = st.integers(0, 0xFFFF_FFFF)
BIT = bit(Rule.LINEAGE, Outcome.CANNOT_TELL)


@given(
    st.lists(st.lists(masks, min_size=1, max_size=5), min_size=1, max_size=3),
    st.data(),
    st.booleans(),
)
def test_an_output_has_the_bits_of_all_its_parents(
    inputs: list[list[int]], data: st.DataObject, many: bool
) -> None:
    flat = [mask for each in inputs for mask in each]
    size = len(flat)
    together = inputs_together([(np.array(each, np.uint32), len(each)) for each in inputs])
    position = st.integers(0, size - 1)
    if many:
        lists = data.draw(st.lists(st.lists(position, max_size=4), max_size=6))
        offsets = np.cumsum([0, *map(len, lists)]).astype(np.uint64)
        parents = np.array([p for each in lists for p in each], np.uint32)
        row_map = RowMap.lists(offsets, parents, size)
    else:
        one = data.draw(st.lists(st.none() | position, max_size=6))
        lists = [[] if each is None else [each] for each in one]
        taken = np.array([NO_PARENT if each is None else each for each in one], np.uint32)
        row_map = RowMap.take(taken, size)
    found = through_map(together, iter([(0, row_map)]), len(lists), orphan=BIT)
    expected = []
    for each in lists:
        mask = 0 if each else BIT
        for parent in each:
            mask |= flat[parent]
        expected.append(mask)
    assert as_array(found, len(lists)).tolist() == expected


@given(st.lists(masks, max_size=20), masks)
def test_every_example_is_counted_once(found: list[int], bits: int) -> None:
    counts = counted(np.array(found, np.uint32), len(found))
    assert sum(counts.values()) == len(found)
    allowed, withheld = principal(counts, bits)
    assert allowed + sum(withheld.values()) == len(found)
    assert allowed == sum(not normal_mask(mask) & bits for mask in found)


@given(st.lists(st.lists(st.booleans(), max_size=40), max_size=4))
def test_a_manifest_is_read_as_it_was_written(parts: list[list[bool]]) -> None:
    asked = Asked("0" * 32, 3, "model_training", None, "sha256:0", "enforce")
    made = ManifestFile(
        asked, tuple(part_of(n, np.array(bits, np.bool_)) for n, bits in enumerate(parts))
    )
    read = ManifestFile.from_bytes(made.to_bytes())
    assert read.asked == asked
    expected = [[row for row, yes in enumerate(bits) if yes] for bits in parts]
    assert [part.ordinals().tolist() for part in read.parts] == expected
    assert [part.allowed for part in read.parts] == [len(each) for each in expected]


def test_every_state_of_a_person_has_a_code() -> None:
    assert len(CODE_OF) == len(STATES) == 120
    assert joined([1, 2], 0) == 3
