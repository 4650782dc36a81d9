"""Summed columns pass through maps as a row-by-row reading of the rule says."""

from __future__ import annotations

import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from registry.ledger.rowmap import NO_PARENT, RowMap
from registry.ledger.summed import (
    ABSENT,
    MIXED,
    NUMBERS,
    TEXTS,
    Summed,
    Texts,
    blanked,
    filled,
    read_together,
    taken,
    through_map,
)
from registry.ledger.sums import PAIR, Sum, sums_of

LABEL, BYTES = TEXTS[0], NUMBERS[0]
Row = tuple[str | None, int | None]
some_rows = st.lists(
    st.tuples(
        st.sampled_from([None, "a", "b", MIXED]), st.one_of(st.none(), st.integers(0, 1 << 40))
    ),
    min_size=1,
    max_size=12,
)


def columns_of(rows: list[Row]) -> Summed:
    """Rows of (text, number) as columns; a column of nothing is left out, as the rule has it."""
    texts = {}
    if any(text is not None for text, _ in rows):
        values = sorted({text for text, _ in rows if text is not None})
        codes = [-1 if text is None else values.index(text) for text, _ in rows]
        texts[LABEL] = Texts(np.array(codes, np.int32), tuple(values))
    numbers = {}
    if any(number is not None for _, number in rows):
        held = [ABSENT if number is None else number for _, number in rows]
        numbers[BYTES] = np.array(held, np.int64)
    return Summed(len(rows), texts, numbers)


def rows_of(columns: Summed) -> list[Row]:
    """Columns as rows of (text, number)."""
    text, number = columns.texts.get(LABEL), columns.numbers.get(BYTES)
    return [
        (
            None if text is None or text.codes[row] < 0 else text.values[text.codes[row]],
            None if number is None or number[row] == ABSENT else int(number[row]),
        )
        for row in range(columns.rows)
    ]


def combined(parents: list[Row]) -> Row:
    """The row of an output with these parents."""
    if not parents:
        return None, None
    texts = {text for text, _ in parents}
    numbers = [number for _, number in parents if number is not None]
    return (
        texts.pop() if len(texts) == 1 else MIXED,
        sum(numbers) if len(numbers) == len(parents) else None,
    )


@st.composite
def mapped(draw: st.DrawFn) -> tuple[list[Row], RowMap]:
    rows = draw(some_rows)
    size = len(rows)
    form = draw(st.sampled_from(["slice", "take", "lists"]))
    if form == "slice":
        start, stop = sorted(draw(st.tuples(st.integers(0, size), st.integers(0, size))))
        return rows, RowMap.slice(start, stop, size)
    place = st.integers(0, size - 1)
    if form == "take":
        parents = draw(st.lists(st.one_of(place, st.just(NO_PARENT)), max_size=20))
        return rows, RowMap.take(parents, size)
    groups = draw(st.lists(st.lists(place, max_size=4), max_size=10))
    offsets = np.cumsum([0, *map(len, groups)])
    return rows, RowMap.lists(offsets, [p for group in groups for p in group], size)


@given(mapped())
def test_columns_pass_through_a_map_as_row_by_row(given_map: tuple[list[Row], RowMap]) -> None:
    rows, row_map = given_map
    found = through_map(columns_of(rows), iter([(0, row_map)]), len(row_map))
    expected = [
        combined([rows[parent] for parent in row_map.parents_of(output).tolist()])
        for output in range(len(row_map))
    ]
    assert rows_of(found) == expected


@given(st.lists(some_rows, min_size=1, max_size=4))
def test_columns_of_several_batches_are_read_as_they_were_written(parts: list[list[Row]]) -> None:
    files = [io.BytesIO(columns_of(rows).to_parquet()) for rows in parts]
    assert rows_of(read_together(files)) == [row for rows in parts for row in rows]


@given(some_rows, st.data())
def test_a_batch_has_its_parents_values_where_it_has_none(
    rows: list[Row], data: st.DataObject
) -> None:
    size = len(rows)
    others = data.draw(st.lists(st.sampled_from(rows), min_size=size, max_size=size))
    expected = [
        (b[0] if a[0] is None else a[0], b[1] if a[1] is None else a[1])
        for a, b in zip(rows, others, strict=True)
    ]
    assert rows_of(filled(columns_of(rows), columns_of(others))) == expected


@given(some_rows)
def test_sums_are_those_of_counting_one_by_one(rows: list[Row]) -> None:
    def added(chosen: list[Row]) -> int | None:
        numbers = [number for _, number in chosen if number is not None]
        return sum(numbers) if len(numbers) == len(chosen) else None

    sums = list(sums_of(columns_of(rows)))
    assert sums[0] == Sum("total", "", len(rows), added(rows), None)
    for text in {text for text, _ in rows}:
        chosen = [row for row in rows if row[0] == text]
        assert Sum(LABEL, text or "", len(chosen), added(chosen), None) in sums
    counted = [each.examples for each in sums if each.dimension == LABEL]
    assert sum(counted) == len(rows)


pairs = st.lists(
    st.tuples(st.sampled_from([None, "text", "image"]), st.sampled_from([None, "aa", "bb", "cc"])),
    min_size=1,
    max_size=30,
)


@given(pairs)
def test_pairs_of_values_are_counted_one_by_one(
    rows: list[tuple[str | None, str | None]],
) -> None:
    texts = {}
    for name, column in zip(("modality", "source"), zip(*rows, strict=True), strict=True):
        values = sorted({text for text in column if text is not None})
        if values:
            codes = [-1 if text is None else values.index(text) for text in column]
            texts[name] = Texts(np.array(codes, np.int32), tuple(values))
    found = {
        each.value: each.examples
        for each in sums_of(Summed(len(rows), texts, {}))
        if each.dimension == f"modality{PAIR}source"
    }
    expected: dict[str, int] = {}
    for first, second in rows if texts else ():
        value = f"{first or ''}{PAIR}{second or ''}"
        expected[value] = expected.get(value, 0) + 1
    assert found == expected


def test_a_batch_of_nothing_has_a_total_of_nothing() -> None:
    assert list(sums_of(Summed(0, {}, {}))) == [Sum("total", "", 0, 0, 0, 0)]


@given(some_rows, st.sets(st.integers(0, 14)))
def test_erased_rows_hold_nothing_and_count_nowhere(rows: list[Row], erased: set[int]) -> None:
    columns = columns_of(rows)
    empty = blanked(columns, np.array(sorted(erased), np.uint32))
    expected: list[Row] = [(None, None) if at in erased else row for at, row in enumerate(rows)]
    assert rows_of(empty) == expected
    assert rows_of(columns) == rows
    # Not even a value that only they had is left, in memory or in the file.
    kept = read_together([io.BytesIO(empty.to_parquet())])
    assert rows_of(kept) == expected
    texts = {text for text, _ in expected if text is not None}
    for each in (empty, kept):
        assert set(each.texts[LABEL].values if LABEL in each.texts else ()) == texts
    left = np.array([at not in erased for at in range(len(rows))])
    remaining = [row for row, is_left in zip(rows, left, strict=True) if is_left]
    assert rows_of(taken(empty, left)) == remaining
    assert next(iter(sums_of(taken(empty, left)))).examples == len(remaining)
