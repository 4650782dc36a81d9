"""Reads a file of consent events, CSV, NDJSON or Parquet, in chunks of text columns.

Rules:
1. Each row has a number in the file, so that what is refused can be found: a line of CSV or NDJSON
   (CSV's header is line 1), a row of Parquet counted from 1.
2. A line that cannot be read at all goes as an empty row, so that rows stay counted, and its reason
   is told here.
3. A person is `subject` {scheme, value}, or the columns `scheme` and `value`, `subject_scheme` and
   `subject_value`, or `subject.scheme` and `subject.value`.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from registry.errors import InvalidInputError

CHUNK_ROWS = 50_000
FIELDS = (
    "scheme",
    "value",
    "purpose",
    "status",
    "at",
    "expires_at",
    "notice",
    "evidence",
    "jurisdiction",
    "explicit",
    "controller",
)
_OTHER_NAMES = {f"subject{mark}{part}": part for mark in ("_", ".") for part in ("scheme", "value")}


@dataclass(slots=True)
class Chunk:
    """Some rows: their numbers in the file, their columns, and rows that could not be read."""

    first: int
    numbers: list[int] = field(default_factory=list)
    columns: dict[str, list[str | None]] = field(default_factory=dict)
    unreadable: dict[int, str] = field(default_factory=dict)

    def arrow(self) -> bytes:
        """The columns as an Arrow IPC stream."""
        import pyarrow as pa

        table = pa.table(
            {name: pa.array(values, pa.string()) for name, values in self.columns.items()}
        )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return bytes(sink.getvalue())


def file_digest(path: Path) -> str:
    """`sha256:…` of a file."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def read_chunks(path: Path, *, skip: int, rows: int = CHUNK_ROWS) -> Iterator[Chunk]:
    """The rows after the first `skip`. Raises InvalidInputError for another kind of file."""
    match path.suffix.lower():
        case ".csv":
            return _csv_chunks(path, skip, rows)
        case ".ndjson" | ".jsonl":
            return _ndjson_chunks(path, skip, rows)
        case ".parquet":
            return _parquet_chunks(path, skip, rows)
        case other:
            raise InvalidInputError(
                f"{path.name} ends with {other or 'nothing'!r}, which is not read here.",
                remedy="Give a file that ends with .csv, .ndjson, .jsonl or .parquet.",
                path="FILE",
            )


def _csv_chunks(path: Path, skip: int, rows: int) -> Iterator[Chunk]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file)
        names = [_field(name.strip(), path) for name in next(reader, [])]
        first = 0
        while True:
            before = reader.line_num
            some = _next_rows(reader, rows, path)
            if not some:
                return
            numbers = _line_numbers(some, before, reader.line_num)
            if [] in some:
                numbers = [number for number, cells in zip(numbers, some, strict=True) if cells]
                some = [cells for cells in some if cells]
            start, first = first, first + len(some)
            if first <= skip or start == first:
                continue
            behind = max(skip - start, 0)
            yield _of_cells(names, some[behind:], numbers[behind:], start + behind)


def _next_rows(reader: Iterator[list[str]], rows: int, path: Path) -> list[list[str]]:
    try:
        return list(itertools.islice(reader, rows))
    except csv.Error as error:
        raise InvalidInputError(
            f"{path.name} is no CSV that is read here: {error}.", remedy="Correct it.", path="FILE"
        ) from error


def _line_numbers(some: list[list[str]], before: int, after: int) -> list[int]:
    """The line that each row begins in; a quoted cell may hold several."""
    if after - before == len(some):
        return list(range(before + 1, after + 1))
    numbers, line = [], before + 1
    for cells in some:
        numbers.append(line)
        line += 1 + sum(cell.count("\n") for cell in cells)
    return numbers


def _of_cells(names: list[str], some: list[list[str]], numbers: list[int], first: int) -> Chunk:
    chunk = Chunk(first, numbers)
    for at, cells in enumerate(some):
        if len(cells) != len(names):
            chunk.unreadable[at] = f"it has {len(cells)} cells, and the header {len(names)}"
            some[at] = [""] * len(names)
    columns = zip(*some, strict=True)
    chunk.columns = {name: list(column) for name, column in zip(names, columns, strict=True)}
    return chunk


def _field(name: str, path: Path) -> str:
    found = _OTHER_NAMES.get(name, name)
    if found not in FIELDS:
        raise InvalidInputError(
            f"{path.name} has a column {name[:80]!r}, which a consent event has not.",
            remedy=f"Name the columns: {', '.join(FIELDS)}.",
            path="FILE",
        )
    return found


def _ndjson_chunks(path: Path, skip: int, rows: int) -> Iterator[Chunk]:
    decoder = msgspec.json.Decoder(dict[str, Any])
    with path.open("rb") as file:
        numbered = ((number, line) for number, line in enumerate(file, 1) if line.strip())
        first = skip
        rest = itertools.islice(numbered, skip, None)
        while some := list(itertools.islice(rest, rows)):
            chunk = Chunk(first, [number for number, _ in some])
            made: list[dict[str, str | None]] = []
            for at, (_, line) in enumerate(some):
                try:
                    made.append(_flat(decoder.decode(line)))
                except (
                    msgspec.MsgspecError,
                    UnicodeDecodeError,
                    RecursionError,
                    ValueError,
                ) as why:
                    chunk.unreadable[at] = f"it is no event: {str(why)[:120]}"
                    made.append({})
            chunk.columns = {name: [row.get(name) for row in made] for name in FIELDS}
            yield chunk
            first += len(some)


def _flat(row: dict[str, Any]) -> dict[str, str | None]:
    """A row as texts by field. Raises ValueError for a member that an event has not."""
    found: dict[str, str | None] = {}
    person = row.pop("subject", None)
    if person is not None:
        if not isinstance(person, dict) or set(person) - {"scheme", "value"}:
            raise ValueError("subject is not {scheme, value}")
        row |= person
    for key, value in row.items():
        name = _OTHER_NAMES.get(key, key)
        if name not in FIELDS:
            raise ValueError(f"it has a member {key[:40]!r}")
        found[name] = _text(value)
    return found


def _text(value: Any) -> str | None:
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat()
        case int() | float():
            return str(value)
        case _:
            raise ValueError("a member is no text")


def _parquet_chunks(path: Path, skip: int, rows: int) -> Iterator[Chunk]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(rows):
                start, first = first, first + batch.num_rows
                if first <= skip:
                    continue
                some = batch.slice(max(skip - start, 0))
                yield _of_batch(some, max(start, skip), path)
    except (pa.ArrowException, OSError) as error:
        raise InvalidInputError(
            f"{path.name} is no whole Parquet file.", remedy="Write it again.", path="FILE"
        ) from error


def _of_batch(batch: Any, first: int, path: Path) -> Chunk:
    chunk = Chunk(first, list(range(first + 1, first + 1 + batch.num_rows)))
    for name in batch.schema.names:
        values = batch.column(name).to_pylist()
        if name == "subject":
            for part in ("scheme", "value"):
                chunk.columns[part] = [
                    person.get(part) if isinstance(person, dict) else None for person in values
                ]
            continue
        known = _field(name, path)
        texts: list[str | None] = []
        for at, value in enumerate(values):
            try:
                texts.append(_text(value))
            except ValueError as why:
                chunk.unreadable[at] = f"{name}: {why}"
                texts.append(None)
        chunk.columns[known] = texts
    return chunk
