"""Keeps on disk, in order and bounded, what the registry could not take just now.

Rules:
1. An entry is one body under its SHA-256 in `bodies/` and one small file in `queue/`, whose name is
   its place in the order. The body is written first and deleted first, each file appears whole or
   not at all: so a crash between any two steps loses nothing, and at worst sends the same bytes
   twice, which the registry takes for one.
2. The same bytes are kept once. A place in the order whose body is gone was delivered.
3. Several processes share a spool: each change is made under one lock, and one process delivers at
   a time. Locks are `flock`s, which the kernel drops when their process ends.
4. No more than `limit_bytes` are kept. What came first stays; what does not fit is refused.
5. What the registry refuses for good moves to `refused/`, with the reason, and makes way.
6. Only this user can read it: subjects may be in it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO

import msgspec

from registry.client.payload import Payload
from registry.errors import (
    ForbiddenError,
    OverloadedError,
    RegistryError,
    UnauthenticatedError,
    UnavailableError,
)

LIMIT_BYTES = 10 << 30
_POLL_SECONDS = 0.02
# What may be mended without touching the entry: the order waits for it.
_PASSING = (UnavailableError, UnauthenticatedError, ForbiddenError)


@dataclass(frozen=True, slots=True)
class Entry:
    """What waits: an event (`object_kind` empty) or an object, by its SHA-256 in hex."""

    digest: str
    size: int
    content_type: str
    object_kind: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What is in a spool: entries and bytes that wait or were refused, how many were dropped."""

    waiting: int = 0
    bytes: int = 0
    refused: int = 0
    dropped: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a round delivered, and what it stopped at; `busy`: another process delivers."""

    delivered: int = 0
    refused: int = 0
    stopped_by: RegistryError | None = None
    busy: bool = False


Send = Callable[[Entry, BinaryIO], None]


class Spool:
    """A folder of entries for one registry and one token."""

    def __init__(self, folder: Path, *, limit_bytes: int = LIMIT_BYTES) -> None:
        """Makes the folder if it is not there. Raises OSError where that cannot be done."""
        self.folder = folder
        self.limit_bytes = limit_bytes
        self._queue, self._bodies = folder / "queue", folder / "bodies"
        self._refused = folder / "refused"
        self._make()

    def _make(self) -> None:
        for path in (self.folder, self._queue, self._bodies, self._refused):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def is_empty(self) -> bool:
        """Whether nothing waits. Cost: looks at one file name."""
        try:
            with os.scandir(self._queue) as entries:
                return all(entry.name.startswith(".") for entry in entries)
        except FileNotFoundError:
            return True  # somebody took the folder away

    def append(self, payload: Payload, object_kind: str = "") -> None:
        """Keep a payload as the last in the order; durable when this returns.

        Raises OverloadedError where it does not fit (rule 4), OSError where the disk fails.
        """
        entry = Entry(payload.digest.hex(), payload.size, payload.content_type, object_kind)
        self._make()
        with self._locked("lock"):
            usage = self._usage()
            body = self._bodies / entry.digest
            if not body.exists():
                if usage.bytes + payload.size > self.limit_bytes:
                    self._note(replace(usage, dropped=usage.dropped + 1))
                    raise self._full(usage, payload.size)
                self._write(body, payload.chunks())
                usage = replace(usage, bytes=usage.bytes + payload.size)
            place = max(time.time_ns(), usage.last + 1)
            self._write(self._queue / f"{place:020d}", [msgspec.json.encode(asdict(entry))])
            self._note(replace(usage, waiting=usage.waiting + 1, last=place))

    def put_aside(self, payload: Payload, object_kind: str, reason: str) -> None:
        """Keep what the registry refused for good (rule 5), if there is room for it."""
        entry = Entry(payload.digest.hex(), payload.size, payload.content_type, object_kind, reason)
        with self._locked("lock"):
            usage = self._count()
            if usage.bytes + payload.size > self.limit_bytes:
                return
            place = max(time.time_ns(), usage.last + 1)
            self._write(self._refused / entry.digest, payload.chunks())
            self._write(self._refused / f"{place:020d}.json", [msgspec.json.encode(asdict(entry))])
            self._note(replace(self._count(), last=place))

    def usage(self) -> Usage:
        """What is in the spool now, counted."""
        with self._locked("lock"):
            return self._count()

    def refused(self) -> list[Entry]:
        """What the registry refused for good, with the reasons, the oldest first."""
        told = [path for path in self._refused.glob("*.json") if not _is_half(path)]
        return [entry for path in sorted(told) if (entry := self._entry(path)) is not None]

    def deliver(self, send: Send, *, patience_seconds: float = 0.0) -> Delivery:
        """Send what waits, the first first, until nothing waits or the registry cannot take more.

        `send` raises the registry's error. Waits so long for a process that delivers already.
        """
        delivered = refused = 0
        with self._locked("deliver.lock", patience_seconds) as held:
            if not held:
                return Delivery(busy=True)
            with self._locked("lock"):
                self._note(self._count())
            while places := self._places():
                for place in places:
                    try:
                        delivered += self._send(place, send)
                    except _PASSING as error:
                        return Delivery(delivered, refused, stopped_by=error)
                    except RegistryError as error:
                        self._move_to_refused(place, f"{error.detail} {error.remedy}")
                        refused += 1
        return Delivery(delivered, refused)

    def forget_refused(self) -> int:
        """Delete what the registry refused, and make room; how many entries it was."""
        with self._locked("lock"):
            usage = self._count()
            for path in self._refused.iterdir():
                path.unlink()
            self._note(self._count())
        return usage.refused

    def _places(self) -> list[Path]:
        """What waits, in order. What is appended meanwhile comes after all of it."""
        return sorted(path for path in self._queue.iterdir() if not _is_half(path))

    def _send(self, place: Path, send: Send) -> int:
        entry = self._entry(place)
        sent = 0
        if entry is not None:
            try:
                with (self._bodies / entry.digest).open("rb") as body:
                    send(entry, body)
                sent = 1
            except FileNotFoundError:
                pass  # rule 2
        with self._locked("lock"):
            freed = entry.size if entry is not None and sent else 0
            if entry is not None:
                (self._bodies / entry.digest).unlink(missing_ok=True)
            place.unlink(missing_ok=True)
            usage = self._usage()
            self._note(
                replace(usage, waiting=max(0, usage.waiting - 1), bytes=max(0, usage.bytes - freed))
            )
        return sent

    def _move_to_refused(self, place: Path, reason: str) -> None:
        entry = self._entry(place)
        with self._locked("lock"):
            if entry is not None:
                told = msgspec.json.encode(asdict(replace(entry, reason=reason)))
                self._write(self._refused / f"{place.name}.json", [told])
                (self._bodies / entry.digest).replace(self._refused / entry.digest)
            place.unlink(missing_ok=True)
            self._note(self._count())

    def _entry(self, path: Path) -> Entry | None:
        """The entry of a queue file; None for one that cannot be read."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=Entry)
        except (OSError, msgspec.DecodeError):
            return None

    def _usage(self) -> Usage:
        try:
            return msgspec.json.decode((self.folder / "usage").read_bytes(), type=Usage)
        except (OSError, msgspec.DecodeError):
            return self._count()

    def _count(self) -> Usage:
        """Count anew, because a crash may have come between a change and its note."""
        try:
            noted = msgspec.json.decode((self.folder / "usage").read_bytes(), type=Usage)
        except (OSError, msgspec.DecodeError):
            noted = Usage()
        for folder in (self._queue, self._bodies, self._refused):
            for half in filter(_is_half, folder.iterdir()):
                half.unlink()  # nobody writes while the lock is held: a crash left it
        places = [path.name for path in self._queue.iterdir()]
        kept = [*self._bodies.iterdir(), *self._refused.iterdir()]
        last = max([noted.last, *(int(name) for name in places if name.isdigit())])
        refused = sum(path.suffix == ".json" for path in kept)
        size = sum(path.stat().st_size for path in kept)
        return Usage(len(places), size, refused, noted.dropped, last)

    def _note(self, usage: Usage) -> None:
        self._write(self.folder / "usage", [msgspec.json.encode(asdict(usage))], durable=False)

    def _write(
        self, path: Path, parts: Iterator[bytes] | list[bytes], durable: bool = True
    ) -> None:
        """Make a file appear whole (rule 1); what a crash left half done is overwritten."""
        half = path.with_name(f".{path.name}")
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        half.replace(path)
        if durable:
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    @contextmanager
    def _locked(self, name: str, patience_seconds: float | None = None) -> Iterator[bool]:
        """Hold a lock of rule 3; waits for ever without a patience, else says whether it holds."""
        descriptor = os.open(self.folder / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield _take(descriptor, patience_seconds)
        finally:
            os.close(descriptor)

    def _full(self, usage: Usage, size: int) -> OverloadedError:
        return OverloadedError(
            f"The spool {self.folder} holds {usage.bytes} bytes of {self.limit_bytes}, and "
            f"{size} more do not fit; {usage.waiting} entries wait for the registry.",
            remedy="Start the registry, or give the spool more room (spool_limit_bytes).",
        )


def _is_half(path: Path) -> bool:
    return path.name.startswith(".")


def _take(descriptor: int, patience_seconds: float | None) -> bool:
    if patience_seconds is None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return True
    until = time.monotonic() + patience_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(_POLL_SECONDS)
