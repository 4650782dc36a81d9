"""Where rows of line formats end, and what is left of them, against Python's own readers."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.erasure.connectors import lines as lines_module
from registry.erasure.connectors.forms import Format
from registry.erasure.connectors.lines import lines_of, rewrite_lines
from registry.erasure.connectors.trouble import NotFaithfulError

CHUNKS = (1, 2, 7, 64, 4 << 20)


def rewritten(content: bytes, kind: Format, drop: list[int]) -> tuple[bytes, int, int]:
    sink = io.BytesIO()
    numbers = np.array(sorted(set(drop)), np.int64)
    counts = rewrite_lines(io.BytesIO(content), sink, kind, numbers, lambda _: None)
    return sink.getvalue(), *counts


@pytest.fixture(params=CHUNKS, autouse=True)
def chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "CHUNK_BYTES", request.param)


LINES = st.lists(
    st.sampled_from([b'{"a": 1}', b"", b"  ", b"\t", b"x", b"\x0c", b'"\r']), max_size=9
)


@given(
    lines=LINES,
    end=st.sampled_from([b"", b"\n", b"\r\n"]),
    drop=st.lists(st.integers(0, 9), max_size=4),
)
def test_lines(lines: list[bytes], end: bytes, drop: list[int]) -> None:
    content = b"\n".join(lines) + end
    pieces = [each + b"\n" for each in content.split(b"\n")[:-1]]
    last = content.rpartition(b"\n")[2]
    pieces += [last] if last else []
    for kind in (Format.TEXT, Format.JSONL):
        rows = [at for at, piece in enumerate(pieces) if kind is Format.TEXT or piece.strip()]
        mine = [row for row in drop if row < len(rows)]
        gone = {rows[row] for row in mine}
        expected = b"".join(piece for at, piece in enumerate(pieces) if at not in gone)
        assert rewritten(content, kind, mine) == (expected, len(rows), len(rows) - len(gone))


CELLS = st.lists(
    st.lists(
        st.sampled_from(["a", 'say "hi"', "two\nlines", "two\r\nlines", "", "a,b", " "]),
        min_size=2,
        max_size=3,
    ),
    max_size=8,
)


@given(
    cells=CELLS,
    ends=st.sampled_from(["\n", "\r\n"]),
    marked=st.booleans(),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    empty=st.booleans(),
    drop=st.lists(st.integers(0, 8), max_size=4),
)
def test_records(
    cells: list[list[str]], ends: str, marked: bool, quoting: int, empty: bool, drop: list[int]
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=ends, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(["one", "two"])
    writer.writerows(cells)
    said = text.getvalue() + (ends if empty else "")
    content = (b"\xef\xbb\xbf" if marked else b"") + said.encode()
    mine = [row for row in drop if row < len(cells)]
    left, before, after = rewritten(content, Format.CSV, mine)
    read = [row for row in csv.reader(io.StringIO(left.decode("utf-8-sig"), newline="")) if row]
    assert read == [["one", "two"], *(row for at, row in enumerate(cells) if at not in mine)]
    assert (before, after) == (len(cells), len(cells) - len(set(mine)))
    assert left.startswith(b"\xef\xbb\xbf") is marked


def test_a_line_end_between_two_readings_is_one() -> None:
    content = b"a,b\r\n1,2\r\n3,4\r\n"
    assert rewritten(content, Format.CSV, [0]) == (b"a,b\r\n3,4\r\n", 2, 1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'a,b\n1,"2\n3,4\n', "not closed"),
        (b'a,b\n1,2" pipe\n3,"4"\n', "not quoted"),
        (b"a,b\r1,2\r3,4\r", "carriage return"),
    ],
)
def test_what_is_ambiguous_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(NotFaithfulError, match=words):
        rewritten(content, Format.CSV, [0])


def test_a_row_without_an_end_is_not_taken_in_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "LONGEST_ROW_BYTES", 1_000)
    with pytest.raises(NotFaithfulError, match="more than"):
        list(lines_of(io.BytesIO(b"x" * 5_000), Format.TEXT, lambda _: None))
