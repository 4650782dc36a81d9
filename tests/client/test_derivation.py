"""What a pipeline knows of where rows came from becomes a row map, or a clear refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.client.derivation import (
    INLINE_PARENTS,
    Compiled,
    Derivation,
    as_derivations,
    compile_derivation,
    inline_map,
)
from registry.client.sources import Source
from registry.errors import InvalidInputError
from registry.ledger.rowmap import NO_PARENT, NO_PARENT_WIDE, RowMap

RAW = Source("lake", "raw", batch="b", rows=5)
WITH_IDS = Source("lake", "raw", batch="b", rows=5, ids=list("abcde"))
UNKNOWN = Source("lake", "raw", version=3)


def compiled(rows: Any, source: Source = RAW, outputs: int | None = None) -> Compiled:
    return compile_derivation(Derivation(source, rows), outputs)


def parents(found: Compiled) -> list[list[int]]:
    assert found.map is not None
    return [found.map.parents_of(row).tolist() for row in range(len(found.map))]


WAYS: dict[str, Any] = {
    "mask": np.array([True, False, True, True, False]),
    "mask as list": [True, False, True, True, False],
    "mask of pandas": pd.Series([True, False, True, True, False], index=[9, 9, 9, 9, 9]),
    "mask of polars": pl.Series([True, False, True, True, False]),
    "mask of arrow": pa.chunked_array([[True, False], [True, True, False]]),
    "numbers": np.array([0, 2, 3]),
    "numbers, small": np.array([0, 2, 3], np.uint8),
    "numbers as list": [0, 2, 3],
    "numbers as tuple": (0, 2, 3),
    "numbers of pandas": pd.Series([0, 2, 3]),
    "numbers of a pandas index": pd.Index([0, 2, 3]),
    "numbers of polars": pl.Series([0, 2, 3]),
    "numbers of arrow": pa.array([0, 2, 3], pa.uint16()),
    "lists of one": [[0], [2], [3]],
    "table of one": np.array([[0], [2], [3]]),
    "row map": RowMap.take([0, 2, 3], 5),
    "ids": ["a", "c", "d"],
    "ids of numpy": np.array(["a", "c", "d"]),
    "ids of polars": pl.Series(["a", "c", "d"]),
    "lists of ids": [["a"], ["c"], ["d"]],
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_say_it_is_the_same_map(way: str) -> None:
    found = compiled(WAYS[way], WITH_IDS, 3)
    assert found.map == RowMap.take([0, 2, 3], 5)
    assert found.role == "kept"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (None, [[0], [1], [2], [3], [4]]),
        (slice(1, 4), [[1], [2], [3]]),
        (slice(None, None, 2), [[0], [2], [4]]),
        (slice(3, 1), []),
        (range(4, 1, -1), [[4], [3], [2]]),
        ([4, 4, 0], [[4], [4], [0]]),
        ([0, None, 2], [[0], [], [2]]),
        ([None, None], [[], []]),
        (np.array([1, NO_PARENT]), [[1], []]),
        (pd.Series([0, None, 2], dtype="Int64"), [[0], [], [2]]),
        ([[0, 1], [], [2, 0], None], [[0, 1], [], [2, 0], []]),
        (pl.Series([[0, 1], [4]]), [[0, 1], [4]]),
        (np.array([[0, 1], [4, 3]]), [[0, 1], [4, 3]]),
        (["e", None], [[4], []]),
        ([["e", "a"], None, []], [[4, 0], [], []]),
        ([], []),
        (np.array([], np.int64), []),
    ],
)
def test_other_ways(rows: Any, expected: list[list[int]]) -> None:
    found = compiled(rows, WITH_IDS, len(expected))
    assert parents(found) == expected
    assert found.role == ("aggregated" if max(map(len, expected), default=0) > 1 else "kept")


@given(st.lists(st.lists(st.integers(0, 99), max_size=4), max_size=50))
def test_lists_against_brute_force(lists: list[list[int]]) -> None:
    source = Source("lake", "raw", batch="b", rows=100)
    assert parents(compiled(pa.array(lists, pa.list_(pa.int64())), source)) == lists
    ids = [f"id-{row}" for row in range(100)]
    known = Source("lake", "raw", batch="b", rows=100, ids=ids)
    named = [[ids[row] for row in each] for each in lists]
    assert parents(compiled(pa.array(named, pa.list_(pa.string())), known)) == lists


def test_ids_that_are_not_at_hand_travel() -> None:
    for rows, expected in (
        (["x", None], [["x"], []]),
        ([["x", "y"], []], [["x", "y"], []]),
    ):
        found = compiled(rows, UNKNOWN, 2)
        assert found.map is None
        assert found.parent_ids is not None
        assert found.parent_ids.to_pylist() == expected
        assert found.outputs == 2


def test_several_inputs_are_one_space_of_rows() -> None:
    other = Source("lake", "more", version=2, rows=3, ids=list("xyz"))
    derivation = Derivation((WITH_IDS, other), ["e", "x", "a", "z"], "augmented")
    found = compile_derivation(derivation, 4)
    assert parents(found) == [[4], [5], [0], [7]]
    assert found.role == "augmented"
    assert [source.as_input() for source in derivation.sources] == [
        {"namespace": "lake", "name": "raw", "batch": "b"},
        {"namespace": "lake", "name": "more", "version": 2},
    ]


def test_the_rows_of_an_input_may_follow_from_the_map() -> None:
    assert compiled([True, False, True], UNKNOWN).map == RowMap.take([0, 2], 3)
    assert compiled(RowMap.slice(2, 4, 9), UNKNOWN).map == RowMap.slice(2, 4, 9)
    assert compiled(None, UNKNOWN, 4).map == RowMap.identity(4)


NAMED = "batch b of lake raw"


@pytest.mark.parametrize(
    ("rows", "source", "outputs", "complaint"),
    [
        ([True, False], RAW, None, f"{NAMED} has a mask of 2 rows, but there are 5"),
        (np.ones((5, 1), np.bool), RAW, None, "a mask of 5 rows"),
        ([True, None, True, True, True], RAW, None, "a mask with 1 nulls"),
        ([0, 5], RAW, None, f"{NAMED} has 5 rows, counted from 0, and row 5 is named"),
        ([0, -1], RAW, None, "row -1 is named"),
        ([0, -1, None], RAW, None, "row -1 is named"),
        ([[0], [7, 1]], RAW, None, "row 7 is named"),
        ([[0, -2]], RAW, None, "row -2 is named"),
        (np.array([[0, 9]]), RAW, None, "row 9 is named"),
        ([0], Source("lake", "raw", batch="b", rows=0), None, "has 0 rows"),
        ([0, 1], RAW, 3, f"{NAMED} covers 2 rows, but 3 are written"),
        (None, RAW, 4, "covers 5 rows, but 4 are written"),
        (RowMap.identity(4), RAW, 4, "is a map over 4 rows, but there are 5"),
        ([0, 1], UNKNOWN, None, "version 3 of lake raw .* how many rows it has is not known"),
        ([0.5, 1.0], RAW, None, "is given as double"),
        ("abc", RAW, None, "cannot be taken as a column"),
        (5, RAW, None, "cannot be taken as a column"),
        (["a", "f"], WITH_IDS, None, "names the example id 'f', which is not among its 5"),
        (["a"], Source("l", "r", batch="b", ids=["a", "a"]), None, "an id that stands for two"),
        ([0], Source("lake", "raw", rows=5), None, "lead to lake raw, and which of its rows"),
    ],
)
def test_what_cannot_be_is_refused(
    rows: Any, source: Source, outputs: int | None, complaint: str
) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        compiled(rows, source, outputs)


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="has the role 'kopied'"):
        compile_derivation(Derivation(RAW, None, "kopied"), 5)


def test_derivations_are_given_by_source_or_as_they_are() -> None:
    own = Derivation(RAW, [0], "duplicate_of", score=0.9, method="minhash")
    assert as_derivations([own], "kept") == [own]
    assert as_derivations({RAW: [0], (RAW, UNKNOWN): None}, "labelled") == [
        Derivation((RAW,), [0], "labelled"),
        Derivation((RAW, UNKNOWN), None, "labelled"),
    ]
    assert as_derivations({RAW: own}, None) == [own]
    for key in ("lake raw", ("lake", "raw"), 5):
        with pytest.raises(InvalidInputError, match="which rows that is nobody said"):
            as_derivations({key: [0]}, None)


def restored(inline: dict[str, Any]) -> RowMap:
    """As the registry reads it."""
    match inline["form"]:
        case "range":
            return RowMap.slice(inline["start"], inline["stop"], inline["size"])
        case "take":
            return RowMap.take(inline["parents"], inline["size"])
        case _:
            return RowMap.lists(inline["offsets"], inline["parents"], inline["size"])


@pytest.mark.parametrize(
    "found",
    [
        RowMap.identity(0),
        RowMap.slice(3, 10**9, 10**9),
        RowMap.take([5, 1, NO_PARENT], 9),
        RowMap.lists([0, 2, 2, 5], [1, 2, 3, 4, 0], 9),
    ],
)
def test_a_small_map_goes_into_the_event(found: RowMap) -> None:
    inline = inline_map(found)
    assert inline is not None
    assert restored(inline) == found


def test_a_large_map_does_not() -> None:
    assert inline_map(RowMap.take(np.arange(INLINE_PARENTS)[::-1], 2_000)) is not None
    assert inline_map(RowMap.take(np.arange(INLINE_PARENTS + 1)[::-1], 2_000)) is None
    assert inline_map(RowMap.lists(np.zeros(INLINE_PARENTS + 2, np.int64), [], 5)) is None
    assert inline_map(RowMap.take([7, NO_PARENT + 5, NO_PARENT_WIDE], 2**33)) is None
