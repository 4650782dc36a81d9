"""The ledger as it is opened once and used by everybody: objects, index, keys, and the graph.

Rules:
1. Lance takes most of a second to load, so the index is opened by who asks for it first, and a
   server that nobody asks about examples starts without it.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from registry.canonical import parse_digest
from registry.keys.digests import ContentDigests
from registry.keys.keyring import Keyring
from registry.keys.subject_columns import SubjectColumns
from registry.ledger.batches import BatchGraph
from registry.ledger.door import Door, OpenDoor
from registry.ledger.sweep import LedgerPlace, Store
from registry.ledger.uploads import Pseudonymiser

if TYPE_CHECKING:
    from registry.ledger.index import ExampleIndex


class Ledger:
    """The places where examples rest, and the keys that make them pseudonymous. Thread-safe."""

    def __init__(self, place: LedgerPlace, keyring: Keyring, door: Door | None = None) -> None:
        self.store = Store(place)
        self.objects = self.store.objects
        self.keyring = keyring
        self.door: Door = door or OpenDoor()
        self.digests = ContentDigests(keyring)
        self.graph = BatchGraph(self.objects)

    @cached_property
    def index(self) -> ExampleIndex:
        """What finds examples by id, digest or subject (rule 1)."""
        return self.store.index

    def pseudonymiser(self) -> Pseudonymiser:
        """What one object is taken with; not shared between threads."""
        return Pseudonymiser(self.digests, SubjectColumns(self.keyring))

    def match(self, digest: str) -> bytes:
        """The keyed digest under which an upload with this plain digest is kept."""
        return self.digests.keyed(parse_digest(digest))


def open_ledger(place: LedgerPlace, keyring: Keyring, door: Door | None = None) -> Ledger:
    """The ledger at a place: a folder, or a bucket. Nothing is read or written yet.

    `door`: who is asked which examples must not come in again; without one all may.
    """
    return Ledger(place, keyring, door)
