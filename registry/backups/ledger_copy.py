"""The ledger as part of a backup, and back: objects as they are, index rows by what they say.

Rules:
1. The catalog is copied first. What is in the ledger and not in that catalog is of no use: index
   rows of batches that it does not bind are left out.
2. Index rows are read, not files copied: rows that were deleted, older versions and abandoned files
   never come into a backup. A table that was tidied up while it was read is read once more.
3. Every object is copied, the list of erasures and the kept checkpoints among them. One that is
   gone when its turn comes was let go of, and is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from registry.backups.archive import ArchiveWriter
from registry.errors import NotFoundError
from registry.ledger import upkeep
from registry.ledger.lance_table import LanceTable
from registry.ledger.sweep import Store
from registry.storage.objects import Objects

OBJECTS, INDEX = "ledger/objects/", "ledger/index/"
#: What lies under the ledger's URL and is copied by its rows.
_INDEX_FOLDER = "index/"
_ROWS_AT_ONCE = 1 << 16
_PIECE = 8 << 20
Report = Callable[[str], None]


def copy_objects(archive: ArchiveWriter, objects: Objects, report: Report) -> int:
    """Write every object into the archive; how many."""
    count = 0
    for name in sorted(objects.names("")):
        if name.startswith(_INDEX_FOLDER):
            continue
        try:
            size, pieces = objects.stream(name)
        except NotFoundError:
            continue
        archive.add_stream(OBJECTS + name, size, pieces)
        count += 1
        report(f"{count} objects")
    return count


def copy_index(
    archive: ArchiveWriter, store: Store, bound: Collection[int], report: Report
) -> dict[str, int]:
    """Write the index rows of the batches `bound` into the archive; how many of each table."""
    numbers = np.array(sorted(bound), np.uint64)
    tables = index_tables(store)
    return {
        name: _copy_table(archive, name, table, numbers, report) for name, table in tables.items()
    }


def index_tables(store: Store) -> dict[str, LanceTable]:
    """The tables of the index by their names."""
    return {"examples": store.index.examples, "subjects": store.index.subjects}


def _copy_table(
    archive: ArchiveWriter, name: str, table: LanceTable, numbers: np.ndarray, report: Report
) -> int:
    prefix = f"{INDEX}{name}/"
    attempts = 0

    def copy(dataset: object) -> int:
        nonlocal attempts
        attempts += 1
        archive.forget(prefix)
        rows = 0
        for place, batch in enumerate(_batches(dataset, numbers)):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, batch.schema) as writer:
                writer.write_batch(batch)
            member = f"{prefix}{attempts}/{place:08d}.arrow"
            archive.add(member, sink.getvalue().to_pybytes())
            rows += batch.num_rows
            report(f"{rows:,} rows of {name}")
        return rows

    return table.ask(copy, 0)


def _batches(dataset: object, numbers: np.ndarray) -> Iterator[pa.RecordBatch]:
    scanner = dataset.scanner(batch_size=_ROWS_AT_ONCE)  # type: ignore[attr-defined]  # Lance's
    for batch in scanner.to_batches():
        wanted = np.isin(batch.column("address").to_numpy() >> np.uint64(32), numbers)
        kept = batch if wanted.all() else batch.filter(pa.array(wanted))
        if kept.num_rows:
            yield kept


def require_empty(objects: Objects, survives: Collection[str]) -> str | None:
    """The first object under a URL that is under none of the prefixes that may be there; None."""
    for name in objects.names(""):
        if not name.startswith(tuple(survives)):
            return name
    return None


def put_object(objects: Objects, member: str, size: int, file: BinaryIO) -> None:
    """Store a member of an archive under its name. Raises StorageUnavailableError."""
    objects.put_stream(member.removeprefix(OBJECTS), size, file)


def clear_index(objects: Objects) -> None:
    """Remove what a restore that broke off left of the index."""
    for name in list(objects.names(_INDEX_FOLDER.rstrip("/"))):
        objects.delete(name)


class IndexWriter:
    """Fills the index of an empty ledger, many parts to a commit."""

    def __init__(self, store: Store) -> None:
        self._tables = index_tables(store)
        self._waiting: dict[str, list[pa.RecordBatch]] = {name: [] for name in self._tables}
        self.rows = dict.fromkeys(self._tables, 0)

    def add(self, member: str, content: bytes) -> None:
        """Take the rows of a member. Raises KeyError or pa.ArrowException for one of another kind.

        Effects: commits to the index now and then.
        """
        name = member.removeprefix(INDEX).partition("/")[0]
        with pa.ipc.open_stream(content) as reader:
            waiting = self._waiting[name]
            waiting.extend(reader)
        if sum(batch.nbytes for batch in waiting) > _PIECE * 16:
            self._write(name)

    def finish(self) -> None:
        """Write what waits, and index it all."""
        for name, table in self._tables.items():
            self._write(name)
            if self.rows[name]:
                upkeep.optimise(table)

    def _write(self, name: str) -> None:
        waiting, table = self._waiting[name], self._tables[name]
        if waiting:
            whole = pa.Table.from_batches(waiting).cast(table.schema)
            self.rows[name] += table.append(whole.to_reader())
            self._waiting[name] = []
