"""Batches on disk: the examples of one batch are the rows of one Parquet file, in order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from registry.canonical import digest_text
from registry.demo.contributors import NOTICE, contributor_of
from registry.demo.standard_library import Example

SCHEMA = pa.schema(
    [
        pa.field("example_id", pa.string(), metadata={"about": "Qualified name and first line."}),
        pa.field("module", pa.string(), metadata={"about": "Top-level module: what is predicted."}),
        pa.field("docstring", pa.string(), metadata={"about": "What the model reads."}),
        pa.field("code", pa.string(), metadata={"about": "The function without its docstring."}),
        pa.field("source_uri", pa.string(), metadata={"about": "File and lines at the release."}),
        pa.field("contributor", pa.string(), metadata={"about": f"E-mail address. {NOTICE}."}),
    ]
)


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file as it was written: absolute path, SHA-256 as `sha256:…`, size, rows.

    `rows` is None where the file holds no rows, such as a model.
    """

    path: Path
    sha256: str
    size_bytes: int
    rows: int | None

    @property
    def uri(self) -> str:
        """`file:///…`"""
        return self.path.as_uri()


def table_of(examples: Sequence[Example]) -> pa.Table:
    """The examples as rows, each given to its generated contributor."""
    columns = {
        name: [getattr(example, name) for example in examples]
        for name in ("example_id", "module", "docstring", "code", "source_uri")
    }
    columns["contributor"] = [contributor_of(example.example_id).email for example in examples]
    return pa.table(columns, schema=SCHEMA)


def write_table(path: Path, table: pa.Table) -> WrittenFile:
    """Write the rows as Parquet."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return write_bytes(path, sink.getvalue().to_pybytes(), rows=table.num_rows)


def write_bytes(path: Path, content: bytes, *, rows: int | None = None) -> WrittenFile:
    """Write a file, and say what was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    digest = digest_text(hashlib.sha256(content).digest())
    return WrittenFile(path.absolute(), digest, len(content), rows)


def read_tables(files: Sequence[WrittenFile]) -> pa.Table:
    """The rows of several files, one file after the other."""
    return pa.concat_tables([pq.read_table(file.path) for file in files])
