"""Writes a Parquet file anew without some of its rows.

Rules:
1. Only row groups that lose rows are decoded, one at a time; the others are copied byte by byte
   (`parquet_footer`). A row group that loses all its rows is left out.
2. What cannot be written as it was is refused before a byte is written (`parquet_write`).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from registry.erasure.connectors.parquet_footer import (
    MAGIC,
    TAIL_BYTES,
    Carrier,
    Footer,
    Read,
    columns_of,
    footer_span,
    names_of,
    rows_of,
)
from registry.erasure.connectors.parquet_write import Writing, dense, writing_like
from registry.erasure.connectors.protocol import RowNumbers
from registry.erasure.connectors.thrift import Struct
from registry.erasure.connectors.trouble import NotFaithfulError

#: Slices are written instead of a copy where each is this long on average.
_SLICE_ROWS = 256


def rewrite_parquet(
    source: BinaryIO, sink: BinaryIO, drop: RowNumbers, tell: Callable[[int], None]
) -> tuple[int, int]:
    """Write `source` without the rows `drop` (sorted) to `sink`; rows before and after.

    `tell(bytes)` is called after every row group. Raises ValueError and pyarrow's errors for what
    is no whole Parquet file, NotFaithfulError for what cannot be written as it was. Memory: one
    row group, decoded.
    """
    size = source.seek(0, 2)
    footer = _read_footer(source, size)
    file = pq.ParquetFile(pa.PythonFile(source, mode="r"), pre_buffer=False)
    counts = [rows_of(group) for group in footer.groups]
    if sum(counts) != file.metadata.num_rows:
        raise ValueError("its footer contradicts itself")
    bounds = np.searchsorted(drop, np.concatenate(([0], np.cumsum(counts, dtype=np.int64))))
    _require_same_names(footer, file)
    # Asked for before a byte is written (rule 2).
    writing = writing_like(file) if drop.size else None
    sink.write(MAGIC)
    carrier = Carrier(lambda content: _put(sink, content), len(MAGIC), [])
    read = _reading(source)
    groups: list[Struct] = []
    first = 0
    for at, group in enumerate(footer.groups):
        mine = drop[bounds[at] : bounds[at + 1]] - first
        if not mine.size or writing is None:
            groups.append(carrier.carry(read, group))
        elif mine.size < counts[at]:
            groups.append(_carry_rest(carrier, file, at, mine, writing, group))
        first += counts[at]
        tell(carrier.at)
    carrier.finish()
    _put(sink, footer.to_bytes(groups))
    return sum(counts), sum(rows_of(group) for group in groups)


def _carry_rest(
    carrier: Carrier, file: pq.ParquetFile, at: int, drop: RowNumbers, writing: Writing, old: Struct
) -> Struct:
    """Carry over what is left of a row group."""
    table = _rest(dense(file.read_row_group(at)), drop)
    made = writing.one_group(table, file.metadata.row_group(at))
    view = memoryview(made)
    tail = bytes(view[-TAIL_BYTES:])
    span = footer_span(tail, len(view))
    parsed = Footer.parse(bytes(view[span.start : span.start + span.size]))
    (group,) = parsed.groups
    if rows_of(group) != table.num_rows:
        raise NotFaithfulError("a row group was not written whole")
    return carrier.carry(lambda start, size: bytes(view[start : start + size]), group, like=old)


def _rest(table: pa.Table, drop: RowNumbers) -> pa.Table:
    """The other rows; where few are dropped, as slices, so that nothing is copied."""
    if drop.size * _SLICE_ROWS > table.num_rows:
        keep = np.ones(table.num_rows, np.bool)
        keep[drop] = False
        return table.filter(pa.array(keep))
    bounds = [-1, *drop.tolist(), table.num_rows]
    pieces = [table.slice(a + 1, b - a - 1) for a, b in pairwise(bounds) if b - a > 1]
    return pa.concat_tables(pieces)


def _read_footer(source: BinaryIO, size: int) -> Footer:
    read = _reading(source)
    tail = read(max(0, size - TAIL_BYTES), min(size, TAIL_BYTES))
    span = footer_span(tail, size)
    return Footer.parse(read(span.start, span.size))


def _require_same_names(footer: Footer, file: pq.ParquetFile) -> None:
    """The two readings of the footer must agree before one is written back."""
    names = [file.schema.column(at).path for at in range(len(file.schema))]
    for group in footer.groups:
        if [b".".join(names_of(chunk)).decode() for chunk in columns_of(group)] != names:
            raise NotFaithfulError("its row groups do not have the columns of its schema")


def _reading(source: BinaryIO) -> Read:
    def read(start: int, size: int) -> bytes:
        source.seek(start)
        content = source.read(size)
        if len(content) != size:
            raise ValueError("it ends in the middle")
        return content

    return read


def _put(sink: BinaryIO, content: bytes) -> None:
    sink.write(content)
