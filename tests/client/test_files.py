"""Files are told with their digest and their number of rows."""

from __future__ import annotations

import bz2
import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from registry.client.files import FileAt, count_rows, describe_files, lines_of
from registry.errors import InvalidInputError

TABLE = pa.table({"a": [1, 2, 3], "b": ["x", "y", 'z "quoted"\nand broken']})
LINES = b'{"a": 1}\n\n{"a": 2}\r\n   \n{"a": 3}'


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True)) if data else b""


def write_stream(path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=2)


CSV = b'a,b\n1,x\n2,y\n3,"z ""quoted""\nand broken"\n'
WRITERS: dict[str, Callable[[Path], Any]] = {
    "rows.parquet": lambda path: pq.write_table(TABLE, path),
    "rows.feather": lambda path: pa.feather.write_feather(TABLE, path),
    "rows.arrow": write_stream,
    "rows.jsonl": lambda path: path.write_bytes(LINES),
    "rows.NDJSON": lambda path: path.write_bytes(LINES + b"\n"),
    "rows.jsonl.gz": lambda path: path.write_bytes(gzip.compress(LINES)),
    "rows.jsonl.zst": lambda path: path.write_bytes(zstd(LINES)),
    "rows.jsonl.bz2": lambda path: path.write_bytes(bz2.compress(LINES)),
    "rows.csv": lambda path: path.write_bytes(CSV),
    "rows.csv.gz": lambda path: path.write_bytes(gzip.compress(CSV)),
    "rows.tsv": lambda path: path.write_bytes(CSV.replace(b",", b"\t")),
}


@pytest.mark.parametrize("name", WRITERS)
def test_rows_are_counted_in_every_format(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    digest = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    expected = FileAt(path.as_uri(), digest, 3)
    for way in (path, str(path), path.as_uri(), [path]):
        assert describe_files(way) == [expected]
    assert expected.as_entry() == {"uri": path.as_uri(), "sha256": digest, "rows": 3}


@pytest.mark.parametrize(
    ("name", "content"), [("empty.jsonl", b""), ("empty.csv", b""), ("heading.csv", b"a,b\n")]
)
def test_a_file_may_be_empty(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert count_rows(tmp_path / name) == 0


@pytest.mark.parametrize("name", ["notes.txt", "rows", "rows.parquet.gz", "rows.gz"])
def test_of_another_format_the_rows_are_not_known(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert describe_files(tmp_path / name)[0].rows is None


def test_a_url_is_told_as_it_is() -> None:
    given = ["s3://lake/rows.parquet", {"uri": "gs://lake/b", "rows": 5}, FileAt("file:///c")]
    assert [item.as_entry() for item in describe_files(given)] == [
        {"uri": "s3://lake/rows.parquet"},
        {"uri": "gs://lake/b", "rows": 5},
        {"uri": "file:///c"},
    ]


def test_lines_of_any_length_come_whole(tmp_path: Path) -> None:
    lines = [b"%d" % number * 300_000 for number in range(9)]
    (tmp_path / "long.jsonl").write_bytes(b"\n".join(lines))
    assert list(lines_of(tmp_path / "long.jsonl")) == lines


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ("missing.jsonl", "The file missing.jsonl cannot be read: No such file"),
        ({"path": "x"}, "A file is given as {'path': 'x'}"),
        ({"uri": "x", "digest": "y"}, "A file is given as"),
    ],
)
def test_what_cannot_be_read_is_named(files: Any, complaint: str) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        describe_files(files)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    for name in ("bad.parquet", "bad.arrow", "bad.jsonl.gz"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(InvalidInputError, match=name):
            describe_files(tmp_path / name)
