"""Traces keep up with every step, against brute force."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.client.sources import Source
from registry.client.trace import (
    Trace,
    concatenated,
    side_by_side,
    trace_of,
    without_parents,
)
from registry.errors import InvalidInputError
from registry.ledger.rowmap import Role, RowMap

SOURCES = [
    Source("lake", name, batch="b", rows=rows)
    for name, rows in {"a": 4, "b": 7, "c": 1, "d": 3}.items()
]
# A row of a model: the roles and sources of its parents, as (role, source name, row).
Row = frozenset[tuple[str, str, int]]


def rows_of(trace: Trace) -> list[Row]:
    """What a trace says of each row."""
    bounds = np.cumsum([0, *(source.rows or 0 for source in trace.sources)])
    found: list[set[tuple[str, str, int]]] = [set() for _ in range(trace.rows)]
    for role, each in trace.maps.items():
        assert len(each) == trace.rows
        assert each.size == trace.size
        for row in range(len(each)):
            for position in each.parents_of(row).tolist():
                at = int(np.searchsorted(bounds, position, side="right")) - 1
                found[row].add((role.value, trace.sources[at].name, position - int(bounds[at])))
    return [frozenset(each) for each in found]


@st.composite
def traces(draw: st.DrawFn, depth: int = 3) -> tuple[Trace, list[Row]]:
    """A trace made by random steps, and what it must say."""
    if depth == 0 or draw(st.booleans()):
        source = draw(st.sampled_from(SOURCES))
        rows = [frozenset({("kept", source.name, row)}) for row in range(source.rows or 0)]
        return trace_of(source), rows
    match draw(st.sampled_from(["step", "below", "beside", "nowhere"])):
        case "step":
            return draw(steps(traces(depth=depth - 1)))
        case "below":
            parts = draw(st.lists(traces(depth=depth - 1), min_size=1, max_size=3))
            return concatenated([part[0] for part in parts]), [
                row for part in parts for row in part[1]
            ]
        case "nowhere":
            trace, rows = draw(traces(depth=depth - 1))
            count = draw(st.integers(0, 3))
            added: list[Row] = [frozenset()] * count
            return concatenated([trace, without_parents(count)]), rows + added
        case _:
            one, rows = draw(traces(depth=depth - 1))
            other, more = draw(traces(depth=depth - 1))
            least = min(len(rows), len(more))
            cut = [each.then(RowMap.slice(0, least, each.rows)) for each in (one, other)]
            return side_by_side(cut), [rows[at] | more[at] for at in range(least)]


@st.composite
def steps(draw: st.DrawFn, before: st.SearchStrategy[Any]) -> tuple[Trace, list[Row]]:
    trace, rows = draw(before)
    numbers = st.integers(0, max(0, len(rows) - 1))
    lists = draw(st.lists(st.lists(numbers, max_size=3 if rows else 0), max_size=8))
    role = draw(st.sampled_from([Role.KEPT, Role.TRANSFORMED, Role.AGGREGATED]))
    offsets = np.cumsum([0, *map(len, lists)])
    step = RowMap.lists(
        offsets, np.array([row for each in lists for row in each], np.int64), len(rows)
    )
    strength = ["kept", "transformed", "aggregated"]
    made = [
        frozenset(
            (max(was, role.value, key=strength.index), source, row)
            for number in each
            for was, source, row in rows[number]
        )
        for each in lists
    ]
    return trace.then(step, role), made


@given(traces())
def test_every_step_against_brute_force(made: tuple[Trace, list[Row]]) -> None:
    trace, expected = made
    assert rows_of(trace) == expected


def test_equal_sources_are_one_and_copies_are_the_same() -> None:
    one = trace_of(SOURCES[0])
    both = concatenated([one, one])
    assert both.sources == (SOURCES[0],)
    assert both.maps[Role.KEPT] == RowMap.take([0, 1, 2, 3, 0, 1, 2, 3], 4)
    assert copy.copy(one) is one
    assert copy.deepcopy([one])[0] is one


def test_shards_that_are_put_together_are_the_whole_again() -> None:
    whole = trace_of(SOURCES[1])
    shards = [whole.then(RowMap.slice(at, min(at + 3, 7), 7)) for at in (0, 3, 6)]
    assert concatenated(shards) == whole


def test_what_is_assumed_stays_so() -> None:
    trace = trace_of(SOURCES[0])
    guessed = trace.then(RowMap.identity(4), Role.TRANSFORMED, assumed=True)
    assert not trace.assumed
    assert guessed.then(RowMap.slice(1, 2, 4)).assumed
    assert concatenated([trace, guessed]).assumed
    assert side_by_side([trace, guessed]).assumed


def test_a_source_of_unknown_size_has_no_trace() -> None:
    with pytest.raises(InvalidInputError, match="How many rows version 3 of lake raw has"):
        trace_of(Source("lake", "raw", version=3))


def test_a_step_over_other_rows_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="reads 5 rows, but this one wrote 4"):
        trace_of(SOURCES[0]).then(RowMap.identity(5))
