"""Sets of rows as sorted arrays: taken in, made unique, and asked for membership.

Rules:
1. A position is a row number counted through all inputs of a map; an ordinal is a row number in
   one batch. Both are unsigned: uint32 where the space and one sentinel fit, else uint64.
2. What comes from outside is checked once, here: one dimension, whole numbers, none negative, none
   at or beyond the space. Nothing is clipped, wrapped or guessed.
3. A set is a strictly increasing array; two equal sets are equal arrays.
"""

from __future__ import annotations

import operator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from registry.errors import InvalidInputError

Positions: TypeAlias = npt.NDArray[np.unsignedinteger]
Whole: TypeAlias = npt.NDArray[np.int64]

# Positions beyond this do not fit a JSON number exactly (RFC 7493 §2.2), and nothing needs them.
LARGEST_SPACE = 2**53 - 1
# 1 MiB of flags stays in a core's second-level cache.
_COARSE_BITS = 20
_FEW = 4096
# A bitmap of this many positions takes 128 MiB.
_ALWAYS_MAPPED = 1 << 30


def position_dtype(space: int) -> np.dtype[np.unsignedinteger]:
    """uint32 while `space` rows and a sentinel fit in it, else uint64 (rule 1)."""
    return np.dtype(np.uint32) if space < 2**32 else np.dtype(np.uint64)


def as_count(value: object, what: str) -> int:
    """A whole number of rows, 0 to 2^53 - 1. Raises InvalidInputError for anything else."""
    try:
        count = -1 if isinstance(value, bool | np.bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        count = -1
    if not 0 <= count <= LARGEST_SPACE:
        raise refused(f"{what} is {value!r}, not a number of rows from 0 to {LARGEST_SPACE}.")
    return count


def as_whole_numbers(values: object, what: str) -> npt.NDArray[np.integer]:
    """The array behind `values` (array, Arrow array, series, sequence): one dimension, integers.

    Raises InvalidInputError for another shape or for anything but integers; booleans are refused,
    because a mask and a list of positions mean different things.
    """
    array = np.asarray(values)
    if not isinstance(values, np.ndarray) and array.dtype.kind in "fO":
        array = _exact_integers(values, array)
    if array.ndim != 1:
        raise refused(f"{what} has {array.ndim} dimensions, not one.")
    if array.dtype.kind == "b":
        raise refused(
            f"{what} is a mask of {array.size} booleans, not row numbers.",
            "Send numpy.flatnonzero(mask).",
        )
    if array.dtype.kind not in "iu":
        raise refused(f"{what} holds {array.dtype}, not whole numbers.")
    return array


def _exact_integers(values: object, array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Python integers that numpy would round: an empty list, or a mix beyond 2^63."""
    if array.size == 0 and array.ndim == 1:
        return np.empty(0, np.uint64)
    if isinstance(values, list | tuple) and all(isinstance(value, int) for value in values):
        try:
            return np.array(values, dtype=np.uint64)
        except OverflowError:
            return array
    return array


def as_positions(values: object, space: int, what: str) -> Positions:
    """Row numbers below `space`, in their order, n of the dtype of rule 1; always a copy.

    Raises InvalidInputError as `as_whole_numbers`, and for a number below 0 or not below `space`.
    """
    array = as_whole_numbers(values, what)
    if array.size:
        lowest, highest = int(array.min()), int(array.max())
        if lowest < 0 or highest >= space:
            wrong = lowest if lowest < 0 else highest
            raise refused(f"{what} holds {wrong}, but there are {space} rows, counted from 0.")
    return array.astype(position_dtype(space))


def as_position_set(values: object, space: int, what: str) -> Positions:
    """`as_positions`, then sorted and unique (rule 3)."""
    return sorted_unique(as_positions(values, space, what), space)


def sorted_unique(positions: Positions, space: int) -> Positions:
    """The set of `positions` (all below `space`), m ≤ n, same dtype.

    Cost: one pass if they are sorted already; a bitmap where they are dense; else a sort.
    """
    if positions.size < 2:
        return positions
    ahead, behind = positions[1:], positions[:-1]
    if bool(np.all(ahead > behind)):
        return positions
    if bool(np.all(ahead >= behind)):
        return positions[np.concatenate(([True], ahead != behind))]
    if positions.size >= space // 16:
        seen = np.zeros(space, np.bool)
        seen[positions] = True
        return np.flatnonzero(seen).astype(positions.dtype)
    return np.unique(positions)


def ranges(starts: Whole, counts: Whole) -> Whole:
    """start, start + 1, … (count of them) for each pair, one after the other; int64."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if ends.size else 0
    rows: Whole = np.arange(total, dtype=np.int64) + np.repeat(starts - (ends - counts), counts)
    return rows


class Members:
    """Which of many positions are in a set. Two stages, because most are not.

    First a table of coarse flags that stays in the cache; then, for what passes, the exact answer
    from a bitmap (large sets) or a binary search (small ones).
    """

    def __init__(self, positions: Positions, space: int) -> None:
        """`positions`: a set (rule 3) of rows below `space`."""
        self.positions = positions
        self.space = space
        self._shift = max(0, space.bit_length() - _COARSE_BITS)
        self._coarse = np.zeros((space >> self._shift) + 1, np.bool)
        self._coarse[positions >> self._shift] = True
        pays = positions.size > _FEW and space < max(_ALWAYS_MAPPED, positions.size << 10)
        self._bits = self._bitmap() if self._shift and pays else None

    def _bitmap(self) -> npt.NDArray[np.uint8]:
        bits = np.zeros((self.space >> 3) + 1, np.uint8)
        byte = (self.positions >> 3).astype(np.int64)
        first = np.flatnonzero(np.concatenate(([True], byte[1:] != byte[:-1])))
        mask = np.left_shift(1, (self.positions & 7).astype(np.uint8), dtype=np.uint8)
        bits[byte[first]] = np.bitwise_or.reduceat(mask, first)
        return bits

    def where(self, positions: Positions) -> Whole:
        """Indices i, ascending, with `positions[i]` in the set; values at or beyond `space` never.

        `positions` has the dtype of rule 1 for `space` (a sentinel may be among them).
        """
        if not self.positions.size:
            return np.empty(0, np.int64)
        bounded = np.minimum(positions, positions.dtype.type(self.space))
        found: Whole = np.flatnonzero(self._coarse[bounded >> self._shift])
        if not self._shift or not found.size:
            return found
        candidates = bounded[found]
        if self._bits is not None:
            bits = self._bits[candidates >> 3] >> (candidates & 7).astype(np.uint8)
            found = found[(bits & 1).astype(np.bool)]
        else:
            at = np.searchsorted(self.positions, candidates)
            at[at == self.positions.size] = 0
            found = found[self.positions[at] == candidates]
        return found


def refused(detail: str, remedy: str = "Correct the numbers, or the size.") -> InvalidInputError:
    """The error for row numbers that cannot be taken."""
    return InvalidInputError(detail, remedy=remedy)
