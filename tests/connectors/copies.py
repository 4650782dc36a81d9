"""Copies of one small table in every form that files of rows have, and how they are read back."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from registry.erasure.connectors.positions import as_rows
from registry.erasure.connectors.protocol import Ordinals, Target
from registry.ledger.holes import Holes

ROWS = 500
GROUP = 60


def secret(row: int) -> str:
    """What stands in one row and in no other."""
    return f"secret-{row:06d}-word"


def table(rows: int = ROWS) -> pa.Table:
    """A key, texts with line ends and quotes, numbers, lists, a dictionary."""
    texts = [f'{secret(i)} says "hi, {i}"\nand, goes on ☃' for i in range(rows)]
    return pa.table(
        {
            "id": [f"ex-{i}" for i in range(rows)],
            "text": texts,
            "number": pa.array(range(rows), pa.int32()),
            "tags": [[f"t{i % 7}", f"u{i}"] if i % 5 else None for i in range(rows)],
            "author": pa.array([f"author {i // 3}" for i in range(rows)]).dictionary_encode(),
        },
        metadata={b"made_by": b"a test"},
    )


def records(rows: int = ROWS) -> list[dict[str, Any]]:
    """The same as Python has it."""
    return table(rows).to_pylist()


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def unzstd(content: bytes) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as stream:
        return bytes(stream.read())


def parquet(data: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(data, sink, **{"row_group_size": GROUP, "compression": "none", **options})
    return sink.getvalue()


def arrow(data: pa.Table, *, stream: bool = False, compression: str | None = None) -> bytes:
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression, unify_dictionaries=True)
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(sink, data.schema, options=options) as writer:
        writer.write_table(data, max_chunksize=GROUP)
    return sink.getvalue()


def jsonl(data: pa.Table) -> bytes:
    lines = [json.dumps(row, ensure_ascii=row["number"] % 2 == 0) for row in data.to_pylist()]
    # A blank line is no row, and stays.
    lines.insert(3, "  ")
    return "\n".join(lines).encode()


def delimited(data: pa.Table, delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(data.column_names)
    for row in data.to_pylist():
        writer.writerow([json.dumps(v) if isinstance(v, list) else v for v in row.values()])
    return text.getvalue().encode()


def text(data: pa.Table) -> bytes:
    return b"".join(
        (f"{row['id']} {row['text']}".replace("\n", " ") + "\r\n").encode()
        for row in data.to_pylist()
    )


def read_parquet(content: bytes) -> list[Any]:
    return pq.read_table(io.BytesIO(content)).to_pylist()


def read_arrow(content: bytes) -> list[Any]:
    opener = pa.ipc.open_file if content[:6] == b"ARROW1" else pa.ipc.open_stream
    return opener(io.BytesIO(content)).read_all().to_pylist()


def read_lines(content: bytes) -> list[Any]:
    return [line for line in content.split(b"\n") if line.strip()]


def read_csv(content: bytes) -> list[Any]:
    delimiter = "\t" if content[2:3] == b"\t" else ","
    lines = io.StringIO(content.decode(), newline="")
    return list(csv.reader(lines, delimiter=delimiter))[1:]


Reader = Callable[[bytes], list[Any]]
#: Extension: what it holds, and how its rows are read by a program that is not ours.
FORMS: dict[str, tuple[Callable[[pa.Table], bytes], Reader]] = {
    "parquet": (parquet, read_parquet),
    "zstd.parquet": (
        lambda data: parquet(data, compression="zstd", write_page_index=True),
        read_parquet,
    ),
    "arrow": (arrow, read_arrow),
    "stream.arrow": (lambda data: arrow(data, stream=True), read_arrow),
    "lz4.arrow": (lambda data: arrow(data, compression="lz4"), read_arrow),
    "zstd.stream.arrow": (lambda data: arrow(data, stream=True, compression="zstd"), read_arrow),
    "jsonl": (jsonl, read_lines),
    "jsonl.gz": (lambda data: gzip.compress(jsonl(data)), lambda c: read_lines(gzip.decompress(c))),
    "jsonl.zst": (lambda data: zstd(jsonl(data)), lambda c: read_lines(unzstd(c))),
    "csv": (delimited, read_csv),
    "csv.gz": (lambda data: gzip.compress(delimited(data)), lambda c: read_csv(gzip.decompress(c))),
    "tsv.zst": (lambda data: zstd(delimited(data, "\t")), lambda c: read_csv(unzstd(c))),
    "txt": (text, read_lines),
    "txt.gz": (lambda data: gzip.compress(text(data)), lambda c: read_lines(gzip.decompress(c))),
}


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def ordinals(*numbers: int) -> Ordinals:
    return as_rows(numbers)


def target_of(path: Path, *, holes: Sequence[int] = (), **said: Any) -> Target:
    """A target of a file as it lies there, its rows being those of `table`."""
    content = path.read_bytes()
    known = {"sha256": sha256(content), "rows": ROWS, "holes": Holes(holes)}
    return Target(uri=path.as_uri(), **{**known, **said})


def without(rows: Sequence[Any], gone: Sequence[int]) -> list[Any]:
    """The rows but for those at these places."""
    dropped = set(gone)
    return [row for at, row in enumerate(rows) if at not in dropped]
