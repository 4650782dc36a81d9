"""Writes the rows that are left of a row group, in the form that the file has them.

Rules:
1. Physical and logical types must be those of the file: what is written is held against its schema,
   column by column, in each of the forms that the library can write. None fits: nothing is written.
2. Codec, dictionaries, encodings and pages of each column are chosen as they are in the row group.
3. No dictionary that the file brought is written again, for it would hold the erased values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from registry.erasure.connectors.arrow_types import without_dictionaries
from registry.erasure.connectors.trouble import NotFaithfulError

_CODECS = {"UNCOMPRESSED": "none", "LZ4": "lz4", "LZ4_RAW": "lz4"}
_DICTIONARY = {"PLAIN_DICTIONARY", "RLE_DICTIONARY"}
_ENCODINGS = (
    "DELTA_BINARY_PACKED",
    "DELTA_LENGTH_BYTE_ARRAY",
    "DELTA_BYTE_ARRAY",
    "BYTE_STREAM_SPLIT",
)
_LEAF = ("physical_type", "max_definition_level", "max_repetition_level", "converted_type")


@dataclass(frozen=True, slots=True)
class Writing:
    """How to write row groups that fit a file: options of the library, and the leaves' names."""

    schema: pa.Schema
    options: dict[str, Any]
    leaves: tuple[str, ...]

    def one_group(self, table: pa.Table, group: Any) -> pa.Buffer:
        """A Parquet file whose only row group holds the rows of `table` as `group` held its own.

        `group`: the library's metadata of the row group. Raises NotFaithfulError.
        """
        chosen = {**self.options, **_as_in(group, self.leaves)}
        sink = pa.BufferOutputStream()
        try:
            with pq.ParquetWriter(sink, self.schema, **chosen) as writer:
                writer.write_table(table, row_group_size=max(1, table.num_rows))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise NotFaithfulError(_first(error)) from error
        return sink.getvalue()


def dense(table: pa.Table) -> pa.Table:
    """The table with plain values where it had dictionaries (rule 3). Raises NotFaithfulError."""
    wanted = without_dictionaries(table.schema)
    if wanted == table.schema:
        return table
    try:
        return table.cast(wanted)
    except (pa.ArrowException, ValueError) as error:
        raise NotFaithfulError(_first(error)) from error


def writing_like(file: pq.ParquetFile) -> Writing:
    """How rows are written that fit `file` (rule 1). Raises NotFaithfulError where nothing fits."""
    schema = without_dictionaries(file.schema_arrow)
    wanted = file.schema
    for options in _forms(wanted, file.metadata.format_version):
        sink = pa.BufferOutputStream()
        try:
            pq.ParquetWriter(sink, schema, **options).close()
        except (pa.ArrowException, OSError, ValueError):
            continue
        made = pq.ParquetFile(pa.BufferReader(sink.getvalue())).schema
        if _same_leaves(made, wanted):
            leaves = tuple(made.column(at).path for at in range(len(made)))
            return Writing(schema, options, leaves)
    raise NotFaithfulError("its types cannot be written as they are")


def _forms(schema: Any, version: str) -> list[dict[str, Any]]:
    columns = [schema.column(at) for at in range(len(schema))]
    has_int96 = any(column.physical_type == "INT96" for column in columns)
    return [
        {
            "version": version,
            "use_deprecated_int96_timestamps": has_int96,
            "store_decimal_as_integer": short,
            "write_time_adjusted_to_utc": utc,
            "store_schema": False,
        }
        for version in sorted(("2.6", "2.4", "1.0"), key=lambda each: each != version)
        for short in (False, True)
        for utc in (False, True)
    ]


def _same_leaves(made: Any, wanted: Any) -> bool:
    if len(made) != len(wanted):
        return False
    for at in range(len(made)):
        mine, theirs = made.column(at), wanted.column(at)
        if any(getattr(mine, name) != getattr(theirs, name) for name in _LEAF):
            return False
        if mine.physical_type == "FIXED_LEN_BYTE_ARRAY" and mine.length != theirs.length:
            return False
        if _meaning(mine) != _meaning(theirs):
            return False
    return True


def _meaning(column: Any) -> tuple[object, ...]:
    return (str(column.logical_type), column.precision, column.scale)


def _as_in(group: Any, leaves: tuple[str, ...]) -> dict[str, Any]:
    """Options that write columns as a row group has them (rule 2)."""
    codecs: dict[str, str] = {}
    with_dictionary: list[str] = []
    encodings: dict[str, str] = {}
    statistics: list[str] = []
    for at, leaf in enumerate(leaves):
        column = group.column(at)
        codecs[leaf] = _CODECS.get(column.compression, column.compression.lower())
        if _DICTIONARY & set(column.encodings) or column.has_dictionary_page:
            with_dictionary.append(leaf)
        else:
            for encoding in _ENCODINGS:
                if encoding in column.encodings:
                    encodings[leaf] = encoding
        if column.is_stats_set:
            statistics.append(leaf)
    has_index = any(
        group.column(at).has_offset_index or group.column(at).has_column_index
        for at in range(len(leaves))
    )
    return {
        "compression": codecs,
        "use_dictionary": with_dictionary or False,
        "column_encoding": encodings or None,
        "write_statistics": statistics or False,
        "write_page_index": has_index,
    }


def _first(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
