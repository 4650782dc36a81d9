"""Carries masks through a row map: an output has the bits of all of its parents. Pure.

An output without a parent has none; who calls says what that means (`orphan`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from registry.ledger.rowmap import RowMap
from registry.ledger.rowmap_codec import sentinel
from registry.policy.masks import Array, Masks


def inputs_together(masks: list[tuple[Masks, int]]) -> Masks:
    """The masks of a map's inputs, one after the other; `masks`: each with its rows."""
    first = masks[0][0] if masks else 0
    if isinstance(first, int) and all(isinstance(m, int) and m == first for m, _ in masks):
        return first
    parts = [np.full(rows, m, np.uint32) if isinstance(m, int) else m[:rows] for m, rows in masks]
    return np.concatenate(parts)


def through_map(
    masks: Masks, chunks: Iterator[tuple[int, RowMap]], rows: int, *, orphan: int
) -> Masks:
    """The masks of a map's outputs, n uint32, or one number where all are the same.

    `chunks`: (first output, map) in order, as a file of a map gives them; what no chunk reaches is
    an orphan as well.
    """
    found = np.full(rows, orphan, np.uint32)
    for start, chunk in chunks:
        stop = min(start + len(chunk), rows)
        if stop > start:
            found[start:stop] = _outputs(masks, chunk, orphan)[: stop - start]
    if isinstance(masks, int) and bool((found == masks).all()):
        return masks
    return found


def _outputs(masks: Masks, chunk: RowMap, orphan: int) -> Array:
    outputs = len(chunk)
    if chunk.parents is None:
        if isinstance(masks, int):
            return np.full(outputs, masks, np.uint32)
        return masks[chunk.start : chunk.start + outputs]
    if chunk.offsets is None:
        is_none = chunk.parents == sentinel(chunk.size)
        if isinstance(masks, int):
            return np.where(is_none, np.uint32(orphan), np.uint32(masks))
        if not is_none.any():
            return masks[chunk.parents]
        found = np.full(outputs, orphan, np.uint32)
        found[~is_none] = masks[chunk.parents[~is_none]]
        return found
    found = np.full(outputs, orphan, np.uint32)
    has_parents = np.diff(chunk.offsets) > 0
    if isinstance(masks, int):
        found[has_parents] = masks
    elif has_parents.any():
        starts = chunk.offsets[:-1][has_parents].astype(np.int64)
        found[has_parents] = np.bitwise_or.reduceat(masks[chunk.parents], starts)
    return found
