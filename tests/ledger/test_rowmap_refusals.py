"""What row maps refuse: impossible numbers, and files that are not theirs."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import InvalidInputError
from registry.ledger import rowmap_codec
from registry.ledger.rowmap import NO_PARENT, RowMap
from registry.ledger.rowmap_file import RowMapFile

BEYOND_32_BITS = 2**33

REFUSED_MAPS = {
    "a parent at the size": (lambda: RowMap.take([0, 3], 3), "holds 3, but there are 3 rows"),
    "a negative parent": (lambda: RowMap.take([0, -1], 3), "holds -1"),
    "a parent where there are no inputs": (lambda: RowMap.take([0], 0), "there are 0 rows"),
    "parents that are no whole numbers": (lambda: RowMap.take([0.5], 3), "holds float64"),
    "parents that are text": (lambda: RowMap.take(["a"], 3), "not whole numbers"),
    "a mask in place of parents": (lambda: RowMap.take([True, False], 2), "flatnonzero"),
    "parents in two dimensions": (lambda: RowMap.take([[0, 1]], 3), "2 dimensions"),
    "a single number as parents": (lambda: RowMap.take(4, 9), "0 dimensions"),
    "parents with a missing one": (lambda: RowMap.take([1, None], 3), "object"),
    "an integer beyond 64 bits": (lambda: RowMap.take([1, 2**70], 3), "object"),
    "the narrow sentinel over wide inputs": (
        lambda: RowMap.take([NO_PARENT], BEYOND_32_BITS),
        "NO_PARENT_WIDE",
    ),
    "a slice that ends before it starts": (lambda: RowMap.slice(3, 2, 5), "no slice"),
    "a slice beyond the inputs": (lambda: RowMap.slice(0, 6, 5), "no slice"),
    "a slice from below zero": (lambda: RowMap.slice(-1, 2, 5), "start is -1"),
    "a negative size": (lambda: RowMap.identity(-1), "size is -1"),
    "a size that is no number": (lambda: RowMap.identity(None), "size is None"),  # type: ignore[arg-type]
    "a size that is a truth value": (lambda: RowMap.identity(True), "size is True"),
    "a size beyond what JSON carries": (lambda: RowMap.identity(2**53), "not a number of rows"),
    "no offsets": (lambda: RowMap.lists([], [], 3), "nothing at all"),
    "offsets that do not start at zero": (lambda: RowMap.lists([1, 2], [0, 1], 3), "from 1 to 2"),
    "offsets that end early": (lambda: RowMap.lists([0, 1], [0, 1], 3), "must go from 0 to 2"),
    "offsets that fall": (lambda: RowMap.lists([0, 2, 1, 3], [0, 1, 2], 3), "from 2 to 1 at row 1"),
    "a parent of a list beyond the inputs": (lambda: RowMap.lists([0, 2], [0, 3], 3), "holds 3"),
    "a list with the sentinel in it": (lambda: RowMap.lists([0, 2], [0, NO_PARENT], 3), "holds"),
}


@pytest.mark.parametrize("name", REFUSED_MAPS)
def test_a_map_that_says_something_impossible_is_refused(name: str) -> None:
    build, message = REFUSED_MAPS[name]

    with pytest.raises(InvalidInputError) as refusal:
        build()
    assert message in str(refusal.value)


@pytest.mark.parametrize("whole", [RowMap.identity(5), RowMap.take([4, 1, 1, 0, 3], 5)])
def test_questions_about_rows_that_do_not_exist_are_refused(whole: RowMap) -> None:
    file = RowMapFile(whole.to_bytes())
    for ask in (whole, file):
        for wrong in ([5], [-1], [0.5], np.array([True] * 5)):
            with pytest.raises(InvalidInputError):
                ask.backward(wrong)
            with pytest.raises(InvalidInputError):
                ask.forward(wrong)
        for ordinal in (5, -1):
            with pytest.raises(InvalidInputError, match="rdinal"):
                ask.parents_of(ordinal)


def test_a_chain_over_another_batch_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"reads 4 rows, but this one wrote 3\."):
        RowMap.identity(3).then(RowMap.identity(4))


def parquet(header: bytes | None, **columns: pa.Array) -> bytes:
    sink = io.BytesIO()
    metadata = {} if header is None else {rowmap_codec.HEADER_KEY: header}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), sink)
    return sink.getvalue()


def header(**changed: object) -> bytes:
    fields = {"format": 1, "form": "take", "size": 3, "length": 2, "start": 0, **changed}
    return rowmap_codec.canonical_json(fields)


TWO = pa.array([2, 1], pa.uint32())
REFUSED_FILES = {
    "nothing": b"",
    "no Parquet": b"PAR1 is how it starts",
    "a table without a header": parquet(None, parent=TWO),
    "a header that is no JSON": parquet(b"{", parent=TWO),
    "a header that lacks a number": parquet(b'{"format":1,"form":"take"}', parent=TWO),
    "an unknown form": parquet(header(form="permutation"), parent=TWO),
    "a format of the future": parquet(header(format=2), parent=TWO),
    "a negative size": parquet(header(size=-1), parent=TWO),
    "a take that starts somewhere": parquet(header(start=1), parent=TWO),
    "another column": parquet(header(), row=TWO),
    "one column too many": parquet(header(), parent=TWO, row=TWO),
    "a column of another width": parquet(header(), parent=TWO.cast(pa.uint64())),
    "a column of signed numbers": parquet(header(), parent=TWO.cast(pa.int32())),
    "fewer rows than the header says": parquet(header(length=3), parent=TWO),
    "a range with rows": parquet(header(form="range"), parent=TWO),
    "a range beyond its inputs": parquet(
        header(form="range", length=4), parent=pa.array([], pa.uint32())
    ),
    "a parent outside the inputs": parquet(header(size=2), parent=TWO),
    "lists that may be missing": parquet(
        header(form="lists"), parents=pa.array([[1], None], pa.list_(pa.uint32()))
    ),
}


@pytest.mark.parametrize("name", REFUSED_FILES)
def test_a_file_that_is_no_row_map_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError):
        RowMap.from_bytes(REFUSED_FILES[name])
    with pytest.raises(InvalidInputError):
        RowMapFile(REFUSED_FILES[name]).check()


@given(st.integers(0, 8), st.data())
@settings(max_examples=300)
def test_a_damaged_file_is_refused_or_still_a_map(which: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(which)
    whole = RowMap.take(rng.permutation(50), 50) if which % 2 else RowMap.take([1, 1, 7], 9)
    content = bytearray(whole.to_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))

    try:
        read = RowMap.from_bytes(bytes(content))
    except InvalidInputError:
        return
    assert read.backward(np.arange(len(read))).max(initial=0) < max(1, read.size)


def test_a_file_whose_recorded_bounds_are_wrong_does_not_pass_the_check() -> None:
    honest = bytearray(RowMap.take([1, 1, 7], 9).to_bytes())
    seven = (7).to_bytes(4, "little")
    at = honest.index(seven, len(honest) // 4)
    while at >= 0:
        honest[at : at + 4] = (6).to_bytes(4, "little")
        at = honest.find(seven, at)

    with pytest.raises(InvalidInputError, match="has parents from 1 to 7, but says from 1 to 6"):
        RowMapFile(bytes(honest)).check()


def test_a_few_bytes_that_would_fill_the_memory_do_not_pass_the_check() -> None:
    count = 3_000_000
    swollen = parquet(header(length=count), parent=pa.array(np.zeros(count, np.uint32)))
    assert len(swollen) < 10_000

    with pytest.raises(InvalidInputError, match="1048576 parents; 1000000 are the most"):
        RowMapFile(swollen).check(most_parents=1_000_000)
    RowMapFile(swollen).check()


def test_a_file_is_read_from_a_path_and_from_an_open_file(tmp_path: pytest.TempPathFactory) -> None:
    whole = RowMap.take([3, 3, 0], 4)
    path = tmp_path / "map.parquet"  # type: ignore[operator]
    path.write_bytes(whole.to_bytes())

    with RowMapFile(path) as mapped, path.open("rb") as stream, RowMapFile(stream) as streamed:
        assert mapped.read() == streamed.read() == whole
    with pytest.raises(FileNotFoundError):
        RowMapFile(str(path) + ".gone")
