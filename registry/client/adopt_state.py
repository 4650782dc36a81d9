"""Remembers which files were adopted, so that an adoption goes on where it stopped.

Rules:
1. One file for each registry, data set and place: a line when a run begins, one for each batch that
   the registry has, one when the run is complete. A line is there whole or not at all.
2. A run that is not complete is gone on with under its id, so that its batches make one version.
3. A file whose size and time are those of then is done; another is adopted again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from registry.client.found import FoundFile
from registry.errors import ConflictError

Mark = tuple[str, int, str]


class _Line(msgspec.Struct, omit_defaults=True):
    """One line of the file."""

    run: str = ""
    batch: str = ""
    files: list[Mark] = msgspec.field(default_factory=list)
    rows: int = 0
    complete: str = ""


@dataclass(slots=True)
class AdoptState:
    """What was adopted so far. `open_run` is a run that is not complete, None if there is none."""

    path: Path
    open_run: str | None = None
    batches: dict[str, list[Mark]] = field(default_factory=dict)

    def is_done(self, batch: str, files: Sequence[FoundFile]) -> bool:
        """Whether the batch was adopted from these very files (rule 3)."""
        return self.batches.get(batch) == [mark_of(file) for file in files]

    def knows(self, batch: str) -> bool:
        """Whether a batch of that name was adopted, from whatever files."""
        return batch in self.batches

    def begin(self, run: str) -> None:
        """A run begins."""
        self.open_run = run
        self._append(_Line(run=run))

    def add(self, batch: str, files: Sequence[FoundFile], rows: int) -> None:
        """The registry has a batch."""
        marks = [mark_of(file) for file in files]
        self.batches[batch] = marks
        self._append(_Line(batch=batch, files=marks, rows=rows))

    def complete(self) -> None:
        """The run is complete."""
        assert self.open_run is not None
        self._append(_Line(complete=self.open_run))
        self.open_run = None

    def forget(self) -> None:
        """Begin anew, as if nothing had been adopted."""
        self.path.write_bytes(b"")
        self.open_run, self.batches = None, {}

    def _append(self, line: _Line) -> None:
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def held_state(path: Path) -> Iterator[AdoptState]:
    """The state in a file, for this process alone.

    Raises ConflictError where another process adopts the same.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConflictError(
                f"Another process adopts the same data set; it holds {path}.",
                remedy="Wait until it is done; then run this again, it goes on from there.",
            ) from error
        yield _read(path)


def _read(path: Path) -> AdoptState:
    state = AdoptState(path)
    whole = path.read_bytes()
    end = whole.rfind(b"\n") + 1
    if end < len(whole):
        os.truncate(path, end)  # a crash came while a line was written
    for text in whole[:end].splitlines():
        line = msgspec.json.decode(text, type=_Line)
        if line.run:
            state.open_run = line.run
        elif line.complete:
            state.open_run = None
        else:
            state.batches[line.batch] = line.files
    return state


def mark_of(file: FoundFile) -> Mark:
    """By what a file is known again: name, size, time of its last change."""
    return (file.name, file.size, "" if file.changed_at is None else file.changed_at.isoformat())


def state_name(*parts: str) -> str:
    """A file name for what these say together."""
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:32] + ".jsonl"
