"""The subject keys in the ledger's index, as a place that joins every rotation.

Rules (`registry.keys.holders`):
1. Batch by batch: the keys under the new version are appended, then those under the old one are
   dropped in a transaction that holds the new version. In between look-ups find either.
2. A batch was written under one version, so what is there of the new version while the old one is
   there too is the rest of a broken move: it is dropped first, and the move begins again.
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
from registry.ledger.tables import BatchBinding, BindingState
from registry.storage.columns import table_of
from registry.storage.database import Database

_binding = table_of(BatchBinding)


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
            for rows in self._under(number, from_version):
                self._ledger.index.drop_subject_keys(to_version, number)
                self._ledger.index.append_subjects(_translated(rows, to_version, translate))
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
        with self._database.read() as session:
            rows = session.execute(
                select(_binding.c.number)
                .where(_binding.c.indexed == 1, _binding.c.state == BindingState.BOUND)
                .order_by(_binding.c.number)
            )
            return list(rows.scalars())

    def _under(self, number: int, version: int) -> Iterator[pa.Table]:
        """All subject keys of a batch under a version, in one table, if there are any."""
        parts = [
            part.filter(pc.equal(part.column("key_version"), version))
            for part in self._ledger.index.scan_subjects(number)
        ]
        rows = pa.concat_tables(parts) if parts else None
        if rows is not None and rows.num_rows:
            yield rows


def _translated(rows: pa.Table, version: int, translate: Callable[[bytes], bytes]) -> pa.Table:
    old = b"".join(rows.column("subject_key").to_pylist())
    keys = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), rows.num_rows, [None, pa.py_buffer(translate(old))]
    )
    versions = pa.array(np.full(rows.num_rows, version, np.int32))
    return pa.table(
        {"address": rows.column("address"), "subject_key": keys, "key_version": versions}
    )
