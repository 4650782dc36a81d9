"""Which rows of a batch are gone: the ordinals that were erased, and where the others lie now.

Rules:
1. An erased ordinal stays a hole: no other row ever gets its number (DESIGN §1.5).
2. A file written again after an erasure lacks the holes, so the row of an ordinal in it is the
   number of ordinals before it that are still there.
3. The bytes are the portable Roaring format (github.com/RoaringBitmap/RoaringFormatSpec), about two
   bytes a hole where holes are rare and less than a bit where they are runs.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap

from registry.errors import InvalidInputError
from registry.ledger.addresses import MOST
from registry.ledger.positions import as_count, as_positions, refused

Ordinals = npt.NDArray[np.uint32]


class Holes:
    """A set of ordinals that never changes; compared by value."""

    __slots__ = ("_erased",)

    def __init__(self, ordinals: object = ()) -> None:
        """`ordinals`: n whole numbers below 2^32, in any order. Raises InvalidInputError else."""
        self._erased = BitMap(as_positions(ordinals, MOST, "ordinals").astype(np.uint32))

    @classmethod
    def _of(cls, erased: BitMap) -> Self:
        made = cls()
        made._erased = erased
        return made

    def __len__(self) -> int:
        return len(self._erased)

    def __contains__(self, ordinal: object) -> bool:
        return isinstance(ordinal, int) and 0 <= ordinal < MOST and ordinal in self._erased

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Holes) and self._erased == other._erased

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Holes: {len(self)} ordinals>"

    def __or__(self, other: Holes) -> Holes:
        return self._of(self._erased | other._erased)

    def ordinals(self) -> Ordinals:
        """All holes, sorted; n uint32."""
        return np.array(self._erased.to_array(), np.uint32)

    def present(self, ordinals: object) -> Ordinals:
        """Those of `ordinals` (n, below 2^32, any order) that are no holes, sorted and unique."""
        asked = BitMap(as_positions(ordinals, MOST, "ordinals").astype(np.uint32))
        return np.array((asked - self._erased).to_array(), np.uint32)

    def left(self, first: int, stop: int) -> int:
        """How many of the ordinals from `first` to before `stop` are still there."""
        first, stop = _bounds(first, stop)
        return stop - first - self._erased.range_cardinality(first, stop)

    def row(self, ordinal: int, first: int = 0) -> int | None:
        """The row, from 0, of `ordinal` in a rewritten file whose first ordinal was `first`.

        None for a hole. Raises InvalidInputError when the ordinal lies before `first`.
        """
        first, ordinal = _bounds(first, ordinal)
        return None if ordinal in self else self.left(first, ordinal)

    def ordinals_at(self, rows: object) -> Ordinals:
        """The ordinals at `rows` (n whole numbers) of the rows that are left, counted from 0.

        The inverse of `row`; n uint32, in the order of `rows`.
        """
        asked = as_positions(rows, MOST, "rows").astype(np.int64)
        holes = self.ordinals().astype(np.int64)
        # Before the hole number i stand holes[i] - i rows that are left.
        before = np.searchsorted(holes - np.arange(holes.size), asked, side="right")
        return (asked + before).astype(np.uint32)

    def is_left(self, rows: int) -> npt.NDArray[np.bool_]:
        """For each ordinal below `rows` whether it is still there; `rows` booleans."""
        left = np.ones(rows, np.bool_)
        holes = self.ordinals()
        left[holes[holes < rows]] = False
        return left

    def to_bytes(self) -> bytes:
        """The portable Roaring bytes (rule 3); equal for equal sets."""
        packed = self._erased.copy()
        packed.run_optimize()
        return bytes(packed.serialize())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote. Raises InvalidInputError for bytes that are no such bitmap."""
        try:
            return cls._of(BitMap.deserialize(data))
        except (ValueError, IndexError) as error:
            raise InvalidInputError(
                f"{len(data)} bytes are no Roaring bitmap.",
                remedy="Send what Holes.to_bytes() gives.",
            ) from error


def _bounds(first: int, stop: int) -> tuple[int, int]:
    first, stop = as_count(first, "The first ordinal"), as_count(stop, "The ordinal")
    if not first <= stop <= MOST:
        raise refused(f"There are no ordinals from {first} to {stop} in a batch.")
    return first, stop
