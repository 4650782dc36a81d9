"""Index segments stay few, whatever was appended, and every row is moved seldom."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.ledger import segments, upkeep
from tests.ledger.conftest import Place
from tests.ledger.rows import address, example_id, examples

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@given(st.lists(st.integers(1, 5_000), max_size=200))
def test_segments_stay_few_and_no_row_is_moved_often(appended: list[int]) -> None:
    built: list[int] = []
    moved = 0
    for rows in appended:
        joined = segments.newest_to_join(built, rows, most_rows=1 << 40)
        tail = built[len(built) - joined :]
        built = [*built[: len(built) - joined], rows + sum(tail)]
        moved += sum(tail)
    total = sum(appended)
    assert sum(built) == total
    assert len(built) <= 2 + total.bit_length()
    assert moved <= total * (1 + total.bit_length())


def test_an_append_joins_no_more_rows_than_it_may() -> None:
    assert segments.newest_to_join([100, 100], 100, most_rows=250) == 1
    assert segments.newest_to_join([100, 100], 100, most_rows=50) == 0
    assert segments.newest_to_join([10**9, 5], 0, most_rows=1 << 40) == 0
    assert segments.newest_to_join([100, 0], 3, most_rows=0) == 1


def test_what_appends_left_unjoined_is_joined_by_the_worker() -> None:
    assert segments.newest_to_join([10**9, 7, 6, 5], 0, most_rows=1 << 40) == 3
    assert segments.newest_to_join([5], 0, most_rows=1 << 40) == 0
    assert segments.newest_to_join([], 0, most_rows=1 << 40) == 0


@given(st.lists(st.integers(0, 2 * segments.ROWS_OF_A_SEGMENT), max_size=60))
def test_small_segments_are_put_together_eight_or_more_at_once(held: list[int]) -> None:
    runs = segments.small_to_join(held)

    for run in runs:
        assert len(run) >= 8
        assert run == list(range(run[0], run[-1] + 1))
        assert sum(held[at] for at in run) <= segments.ROWS_OF_A_SEGMENT
        assert max(held[at] for at in run) <= segments.ROWS_OF_A_SEGMENT // 2
    assert segments.small_to_join([1 << 21] * 50) == [
        list(range(start, start + 8)) for start in range(0, 48, 8)
    ]


def test_a_table_that_grew_by_large_appends_gets_full_segments_from_the_worker(
    folder: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "ROWS_JOINED_BY_APPEND", 20)
    monkeypatch.setattr(upkeep, "UNINDEXED_ROWS", 10)
    monkeypatch.setattr(upkeep, "SMALL_TO_AN_APPEND", 5)
    monkeypatch.setattr(upkeep, "SMALL_TO_THE_WORKER", 5)
    monkeypatch.setattr(segments, "ROWS_OF_A_SEGMENT", 160)
    index = folder.open()
    for batch in range(40):
        index.append(examples(batch, 10))
    index.append(examples(40, 200))
    before = [len(part.segments) for part in index.examples.latest().describe_indices()]

    index.optimise()
    index.optimise()

    after = [len(part.segments) for part in index.examples.latest().describe_indices()]
    assert min(before) >= 20
    assert max(after) <= 7
    wanted = [address(batch, 3) for batch in range(41)]
    assert index.find_ids([example_id(at) for at in wanted]).addresses.tolist() == wanted
    assert index.rows(wanted)["address"].to_pylist() == wanted
    index.clear_batch(5)
    index.purge(NOW)
    assert index.residue()[0].is_clean
    assert index.count() == 590


def test_the_worker_leaves_few_fragments_and_one_segment(
    folder: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = folder.open()
    monkeypatch.setattr(upkeep, "ROWS_JOINED_BY_APPEND", 0)
    for part in range(3):
        for batch in range(upkeep.UNINDEXED_APPENDS):
            index.append(examples(100 * part + batch, 1))
    assert [len(part.segments) for part in index.examples.latest().describe_indices()] == [3] * 3

    index.optimise()
    index.optimise()

    table = index.examples.latest()
    assert [len(part.segments) for part in table.describe_indices()] == [1] * 3
    assert len(table.get_fragments()) <= 2
    assert len(index.find_ids([example_id(address(201, 0)), example_id(address(3, 0))])) == 2


def test_a_segment_is_built_over_all_that_overlapping_ones_cover() -> None:
    held = [frozenset({1, 2}), frozenset({2, 3, 9}), frozenset({3, 4}), frozenset({5, 6})]
    present = {1, 2, 3, 4, 5, 6}
    assert segments.widened(frozenset({1}), held, present) == {1, 2, 3, 4}
    assert segments.widened(frozenset({6}), held, present) == {5, 6}
    assert segments.widened(frozenset({7}), held, present) == {7}
