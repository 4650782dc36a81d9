"""Whoever calls a connector, its records, and places where any operation may fail both ways."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from registry.erasure.connectors.places import HeldFile, Place
from registry.erasure.connectors.protocol import (
    Connector,
    Erased,
    Intent,
    Ordinals,
    Proof,
    Target,
    Watch,
)
from registry.erasure.lifecycle import TaskState

#: What a place does, in the order of an erasure.
OPERATIONS = ("hold", "clear_leftovers", "writing", "seal", "swap", "settle")


@dataclass
class Caller:
    """Keeps of a target what must be kept, and tries until the rows are proven gone."""

    target: Target
    rows: Ordinals

    def try_once(self, connector: Connector, watch: Watch | None = None) -> Erased:
        """One try; what it gives is kept as the protocol says."""
        watch = watch or Watch()

        def intend(intent: Intent) -> None:
            watch.intend(intent)
            self.target = replace(self.target, intended=intent.sha256)

        done = connector.erase(self.target, self.rows, Watch(watch.progress, intend))
        if done.state is TaskState.ERASED:
            self.target = self.target.after(self.rows, done.sha256)
        return done

    def finish(self, connector: Connector) -> Proof:
        """Try again, as the queue does, then prove."""
        if self.target.intended is not None or self.target.holes.present(self.rows).size:
            done = self.try_once(connector)
            assert done.state is TaskState.ERASED, done
        proof = connector.prove(self.target, self.rows, Watch())
        if proof.trouble is not None and proof.state is TaskState.FAILED_RETRYABLE:
            self.try_once(connector)
            proof = connector.prove(self.target, self.rows, Watch())
        return proof


@dataclass(frozen=True)
class FaultyPlace:
    """A place whose operation `at` fails: before it was done, or when it was `kept`."""

    place: Place
    at: str
    kept: bool

    @contextmanager
    def hold(self, uri: str) -> Iterator[HeldFile]:
        if self.at == "hold":
            raise OSError(errno.EIO, "the store did not answer")
        with self.place.hold(uri) as held:
            yield _FaultyFile(held, self.at, self.kept)


class _FaultyFile:
    def __init__(self, held: HeldFile, at: str, kept: bool) -> None:
        self._held, self._at, self._kept = held, at, kept

    def __getattr__(self, name: str) -> Any:
        return getattr(self._held, name)

    def clear_leftovers(self) -> None:
        self._fail("clear_leftovers", self._held.clear_leftovers)

    def seal(self) -> None:
        self._fail("seal", self._held.seal)

    def swap(self) -> None:
        self._fail("swap", self._held.swap)

    def settle(self) -> int:
        return self._fail("settle", self._held.settle)

    def writing(self) -> AbstractContextManager[BinaryIO]:
        return self._fail("writing", self._held.writing)

    def _fail(self, name: str, work: Callable[[], Any]) -> Any:
        if name != self._at:
            return work()
        if self._kept:
            work()
        raise OSError(errno.EIO, "the store did not answer")
