"""What tests of the audit log share: a log with a keyring, and entries to put into it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.audit.merkle import leaf_hash, root_hash
from registry.audit.notes import VerifierKey
from registry.audit.sequencer import AuditLog
from registry.audit.tables import ENTRY, TILE
from registry.audit.tiles import hashes_of
from registry.audit.tree import root_at, tree_size
from registry.keys.keyring import Keyring
from registry.keys.tables import Purpose
from registry.storage.database import Database
from registry.storage.objects import Objects
from tests.clock import FrozenClock

ACTOR = "the tester"


@dataclass(slots=True)
class Site:
    """A database with keys, a folder for checkpoints, and a sequencer on both."""

    database: Database
    keyring: Keyring
    clock: FrozenClock
    folder: Path

    def log(self, *, objects: Objects | None = None, database: Database | None = None) -> AuditLog:
        """A sequencer, as a process that just started has it."""
        store = objects or Objects(str(self.folder))
        return AuditLog(database or self.database, store, self.keyring, self.clock, actor=ACTOR)

    def write(self, count: int, *, first: int = 0) -> None:
        """Append entries, in one transaction."""
        with self.database.write() as session:
            append_entries(session, entries(count, first=first), at=self.clock())

    def keys(self) -> list[VerifierKey]:
        """The public halves of the signing keys."""
        versions = self.keyring.versions(Purpose.SIGNING)
        return [VerifierKey(None, key.public_key) for key in versions if key.public_key]

    def check(self) -> list[bytes]:
        """Hold the stored tree to the entries; their leaf hashes, in order.

        Every entry has one place, the places are 0 to n - 1, and tiles are those of the leaves.
        """
        with self.database.read() as session:
            query = select(ENTRY.c.leaf_index, ENTRY.c.leaf_data).order_by(ENTRY.c.leaf_index)
            rows = session.execute(query).all()
            assert [row.leaf_index for row in rows] == list(range(len(rows)))
            leaves = [leaf_hash(row.leaf_data) for row in rows]
            assert tree_size(session) == len(leaves)
            assert root_at(session, len(leaves)) == root_hash(leaves)
            ground = select(TILE.c.hashes).where(TILE.c.level == 0).order_by(TILE.c.number)
            tiles = [each for tile in session.execute(ground).scalars() for each in hashes_of(tile)]
            assert tiles == leaves
        return leaves

    def run(self, *statements: str) -> None:
        """Do to the database what its administrator might do."""
        with self.database.write() as session:
            for statement in statements:
                session.connection().exec_driver_sql(statement)


def entries(count: int, *, first: int = 0) -> list[Entry]:
    """Entries like those of events."""
    return [
        Entry(EntryKind.LINEAGE_EVENT_RECEIVED, "pipeline", {"event": digest(number)})
        for number in range(first, first + count)
    ]


def digest(number: int) -> str:
    """The digest of an event that there never was."""
    return f"sha256:{hashlib.sha256(str(number).encode()).hexdigest()}"
