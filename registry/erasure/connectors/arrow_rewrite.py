"""Writes an Arrow IPC file or stream anew without some of its rows.

Rules (arrow.apache.org/docs/format/Columnar.html, "Serialization and Interprocess Communication"):
1. A file stays a file and a stream a stream; batches keep their bounds and metadata, a batch that
   loses all its rows is left out. Schema, footer metadata, metadata version, body compression and
   byte alignment of the library are those of the file.
2. A dictionary is written anew with the values that rows still have: the others are erased values.
   One inside a nested column is not taken apart, and such a file is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from registry.erasure.connectors.arrow_types import has_dictionary
from registry.erasure.connectors.flatbuffer import body_compression
from registry.erasure.connectors.protocol import RowNumbers
from registry.erasure.connectors.trouble import NotFaithfulError

MAGIC = b"ARROW1"
_Mask: TypeAlias = npt.NDArray[np.bool]


@dataclass(slots=True)
class Opened:
    """A file or stream that is being read: its schema and, where there is one, its footer."""

    schema: pa.Schema
    is_file: bool
    metadata: Any
    batches: Iterator[tuple[pa.RecordBatch, Any]]


def open_arrow(source: BinaryIO) -> Opened:
    """Open a file or stream; batches come with their own metadata.

    Raises pyarrow's errors and ValueError for what is neither.
    """
    source.seek(0)
    is_file = source.read(len(MAGIC)) == MAGIC
    source.seek(0)
    raw = pa.PythonFile(source, mode="r")
    if is_file:
        file = pa.ipc.open_file(raw)
        each = (file.get_batch_with_custom_metadata(at) for at in range(file.num_record_batches))
        return Opened(
            file.schema, True, file.metadata, ((b.batch, b.custom_metadata) for b in each)
        )
    return _open_stream(raw)


def _open_stream(raw: Any) -> Opened:
    stream = pa.ipc.open_stream(raw)

    def each() -> Iterator[tuple[pa.RecordBatch, Any]]:
        while True:
            try:
                found = stream.read_next_batch_with_custom_metadata()
            except StopIteration:
                return
            yield found.batch, found.custom_metadata

    return Opened(stream.schema, False, None, each())


def rewrite_arrow(
    source: BinaryIO, sink: BinaryIO, drop: RowNumbers, tell: Callable[[int], None]
) -> tuple[int, int]:
    """Write `source` without the rows `drop` (sorted) to `sink`; rows before and after.

    Raises NotFaithfulError (rule 2), pyarrow's errors and ValueError for what is no whole file.
    Memory: one batch. A file with dictionaries is read twice.
    """
    opened = open_arrow(source)
    _require_flat_dictionaries(opened.schema)
    source.seek(0)
    options = pa.ipc.IpcWriteOptions(compression=body_compression(source))
    encoded = [at for at, each in enumerate(opened.schema) if pa.types.is_dictionary(each.type)]
    dictionaries = _Dictionaries(encoded, _used(source, encoded, drop) if encoded else {})
    opened = open_arrow(source)
    made = (
        pa.ipc.new_file(sink, opened.schema, options=options, metadata=opened.metadata)
        if opened.is_file
        else pa.ipc.new_stream(sink, opened.schema, options=options)
    )
    before = after = 0
    with made as writer:
        for batch, metadata in opened.batches:
            keep = _kept(drop, before, batch.num_rows)
            before += batch.num_rows
            rest = batch if keep is None else batch.filter(pa.array(keep))
            if rest.num_rows or not batch.num_rows:
                writer.write_batch(dictionaries.compact(rest), custom_metadata=metadata)
            after += rest.num_rows
            tell(source.tell())
    return before, after


def _kept(drop: RowNumbers, first: int, count: int) -> _Mask | None:
    begin, end = np.searchsorted(drop, (first, first + count))
    if begin == end:
        return None
    keep = np.ones(count, np.bool)
    keep[drop[begin:end] - first] = False
    return keep


def _used(source: BinaryIO, encoded: list[int], drop: RowNumbers) -> dict[int, pa.Array]:
    """For each column the values that rows still have, in the order of the dictionaries."""
    values: dict[int, pa.Array] = {}
    used: dict[int, _Mask] = {}
    first = 0
    for batch, _ in open_arrow(source).batches:
        keep = _kept(drop, first, batch.num_rows)
        first += batch.num_rows
        for at in encoded:
            column = batch.column(at)
            if keep is not None:
                column = column.filter(pa.array(keep))
            known = values.get(at)
            if known is None or not column.dictionary.slice(0, len(known)).equals(known):
                if known is not None:
                    raise NotFaithfulError("its dictionaries change from batch to batch")
                used[at] = np.zeros(0, np.bool)
            values[at] = column.dictionary
            grown = np.zeros(len(column.dictionary), np.bool)
            grown[: used[at].size] = used[at]
            grown[np.asarray(column.indices.drop_null())] = True
            used[at] = grown
    return {at: values[at].filter(pa.array(used[at])) for at in values}


class _Dictionaries:
    """The dictionaries that are left, and columns that use them."""

    def __init__(self, columns: list[int], values: dict[int, pa.Array]) -> None:
        self._columns = columns
        self._values = values

    def compact(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not self._columns:
            return batch
        columns = list(batch.columns)
        for at in self._columns:
            old, values = columns[at], self._values[at]
            places = pc.index_in(old.dictionary, values).cast(old.type.index_type)
            columns[at] = pa.DictionaryArray.from_arrays(
                places.take(old.indices), values, ordered=old.type.ordered
            )
        return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _require_flat_dictionaries(schema: pa.Schema) -> None:
    for each in schema:
        if has_dictionary(each.type) and not (
            pa.types.is_dictionary(each.type) and not has_dictionary(each.type.value_type)
        ):
            raise NotFaithfulError(f"the column {each.name} has dictionaries inside")
