"""Hugging Face datasets that remember where each of their rows comes from.

Rules:
1. A `Dataset` is an Arrow table and, after `filter`, `select`, `shuffle`, `sort` or
   `train_test_split`, a list of rows of it (`_indices`). The trace belongs to the table; the list
   is a row map already. So these steps cost nothing, and a trace is never out of step.
2. Only steps that make another table are captured: a contiguous `select` (a slice), `map`,
   `concatenate_datasets`, `interleave_datasets`, `repeat`, `batch`, `add_column`, `add_item`.
3. What is not captured is said when the dataset is written, and never guessed: a dataset that was
   concatenated with one that is not tracked, streaming (`to_iterable_dataset`), and whatever leaves
   the library and comes back (`to_pandas`, `save_to_disk`): track it anew.
4. Data, formats and order are the library's own. A batched `map` of a tracked dataset has a cache
   of its own; all other steps share it with datasets that are not tracked.

Made for datasets 4 and 5; it rests on `Dataset._data`, `_indices`, `_select_contiguous`,
`_new_dataset_with_indices` and `_concatenate_map_style_datasets`.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

import datasets
import datasets.arrow_dataset
import datasets.combine
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from registry.client.derivation import Derivation
from registry.client.mapping import ASSUMED, COUNT, FIRST, Watch, watched, watched_async
from registry.client.sources import PARENTS, Source
from registry.client.trace import (
    Trace,
    concatenated,
    side_by_side,
    trace_of,
    without_parents,
)
from registry.errors import InvalidInputError
from registry.ledger.positions import ranges
from registry.ledger.rowmap import NO_PARENT, Role, RowMap

_T = TypeVar("_T")
# Every row of a batch is a parent of every row made of it: what a map may grow to, in parents.
MOST_PARENTS = 200_000_000
_LOST = "_registry_lost"
_TRACE = "_registry_trace"


class TrackedDataset(datasets.Dataset):  # type: ignore[misc]  # the library has no types of its own
    """A `datasets.Dataset` whose rows are traced; made by `track`, and by its own methods."""

    def map(self, *args: Any, **kwargs: Any) -> Any:
        """As `Dataset.map`; a batched function's rows are traced as `registry.client.mapping` says.

        A column `registry_parents` in what the function gives says it outright: for each row made
        the number, or a list of numbers, of the rows it came from (`with_indices=True` gives them).
        """
        bound = inspect.signature(datasets.Dataset.map).bind(self, *args, **kwargs)
        options = {name: value for name, value in bound.arguments.items() if name != "self"}
        if not len(self) or options.get("function") is None:
            return _tagged(_plain(self).map(**options), _rows_trace(self))
        if not options.get("batched"):
            return _mapped(self, _plain(self).map(**options), row_by_row=True)
        made = _plain(self).map(**_with_watch(self, options))
        if _guessed(made):
            options = {**options, "load_from_cache_file": False}
            made = _plain(self).map(**_with_watch(self, options, check_all=True))
        return _mapped(self, made, row_by_row=False)

    def filter(self, *args: Any, **kwargs: Any) -> Any:
        """As `Dataset.filter`, whose result is a list of rows of the same table."""
        return _same_table(self, _plain(self).filter(*args, **kwargs))

    def batch(self, *args: Any, **kwargs: Any) -> Any:
        """As `Dataset.batch`: successive rows become one, so each has as many as its lists hold."""
        made = _plain(self).batch(*args, **kwargs)
        before = _rows_trace(self)
        if not isinstance(before, Trace) or not len(made):
            return _tagged(made, before)
        counts = pc.list_value_length(made.data.column(0)).to_numpy().astype(np.int64)
        offsets = np.concatenate(([0], np.cumsum(counts)))
        step = RowMap.lists(offsets, np.arange(offsets[-1]), len(self))
        return _tagged(made, before.then(step, Role.AGGREGATED))

    def add_column(self, *args: Any, **kwargs: Any) -> Any:
        """As `Dataset.add_column`."""
        before = _rows_trace(self)
        if isinstance(before, Trace):
            before = before.then(RowMap.identity(len(self)), Role.TRANSFORMED)
        return _tagged(_plain(self).add_column(*args, **kwargs), before)

    def add_item(self, *args: Any, **kwargs: Any) -> Any:
        """As `Dataset.add_item`: the new row, the table's last, comes from nowhere known."""
        found = _table_trace(self)
        if isinstance(found, Trace):
            found = concatenated([found, without_parents(1)])
        return _tagged(_plain(self).add_item(*args, **kwargs), found)

    def _select_contiguous(self, start: int, length: int, new_fingerprint: Any = None) -> Any:
        made = _plain(self)._select_contiguous(start, length, new_fingerprint=new_fingerprint)
        found = _table_trace(self)
        if made._indices is None and isinstance(found, Trace) and len(self):
            first = start if length else 0
            found = found.then(RowMap.slice(first, first + length, found.rows))
        return _tagged(made, found)

    def _new_dataset_with_indices(self, *args: Any, **kwargs: Any) -> Any:
        return _same_table(self, _plain(self)._new_dataset_with_indices(*args, **kwargs))


def track(dataset: _T, source: Source | Mapping[str, Source]) -> _T:
    """The dataset, its rows being those of `source` in order; a DatasetDict split by split.

    Raises InvalidInputError for what is no Dataset, and where the source has another number of
    rows. Cost: nothing is copied but the list of rows, if it has one.
    """
    if isinstance(dataset, datasets.DatasetDict):
        if not isinstance(source, Mapping) or set(source) != set(dataset):
            given = sorted(source) if isinstance(source, Mapping) else str(source)
            raise InvalidInputError(
                f"The DatasetDict has the splits {sorted(dataset)}, the sources are {given}.",
                remedy="Give a source for each split: {split: source}.",
            )
        tracked = {split: track(dataset[split], source[split]) for split in dataset}
        return cast("_T", datasets.DatasetDict(tracked))
    if not isinstance(dataset, datasets.Dataset) or isinstance(source, Mapping):
        raise InvalidInputError(
            f"A {type(dataset).__name__} cannot be tracked.",
            remedy="Give a datasets.Dataset that was loaded without streaming, and one source.",
        )
    if source.rows is None:
        source = replace(source, rows=len(dataset))
    if source.rows != len(dataset):
        raise InvalidInputError(
            f"The dataset has {len(dataset)} rows, but {source} has {source.rows}.",
            remedy="Track the rows of the source as they are, before any step.",
        )
    plain = _plain(dataset)
    found = trace_of(source)
    if plain._indices is not None:
        rows = _indices(plain)
        if np.unique(rows).size != rows.size:
            plain = plain.flatten_indices()
        else:
            parents = np.full(len(plain._data), NO_PARENT, np.uint64)
            parents[rows] = np.arange(rows.size)
            found = Trace((source,), {Role.KEPT: RowMap.take(parents, rows.size)})
    return cast("_T", _tagged(plain, found))


def lineage_of(dataset: Any) -> Trace:
    """The trace of a tracked dataset's rows, in their order.

    Raises InvalidInputError for a dataset that is not tracked, or of which a step lost track.
    """
    if not isinstance(dataset, TrackedDataset):
        raise InvalidInputError("The dataset is not tracked.", remedy="Use run.track(…) on it.")
    found = _rows_trace(dataset)
    if isinstance(found, Trace):
        return found
    raise InvalidInputError(
        found,
        remedy="Track what is missing, or say derived_from=…; derived_from=None records that "
        "nobody knows.",
    )


def derivations(dataset: Any, role: str | None) -> list[Derivation]:
    """What is recorded of a tracked dataset. `role` is that of rows which a step made anew, or,
    where none did, of all. Raises InvalidInputError as `lineage_of`.
    """
    found = lineage_of(dataset)
    made = [each for each in found.maps if each is not Role.KEPT]
    method = "equal_row_counts" if found.assumed else None
    return [
        Derivation(
            found.sources,
            rows,
            role if role is not None and (each in made or not made) else each,
            method=method if each in made else None,
        )
        for each, rows in found.maps.items()
        if found.sources
    ]


def _plain(dataset: Any) -> Any:
    """The same dataset without what is added here; tables are shared."""
    same = copy.copy(dataset)
    same.__class__ = datasets.Dataset
    same.__dict__.pop(_TRACE, None)
    same.__dict__.pop(_LOST, None)
    return same


def _tagged(dataset: Any, found: Trace | str) -> Any:
    """The dataset with the trace of its table, or the reason why there is none."""
    if not isinstance(dataset, datasets.Dataset):
        return dataset
    same = copy.copy(dataset)
    same.__class__ = TrackedDataset
    if isinstance(found, Trace) and found.rows != len(same._data):
        found = (
            f"A step gave a table of {len(same._data)} rows where {found.rows} were expected; "
            "this version of datasets does it in a way that is not known here."
        )
    same.__dict__[_TRACE if isinstance(found, Trace) else _LOST] = found
    return same


def _table_trace(dataset: Any) -> Trace | str:
    found = dataset.__dict__.get(_TRACE)
    return found if isinstance(found, Trace) else dataset.__dict__.get(_LOST, "It is not tracked.")


def _rows_trace(dataset: Any) -> Trace | str:
    """The trace of the rows as they are read: the table's, through the list of rows (rule 1)."""
    found = _table_trace(dataset)
    if isinstance(found, Trace) and dataset._indices is not None:
        return found.then(RowMap.take(_indices(dataset), found.rows))
    return found


def _indices(dataset: Any) -> Any:
    """The list of rows, n uint64."""
    return dataset._indices.column(0).to_numpy().astype(np.uint64)


def _same_table(before: TrackedDataset, made: Any) -> Any:
    return _tagged(made, _table_trace(before))


def _with_watch(
    dataset: Any, options: Mapping[str, Any], *, check_all: bool = False
) -> dict[str, Any]:
    """The options of a batched map with the function watched."""
    function = options["function"]
    removed = options.get("remove_columns") or ()
    removed = {removed} if isinstance(removed, str) else set(removed)
    merged = dataset._format_type not in ("arrow", "pandas", "polars")
    watch = Watch(
        function,
        with_indices=bool(options.get("with_indices")),
        with_rank=bool(options.get("with_rank")),
        kept=tuple(name for name in dataset.column_names if merged and name not in removed),
        removed=tuple(sorted(removed)),
        check_all=check_all,
    )
    call = watched_async if inspect.iscoroutinefunction(function) else watched
    changed = {**options, "function": functools.partial(call, watch), "with_indices": True}
    if options.get("features") is not None:
        numbers = dict.fromkeys((FIRST, COUNT), datasets.Value("int64"))
        changed["features"] = datasets.Features({**options["features"], **numbers})
    return changed


def _guessed(made: Any) -> bool:
    """Was the order assumed for some rows of a function that changed the number of others?"""
    if COUNT not in made.column_names:
        return False
    assumed = made.data.column(COUNT).to_numpy() == ASSUMED
    in_place = np.arange(len(made)) == made.data.column(FIRST).to_numpy()
    return bool(assumed.any()) and not bool(in_place.all())


def _mapped(before: TrackedDataset, made: Any, *, row_by_row: bool) -> Any:
    """The result of a map with its trace, and without the columns that were added for it."""
    found = _rows_trace(before)
    if made._fingerprint == before._fingerprint:
        return _tagged(_plain(before), _table_trace(before))  # the function gave nothing
    added = [name for name in (PARENTS, FIRST, COUNT) if name in made.column_names]
    if not added:
        if not row_by_row:
            found = "The result of a batched map was in a cache file that tells no parents of rows."
        elif isinstance(found, Trace):
            found = found.then(RowMap.identity(len(before)), Role.TRANSFORMED)
        return _tagged(made, found)
    columns = {name: made.data.column(name) for name in added}
    made = made.remove_columns(added)
    if not isinstance(found, Trace):
        return _tagged(made, found)
    if PARENTS in columns:
        step, role = _said(columns[PARENTS], len(before))
        return _tagged(made, found.then(step, role))
    return _tagged(made, _learned(found, columns[FIRST], columns[COUNT]))


def _said(column: Any, size: int) -> tuple[RowMap, Role]:
    """The step as the function said it. Raises InvalidInputError for rows that are not there."""
    from registry.client.derivation import compile_derivation

    given = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    there = Source("the dataset", "that is mapped", batch="rows", rows=size)
    compiled = compile_derivation(Derivation(there, given), len(given))
    if compiled.map is None:
        raise InvalidInputError(
            f"The column {PARENTS} holds {given.type}.",
            remedy="Give the numbers of rows, or lists of them.",
        )
    lists = pa.types.is_nested(given.type) and compiled.role == Role.AGGREGATED
    return compiled.map, Role.AGGREGATED if lists else Role.TRANSFORMED


def _learned(before: Trace, first: Any, count: Any) -> Trace | str:
    starts, counts = first.to_numpy(), count.to_numpy()
    assumed = bool((counts == ASSUMED).any())
    counts = np.abs(counts)
    if not (counts > 1).any():
        return before.then(RowMap.take(starts, before.rows), Role.TRANSFORMED, assumed=assumed)
    total = int(counts.sum())
    if total > MOST_PARENTS:
        return (
            f"Each row that a batched map made came from all rows of its batch, which is {total} "
            f"parents; say which it came from in a column {PARENTS}, or use a smaller batch_size."
        )
    offsets = np.concatenate(([0], np.cumsum(counts)))
    step = RowMap.lists(offsets, ranges(starts, counts), before.rows)
    return before.then(step, Role.AGGREGATED, assumed=assumed)


def _capture_concatenation() -> None:
    """See to it that concatenating tracked datasets gives a tracked one; others go as they did."""
    original = datasets.arrow_dataset._concatenate_map_style_datasets

    @functools.wraps(original)
    def concatenate(
        dsets: Sequence[Any], info: Any = None, split: Any = None, axis: int = 0
    ) -> Any:
        if not any(isinstance(each, TrackedDataset) for each in dsets):
            return original(dsets, info=info, split=split, axis=axis)
        made = original([_plain(each) for each in dsets], info=info, split=split, axis=axis)
        return _tagged(made, _below(dsets) if axis == 0 else _beside(dsets))

    datasets.arrow_dataset._concatenate_map_style_datasets = concatenate
    datasets.combine._concatenate_map_style_datasets = concatenate


def _below(parts: Sequence[Any]) -> Trace | str:
    present = [each for each in parts if len(each)] or list(parts[:1])
    traces = []
    for at, each in enumerate(present):
        found = _table_trace(each) if isinstance(each, TrackedDataset) else None
        if found is None:
            return f"Dataset {at} of {len(present)} that were concatenated is not tracked."
        if not isinstance(found, Trace):
            return found
        traces.append(found)
    return concatenated(traces)


def _beside(parts: Sequence[Any]) -> Trace | str:
    """Columns of datasets that are not tracked are new, as those of `add_column` are."""
    present = [each for each in parts if len(each)] or list(parts[:1])
    one = len(present) == 1
    found = [
        _table_trace(each) if one else _rows_trace(each)
        for each in present
        if isinstance(each, TrackedDataset)
    ]
    lost = next((each for each in found if not isinstance(each, Trace)), None)
    if lost is not None:
        return lost
    joined = side_by_side([each for each in found if isinstance(each, Trace)])
    if len(found) == len(present):
        return joined
    return joined.then(RowMap.identity(joined.rows), Role.TRANSFORMED)


_capture_concatenation()
