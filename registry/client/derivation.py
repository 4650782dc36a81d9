"""Turns what a pipeline knows of where rows came from into row maps.

Rules (DESIGN §2):
1. A derivation is given as a RowMap, a mask over the inputs, the inputs' row numbers (one for each
   output, or a list for each), a slice, None for "the same rows in the same order", or the inputs'
   example ids.
2. Several inputs are one space of rows, counted through in their order; a map covers every row of
   the output, and a row without a parent has NO_PARENT (or None in a list).
3. Nothing is guessed: a mask of another length, a row number out of range or below zero, an id that
   is unknown or stands for two rows are refused with the name of the input.
4. Ids that the pipeline cannot resolve itself travel as an object of kind `parents`, which the
   registry joins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from registry.client.sources import Source, rows_of
from registry.client.tables import as_array, is_of
from registry.errors import InvalidInputError
from registry.ledger.rowmap import NO_PARENT, NO_PARENT_WIDE, Role, RowMap
from registry.ledger.rowmap_codec import Form

INLINE_PARENTS = 1_000
Given: TypeAlias = "Mapping[Any, Any] | Iterable[Derivation]"


@dataclass(frozen=True, slots=True)
class Derivation:
    """How the rows of an output came from those of `inputs`, one source or several in order.

    `rows` is one of rule 1. `role` defaults to `kept` where each row has one parent at most, else
    to `aggregated`. `score` and `method` say how near a near duplicate is, and who says so.
    """

    inputs: Source | tuple[Source, ...]
    rows: Any = None
    role: str | None = None
    score: float | None = None
    method: str | None = None

    @property
    def sources(self) -> tuple[Source, ...]:
        """The inputs, always as a tuple."""
        return (self.inputs,) if isinstance(self.inputs, Source) else tuple(self.inputs)

    def __str__(self) -> str:
        return " and ".join(map(str, self.sources))


@dataclass(frozen=True, slots=True)
class Compiled:
    """A derivation ready to travel: a map, or for each output the ids of its parents (rule 4)."""

    derivation: Derivation
    role: str
    map: RowMap | None = None
    parent_ids: pa.Array | None = None

    @property
    def outputs(self) -> int:
        """The rows of the output."""
        found = self.map if self.map is not None else self.parent_ids
        assert found is not None
        return len(found)


def as_derivations(given: Given, role: str | None) -> list[Derivation]:
    """Derivations from `{source or sources: rows}`, or from a list of them as it is.

    Raises InvalidInputError for a key that is no Source.
    """
    if isinstance(given, Mapping):
        return [
            rows if isinstance(rows, Derivation) else Derivation(_as_sources(key), rows, role)
            for key, rows in given.items()
        ]
    return list(given)


def _as_sources(key: object) -> tuple[Source, ...]:
    found = key if isinstance(key, tuple) else (key,)
    for source in found:
        if not isinstance(source, Source):
            raise InvalidInputError(
                f"derived_from names {source!r}, and which rows that is nobody said.",
                remedy="Use what run.read(…) or run.write(…) gave, or a tuple of these.",
            )
    return found


def compile_derivation(derivation: Derivation, outputs: int | None) -> Compiled:
    """The row map of a derivation; `outputs` is None where the rows of the output are not known.

    Raises InvalidInputError, naming the inputs and the two numbers that disagree (rule 3).
    """
    if derivation.role is not None and derivation.role not in set(Role):
        raise _refused(
            derivation, f"has the role {derivation.role!r}", f"Use one of {', '.join(Role)}."
        )
    for source in derivation.sources:
        if (source.batch is None) == (source.version is None):
            raise _refused(
                derivation,
                f"is to lead to {source.dataset}, and which of its rows these are is not said",
                "Say run.read(…, version=…) or batch=….",
            )
    size = rows_of(derivation.sources)
    found = _read(derivation, size, outputs)
    if outputs is not None and len(found) != outputs:
        raise _refused(
            derivation,
            f"covers {len(found)} rows, but {outputs} are written",
            "Give one entry for each row that is written; NO_PARENT where it has no parent.",
        )
    if not isinstance(found, RowMap):
        return Compiled(derivation, derivation.role or Role.KEPT, parent_ids=found)
    if size is not None and found.size != size:
        raise _refused(
            derivation,
            f"is a map over {found.size} rows, but there are {size}",
            "Make the map over all rows of the inputs.",
        )
    default = Role.AGGREGATED if found.form is Form.LISTS else Role.KEPT
    return Compiled(derivation, derivation.role or default, map=found)


def _read(derivation: Derivation, size: int | None, outputs: int | None) -> RowMap | pa.Array:
    rows = derivation.rows
    if isinstance(rows, RowMap):
        return rows
    if rows is None:
        known = _known(derivation, size if size is not None else outputs)
        return RowMap.identity(known)
    if isinstance(rows, slice):
        known = _known(derivation, size)
        start, stop, step = rows.indices(known)
        if step == 1:
            return RowMap.slice(start, max(start, stop), known)
        return RowMap.take(np.arange(start, stop, step), known)
    if is_of(rows, "numpy", "ndarray") and rows.dtype.kind in "iub":
        return _of_numbers(derivation, rows, size)
    column = as_array(rows, f"derived_from for {derivation}")
    kind = column.type
    if pa.types.is_boolean(kind):
        if column.null_count:
            raise _refused(
                derivation, f"has a mask with {column.null_count} nulls", "Fill them with False."
            )
        return _of_numbers(derivation, column.to_numpy(zero_copy_only=False), size)
    if pa.types.is_null(kind):
        return RowMap.take(np.full(len(column), NO_PARENT, np.uint32), _known(derivation, size))
    if pa.types.is_integer(kind):
        return _of_nullable(derivation, column, size)
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    inner = kind.value_type if is_list or pa.types.is_fixed_size_list(kind) else kind
    if pa.types.is_string(inner) or pa.types.is_large_string(inner):
        return _of_ids(derivation, column)
    if inner is not kind and (pa.types.is_integer(inner) or pa.types.is_null(inner)):
        return _of_lists(derivation, column, size)
    raise _refused(
        derivation,
        f"is given as {kind}",
        "Give a RowMap, a mask, row numbers, lists of row numbers, or example ids.",
    )


def _of_numbers(derivation: Derivation, rows: Any, size: int | None) -> RowMap:
    """A mask, row numbers, or a table of row numbers with a fixed count for each output."""
    if rows.dtype.kind == "b":
        if rows.ndim != 1 or (size is not None and rows.size != size):
            raise _refused(
                derivation,
                f"has a mask of {rows.size} rows, but there are {size}",
                "Give one True or False for each row of the inputs.",
            )
        return RowMap.take(np.flatnonzero(rows), rows.size)
    known = _known(derivation, size)
    if rows.ndim == 2:
        offsets = np.arange(rows.shape[0] + 1, dtype=np.int64) * rows.shape[1]
        _check_range(derivation, rows, known)
        return RowMap.lists(offsets, rows.ravel(), known)
    _check_range(derivation, rows, known)
    return RowMap.take(rows, known)


def _of_nullable(derivation: Derivation, column: Any, size: int | None) -> RowMap:
    known = _known(derivation, size)
    rows = column.drop_null().to_numpy(zero_copy_only=False)
    _check_range(derivation, rows, known)
    if not column.null_count:
        return RowMap.take(rows, known)
    wide = known > NO_PARENT
    parents = np.full(len(column), NO_PARENT_WIDE if wide else NO_PARENT, np.uint64)
    parents[column.is_valid().to_numpy(zero_copy_only=False)] = rows
    return RowMap.take(parents, known)


def _of_lists(derivation: Derivation, column: Any, size: int | None) -> RowMap:
    known = _known(derivation, size)
    counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    rows = pc.list_flatten(column).cast(pa.int64()).drop_null().to_numpy()
    _check_range(derivation, rows, known)
    offsets = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
    return RowMap.lists(offsets, rows, known)


def _of_ids(derivation: Derivation, column: Any) -> RowMap | pa.Array:
    """Resolve ids where those of all inputs are at hand; else leave it to the registry (rule 4)."""
    if any(source.ids is None for source in derivation.sources):
        if not pa.types.is_list(column.type):
            offsets = np.concatenate(([0], np.cumsum(column.is_valid().to_numpy(False))))
            column = pa.ListArray.from_arrays(
                pa.array(offsets.astype(np.int32)), column.drop_null().cast(pa.string())
            )
        return column.cast(pa.list_(pa.string()))
    known_ids = pa.concat_arrays(
        [
            as_array(source.ids, f"the ids of {source}").cast(pa.string())
            for source in _with_ids(derivation)
        ]
    )
    if pc.count_distinct(known_ids).as_py() != len(known_ids):
        raise _refused(
            derivation, "has an id that stands for two rows", "Give row numbers instead of ids."
        )
    is_list = not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type))
    wanted = (pc.list_flatten(column) if is_list else column).cast(pa.string())
    rows = pc.index_in(wanted, value_set=known_ids)
    unknown = wanted.filter(pc.and_(pc.is_null(rows), pc.is_valid(wanted)))
    if len(unknown):
        raise _refused(
            derivation,
            f"names the example id {unknown[0].as_py()!r}, which is not among its {len(known_ids)}",
            "Correct the id, or leave it out where the row has no parent.",
        )
    if not is_list:
        return _of_nullable(derivation, rows, len(known_ids))
    lists = pa.LargeListArray.from_arrays(
        pa.array(np.concatenate(([0], np.cumsum(pc.fill_null(pc.list_value_length(column), 0))))),
        rows,
    )
    return _of_lists(derivation, lists, len(known_ids))


def _with_ids(derivation: Derivation) -> Sequence[Source]:
    return [source for source in derivation.sources if source.ids is not None]


def _known(derivation: Derivation, size: int | None) -> int:
    if size is None:
        raise _refused(
            derivation,
            "is derived from, and how many rows it has is not known",
            "Say run.read(…, rows=…), or give a RowMap or a mask.",
        )
    return size


def _check_range(derivation: Derivation, rows: Any, size: int) -> None:
    """Rule 3; NO_PARENT stands for no row. `rows`: n whole numbers of any shape."""
    if not rows.size:
        return
    lowest = int(rows.min())
    present = (
        rows if int(rows.max()) < size else rows[(rows != NO_PARENT) & (rows != NO_PARENT_WIDE)]
    )
    highest = int(present.max()) if present.size else 0
    if lowest < 0 or highest >= size > 0 or (size == 0 and present.size):
        wrong = lowest if lowest < 0 else highest
        raise _refused(
            derivation,
            f"has {size} rows, counted from 0, and row {wrong} is named",
            "Correct the row number; NO_PARENT stands for a row without a parent.",
        )


def _refused(derivation: Derivation, problem: str, remedy: str) -> InvalidInputError:
    return InvalidInputError(f"{derivation} {problem}.", remedy=remedy, path="derived_from")


def inline_map(found: RowMap) -> dict[str, Any] | None:
    """The map in place, as the facet has it; None where it, or a number in it, is too large."""
    if found.form is Form.RANGE:
        return {
            "form": "range",
            "start": found.start,
            "stop": found.start + len(found),
            "size": found.size,
        }
    assert found.parents is not None
    if max(found.parents.size, len(found)) > INLINE_PARENTS or found.size > NO_PARENT:
        return None
    inline: dict[str, Any] = {
        "form": found.form.value,
        "parents": found.parents.tolist(),
        "size": found.size,
    }
    if found.offsets is not None:
        inline["offsets"] = found.offsets.tolist()
    return inline
