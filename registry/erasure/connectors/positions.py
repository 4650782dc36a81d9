"""Where rows lie in a file now: from ordinals to row numbers, past what was erased before. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from registry.erasure.connectors.protocol import Ordinals, RowNumbers, Target
from registry.erasure.connectors.trouble import Reason, StoppedError
from registry.ledger.holes import Holes


@dataclass(frozen=True, slots=True)
class Lying:
    """`ordinals` that are still in the file and their `numbers` there (from 0, sorted);
    `already`: how many of those asked for are not; `expected`: how many rows the file must have.
    """

    ordinals: Ordinals
    numbers: RowNumbers
    already: int
    expected: int | None


def lying_in(target: Target, rows: Ordinals) -> Lying:
    """Where `rows` lie in the target's file now.

    Raises StoppedError where an ordinal is not in the file at all. Of a copy with an order of its
    own only `already` is said.
    """
    if target.by_key:
        left = target.holes.present(rows)
        return Lying(left, np.zeros(left.size, np.int64), int(rows.size - left.size), None)
    first, count = target.first, target.rows
    stop = None if count is None else first + count
    if rows.size and (int(rows[0]) < first or (stop is not None and int(rows[-1]) >= stop)):
        recorded = f"those from {first}" + ("" if stop is None else f" to {stop - 1}")
        raise StoppedError(
            Reason.NOT_RECORDED,
            f"The ordinals {rows[0]} to {rows[-1]} are asked for, and {target.uri} is recorded "
            f"with {recorded}.",
        )
    holes = target.holes.ordinals()
    left = target.holes.present(rows)
    before = np.searchsorted(holes, left) - np.searchsorted(holes, first)
    numbers = left.astype(np.int64) - first - before
    expected = None if count is None else target.holes.left(first, first + count)
    return Lying(left, numbers, int(rows.size - left.size), expected)


def as_rows(ordinals: object) -> Ordinals:
    """Ordinals in any order as the protocol has them: sorted, unique, uint32."""
    return Holes(ordinals).ordinals()
