"""Reads the rows of a file a few at a time, and of them only the columns that are asked for.

Rules:
1. Rows come in their order, 65,536 at a time; each file is read once.
2. A column that is missing, or a row that cannot be read, is told with file and row.
3. CSV holds texts; what a JSON line lacks is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from registry.client.files import CHUNK_BYTES
from registry.client.found import FoundFile
from registry.errors import InvalidInputError

ROWS_AT_ONCE = 65_536


def read_rows(store: Any, file: FoundFile, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of a file, at least one table; with no columns the tables have their length alone.

    Raises InvalidInputError (rule 2).
    """
    with _telling(file):
        match file.kind:
            case "parquet":
                tables = _parquet(store, file, columns)
            case "arrow":
                tables = _arrow(store, file, columns)
            case "csv":
                tables = _csv(store, file, columns)
            case _:
                tables = _json_lines(store, file, columns)
        yield from tables


def _parquet(store: Any, file: FoundFile, columns: Sequence[str]) -> Iterator[pa.Table]:
    with store.open_input_file(file.path) as source, pq.ParquetFile(source) as parquet:
        _require(file, columns, parquet.schema_arrow.names)
        for batch in parquet.iter_batches(ROWS_AT_ONCE, columns=list(columns)):
            yield pa.Table.from_batches([batch])


def _arrow(store: Any, file: FoundFile, columns: Sequence[str]) -> Iterator[pa.Table]:
    with store.open_input_file(file.path) as source:
        try:
            reader = pa.ipc.open_file(source)
            batches = (reader.get_batch(at) for at in range(reader.num_record_batches))
        except pa.ArrowInvalid:
            source.seek(0)
            reader = pa.ipc.open_stream(source)
            batches = iter(reader)
        _require(file, columns, reader.schema.names)
        for batch in batches:
            yield pa.Table.from_batches([batch]).select(list(columns))


def _csv(store: Any, file: FoundFile, columns: Sequence[str]) -> Iterator[pa.Table]:
    parse = pa.csv.ParseOptions(
        delimiter="\t" if ".tsv" in file.name.lower() else ",", newlines_in_values=True
    )
    with _unpacked(store, file) as stream:
        heading = pa.csv.open_csv(
            stream, parse_options=parse, read_options=pa.csv.ReadOptions(block_size=CHUNK_BYTES)
        ).schema.names
    _require(file, columns, heading)
    # Without a column there would be nothing to count the rows by.
    wanted = list(columns) or heading[:1]
    convert = pa.csv.ConvertOptions(
        include_columns=wanted,
        column_types=dict.fromkeys(wanted, pa.string()),
        strings_can_be_null=True,
        null_values=[""],
        quoted_strings_can_be_null=False,
    )
    with _unpacked(store, file) as stream:
        for batch in pa.csv.open_csv(stream, parse_options=parse, convert_options=convert):
            yield pa.Table.from_batches([batch])


def _json_lines(store: Any, file: FoundFile, columns: Sequence[str]) -> Iterator[pa.Table]:
    fields = [(f"f{at}", Any, msgspec.UNSET) for at in range(len(columns))]
    names = {f"f{at}": name for at, name in enumerate(columns)}
    row = msgspec.defstruct("Row", fields, rename=names, gc=False)
    decode = msgspec.json.Decoder(row).decode
    seen: set[str] = set()
    rows: list[Any] = []
    number = 0
    for line in _lines(store, file):
        try:
            rows.append(decode(line))
        except msgspec.MsgspecError as error:
            raise _unreadable(file, f"line {number + 1} is no JSON object: {error}") from error
        number += 1
        if len(rows) == ROWS_AT_ONCE:
            yield _as_table(rows, columns, seen)
            rows = []
    if rows or not number:
        yield _as_table(rows, columns, seen)
    missing = [name for name in columns if name not in seen] if number else []
    if missing:
        raise InvalidInputError(
            f"{file.uri} has no column {missing[0]} in any of its {number:,} rows.",
            remedy="Correct the name.",
        )


def _as_table(rows: list[Any], columns: Sequence[str], seen: set[str]) -> pa.Table:
    if not columns:
        return pa.table({"row": pa.nulls(len(rows))})
    found = {}
    for at, name in enumerate(columns):
        values = [getattr(row, f"f{at}") for row in rows]
        if any(value is not msgspec.UNSET for value in values):
            seen.add(name)
        found[name] = _as_column([None if v is msgspec.UNSET else v for v in values])
    return pa.table(found)


def _as_column(values: list[Any]) -> pa.Array:
    """Values of JSON; those of several kinds as texts."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array(
            [
                value if value is None or isinstance(value, str) else _text(value)
                for value in values
            ],
            pa.string(),
        )


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _lines(store: Any, file: FoundFile) -> Iterator[bytes]:
    with _unpacked(store, file) as stream:
        rest = b""
        while chunk := stream.read(CHUNK_BYTES):
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            yield from filter(bytes.strip, lines)
        if rest.strip():
            yield rest


@contextmanager
def _unpacked(store: Any, file: FoundFile) -> Iterator[Any]:
    with store.open_input_stream(file.path, compression=file.packed) as stream:
        yield stream


@contextmanager
def _telling(file: FoundFile) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        said = str(error).partition("\n")[0].rstrip(".")
        raise _unreadable(file, said) from error


def _require(file: FoundFile, columns: Sequence[str], present: Any) -> None:
    missing = [name for name in columns if name not in present]
    if missing:
        held = ", ".join(sorted(present)) or "none"
        raise InvalidInputError(
            f"{file.uri} has no column {missing[0]}; it has {held}.", remedy="Correct the name."
        )


def _unreadable(file: FoundFile, what: str) -> InvalidInputError:
    return InvalidInputError(
        f"{file.uri} cannot be read: {what}.", remedy="Mend the file, or adopt without it."
    )
