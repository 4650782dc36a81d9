"""Learns from which rows a mapped function made each row, where a batch comes in and others go out.

Rules:
1. The data a function gives is never changed. Two columns go with it through the library's files
   and caches, and are taken off afterwards: the first row each output came from, and how many from
   there on; -1 says that one is *assumed*.
2. A row's parents are what the function itself says in a column `PARENTS`, or a tokenizer in
   `overflow_to_sample_mapping`; else the row beside which the library puts the result, where an
   input column stays; else what evaluating rows by themselves shows (`alone`); else all rows of
   the batch.
3. Where as many rows come out as go in, the first batch of a process is evaluated by rows, and of
   later ones a row in 200. Where that shows one row for each, they are those of the same place: by
   its rows if they are equal, else assumed, because what is done to a batch keeps its order.
4. Where another number of rows comes out, or a column comes back in another order, every batch is
   evaluated by rows, until three in a row were more than their rows taken singly.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from registry.client.alone import Batch, Rows, Whole, as_lists, evaluate_rows, makes_one_each
from registry.client.sources import PARENTS
from registry.client.tables import is_of

FIRST = "registry_first_row"
COUNT = "registry_row_count"
OVERFLOW = "overflow_to_sample_mapping"
ASSUMED = -1
_TRIES = 3
_ROWS_FOR_ONE = 200
_MORE = 32


@dataclass(slots=True)
class _Memory:
    """What one process learned of the function so far; `one_each` is None where nothing."""

    one_each: bool | None = None
    failed: int = 0
    seen: int = 0
    looked_at: int = 0


@dataclass
class Watch:
    """A user's function on batches, and what the library does with its result.

    `kept`: the input columns that the library puts beside those of a mapping; `removed`: those that
    it takes away. `check_all`: the function is known to change the number of rows somewhere.
    """

    function: Callable[..., Any]
    with_indices: bool
    with_rank: bool
    kept: tuple[str, ...]
    removed: tuple[str, ...]
    check_all: bool = False
    memory: _Memory = field(default_factory=_Memory)

    def __getstate__(self) -> dict[str, Any]:
        # Equal functions hash alike, so the library finds its caches; other processes begin anew.
        return {**self.__dict__, "memory": _Memory()}

    def split(self, arguments: tuple[Any, ...]) -> tuple[tuple[Any, ...], Whole, tuple[Any, ...]]:
        """The inputs, the numbers of their rows, and what the user's function gets besides."""
        end = -2 if self.with_rank else -1
        indices = arguments[end]
        extra = (indices,) if self.with_indices else ()
        return arguments[:end], np.asarray(indices, np.int64), extra + arguments[end:][1:]

    def given(self, made: Any) -> list[str]:
        """The columns that come from the function itself, as the library sees it."""
        if not isinstance(made, Mapping):
            return list(getattr(made, "column_names", None) or made.columns)
        untouched = getattr(made, "keys_to_format", None)
        if untouched is None:
            return list(made)
        # The function gave back the batch it got: what it did not set is not its own.
        return [name for name in made if name not in untouched and name not in self.removed]

    def label(
        self,
        inputs: tuple[Any, ...],
        rows: Whole,
        made: Any,
        seconds: float = 0.0,
        by_row: Callable[[int], Any] | None = None,
    ) -> Any:
        """What the function made of these rows, with the two columns of rule 1; as it is where it
        says PARENTS. `seconds` is how long it took; `by_row` evaluates one row, by its place.
        """
        given = self.given(made)
        if PARENTS in given:
            return made
        if isinstance(made, Mapping) and any(name not in given for name in self.kept):
            return _with_columns(made, rows, 1)
        if OVERFLOW in given:
            return _with_columns(made, rows[np.asarray(made[OVERFLOW], np.int64)], 1)
        size = _length(made, given, rows.size)
        batch = None
        if by_row is not None:
            batch = self._batch(made, given, size, rows.size, seconds, by_row)
        same_number = size == rows.size and not _is_reordered(made, given, inputs)
        if same_number and not self.check_all:
            settled = self._settle(batch, rows, made)
            if settled is not None:
                return settled
        self.memory.one_each = False
        counts = None
        if batch is not None and self.memory.failed < _TRIES:
            counts = evaluate_rows(batch).counts
            self.memory.failed = 0 if counts is not None else self.memory.failed + 1
        if counts is not None:
            return _with_columns(made, np.repeat(rows, counts), 1)
        return _with_columns(made, np.full(size, rows[0] if rows.size else 0), rows.size)

    def _settle(self, batch: Batch | None, rows: Whole, made: Any) -> Any:
        """The result of a batch that kept its number of rows (rule 3), or None: it is unclear."""
        memory = self.memory
        if batch is None:
            return _with_columns(made, rows, ASSUMED)
        if memory.one_each is None:
            found = evaluate_rows(batch, more=_MORE)
            memory.one_each = found.one_each
            memory.seen = memory.looked_at = rows.size
            if found.counts is not None:
                return _with_columns(made, np.repeat(rows, found.counts), 1)
        elif memory.one_each:
            memory.seen += rows.size
            due = max(0, min(rows.size, memory.seen // _ROWS_FOR_ONE - memory.looked_at))
            memory.looked_at += due
            some = np.linspace(0, rows.size - 1, due, dtype=int).tolist()
            memory.one_each = makes_one_each(batch, some)
        return _with_columns(made, rows, ASSUMED) if memory.one_each else None

    def _batch(
        self,
        made: Any,
        given: Sequence[str],
        size: int,
        rows: int,
        seconds: float,
        by_row: Callable[[int], Any],
    ) -> Batch:
        def evaluate(at: int) -> dict[str, list[Any]] | None:
            single = by_row(at)
            return None if single is None else as_lists(single, self.given(single))

        return Batch(_Lazily(made, given), size, rows, seconds, evaluate)


class _Lazily(Mapping[str, Sequence[Any]]):
    """Columns that become lists when they are first compared."""

    def __init__(self, made: Any, given: Sequence[str]) -> None:
        self._made = made
        self._given = given
        self._lists: dict[str, list[Any]] | None = None

    def __getitem__(self, name: str) -> Sequence[Any]:
        if self._lists is None:
            self._lists = as_lists(self._made, self._given)
        return self._lists[name]

    def __iter__(self) -> Any:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


def watched(watch: Watch, /, *arguments: Any, **named: Any) -> Any:
    """The user's function with its result labelled; what the library calls in its place."""
    inputs, rows, extra = watch.split(arguments)
    before = tuple(dict(each) if type(each) is dict else each for each in inputs)
    began = time.monotonic()
    made = watch.function(*inputs, *extra, **named)
    seconds = time.monotonic() - began
    if made is None:
        return None

    whole: list[Rows] = []

    def by_row(at: int) -> Any:
        if not whole:
            whole.append(Rows(before))
        own = (extra[0][at : at + 1], *extra[1:]) if watch.with_indices else extra
        return watch.function(*whole[0].at(at), *own, **named)

    return watch.label(before, rows, made, seconds, by_row)


async def watched_async(watch: Watch, /, *arguments: Any, **named: Any) -> Any:
    """As `watched` for an asynchronous function, whose rows are not evaluated singly."""
    inputs, rows, extra = watch.split(arguments)
    made = await watch.function(*inputs, *extra, **named)
    return None if made is None else watch.label(inputs, rows, made)


def _length(made: Any, given: Sequence[str], otherwise: int) -> int:
    """How many rows a result has; a mapping without columns changes none."""
    if not isinstance(made, Mapping):
        return len(made)
    return len(made[given[0]]) if given else otherwise


def _is_reordered(made: Any, given: Sequence[str], inputs: tuple[Any, ...]) -> bool:
    """Did a column come back with the same values in another order?"""
    before = inputs[0] if len(inputs) == 1 else None
    if before is made or not isinstance(before, Mapping) or not isinstance(made, Mapping):
        return False
    unread: frozenset[str] = getattr(before, "keys_to_format", frozenset())
    for name in given:
        if name in before and name not in unread:
            one, other = before[name], made[name]
            if one is other or len(one) != len(other):
                continue
            try:
                one, other = list(one), list(other)
                if one != other and Counter(one) == Counter(other):
                    return True
            except (TypeError, ValueError):
                continue  # what cannot be hashed or compared tells nothing
    return False


def _with_columns(made: Any, first: Whole, count: int) -> Any:
    counts = np.full(first.size, count, np.int64)
    if isinstance(made, pa.Table):
        return made.append_column(FIRST, pa.array(first)).append_column(COUNT, pa.array(counts))
    if is_of(made, "pandas", "DataFrame"):
        return made.assign(**{FIRST: first, COUNT: counts})
    if is_of(made, "polars", "DataFrame"):
        import polars

        return made.with_columns(polars.Series(FIRST, first), polars.Series(COUNT, counts))
    if hasattr(made, "keys_to_format"):
        made[FIRST], made[COUNT] = first, counts
        return made
    return {**made, FIRST: first, COUNT: counts}
