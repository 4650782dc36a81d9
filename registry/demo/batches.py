"""Batches on disk: the examples of one batch are the rows of one Parquet file, in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

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


def table_of(examples: Sequence[Example]) -> pa.Table:
    """The examples as rows, each given to its generated contributor."""
    columns = {
        name: [getattr(example, name) for example in examples]
        for name in ("example_id", "module", "docstring", "code", "source_uri")
    }
    columns["contributor"] = [contributor_of(example.example_id).email for example in examples]
    return pa.table(columns, schema=SCHEMA)


def write_table(path: Path, table: pa.Table) -> Path:
    """Write the rows as Parquet; gives the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def read_tables(paths: Sequence[Path]) -> pa.Table:
    """The rows of several files, one file after the other."""
    return pa.concat_tables([pq.read_table(path) for path in paths])
