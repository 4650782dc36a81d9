"""Addresses and holes against plain integers and sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidInputError
from registry.ledger.addresses import as_addresses, batch_range, pack, unpack
from registry.ledger.holes import Holes

ORDINAL = st.one_of(st.integers(0, 60), st.integers(0, 2**32 - 1))
ORDINALS = st.lists(ORDINAL, max_size=40)
NUMBER = st.integers(0, 2**32 - 1)


@given(NUMBER, ORDINALS)
def test_an_address_holds_its_batch_and_its_ordinal(batch: int, ordinals: list[int]) -> None:
    addresses = pack(batch, ordinals)
    first, last = batch_range(batch)

    assert addresses.tolist() == [batch * 2**32 + ordinal for ordinal in ordinals]
    batches, back = unpack(addresses)
    assert (batches.tolist(), back.tolist()) == ([batch] * len(ordinals), ordinals)
    assert all(first <= at <= last for at in addresses.tolist())


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20))
def test_a_set_of_addresses_is_sorted_and_unique(values: list[int]) -> None:
    expected = sorted(set(values))

    assert as_addresses(values).tolist() == expected
    assert as_addresses(np.array(values, np.uint64)).tolist() == expected


@pytest.mark.parametrize("wrong", [[-1], [0.5], [[1]], ["a"], [2**64], [True]])
def test_what_is_no_address_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidInputError):
        as_addresses(wrong)


@pytest.mark.parametrize("batch", [-1, 2**32, 0.5, None])
def test_what_is_no_batch_number_is_refused(batch: object) -> None:
    with pytest.raises(InvalidInputError):
        pack(batch, [0])  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError):
        pack(1, [2**32])


@given(ORDINALS, ORDINALS)
def test_holes_are_a_set_of_ordinals(some: list[int], more: list[int]) -> None:
    holes, both = Holes(some), Holes(some) | Holes(more)

    assert holes.ordinals().tolist() == sorted(set(some))
    assert len(both) == len({*some, *more})
    assert both == Holes([*more, *some])
    assert (holes == both) == (set(more) <= set(some))
    assert all(ordinal in both for ordinal in more)
    assert holes.present(more).tolist() == sorted(set(more) - set(some))
    assert -1 not in holes
    assert "a" not in holes


@given(ORDINALS, st.integers(0, 60), st.integers(0, 60))
def test_the_row_of_an_ordinal_skips_the_holes_before_it(
    some: list[int], first: int, count: int
) -> None:
    holes = Holes(some)
    there = [ordinal for ordinal in range(first, first + count) if ordinal not in some]

    assert holes.left(first, first + count) == len(there)
    assert [holes.row(ordinal, first) for ordinal in there] == list(range(len(there)))
    assert all(holes.row(hole) is None for hole in some)


@given(ORDINALS, ORDINALS)
def test_equal_holes_have_equal_bytes_and_survive_them(some: list[int], more: list[int]) -> None:
    joined, whole = Holes(some) | Holes(more), Holes([*some, *more])

    assert joined.to_bytes() == whole.to_bytes()
    assert Holes.from_bytes(joined.to_bytes()) == whole


def test_a_run_of_holes_takes_next_to_no_room() -> None:
    assert len(Holes(range(1_000_000)).to_bytes()) < 300
    assert len(Holes(range(0, 100_000_000, 100_000)).to_bytes()) < 20_000
    assert len(Holes().to_bytes()) < 20


@given(ORDINALS, st.data())
def test_bytes_that_are_no_holes_are_refused(some: list[int], data: st.DataObject) -> None:
    content = Holes(some).to_bytes()
    cut = content[: data.draw(st.integers(0, len(content) - 1))]

    with pytest.raises(InvalidInputError, match="no Roaring bitmap"):
        Holes.from_bytes(cut)
    with pytest.raises(InvalidInputError, match="no Roaring bitmap"):
        Holes.from_bytes(b"something else")


def test_ordinals_before_the_file_or_outside_a_batch_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="no ordinals from 5 to 4"):
        Holes([1]).row(4, first=5)
    with pytest.raises(InvalidInputError):
        Holes([2**32])
    with pytest.raises(InvalidInputError):
        Holes([1]).left(0, 2**32 + 1)


@given(st.lists(st.integers(0, 40), max_size=30), st.integers(0, 50))
def test_what_is_left_is_counted_from_0_and_found_by_that_count(some: list[int], rows: int) -> None:
    holes = Holes(some)
    left = [ordinal for ordinal in range(rows) if ordinal not in some]

    assert np.flatnonzero(holes.is_left(rows)).tolist() == left
    assert holes.ordinals_at(list(range(len(left)))).tolist() == left
    assert [holes.row(ordinal) for ordinal in left] == list(range(len(left)))
    assert holes.ordinals_at([]).size == 0
