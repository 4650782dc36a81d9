"""The columns that a batch is summed by, as arrays: how they rest, and how they pass through maps.

Rules:
1. A text column is codes into its distinct values, a number column int64; what nobody recorded has
   the code -1, or the number `ABSENT`. A column in which nothing is recorded does not exist, and
   costs neither room nor time.
2. An output with several parents has the text on which they agree, else `MIXED`; its numbers are
   its parents' together, and not recorded where one of them is not.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from registry.ledger.rowmap import RowMap
from registry.ledger.rowmap_codec import sentinel
from registry.ledger.rowmap_file import Source

TEXTS = (
    "split",
    "license",
    "language",
    "modality",
    "label",
    "source_domain",
    "pii",
    "collected_month",
    "source",
)
NUMBERS = ("bytes", "tokens", "milliseconds")
MIXED = "(mixed)"
ABSENT = np.iinfo(np.int64).min

Codes = npt.NDArray[np.int32]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Texts:
    """A text column. `codes`: n int32 places in `values`, -1 for not recorded."""

    codes: Codes
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summed:
    """The columns of a batch, n rows each; those in which nothing is recorded are missing."""

    rows: int
    texts: Mapping[str, Texts]
    numbers: Mapping[str, Whole]

    def to_parquet(self) -> bytes:
        """The columns as the bytes of a Parquet file; a value that no row has is not in it."""
        arrays: dict[str, pa.Array] = {}
        for name, each in self.texts.items():
            text = _used(each)
            codes = pa.array(text.codes, mask=text.codes < 0)
            arrays[name] = pa.DictionaryArray.from_arrays(codes, pa.array(text.values, pa.string()))
        for name, number in self.numbers.items():
            arrays[name] = pa.array(number, mask=number == ABSENT)
        table = pa.table(arrays).replace_schema_metadata({"rows": str(self.rows)})
        sink = io.BytesIO()
        pq.write_table(table, sink, compression="zstd")
        return sink.getvalue()


def _used(text: Texts) -> Texts:
    """The column without values that no row has."""
    counts = np.bincount(text.codes + 1, minlength=len(text.values) + 1)[1:]
    used = np.flatnonzero(counts)
    if used.size == len(text.values):
        return text
    places = np.full(len(text.values) + 1, -1, np.int32)
    places[used] = np.arange(used.size, dtype=np.int32)
    return Texts(places[text.codes], tuple(text.values[place] for place in used.tolist()))


def blanked(columns: Summed, ordinals: npt.NDArray[np.uint32]) -> Summed:
    """The columns in which these rows have nothing recorded: what is kept of erased ones."""
    at = ordinals[ordinals < columns.rows]
    texts: dict[str, Texts] = {}
    for name, text in columns.texts.items():
        codes = text.codes.copy()
        codes[at] = -1
        texts[name] = _used(Texts(codes, text.values))
    numbers: dict[str, Whole] = {}
    for name, number in columns.numbers.items():
        numbers[name] = number.copy()
        numbers[name][at] = ABSENT
    return Summed(columns.rows, texts, numbers)


def taken(columns: Summed, rows: npt.NDArray[np.bool_]) -> Summed:
    """The columns of some rows alone; `rows`: one truth value for each."""
    texts = {n: Texts(text.codes[rows], text.values) for n, text in columns.texts.items()}
    numbers = {name: number[rows] for name, number in columns.numbers.items()}
    return Summed(int(rows.sum()), texts, numbers)


def read_together(sources: Sequence[Source]) -> Summed:
    """The columns of several batches, one after the other, as `Summed.to_parquet` wrote them."""
    files = [pq.ParquetFile(source) for source in sources]
    try:
        lengths = [int((file.schema_arrow.metadata or {})[b"rows"]) for file in files]
        texts: dict[str, Texts] = {}
        numbers: dict[str, Whole] = {}
        for name in TEXTS:
            parts = [_read(file, name) for file in files]
            if any(part is not None for part in parts):
                texts[name] = _joined_texts(parts, lengths)
        for name in NUMBERS:
            parts = [_read(file, name) for file in files]
            if any(part is not None for part in parts):
                numbers[name] = np.concatenate(
                    [_numbers(part, rows) for part, rows in zip(parts, lengths, strict=True)]
                )
        return Summed(sum(lengths), texts, numbers)
    finally:
        for file in files:
            file.close()


def _read(file: pq.ParquetFile, name: str) -> pa.ChunkedArray | None:
    if name not in file.schema_arrow.names:
        return None
    return file.read(columns=[name]).column(name)


def _numbers(column: pa.ChunkedArray | None, rows: int) -> Whole:
    if column is None:
        return np.full(rows, ABSENT)
    filled: Whole = column.fill_null(ABSENT).to_numpy()
    return filled


def _joined_texts(parts: Sequence[pa.ChunkedArray | None], lengths: Sequence[int]) -> Texts:
    builder = TextBuilder(sum(lengths))
    start = 0
    for part, rows in zip(parts, lengths, strict=True):
        at = start
        for chunk in () if part is None else part.chunks:
            builder.put(slice(at, at + len(chunk)), chunk)
            at += len(chunk)
        start += rows
    return builder.done() or Texts(np.full(start, -1, np.int32), ())


class TextBuilder:
    """Gathers a text column from pieces, each with a dictionary of its own."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._codes: Codes | None = None
        self._places: dict[str, int] = {}

    def put(self, at: slice | npt.NDArray[np.uint32], piece: pa.Array) -> None:
        """Put texts (or a dictionary array of them) at some rows; nulls change nothing there."""
        if piece.null_count == len(piece):
            return
        if not pa.types.is_dictionary(piece.type):
            piece = piece.dictionary_encode()
        known = [
            -1 if text is None else self._places.setdefault(text, len(self._places))
            for text in piece.dictionary.to_pylist()
        ]
        places = np.array([*known, -1], np.int32)
        if self._codes is None:
            self._codes = np.full(self._rows, -1, np.int32)
        self._codes[at] = places[piece.indices.fill_null(len(known)).to_numpy()]

    def done(self) -> Texts | None:
        """The column; None where nothing was recorded."""
        return None if self._codes is None else Texts(self._codes, tuple(self._places))


def through_map(inputs: Summed, chunks: Iterator[tuple[int, RowMap]], rows: int) -> Summed:
    """The columns of a map's outputs, from those of all its inputs together (rule 2).

    `chunks`: (first output, map) in order, as a file of a map gives them; what lies beyond `rows`
    is left out.
    """
    texts = {name: np.full(rows, -1, np.int32) for name in inputs.texts}
    numbers = {name: np.full(rows, ABSENT) for name in inputs.numbers}
    mixed = {name: _mixed_code(text) for name, text in inputs.texts.items()}
    for start, chunk in chunks:
        stop = min(start + len(chunk), rows)
        if stop <= start:
            continue
        for name, text in inputs.texts.items():
            found = _texts_of_parents(text.codes, chunk, mixed[name])
            texts[name][start:stop] = found[: stop - start]
        for name, number in inputs.numbers.items():
            numbers[name][start:stop] = _numbers_of_parents(number, chunk)[: stop - start]
    return Summed(
        rows,
        {n: Texts(codes, _with_mixed(inputs.texts[n])) for n, codes in texts.items()},
        numbers,
    )


def _mixed_code(text: Texts) -> int:
    return text.values.index(MIXED) if MIXED in text.values else len(text.values)


def _with_mixed(text: Texts) -> tuple[str, ...]:
    return text.values if MIXED in text.values else (*text.values, MIXED)


def _texts_of_parents(codes: Codes, chunk: RowMap, mixed: int) -> Codes:
    if chunk.parents is None:
        return codes[chunk.start : chunk.start + len(chunk)]
    if chunk.offsets is None:
        return _one_parent(codes, chunk, -1)
    found = np.full(len(chunk), -1, np.int32)
    has_parents, starts = _segments(chunk)
    if starts.size:
        theirs = codes[chunk.parents]
        least = np.minimum.reduceat(theirs, starts)
        found[has_parents] = np.where(least == np.maximum.reduceat(theirs, starts), least, mixed)
    return found


def _numbers_of_parents(numbers: Whole, chunk: RowMap) -> Whole:
    if chunk.parents is None:
        return numbers[chunk.start : chunk.start + len(chunk)]
    if chunk.offsets is None:
        return _one_parent(numbers, chunk, ABSENT)
    found = np.full(len(chunk), ABSENT)
    has_parents, starts = _segments(chunk)
    if starts.size:
        theirs = numbers[chunk.parents]
        is_known = np.minimum.reduceat(theirs, starts) != ABSENT
        added = np.add.reduceat(np.where(theirs == ABSENT, 0, theirs), starts)
        found[has_parents] = np.where(is_known, added, ABSENT)
    return found


def _one_parent(
    values: npt.NDArray[np.signedinteger], chunk: RowMap, absent: int
) -> npt.NDArray[np.signedinteger]:
    assert chunk.parents is not None
    is_none = chunk.parents == sentinel(chunk.size)
    if not is_none.any():
        return values[chunk.parents]
    found = np.full(len(chunk), absent, values.dtype)
    found[~is_none] = values[chunk.parents[~is_none]]
    return found


def _segments(chunk: RowMap) -> tuple[npt.NDArray[np.bool_], Whole]:
    """Which outputs of a map of lists have parents, and where those of each begin."""
    assert chunk.offsets is not None
    has_parents = np.diff(chunk.offsets) > 0
    starts: Whole = chunk.offsets[:-1][has_parents].astype(np.int64)
    return has_parents, starts


def filled(own: Summed, gathered: Summed) -> Summed:
    """A batch's own columns, and its parents' where it has none."""
    texts = dict(gathered.texts)
    for name, mine in own.texts.items():
        theirs = gathered.texts.get(name)
        texts[name] = mine if theirs is None else _filled_texts(mine, theirs)
    numbers = dict(gathered.numbers)
    for name, number in own.numbers.items():
        other = gathered.numbers.get(name)
        numbers[name] = number if other is None else np.where(number == ABSENT, other, number)
    return Summed(own.rows, texts, numbers)


def _filled_texts(mine: Texts, theirs: Texts) -> Texts:
    places = {text: place for place, text in enumerate(mine.values)}
    moved = [places.setdefault(text, len(places)) for text in theirs.values]
    codes = np.array([*moved, -1], np.int32)[theirs.codes]
    return Texts(np.where(mine.codes < 0, codes, mine.codes), tuple(places))
