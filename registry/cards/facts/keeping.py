"""Keeps what takes long to read of a version for as long as the rows it follows from stay the same.

Rules (decision 0012):
1. What is kept follows from watched tables alone (`registry.policy.watched`), and is given again
   under the same tokens of data. They are read before the rows, so that what changes meanwhile
   makes it old and never the other way round.
2. Where a table is not watched after all, nothing is kept.
3. Nothing kept depends on who reads, or on the moment. What is not watched is read each time: which
   version is meant and what a model's run read (`Target`), and the facets of datasets (`Facets`).
"""

from __future__ import annotations

import logging
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlmodel import Session

from registry.cards.facts.preparation import Generated, read_generated
from registry.cards.facts.rollup import Rollup, roll_up
from registry.cards.facts.sources import Sources, read_sources
from registry.cards.facts.world import Parts, Target, World, read_world
from registry.policy.kept import Kept, Span
from registry.policy.watched import WATCHED
from registry.storage.revisions import missing_triggers, read_revision

_log = logging.getLogger(__name__)
_KEPT_BYTES = 128 << 20
_BYTES_A_BATCH, _BYTES_A_SHARE = 4_000, 200
_EVER = Span(datetime(2000, 1, 1, tzinfo=UTC), None)


@dataclass(frozen=True)
class Ground:
    """What most facts of a version are made of: its batches, their sums, where they entered."""

    world: World
    rollup: Rollup
    sources: Sources
    generated: tuple[Generated, ...]


def read_ground(session: Session, parts: Parts, target: Target) -> Ground:
    """The ground of a version, read now."""
    world = read_world(session, parts, target)
    rollup = roll_up(session, world.members)
    return Ground(
        world, rollup, read_sources(session, world, rollup), read_generated(session, world)
    )


class GroundKeeper:
    """The grounds that one process keeps. Thread-safe."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._kept: Kept[Ground] = Kept(_KEPT_BYTES)
        self._is_watched = False

    def read(self, session: Session, parts: Parts, target: Target) -> Ground:
        """The ground of a version: kept where nothing changed (rule 1), else read now."""
        mark = self._mark(session)
        found = None if mark is None else self._kept.get(target, _EVER.since, mark)
        if found is None:
            found = read_ground(session, parts, target)
            if mark is not None:
                self._kept.put(target, mark, _EVER, found, _size_of(found))
        return found

    def _mark(self, session: Session) -> Hashable:
        """What is kept under; None where nothing may be (rule 2)."""
        revision = read_revision(session)
        if revision is None:
            return None
        if not self._is_watched:
            missing = missing_triggers(session, WATCHED)
            if missing:
                _log.warning("no facts are kept: the database lacks %s", ", ".join(missing))
                return None
            self._is_watched = True
        return revision.data


def _size_of(ground: Ground) -> int:
    shares = sum(len(some) for some in ground.rollup.shares.values())
    return _BYTES_A_BATCH * len(ground.world.batches) + _BYTES_A_SHARE * shares
