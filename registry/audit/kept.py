"""Checkpoints kept outside the database: what a restored database cannot forget.

Rules:
1. They lie under the ledger's URL. The object `audit/checkpoints/ORIGIN/BLOCK.note` holds the last
   one that was signed within a block of 4,096 entries, so the greatest name is the newest.
2. Objects are added and replaced by newer ones, never deleted. A bucket that keeps old versions, or
   a copy in other hands, makes that more than a promise (docs/threat-model.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from registry.storage.objects import Objects

PREFIX = "audit/checkpoints"
BLOCK_BITS = 12
_NAME = re.compile(rf"{PREFIX}/(\d{{4,9}})/(\d{{13}})\.note")


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """A signed note as it was found; `number` is that of the origin it was kept under."""

    number: int
    block: int
    note: str


def block_of(size: int) -> int:
    """The block in which a checkpoint of that size is the last so far."""
    return size >> BLOCK_BITS


class KeptCheckpoints:
    """The checkpoints of a store. Raises StorageUnavailableError where it is out of reach."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def newest(self, *, known: tuple[int, int] = (0, 0)) -> KeptCheckpoint | None:
        """The newest one. From `known` (origin, block) on first, which spares a long list."""
        after = _name(*known).removesuffix(".note")
        places = self._places(after) or self._places(None)
        return self._read(max(places)) if places else None

    def all(self) -> Iterator[KeptCheckpoint]:
        """Every one, the oldest first."""
        return (self._read(place) for place in sorted(self._places(None)))

    def keep(self, number: int, size: int, note: str) -> None:
        """Keep a checkpoint of that size, unless one of a later block is there."""
        place = number, block_of(size)
        newest = self.newest(known=place)
        if newest is not None and (newest.number, newest.block) > place:
            return
        self._objects.put(_name(*place), note.encode())

    def _places(self, after: str | None) -> list[tuple[int, int]]:
        found = (_NAME.fullmatch(name) for name in self._objects.names(PREFIX, after=after))
        return [(int(match[1]), int(match[2])) for match in found if match]

    def _read(self, place: tuple[int, int]) -> KeptCheckpoint:
        # What is no text is no checkpoint, and whoever reads the note will say so.
        return KeptCheckpoint(*place, self._objects.get(_name(*place)).decode("utf-8", "replace"))


def _name(number: int, block: int) -> str:
    return f"{PREFIX}/{number:04d}/{block:013d}.note"
