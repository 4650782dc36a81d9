"""Rows of line formats (JSON Lines, CSV, text): where each ends, and the file without some of them.

Rules:
1. JSON Lines: a line that is not blank is a row; blank ones stay where they are.
2. CSV (RFC 4180): the first record is the heading; a line end inside quotes ends no row; empty
   lines are no rows.
3. Text: every line is a row, an empty one too; so is what stands behind the last line end.
4. The bytes of the other rows are the same, line ends and byte order mark included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from registry.erasure.connectors.forms import Format
from registry.erasure.connectors.protocol import RowNumbers
from registry.erasure.connectors.trouble import NotFaithfulError

CHUNK_BYTES = 4 << 20
#: A row that is longer is taken for damage: a quote that is never closed.
LONGEST_ROW_BYTES = 1 << 30
_NEWLINE, _RETURN, _QUOTE = b"\n"[0], b"\r"[0], b'"'[0]
_BLANKS = np.zeros(256, np.bool)
_BLANKS[list(b" \t\n\r\x0b\x0c")] = True
_Positions: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines of a file: line i is `data[starts[i]:starts[i + 1]]`; `rows` are the lines that
    are rows, the first of which is row `first` of the file.
    """

    data: bytes
    starts: _Positions
    rows: _Positions
    first: int


def lines_of(stream: BinaryIO, kind: Format, tell: Callable[[int], None]) -> Iterator[Lines]:
    """The lines of a stream, some at a time (rules 1 to 3); `tell` gets the unpacked bytes so far.

    Raises NotFaithfulError where the end of a row is ambiguous. Memory: 4 MiB, or the longest row.
    """
    rest, done, first = b"", 0, 0
    heading = kind in (Format.CSV, Format.TSV)
    delimiter = b"\t" if kind is Format.TSV else b","
    while True:
        chunk = stream.read(max(CHUNK_BYTES, len(rest)))
        data = rest + chunk
        done += len(chunk)
        if not data:
            return
        ends = _ends(data, kind, delimiter, last=not chunk)
        stop = int(ends[-1]) if ends.size else 0
        if len(data) - stop > LONGEST_ROW_BYTES:
            raise NotFaithfulError("a row has more than 1 GiB: a quote may not be closed")
        rest = data[stop:]
        if stop:
            starts = np.concatenate((np.zeros(1, np.int64), ends))
            rows = _rows(data, starts, kind)
            if heading and rows.size:
                heading, rows = False, rows[1:]
            yield Lines(data, starts, rows, first)
            first += rows.size
            tell(done)
        if not chunk:
            return


def rewrite_lines(
    stream: BinaryIO, sink: BinaryIO, kind: Format, drop: RowNumbers, tell: Callable[[int], None]
) -> tuple[int, int]:
    """Write a stream without the rows `drop` (sorted) to `sink`; rows before and after.

    Raises NotFaithfulError as `lines_of`.
    """
    before = dropped = 0
    for lines in lines_of(stream, kind, tell):
        before = lines.first + lines.rows.size
        begin, end = np.searchsorted(drop, (lines.first, before))
        view, at = memoryview(lines.data), 0
        for line in lines.rows[drop[begin:end] - lines.first].tolist():
            start, stop = int(lines.starts[line]), int(lines.starts[line + 1])
            if start > at:
                sink.write(view[at:start])
            at = stop
        sink.write(view[at : int(lines.starts[-1])])
        dropped += int(end - begin)
    return before, before - dropped


def row_bytes(lines: Lines, row: int) -> bytes:
    """A row of these lines (from 0, within them) without its line end."""
    line = int(lines.rows[row])
    return lines.data[int(lines.starts[line]) : int(lines.starts[line + 1])].rstrip(b"\r\n")


def _ends(data: bytes, kind: Format, delimiter: bytes, *, last: bool) -> _Positions:
    """Behind each line end that ends a line; at the end of the file also behind what is left."""
    found = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(found == _NEWLINE).astype(np.int64)
    if kind in (Format.CSV, Format.TSV):
        ends = _outside_quotes(found, ends, delimiter[0], last=last)
    ends = ends + 1
    if last and len(data) and (not ends.size or ends[-1] != len(data)):
        ends = np.append(ends, len(data))
    return ends


def _outside_quotes(
    data: npt.NDArray[np.uint8], ends: _Positions, delimiter: int, *, last: bool
) -> _Positions:
    quotes = np.flatnonzero(data == _QUOTE)
    if quotes.size:
        opening = quotes[::2]
        before = data[opening[opening > 0] - 1]
        fine = (before == delimiter) | (before == _NEWLINE) | (before == _QUOTE)
        # A byte order mark may stand before the first field.
        marked = opening[opening > 0] == 3
        if not np.all(fine | (marked & (before == 0xBF))):
            raise NotFaithfulError("a quote stands inside a field that is not quoted")
        if last and quotes.size % 2:
            raise NotFaithfulError("a quote is not closed")
        ends = ends[np.searchsorted(quotes, ends) % 2 == 0]
    returns = np.flatnonzero(data == _RETURN)
    returns = returns[returns + 1 < data.size]
    alone = returns[data[returns + 1] != _NEWLINE]
    if quotes.size:
        alone = alone[np.searchsorted(quotes, alone) % 2 == 0]
    if alone.size:
        raise NotFaithfulError("a line ends with a carriage return alone")
    return ends


def _rows(data: bytes, starts: _Positions, kind: Format) -> _Positions:
    """Which lines are rows."""
    count = starts.size - 1
    if kind is Format.TEXT or not count:
        return np.arange(count)
    found = np.frombuffer(data, np.uint8)
    suspects = np.flatnonzero(_BLANKS[found[starts[:-1]]])
    blank = np.zeros(count, np.bool)
    for line in suspects.tolist():
        content = data[int(starts[line]) : int(starts[line + 1])]
        blank[line] = not (content.strip() if kind is Format.JSONL else content.strip(b"\r\n"))
    return np.flatnonzero(~blank)
