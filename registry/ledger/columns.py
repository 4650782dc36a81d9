"""The columns of the example ledger: what callers see, and how they rest in Lance.

Rules:
1. An example has the recorded columns of the `examples` object (docs/contracts.md) and its address;
   never its content. A column that is not known here is refused, so that nothing slips in.
2. Subjects rest in a table of their own, one row for each subject of each example, as subject keys
   with the version of the key they were made under. The identifier never comes this far.
3. Digests and subject keys are uniform, so the first 8 bytes, as a big-endian number, are indexed
   and the rest is compared: an index over 8 bytes takes a third of the room and half of the time
   of one over 32 (12 and 36 bytes a row), and nothing is stored twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from registry.errors import InvalidInputError

Kind: TypeAlias = Literal["ZONEMAP", "BTREE"]

DIGEST_BYTES = 32
SUBJECT_KEY_BYTES = 16
LONGEST_ID_BYTES = 2_048
_HIGH_BYTES = 8

_text = pa.string()
_RECORDED = [
    pa.field("split", _text),
    pa.field("source_uri", _text),
    pa.field("license", _text),
    pa.field("language", _text),
    pa.field("modality", _text),
    pa.field("bytes", pa.int64()),
    pa.field("tokens", pa.int64()),
    pa.field("duration_seconds", pa.float64()),
    pa.field("pii", pa.list_(_text)),
    pa.field("collected_at", pa.timestamp("us", "UTC")),
    pa.field("label", _text),
    pa.field("annotator", _text),
    pa.field("confidence", pa.float64()),
    pa.field("attributes", pa.map_(_text, _text)),
]
_ADDRESS = pa.field("address", pa.uint64(), nullable=False)

EXAMPLES = pa.schema(
    [
        _ADDRESS,
        pa.field("example_id", _text),
        pa.field("digest", pa.binary(DIGEST_BYTES)),
        *_RECORDED,
    ]
)
SUBJECTS = pa.schema(
    [
        _ADDRESS,
        pa.field("subject_key", pa.binary(SUBJECT_KEY_BYTES), nullable=False),
        pa.field("key_version", pa.int32(), nullable=False),
    ]
)
STORED_EXAMPLES = pa.schema(
    [
        _ADDRESS,
        pa.field("example_id", _text),
        pa.field("digest_high", pa.uint64()),
        pa.field("digest_rest", pa.binary(DIGEST_BYTES - _HIGH_BYTES)),
        *_RECORDED,
    ]
)
STORED_SUBJECTS = pa.schema(
    [
        _ADDRESS,
        pa.field("key_high", pa.uint64(), nullable=False),
        pa.field("key_rest", pa.binary(SUBJECT_KEY_BYTES - _HIGH_BYTES), nullable=False),
        pa.field("key_version", pa.int32(), nullable=False),
    ]
)
EXAMPLE_INDICES: dict[str, Kind] = {
    "address": "ZONEMAP",
    "example_id": "BTREE",
    "digest_high": "BTREE",
}
SUBJECT_INDICES: dict[str, Kind] = {
    "address": "ZONEMAP",
    "key_high": "BTREE",
}


def store(
    rows: pa.Table | pa.RecordBatchReader, expected: pa.Schema, stored: pa.Schema
) -> pa.RecordBatchReader:
    """A reader of `rows` as they rest; batches are converted one by one as they are read.

    Raises InvalidInputError at once for an unknown column or a missing required one, and while it
    is read for values that do not fit.
    """
    unknown = [name for name in rows.schema.names if name not in expected.names]
    if unknown or len(set(rows.schema.names)) != len(rows.schema.names):
        named = ", ".join(unknown) if unknown else "a column twice"
        raise _refused(f"The ledger keeps no such column: {named}.", "Leave it out.")
    for field in expected:
        if not field.nullable and field.name not in rows.schema.names:
            raise _refused(f"The column {field.name} is missing.", "Add it.")
    batches = rows.to_batches() if isinstance(rows, pa.Table) else rows
    converted = (_stored_batch(batch, expected, stored) for batch in batches if batch.num_rows)
    return pa.RecordBatchReader.from_batches(stored, converted)


def _stored_batch(batch: pa.RecordBatch, expected: pa.Schema, stored: pa.Schema) -> pa.RecordBatch:
    columns: dict[str, pa.Array] = {}
    for field in expected:
        column = _cast(batch, field)
        if field.name == "example_id":
            _check_ids(column)
        if not pa.types.is_fixed_size_binary(field.type):
            columns[field.name] = column
            continue
        stem = "digest" if field.name == "digest" else "key"
        columns[f"{stem}_high"], columns[f"{stem}_rest"] = split(column)
    return pa.record_batch([columns[name] for name in stored.names], schema=stored)


def _cast(batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
    index = batch.schema.get_field_index(field.name)
    if index < 0:
        return pa.nulls(batch.num_rows, field.type)
    try:
        column = batch.column(index).cast(field.type)
    except (pa.ArrowException, ValueError) as error:
        kind = batch.schema.field(index).type
        raise _refused(
            f"The column {field.name} of type {kind} does not fit {field.type}.",
            f"Send {field.type}.",
        ) from error
    if column.null_count and not field.nullable:
        raise _refused(f"The column {field.name} has {column.null_count} nulls.", "Fill them.")
    return column


def _check_ids(ids: pa.Array) -> None:
    longest = pc.max(pc.binary_length(ids)).as_py() or 0
    if longest > LONGEST_ID_BYTES:
        raise _refused(
            f"An example id has {longest} bytes; {LONGEST_ID_BYTES} are the most.",
            "Use a shorter id, such as a digest of this one.",
        )


def split(column: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Uniform bytes as the number that is indexed (uint64) and the rest; nulls stay nulls."""
    width, count = column.type.byte_width, len(column)
    if not count:
        return pa.nulls(0, pa.uint64()), pa.nulls(0, pa.binary(width - _HIGH_BYTES))
    rows = np.frombuffer(column.buffers()[1], np.uint8)
    rows = rows[column.offset * width : (column.offset + count) * width].reshape(count, width)
    absent = pc.is_null(column).to_numpy(zero_copy_only=False) if column.null_count else None
    high = np.ascontiguousarray(rows[:, :_HIGH_BYTES]).view(">u8").ravel().astype(np.uint64)
    rest = np.ascontiguousarray(rows[:, _HIGH_BYTES:])
    return pa.array(high, mask=absent), _fixed(rest, absent)


def joined(high: pa.Array, rest: pa.Array) -> pa.Array:
    """The inverse of `split`."""
    count = len(high)
    if not count:
        return pa.nulls(0, pa.binary(rest.type.byte_width + _HIGH_BYTES))
    width = rest.type.byte_width
    tail = np.frombuffer(rest.buffers()[1], np.uint8)
    tail = tail[rest.offset * width : (rest.offset + count) * width].reshape(count, width)
    absent = pc.is_null(high).to_numpy(zero_copy_only=False) if high.null_count else None
    front = high.fill_null(0).to_numpy().astype(">u8").view(np.uint8).reshape(count, _HIGH_BYTES)
    return _fixed(np.concatenate((front, tail), axis=1), absent)


def _fixed(rows: npt.NDArray[np.uint8], absent: npt.NDArray[np.bool] | None) -> pa.Array:
    valid = None if absent is None else pa.array(~absent).buffers()[1]
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(rows.shape[1]), rows.shape[0], [valid, pa.py_buffer(rows)]
    )


def stored_names(names: list[str]) -> list[str]:
    """The stored columns that are read for some outer ones."""
    parts = {"digest": ["digest_high", "digest_rest"], "subject_key": ["key_high", "key_rest"]}
    return [part for name in names for part in parts.get(name, [name])]


def shown(rows: pa.Table, names: list[str]) -> pa.Table:
    """Stored rows with the outer columns `names`."""
    columns: dict[str, Callable[[], pa.ChunkedArray]] = {
        "digest": lambda: _join_column(rows, "digest"),
        "subject_key": lambda: _join_column(rows, "key"),
    }
    arrays = [columns[name]() if name in columns else rows.column(name) for name in names]
    return pa.table(arrays, names=names)


def _join_column(rows: pa.Table, stem: str) -> pa.ChunkedArray:
    high = rows.column(f"{stem}_high").combine_chunks()
    rest = rows.column(f"{stem}_rest").combine_chunks()
    return pa.chunked_array([joined(high, rest)])


def _refused(detail: str, remedy: str) -> InvalidInputError:
    return InvalidInputError(detail, remedy=remedy)
