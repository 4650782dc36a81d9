"""Compiles a `parents` object, which names parents by id, into a row map.

Rules:
1. Ids are joined with those of the input batches, as the index holds them; nothing is guessed.
2. A parent id that no input holds is left out of the map and counted as unresolved.
3. Rows are ordinals of the output batch in the order of the object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from registry.errors import InvalidInputError
from registry.ledger.addresses import unpack
from registry.ledger.plan import BindPlan, PlannedMap
from registry.ledger.rowmap import RowMap
from registry.storage.objects import Objects

if TYPE_CHECKING:
    from registry.ledger.index import ExampleIndex


@dataclass(frozen=True, slots=True)
class Compiled:
    """The map, and how many named parents no input holds."""

    row_map: RowMap
    unresolved: int


def compile_parents(
    objects: Objects, index: ExampleIndex, name: str, plan: BindPlan, planned: PlannedMap
) -> Compiled:
    """The row map of a parents object.

    Raises InvalidInputError where the ids of an input are ambiguous. Cost: memory of all input ids.
    """
    ids, positions = _input_ids(index, planned)
    source = objects.open(name)
    with pq.ParquetFile(source, memory_map=isinstance(source, str)) as file:
        lists = file.read(columns=["parent_ids"]).column("parent_ids").combine_chunks()
    flat = pc.list_flatten(lists)
    found = pc.index_in(flat, value_set=ids)
    counts = np.zeros(len(lists), np.int64)
    rows = pc.list_parent_indices(lists).to_numpy().astype(np.int64)
    known = pc.is_valid(found).to_numpy(zero_copy_only=False)
    np.add.at(counts, rows[known], 1)
    offsets = np.concatenate(([0], np.cumsum(counts)))
    parents = positions[found.drop_null().to_numpy()]
    row_map = RowMap.lists(offsets, parents, planned.size)
    if plan.rows is not None and len(row_map) != plan.rows:
        raise InvalidInputError(
            f"The parents object has {len(row_map)} rows, and the batch {plan.rows}.",
            remedy="Send one row for each example of the batch, in its order.",
        )
    return Compiled(row_map, int(len(flat) - known.sum()))


def _input_ids(
    index: ExampleIndex, planned: PlannedMap
) -> tuple[pa.Array, np.ndarray[tuple[int], np.dtype[np.uint64]]]:
    """The ids of all inputs, and the position of each."""
    ids: list[pa.Array] = []
    positions: list[np.ndarray[tuple[int], np.dtype[np.uint64]]] = []
    first = 0
    for number, rows in planned.inputs:
        for part in index.scan_batch(number, ["address", "example_id"]):
            held = part.filter(pc.is_valid(part.column("example_id")))
            _, ordinals = unpack(held.column("address").combine_chunks().to_numpy())
            ids.append(held.column("example_id").combine_chunks())
            positions.append(ordinals.astype(np.uint64) + np.uint64(first))
        first += rows
    if not ids:
        return pa.array([], pa.string()), np.zeros(0, np.uint64)
    values = pa.concat_arrays(ids)
    if pc.count_distinct(values).as_py() != len(values):
        raise InvalidInputError(
            "Two inputs of the map hold examples with the same id.",
            remedy="Send a row map instead of parent ids, or name fewer inputs.",
        )
    return values, np.concatenate(positions)
