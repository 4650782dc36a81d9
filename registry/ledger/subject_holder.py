"""The subject keys in the ledger's index, as a place that joins every rotation.

Rules (`registry.keys.holders`):
1. Batch by batch: the keys under the new version are appended, then those under the old one are
   dropped in a transaction that holds the new version. In between look-ups find either.
2. What is there under the new version is the rest of a broken move, or was linked since
   (`scans`): it stays, and only what lacks is appended.
3. A key of an example that is erased meanwhile does not come back: marks are read after the append,
   and the erasure takes away what came before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select

from registry.keys.tables import Purpose
from registry.keys.versions import require_live
from registry.ledger.addresses import pack
from registry.ledger.erasing import read_holes
from registry.ledger.opened import Ledger
from registry.ledger.tables import BatchBinding, BindingState, SubjectScan
from registry.storage.columns import table_of
from registry.storage.database import Database

_binding, _scan = table_of(BatchBinding), table_of(SubjectScan)


class LedgerSubjectKeys:
    """Subject keys of examples, in Lance."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger
        self._keyring = ledger.keyring

    @property
    def name(self) -> str:
        """How the place is called in messages."""
        return "ledger.subjects"

    def remaining(self, from_version: int) -> int:
        """How many keys are there under a version."""
        return self._ledger.index.subjects.count(f"key_version = {int(from_version)}")

    def rekey(
        self,
        from_version: int,
        to_version: int,
        translate: Callable[[bytes], bytes],
        progress: Callable[[int], None],
    ) -> int:
        """Move all keys under one version to another; how many that were (rules 1 and 2)."""
        moved = 0
        for number in self._batches():
            for rows, there in self._under(number, from_version, to_version):
                moving = _lacking(_translated(rows, to_version, translate), there)
                if moving.num_rows:
                    self._ledger.index.append_subjects(moving)
                self._erase_again(number)
                with self._database.write() as session:
                    require_live(session, Purpose.SUBJECT, to_version)
                    self._ledger.index.drop_subject_keys(from_version, number)
                moved += rows.num_rows
                progress(moved)
        return moved

    def _erase_again(self, number: int) -> None:
        with self._database.read() as session:
            holes = read_holes(session, [number])
        if number in holes:
            self._ledger.index.erase(pack(number, holes[number].ordinals()))

    def _batches(self) -> list[int]:
        """Bound batches whose examples entered the index, or that somebody was looked for in."""
        entered = (_binding.c.indexed == 1) & (_binding.c.state == BindingState.BOUND)
        with self._database.read() as session:
            found = set(session.execute(select(_binding.c.number).where(entered)).scalars())
            found |= set(session.execute(select(_scan.c.number)).scalars())
        return sorted(found)

    def _under(
        self, number: int, version: int, to_version: int
    ) -> Iterator[tuple[pa.Table, pa.Table]]:
        """All subject keys of a batch under a version, if there are any, and those under another;
        each in one table.
        """
        parts = list(self._ledger.index.scan_subjects(number))
        if not parts:
            return
        every = pa.concat_tables(parts)
        versions = every.column("key_version")
        rows = every.filter(pc.equal(versions, version))
        if rows.num_rows:
            yield rows, every.filter(pc.equal(versions, to_version))


def _lacking(rows: pa.Table, there: pa.Table) -> pa.Table:
    """The rows of a table whose address and key another table has not."""
    if not there.num_rows:
        return rows
    known = set(_pairs(there))
    return rows.filter(pa.array([pair not in known for pair in _pairs(rows)], pa.bool_()))


def _pairs(rows: pa.Table) -> Iterator[tuple[int, bytes]]:
    columns = (rows.column(name).to_pylist() for name in ("address", "subject_key"))
    return zip(*columns, strict=True)


def _translated(rows: pa.Table, version: int, translate: Callable[[bytes], bytes]) -> pa.Table:
    old = b"".join(rows.column("subject_key").to_pylist())
    keys = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), rows.num_rows, [None, pa.py_buffer(translate(old))]
    )
    versions = pa.array(np.full(rows.num_rows, version, np.int32))
    return pa.table(
        {"address": rows.column("address"), "subject_key": keys, "key_version": versions}
    )
