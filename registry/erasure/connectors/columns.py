"""Reads columns of a file in the order of its rows, whatever its format.

Rules:
1. Every row is read once, a few at a time, so that position i is row i.
2. A column that is not there stops it by name. In text, and by the name "" in JSON Lines, the
   column is the whole line.
3. Texts of CSV are texts; what a JSON line lacks is null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from registry.erasure.connectors.arrow_rewrite import open_arrow
from registry.erasure.connectors.forms import Form, Format
from registry.erasure.connectors.lines import Lines, lines_of, row_bytes
from registry.erasure.connectors.packing import unpacking
from registry.erasure.connectors.trouble import Reason, StoppedError

ROWS_AT_ONCE = 65_536
WHOLE_LINE = ""
_BLOCK_BYTES = 4 << 20


def read_columns(
    source: BinaryIO, form: Form, columns: Sequence[str], tell: Callable[[int], None]
) -> Iterator[pa.Table]:
    """Tables with these columns; with no columns they have their length alone.

    Raises StoppedError for a column that is missing; pyarrow's errors and ValueError for damage.
    """
    match form.format:
        case Format.PARQUET:
            yield from _parquet(source, columns, tell)
        case Format.ARROW:
            yield from _arrow(source, columns, tell)
        case Format.CSV | Format.TSV:
            yield from _csv(source, form, columns, tell)
        case Format.JSONL | Format.TEXT:
            with unpacking(source, form.packing) as stream:
                for lines in lines_of(stream, form.format, tell):
                    yield _of_lines(lines, form.format, columns)


def _parquet(
    source: BinaryIO, columns: Sequence[str], tell: Callable[[int], None]
) -> Iterator[pa.Table]:
    file = pq.ParquetFile(pa.PythonFile(source, mode="r"), pre_buffer=False)
    require_columns(columns, file.schema_arrow.names)
    if not columns:
        for at in range(file.metadata.num_row_groups):
            yield pa.table({"": pa.nulls(file.metadata.row_group(at).num_rows)})
        return
    for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(columns)):
        tell(0)
        yield pa.Table.from_batches([batch]).select(list(columns))


def _arrow(
    source: BinaryIO, columns: Sequence[str], tell: Callable[[int], None]
) -> Iterator[pa.Table]:
    opened = open_arrow(source)
    require_columns(columns, opened.schema.names)
    for batch, _ in opened.batches:
        tell(source.tell())
        table = pa.Table.from_batches([batch])
        yield table.select(list(columns)) if columns else pa.table({"": pa.nulls(batch.num_rows)})


def _csv(
    source: BinaryIO, form: Form, columns: Sequence[str], tell: Callable[[int], None]
) -> Iterator[pa.Table]:
    if not columns:
        with unpacking(source, form.packing) as stream:
            for lines in lines_of(stream, form.format, tell):
                yield pa.table({"": pa.nulls(lines.rows.size)})
        return
    delimiter = "\t" if form.format is Format.TSV else ","
    parse = pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    with unpacking(source, form.packing) as stream:
        read = pa.csv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False)
        heading = pa.csv.open_csv(stream, parse_options=parse, read_options=read).schema.names
    require_columns(columns, heading)
    convert = pa.csv.ConvertOptions(
        include_columns=list(columns),
        column_types=dict.fromkeys(columns, pa.string()),
        strings_can_be_null=False,
    )
    with unpacking(source, form.packing) as stream:
        for batch in pa.csv.open_csv(
            stream, parse_options=parse, read_options=read, convert_options=convert
        ):
            tell(0)
            yield pa.Table.from_batches([batch])


def _of_lines(lines: Lines, kind: Format, columns: Sequence[str]) -> pa.Table:
    count = lines.rows.size
    if not columns:
        return pa.table({"": pa.nulls(count)})
    rows = [row_bytes(lines, row) for row in range(count)]
    if kind is Format.TEXT:
        return pa.table({name: pa.array(rows, pa.binary()) for name in columns})
    return pa.table({name: _json_column(rows, name) for name in columns})


def _json_column(rows: list[bytes], name: str) -> pa.Array:
    if name == WHOLE_LINE:
        return pa.array(rows, pa.binary())
    row = msgspec.defstruct("Row", [("value", Any, None)], rename={"value": name}, gc=False)
    decode = msgspec.json.Decoder(row).decode
    values = [as_text(decode(each).value) for each in rows]  # type: ignore[attr-defined]  # made above
    return pa.array(values, pa.string())


def as_text(value: object) -> str | None:
    """A value of JSON as text: a text as it is, others as JSON has them."""
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def require_columns(wanted: Sequence[str], present: Sequence[str]) -> None:
    """Raise StoppedError, naming it, for a column that is not there (rule 2)."""
    for name in wanted:
        if name not in present:
            raise StoppedError(
                Reason.KEY_COLUMN_MISSING,
                f"There is no column {name!r} among the {len(present)} of it.",
            )
