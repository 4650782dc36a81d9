"""A row map's arrays as Parquet bytes, and back, a few rows at a time.

Rules:
1. One file is one map. Its header is the canonical JSON under the key `registry.row_map` of the
   file's metadata: format, form, size, length, start. Anything else in the metadata is ignored.
2. A range has no rows. A take has one column `parent`, null where there is none. Lists have one
   column `parents`, a list for each output row. Both are unsigned: 32 bits wide, or 64 where the
   inputs have 2^32 rows or more.
3. What is nearly sorted is stored as bit-packed differences under Zstandard, anything else as
   split bytes under LZ4; the choice is made from a sample, so that it follows the data.
4. Row groups are small, so that one look-up decodes little, and at most about 2,048, so that the
   footer stays small. They carry the smallest and largest parent, so that a push can skip them.
5. Bytes that are no such file are refused with InvalidInputError; no number in them is believed
   before it was compared with what the file really holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from registry.canonical import canonical_json
from registry.errors import InvalidInputError
from registry.ledger.positions import Positions, Whole, as_count, position_dtype

HEADER_KEY = b"registry.row_map"
FORMAT = 1
SMALLEST_GROUP = 16_384
MOST_GROUPS = 2_048
_MINIBLOCK = 32
_SAMPLES = 1_024


class Form(StrEnum):
    """How a map is held."""

    RANGE = "range"
    TAKE = "take"
    LISTS = "lists"


@dataclass(frozen=True, slots=True)
class Header:
    """What a map is, without its arrays: `length` output rows from `size` input positions.

    `start` is the first position of a range, and 0 in the other forms.
    """

    form: Form
    size: int
    length: int
    start: int


@dataclass(frozen=True, slots=True)
class Rows:
    """The arrays of some consecutive output rows.

    `parents`: n positions (the sentinel of their dtype where a take has none); None for a range.
    `offsets`: for lists, rows + 1 int64 from 0 to n; None otherwise.
    """

    parents: Positions | None = None
    offsets: Whole | None = None


def sentinel(size: int) -> int:
    """What stands for "no parent" in an array over `size` positions: all bits set."""
    return int(np.iinfo(position_dtype(size)).max)


def write(header: Header, rows: Rows) -> bytes:
    """The Parquet bytes of a map. Cost: above 100 million rows a second."""
    schema = _schema(header, rows)
    sink = pa.BufferOutputStream()
    parents = np.empty(0, position_dtype(header.size)) if rows.parents is None else rows.parents
    near = _differences_are_small(parents, header.size)
    column = "parent" if header.form is not Form.LISTS else "parents.list.element"
    with pq.ParquetWriter(
        sink,
        schema,
        compression="zstd" if near else "lz4",
        compression_level=1 if near else None,
        use_dictionary=False,
        column_encoding={column: "DELTA_BINARY_PACKED" if near else "BYTE_STREAM_SPLIT"},
        store_schema=False,
    ) as writer:
        for start, stop in _groups(header, rows):
            writer.write_table(
                pa.table([_column(header, rows, start, stop, schema)], schema=schema),
                row_group_size=max(1, stop - start),
            )
        writer.add_key_value_metadata({HEADER_KEY: _header_text(header)})
    return bytes(sink.getvalue())


def _header_text(header: Header) -> bytes:
    return canonical_json(
        {
            "format": FORMAT,
            "form": header.form.value,
            "size": header.size,
            "length": header.length,
            "start": header.start,
        }
    )


def _schema(header: Header, rows: Rows) -> pa.Schema:
    kind = pa.from_numpy_dtype(position_dtype(header.size))
    if header.form is Form.LISTS:
        kind = pa.list_(pa.field("element", kind, nullable=False))
        field = pa.field("parents", kind, nullable=False)
    else:
        absent = rows.parents is not None and bool(np.any(rows.parents == sentinel(header.size)))
        field = pa.field("parent", kind, nullable=absent)
    return pa.schema([field])


def _groups(header: Header, rows: Rows) -> Iterator[tuple[int, int]]:
    """The output rows of each row group; a row's list is never cut in two."""
    if rows.parents is None or header.length == 0:
        return
    target = group_size(max(header.length, rows.parents.size))
    if rows.offsets is None:
        bounds = np.append(np.arange(0, header.length, target), header.length)
    else:
        weight = rows.offsets + np.arange(header.length + 1)
        cuts = np.searchsorted(weight, np.arange(0, int(weight[-1]), 2 * target))
        bounds = np.unique(np.append(cuts, header.length))
    yield from zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)


def group_size(count: int) -> int:
    """Rows in a row group of a map with `count` rows or parents: a power of two (rule 4)."""
    size = SMALLEST_GROUP
    while size * MOST_GROUPS < count:
        size *= 2
    return size


def _column(header: Header, rows: Rows, start: int, stop: int, schema: pa.Schema) -> pa.Array:
    assert rows.parents is not None
    if rows.offsets is None:
        part = rows.parents[start:stop]
        if not schema.field(0).nullable:
            return pa.array(part)
        return pa.array(part, mask=part == sentinel(header.size))
    offsets = rows.offsets[start : stop + 1]
    values = pa.array(rows.parents[int(offsets[0]) : int(offsets[-1])])
    counted = pa.array((offsets - offsets[0]).astype(np.int32))
    return pa.ListArray.from_arrays(counted, values, type=schema.field(0).type)


def _differences_are_small(parents: Positions, size: int) -> bool:
    """Would bit-packed differences take less than three quarters of the split bytes?

    Looks at up to 1,024 evenly spread runs of 32 differences, the unit Parquet packs by
    (DELTA_BINARY_PACKED: as wide as the largest less the smallest difference of the run).
    """
    if parents.size <= _MINIBLOCK:
        return True
    starts = np.unique(np.linspace(0, parents.size - _MINIBLOCK - 1, num=_SAMPLES, dtype=np.int64))
    window = parents[starts[:, None] + np.arange(_MINIBLOCK + 1)].astype(np.int64)
    steps = np.diff(window, axis=1)
    spread = (steps.max(axis=1) - steps.min(axis=1)).astype(np.float64)
    width = float(np.mean(np.ceil(np.log2(spread + 1))))
    return width < 0.75 * 8 * -(-max(1, (size - 1).bit_length()) // 8)


@contextmanager
def reading() -> Iterator[None]:
    """Turns whatever the Parquet reader raises for bytes it cannot take into InvalidInputError."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise _refused(f"The row map cannot be read as Parquet: {error}") from error


def open_parquet(source: pa.NativeFile) -> tuple[pq.ParquetFile, Header]:
    """The opened file and its header, checked against each other.

    Raises InvalidInputError for bytes that are no row map (rule 5). Reads the footer only.
    """
    with reading():
        file = pq.ParquetFile(source)
        schema = file.schema_arrow
    header = _header((file.metadata.metadata or {}).get(HEADER_KEY))
    kind = pa.from_numpy_dtype(position_dtype(header.size))
    if header.form is Form.LISTS:
        expected = pa.list_(pa.field("element", kind, nullable=False))
    else:
        expected = kind
    name = "parents" if header.form is Form.LISTS else "parent"
    if schema.names != [name] or schema.field(0).type != expected:
        raise _refused(f"A {header.form} needs one column {name!r} of {expected}, not {schema}.")
    rows = 0 if header.form is Form.RANGE else header.length
    if file.metadata.num_rows != rows:
        raise _refused(f"The header says {rows} rows, the file holds {file.metadata.num_rows}.")
    return file, header


def _header(text: bytes | None) -> Header:
    if text is None:
        raise _refused("The Parquet file has no `registry.row_map` in its metadata.")
    try:
        fields = json.loads(text)
        form, version = Form(fields["form"]), fields["format"]
        numbers = [as_count(fields[name], name) for name in ("size", "length", "start")]
    except (ValueError, KeyError, TypeError) as error:
        raise _refused(f"The header of the row map is not understood: {text[:200]!r}.") from error
    if version != FORMAT:
        raise _refused(f"The row map has format {version!r}, and only {FORMAT} is read here.")
    size, length, start = numbers
    if start and form is not Form.RANGE:
        raise _refused(f"A {form} cannot start at {start}.")
    if form is Form.RANGE and start + length > size:
        raise _refused(f"Rows {start} to {start + length} are no range of {size} rows.")
    return Header(form, size, length, start)


def read_groups(file: pq.ParquetFile, header: Header, groups: Sequence[int]) -> Rows:
    """The rows of some consecutive row groups (of a range: none). Raises InvalidInputError.

    That parents are below `size` is not looked at here.
    """
    if header.form is Form.RANGE:
        return Rows()
    with reading():
        column = file.read_row_groups(list(groups), use_threads=False).column(0)
        array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        if header.form is Form.LISTS:
            if array.null_count:
                raise _refused("The row map has a null where a list belongs.")
            offsets: Whole = array.offsets.to_numpy().astype(np.int64)
            parents = array.values.to_numpy()[int(offsets[0]) : int(offsets[-1])]
            return Rows(parents, offsets - offsets[0])
        if array.null_count:
            array = array.fill_null(sentinel(header.size))
        return Rows(array.to_numpy())


def _refused(detail: str) -> InvalidInputError:
    return InvalidInputError(detail, remedy="Send the bytes that RowMap.to_bytes() gives.")
