"""Evaluates the rows of a batch one by one, to learn which of them made which rows.

Rules:
1. Rows that make, each by itself and in order, the very rows that the batch made are their parents.
2. It stops at the first difference, and when it has taken `TIMES` as long as the batch did: what is
   dear is not done again for the sake of lineage.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from registry.client.tables import is_of

TIMES = 3.0
LEAST_SECONDS = 1.0
MOST_SECONDS = 10.0
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """What a function made of a batch: its columns, how long it took, and a way to try one row.

    `columns` are lists of `size` values; `evaluate` gives the columns for one of `rows` rows, None
    where it makes nothing of it.
    """

    columns: Mapping[str, Sequence[Any]]
    size: int
    rows: int
    seconds: float
    evaluate: Callable[[int], Mapping[str, Sequence[Any]] | None]


@dataclass(frozen=True, slots=True)
class Found:
    """How many rows each row made, n int64, None where that is not known (rule 1); and whether each
    row that was looked at makes exactly one.
    """

    counts: Whole | None
    one_each: bool


def evaluate_rows(batch: Batch, *, more: int = 0) -> Found:
    """Try every row by itself (rules 1 and 2).

    `more`: how many rows are looked at, after the first that differs, to see that each makes one.
    """
    until = time.monotonic() + min(MOST_SECONDS, max(LEAST_SECONDS, TIMES * batch.seconds))
    counts, position, left = np.zeros(batch.rows, np.int64), 0, more
    same = one_each = True
    for at in range(batch.rows):
        part = _try(batch, at)
        if part is None:
            return Found(None, False)
        size = _size(part)
        one_each = one_each and size == 1
        if same and not _is_there(batch, part, position, size):
            same = False
        if not same:
            if not one_each or left <= 0:
                return Found(None, one_each)
            left -= 1
        counts[at] = size
        position += size
        if time.monotonic() > until:
            return Found(None, one_each)
    return Found(counts if same and position == batch.size else None, one_each)


def makes_one_each(batch: Batch, rows: Sequence[int]) -> bool:
    """Does each of these rows make exactly one row by itself?"""
    for at in rows:
        part = _try(batch, at)
        if part is None or _size(part) != 1:
            return False
    return True


def _try(batch: Batch, at: int) -> Mapping[str, Sequence[Any]] | None:
    try:
        part = batch.evaluate(at)
    except Exception:  # noqa: BLE001 - a function that takes no single row may raise anything
        return None
    return part if part is not None and part.keys() == batch.columns.keys() else None


def _size(part: Mapping[str, Sequence[Any]]) -> int:
    return len(next(iter(part.values()), ()))


def _is_there(batch: Batch, part: Mapping[str, Sequence[Any]], position: int, size: int) -> bool:
    end = position + size
    return end <= batch.size and all(
        _same(column, batch.columns[name][position:end]) for name, column in part.items()
    )


def _same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    try:
        # Mostly they are plain and equal, and that is quickly seen.
        if (one == other) is True:
            return True
    except (TypeError, ValueError):
        pass
    return _equal(list(one), list(other))


class Rows:
    """The inputs of a mapped function as they were, one row at a time, in the form of the whole."""

    def __init__(self, inputs: Sequence[Any]) -> None:
        self._rows = [_row_of(value) for value in inputs]

    def at(self, place: int) -> tuple[Any, ...]:
        """The inputs for one row of the batch."""
        return tuple(row(place) for row in self._rows)


def _row_of(value: Any) -> Callable[[int], Any]:
    if hasattr(value, "pa_table") and hasattr(value, "keys_to_format"):
        return _lazy_row_of(value)
    if isinstance(value, Mapping):
        return lambda at: {name: column[at : at + 1] for name, column in value.items()}
    if isinstance(value, pa.Table):
        return lambda at: value.slice(at, 1)
    if is_of(value, "pandas", "DataFrame", "Series"):
        return lambda at: value.iloc[at : at + 1]
    return lambda at: value[at : at + 1]


def _lazy_row_of(batch: Any) -> Callable[[int], Any]:
    """Rows of a batch that decodes a column when it is first read: those read are read again.

    What the function was given it may have changed; the table under it is what it was.
    """
    kind: Any = type(batch)
    table, formatter = batch.pa_table, batch.formatter
    fresh = kind(table, formatter)
    columns = {name: fresh[name] for name in fresh if name not in batch.keys_to_format}
    names, left = list(fresh), frozenset(fresh) - frozenset(columns)

    def row(at: int) -> Any:
        one = kind.__new__(kind)
        one.pa_table, one.formatter = _RowLater(table, at), formatter
        one.data = {n: columns[n][at : at + 1] if n in columns else None for n in names}
        one.keys_to_format = set(left)
        return one

    return row


class _RowLater:
    """A row of a table that is cut out when it is needed, which it mostly is not."""

    def __init__(self, table: Any, at: int) -> None:
        self._table = table
        self._at = at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table.slice(self._at, 1), name)


def as_lists(made: Any, names: Sequence[str]) -> dict[str, list[Any]]:
    """The columns of what a mapped function gave."""
    if isinstance(made, pa.Table):
        return {name: made.column(name).to_pylist() for name in names}
    return {name: list(made[name]) for name in names}


def _equal(one: Any, other: Any) -> bool:
    """Whether two values are the same, arrays and missing numbers included."""
    if one is other:
        return True
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if hasattr(one, "__array__") or hasattr(other, "__array__"):
        return _equal(np.asarray(one).tolist(), np.asarray(other).tolist())
    return bool(one == other)
