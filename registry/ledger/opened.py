"""The ledger as it is opened once and used by everybody: objects, index, keys, and the graph."""

from __future__ import annotations

from dataclasses import dataclass

from registry.canonical import parse_digest
from registry.keys.digests import ContentDigests
from registry.keys.keyring import Keyring
from registry.keys.subject_columns import SubjectColumns
from registry.ledger.batches import BatchGraph
from registry.ledger.index import ExampleIndex
from registry.ledger.uploads import Pseudonymiser
from registry.storage.objects import Objects


@dataclass(frozen=True, slots=True)
class Ledger:
    """The places where examples rest, and the keys that make them pseudonymous. Thread-safe."""

    objects: Objects
    index: ExampleIndex
    keyring: Keyring
    digests: ContentDigests
    graph: BatchGraph

    def pseudonymiser(self) -> Pseudonymiser:
        """What one object is taken with; not shared between threads."""
        return Pseudonymiser(self.digests, SubjectColumns(self.keyring))

    def match(self, digest: str) -> bytes:
        """The keyed digest under which an upload with this plain digest is kept."""
        return self.digests.keyed(parse_digest(digest))


def open_ledger(url: str, keyring: Keyring) -> Ledger:
    """The ledger under a URL: a folder, or a bucket. Nothing is read or written yet."""
    objects = Objects(url)
    return Ledger(
        objects,
        ExampleIndex(f"{url.rstrip('/')}/index"),
        keyring,
        ContentDigests(keyring),
        BatchGraph(objects),
    )
