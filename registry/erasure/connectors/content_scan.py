"""Reads what stands in the rows of a file, and says which of them name a person.

Rules (issue "Erasure, the hands", 4):
1. Every text of every row is looked at, nested ones too; of JSON Lines what the escapes mean. One
   expression goes over all texts at once (`Person.loose`); only what it matches reaches Python.
2. What comes out is ordinals and places of identifiers in the request, never a text.
3. A file that is not the recorded one is not read for hits: its ordinals would be others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from registry.erasure.connectors.arrow_rewrite import open_arrow
from registry.erasure.connectors.edge import at_edge
from registry.erasure.connectors.forms import Form, Format, form_of
from registry.erasure.connectors.lines import Lines, lines_of
from registry.erasure.connectors.packing import unpacking
from registry.erasure.connectors.person_patterns import How, Person
from registry.erasure.connectors.places import Place, digest_of
from registry.erasure.connectors.protocol import RowNumbers, Step, Target, Watch
from registry.erasure.connectors.trouble import Reason, StoppedError, Trouble

_ROWS_AT_ONCE = 16_384


@dataclass(frozen=True, slots=True)
class ScanHit:
    """A row names the person: its ordinal, which identifier of the request, how surely."""

    ordinal: int
    position: int
    how: How


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found, by ordinal; `rows` and `bytes_read` say how much was looked at."""

    hits: tuple[ScanHit, ...] = ()
    rows: int = 0
    bytes_read: int = 0
    trouble: Trouble | None = None


def scan_file(place: Place, target: Target, person: Person, watch: Watch) -> Scan:
    """The rows of a file that name a person, and where.

    Cost: one reading for the digest and one for the texts, above 50 MB/s. Memory: some rows.
    """

    def work(told: Watch) -> Scan:
        form = form_of(target.uri, target.form)
        with place.hold(target.uri) as held:
            told.at(Step.OPENED, 0, held.size)
            digest = digest_of(held.source, lambda done: told.at(Step.READING, done, held.size))
            if target.sha256 is not None and digest != target.sha256:
                raise StoppedError(
                    Reason.CHANGED_OUTSIDE, f"{target.uri} is not the file that is recorded."
                )
            left = _ordinals_left(target)
            hits: dict[tuple[int, int], How] = {}
            rows = 0
            for first, count, texts, row_of in _texts(held.source, form, told):
                rows = max(rows, first + count)
                for row, text in _candidates(texts, row_of, person):
                    for position, how in person.in_text(text):
                        key = (_ordinal(target, left, first + row), position)
                        if hits.get(key) is not How.NORMALISED:
                            hits[key] = how
        found = tuple(ScanHit(*key, how) for key, how in sorted(hits.items()))
        return Scan(found, rows, held.size)

    return at_edge(target.uri, watch, work, lambda trouble: Scan(trouble=trouble))


def _ordinals_left(target: Target) -> RowNumbers | None:
    """The ordinals of a file's rows where it lacks some; None where they are counted through."""
    if not len(target.holes) or target.rows is None:
        return None
    every = np.arange(target.first, target.first + target.rows, dtype=np.uint32)
    return target.holes.present(every).astype(np.int64)


def _ordinal(target: Target, left: RowNumbers | None, row: int) -> int:
    if left is None:
        return target.first + row
    if row >= left.size:
        raise StoppedError(Reason.ROWS_DIFFER, f"{target.uri} has more rows than are recorded.")
    return int(left[row])


_Texts = tuple[int, int, Any, "RowNumbers | None"]


def _texts(source: BinaryIO, form: Form, watch: Watch) -> Iterator[_Texts]:
    """(first row, rows, texts, row of each text from the first; None where one is of one row)."""
    match form.format:
        case Format.PARQUET:
            file = pq.ParquetFile(pa.PythonFile(source, mode="r"), pre_buffer=False)
            yield from _of_batches(file.iter_batches(_ROWS_AT_ONCE))
        case Format.ARROW:
            yield from _of_batches(batch for batch, _ in open_arrow(source).batches)
        case Format.JSONL | Format.CSV | Format.TSV | Format.TEXT:
            with unpacking(source, form.packing) as stream:
                for lines in lines_of(
                    stream, form.format, lambda done: watch.at(Step.READING, done)
                ):
                    is_json = form.format is Format.JSONL
                    yield lines.first, lines.rows.size, _lines(lines, is_json=is_json), None


def _of_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[_Texts]:
    first = 0
    for batch in batches:
        for column in batch.columns:
            for texts, row_of in _strings(column, None):
                yield first, batch.num_rows, texts, row_of
        first += batch.num_rows
        yield first, 0, pa.array([], pa.string()), None


def _strings(column: Any, row_of: RowNumbers | None) -> Iterator[tuple[Any, RowNumbers | None]]:
    """The texts inside a column, with the row of each."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        column, kind = column.storage, kind.storage_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        yield column, row_of
    elif pa.types.is_string_view(kind) or pa.types.is_integer(kind):
        yield column.cast(pa.string()), row_of
    elif pa.types.is_struct(kind):
        for part in column.flatten():
            yield from _strings(part, row_of)
    elif (
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or pa.types.is_map(kind)
    ):
        inside = column
        if pa.types.is_map(kind):
            inside = column.cast(pa.list_(pa.struct([kind.key_field, kind.item_field])))
        parents = pc.list_parent_indices(inside).to_numpy().astype(np.int64)
        yield from _strings(pc.list_flatten(inside), parents if row_of is None else row_of[parents])


def _lines(lines: Lines, *, is_json: bool) -> Any:
    """The rows of some lines as bytes, without a copy; of JSON what its escapes mean."""
    count = lines.starts.size - 1
    every = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), count, [None, pa.py_buffer(lines.starts), pa.py_buffer(lines.data)]
    )
    rows = every if lines.rows.size == count else every.take(pa.array(lines.rows))
    if not is_json or b"\\" not in lines.data:
        return rows
    escaped = pc.match_substring(rows, "\\")
    meant = [_meant(line) for line in rows.filter(escaped).to_pylist()]
    return pc.replace_with_mask(rows, escaped, pa.array(meant, pa.large_binary()))


def _meant(line: bytes) -> bytes:
    """The texts of a JSON line, one below the other."""
    found: list[str] = []
    waiting: list[Any] = [msgspec.json.decode(line)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            waiting += [*value.values(), *value]
        elif isinstance(value, list):
            waiting += value
        elif value is not None:
            found.append(str(value))
    return "\n".join(found).encode("utf-8", "surrogatepass")


def _candidates(texts: Any, row_of: RowNumbers | None, person: Person) -> Iterator[tuple[int, str]]:
    """The texts that the loose expression matches, with their rows (rule 1)."""
    if not len(texts) or not person.loose:
        return
    plain = _in_one_form(texts)
    at = pc.indices_nonzero(pc.fill_null(pc.match_substring_regex(plain, person.loose), False))
    rows = at.to_numpy().astype(np.int64)
    if row_of is not None:
        rows = row_of[rows]
    for row, text in zip(rows.tolist(), texts.take(at).to_pylist(), strict=True):
        yield row, text if isinstance(text, str) else text.decode("utf-8", "replace")


def _in_one_form(texts: Any) -> Any:
    """Texts in NFKC where there is something to bring to it."""
    if pa.types.is_large_binary(texts.type):
        if not _has_high_bytes(texts):
            return texts
        try:
            texts = texts.cast(pa.large_string())
        except pa.ArrowInvalid:
            return texts
    if pc.all(pc.string_is_ascii(texts), skip_nulls=True).as_py() is not False:
        return texts
    return pc.utf8_normalize(texts, form="NFKC")


def _has_high_bytes(texts: Any) -> bool:
    data = texts.buffers()[2]
    return data is not None and bool((np.frombuffer(data, np.uint8) & 0x80).any())
