"""What it costs to take rows out of files, and to read files for a person.

Budgets: 1,000 rows out of Parquet at 150 MB of touched file a second on one core, memory bounded by
row groups; a content scan at 50 MB/s. The floor beside them is pyarrow reading and writing the same
row groups, which every rewrite of them pays. Run it with `python -m benchmarks.erase`; `--large`
makes 10 GB of files. Seconds are those of the processor, so that neighbours do not count.
"""

from __future__ import annotations

import hashlib
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from registry.erasure.connectors.content_scan import scan_file
from registry.erasure.connectors.files import FileConnector
from registry.erasure.connectors.folder import FolderPlace
from registry.erasure.connectors.person_patterns import person_of
from registry.erasure.connectors.protocol import Ordinals, Target, Watch

FILE_BYTES, LARGE_FILES = 200_000_000, 50
GROUP_ROWS, ROWS_ERASED = 20_000, 1_000
WORDS = np.array([f"word{number:05d}" for number in range(30_000)])


def make_parquet(path: Path, compression: str) -> int:
    """A file of about 200 MB with ids, texts and numbers; its rows."""
    rng = np.random.default_rng(1)
    rows = 0
    writer: pq.ParquetWriter | None = None
    while not path.exists() or path.stat().st_size < FILE_BYTES:
        texts = [" ".join(each) for each in WORDS[rng.integers(0, len(WORDS), (GROUP_ROWS, 60))]]
        numbers = range(rows, rows + GROUP_ROWS)
        ids = [f"ex-{number}" for number in numbers]
        table = pa.table({"id": ids, "text": texts, "number": numbers})
        writer = writer or pq.ParquetWriter(path, table.schema, compression=compression)
        writer.write_table(table, row_group_size=GROUP_ROWS)
        rows += GROUP_ROWS
    if writer is not None:
        writer.close()
    return rows


def target_of(path: Path, rows: int) -> Target:
    """A file as it was recorded."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return Target(uri=str(path), sha256=digest, rows=rows)


def seconds_of(work: Callable[[], object]) -> float:
    """Processor seconds."""
    began = time.process_time()
    work()
    return time.process_time() - began


def floor(path: Path, into: Path, compression: str) -> None:
    """Read every row group and write it again."""
    file = pq.ParquetFile(path)
    with pq.ParquetWriter(into, file.schema_arrow, compression=compression) as writer:
        for at in range(file.num_row_groups):
            writer.write_table(file.read_row_group(at, use_threads=False))


def erase_parquet(folder: Path, compression: str) -> None:
    """1,000 rows side by side, then spread over every row group; each beside the floor."""
    path, files = folder / f"{compression}.parquet", FileConnector(FolderPlace([str(folder)]))
    rows = make_parquet(path, compression)
    size = path.stat().st_size / 1e6
    target, watch = target_of(path, rows), Watch()
    for name, asked in (
        ("in one row group", np.arange(ROWS_ERASED)),
        ("in every row group", np.arange(0, rows, rows // ROWS_ERASED)[:ROWS_ERASED]),
    ):
        wanted: Ordinals = asked.astype(np.uint32)
        spent = seconds_of(lambda: files.erase(target, wanted, watch, dry_run=True))  # noqa: B023
        print(f"{compression}: {ROWS_ERASED} rows {name}: {size / spent:,.0f} MB/s")
    spent = seconds_of(lambda: floor(path, folder / "floor.parquet", compression))
    print(f"{compression}: floor, pyarrow reads and writes: {size / spent:,.0f} MB/s")


def scan(folder: Path) -> None:
    """Parquet and JSON Lines for a person with three identifiers."""
    person = person_of(
        [
            ("email", "ada@example.org"),
            ("phone", "+49 171 1234567"),
            ("account", "github/octoada"),
        ]
    )
    place = FolderPlace([str(folder)])
    path = folder / "snappy.parquet"
    lines = folder / "lines.jsonl"
    table = pq.ParquetFile(path).read_row_groups(range(5))
    with lines.open("w") as file:
        for row in table.to_pylist():
            file.write(f'{{"id": "{row["id"]}", "text": "{row["text"]}\\n\\"end\\""}}\n')
    for each, rows in ((path, pq.read_metadata(path).num_rows), (lines, table.num_rows)):
        target = replace(target_of(each, rows), sha256=None)
        spent = seconds_of(lambda: scan_file(place, target, person, Watch()))  # noqa: B023
        print(f"content scan of {each.suffix}: {each.stat().st_size / 1e6 / spent:,.0f} MB/s")


def erase_many(folder: Path) -> None:
    """`--large`: 1,000 rows out of 10 GB, spread over a few of the files."""
    files = FileConnector(FolderPlace([str(folder)]))
    first = folder / "part-0.parquet"
    rows = make_parquet(first, "snappy")
    for number in range(1, LARGE_FILES):
        (folder / f"part-{number}.parquet").write_bytes(first.read_bytes())
    touched, spent = 0.0, 0.0
    for number in range(0, LARGE_FILES, 10):
        path = folder / f"part-{number}.parquet"
        target = target_of(path, rows)
        wanted = np.arange(0, rows, rows // 200)[:200].astype(np.uint32)
        touched += path.stat().st_size / 1e6
        spent += seconds_of(lambda: files.erase(target, wanted, Watch()))  # noqa: B023
    print(f"1,000 rows of 10 GB: {touched:,.0f} MB touched, {touched / spent:,.0f} MB/s")


def main() -> None:
    """Measure and print."""
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory(prefix="registry-erase-") as name:
        folder = Path(name)
        if "--large" in sys.argv:
            erase_many(folder)
        else:
            for compression in ("snappy", "zstd"):
                erase_parquet(folder, compression)
            scan(folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory: {peak:,.0f} MiB")


if __name__ == "__main__":
    main()
