"""What every executor of erasure does: find rows, erase them, and prove that they are gone.

Rules (DESIGN §1.5, §1.10):
1. A row is addressed by its ordinal in a batch. The row it has in a file now follows from the
   ordinals that the file lacks already (`Target.holes`), so that a second erasure hits the right
   rows after the first moved them.
2. Every call may be made again: what is erased already is success, and what broke off is done anew.
   `erase` tells what it is about to leave (`Watch.intend`) before it swaps; whoever keeps that can
   tell its own rewritten file from one that somebody else changed.
3. `prove` looks into the target as it is, and believes nothing that `erase` said. *Verified* is
   said by it alone.
4. What stands in the way is a value with a state and a remedy (`trouble`), never an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from registry.erasure.connectors.trouble import Trouble
from registry.erasure.lifecycle import TaskState
from registry.ledger.holes import Holes

Ordinals = npt.NDArray[np.uint32]
RowNumbers = npt.NDArray[np.int64]


class Executor(StrEnum):
    """Who erases: the kind of place that a binding names."""

    FILES = "files"
    HUGGINGFACE = "huggingface"
    LANCE = "lance"
    SQL = "sql"
    WEBHOOK = "webhook"
    MANUAL = "manual"


class Step(StrEnum):
    """Where an erasure is; told before and after whatever changes something."""

    OPENED = "opened"
    CHECKED = "checked"
    WRITING = "writing"
    WRITTEN = "written"
    INTENDED = "intended"
    SWAPPING = "swapping"
    SWAPPED = "swapped"
    CLEANING = "cleaning"
    SETTLED = "settled"
    READING = "reading"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call is. `bytes_total` is 0 where nobody knows."""

    step: Step
    bytes_done: int = 0
    bytes_total: int = 0


@dataclass(frozen=True, slots=True)
class Intent:
    """What `erase` is about to leave: the digest of a file, and how many rows it will have."""

    sha256: bytes
    rows: int


def _ignore(_said: object) -> None:
    """Nobody asked."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Whom a call tells what it does. What either raises stops the call where it is."""

    progress: Callable[[Progress], None] = _ignore
    intend: Callable[[Intent], None] = _ignore

    def at(self, step: Step, bytes_done: int = 0, bytes_total: int = 0) -> None:
        """Tell a step."""
        self.progress(Progress(step, bytes_done, bytes_total))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One copy: a file or a table that holds ordinals `first` to before `first + rows` of a batch.

    `rows` counts them as they were recorded, erased ones included; None where nobody said. `sha256`
    is what the file has now as far as is recorded, `intended` what an erasure that broke off may
    have left. `holes` are the ordinals that this copy lacks already. `keys` gives the value of
    `key_column` (as text) for ordinals to be erased, `digests` the digest of `content_column` (of
    the whole row in a text file) as `digest_of` makes it of its SHA-256. `by_key`: the copy has an
    order of its own, so its rows are found by their keys. `credential` is a name. `begun`: some of
    the rows may have left it before, so that none being there is no failure.
    """

    uri: str
    executor: Executor = Executor.FILES
    form: str | None = None
    sha256: bytes | None = None
    intended: bytes | None = None
    first: int = 0
    rows: int | None = None
    holes: Holes = field(default_factory=Holes)
    key_column: str | None = None
    keys: Mapping[int, str] = field(default_factory=dict)
    content_column: str | None = None
    digests: Mapping[int, bytes] = field(default_factory=dict)
    digest_of: Callable[[bytes], bytes] = bytes
    by_key: bool = False
    table: str | None = None
    credential: str | None = None
    begun: bool = False

    @property
    def may_lack(self) -> bool:
        """Whether an erasure had begun in it, so that the rows may be gone."""
        return self.begun or self.intended is not None

    @property
    def is_keyed(self) -> bool:
        """Whether its rows are found by their keys alone."""
        return self.by_key or self.executor in (Executor.SQL, Executor.LANCE)

    def after(self, rows: Ordinals, sha256: bytes | None) -> Target:
        """The target as it is recorded once `rows` are erased and the file has this digest."""
        return replace(self, holes=self.holes | Holes(rows), sha256=sha256, intended=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Of the rows asked for: how many are there, and how many were erased before."""

    present: int = 0
    already: int = 0
    rows: int | None = None
    bytes_read: int = 0
    trouble: Trouble | None = None

    @property
    def state(self) -> TaskState:
        """What the task's state would be: to do, done before, or why not."""
        if self.trouble is not None:
            return self.trouble.state
        if self.present:
            return TaskState.PENDING
        return TaskState.ERASED if self.already else TaskState.NOT_PRESENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasure did. `sha256` and `rows` are the file's afterwards, where there is a file.

    Where `sha256` is given it must be recorded, also beside a trouble: a store may keep older
    versions of a file that was rewritten.
    """

    erased: int = 0
    already: int = 0
    sha256: bytes | None = None
    rows: int | None = None
    bytes_read: int = 0
    bytes_written: int = 0
    old_versions: int = 0
    dry_run: bool = False
    trouble: Trouble | None = None

    @property
    def state(self) -> TaskState:
        """*Erased* is a claim, which `prove` checks; a dry run changes nothing."""
        if self.trouble is not None:
            return self.trouble.state
        if self.dry_run:
            return TaskState.PENDING
        return TaskState.ERASED if self.erased or self.already else TaskState.NOT_PRESENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was looked into, and what of the rows is still there (0 is what was hoped for)."""

    remains: int = 0
    rows: int | None = None
    looked_into: tuple[str, ...] = ()
    bytes_read: int = 0
    sha256: bytes | None = None
    trouble: Trouble | None = None

    @property
    def state(self) -> TaskState:
        """*Verified*, or what was found instead."""
        return TaskState.VERIFIED if self.trouble is None else self.trouble.state


class Connector(Protocol):
    """An executor (rules 1 to 4). `rows`: n ordinals, sorted, unique, within the target."""

    def find(self, target: Target, rows: Ordinals, watch: Watch) -> Found:
        """Look for the rows and check that they are the ones that are meant. Changes nothing."""

    def erase(
        self, target: Target, rows: Ordinals, watch: Watch, *, dry_run: bool = False
    ) -> Erased:
        """Make the rows gone; with `dry_run` do everything but the change."""

    def check(self, target: Target) -> Trouble | None:
        """What would stand in the way of any erasure in it; changes nothing."""

    def prove(self, target: Target, rows: Ordinals, watch: Watch) -> Proof:
        """Look again into the target, `target.after(…)`, and say whether the rows are gone."""
