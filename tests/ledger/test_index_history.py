"""Any history of the example index against a set of addresses in memory."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.ledger import upkeep
from registry.ledger.index import ExampleIndex
from tests.ledger.rows import (
    address,
    digest,
    example_id,
    examples_at,
    pairs,
    subject_key,
    subjects,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 3), st.integers(1, 6)),
        st.tuples(st.just("clear"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("erase"), st.integers(0, 3), st.integers(0, 5)),
        st.tuples(st.sampled_from(["optimise", "purge", "tend"]), st.just(0), st.just(0)),
    ),
    max_size=14,
)


@given(STEPS)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_history_of_writing_erasing_and_upkeep_leaves_what_a_dictionary_would(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    index = ExampleIndex(str(tmp_path_factory.mktemp("history")))
    kept: set[int] = set()
    for step, batch, number in steps:
        match step:
            case "append":
                start = sum(1 for at in kept if at >> 32 == batch) + 10 * number
                added = [address(batch, start + at) for at in range(number)]
                added = [at for at in added if at not in kept]
                index.append(examples_at(added))
                index.append_subjects(subjects((at, at % 3) for at in added))
                kept |= set(added)
            case "clear":
                index.clear_batch(batch)
                kept = {at for at in kept if at >> 32 != batch}
            case "erase":
                gone = sorted(kept)[number::3]
                assert index.erase(gone) == 2 * len(gone)
                kept -= set(gone)
            case "optimise":
                index.optimise()
            case "tend":
                upkeep.tend(index.examples, most_rows_joined=upkeep.ROWS_JOINED_BY_APPEND)
            case _:
                index.purge(NOW)
                assert all(part.is_clean for part in index.residue())
    everything = sorted(kept)
    assert index.count() == len(everything)
    assert pairs(index.find_ids([example_id(at) for at in everything])) == list(
        enumerate(everything)
    )
    assert index.find_digests([digest(at) for at in everything]).addresses.tolist() == everything
    assert index.rows(everything)["address"].to_pylist() == everything
    people = index.find_subjects([subject_key(who) for who in range(3)])
    assert pairs(people) == sorted((at % 3, at) for at in everything)
