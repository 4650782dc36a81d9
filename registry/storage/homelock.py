"""Who works on a home: one process alone, or several commands side by side.

Rules:
1. The lock is `flock` on `<home>/registry.lock`, which the kernel drops when its process ends,
   however it ends. The file itself stays, so that nobody locks a file that is gone.
2. `hold_alone` is for what serves or replaces the home (`serve`, `worker`, `db rebuild`): it
   writes its pid, its command and, once it listens, its URL into the file.
3. `join` is for a short command in this process; several join at once. It gives the URL of a
   serving process instead, where there is one: then everything goes there by HTTP.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from registry.errors import HomeInUseError, SetupError

LOCK_NAME = "registry.lock"
_POLL_SECONDS = 0.05
_JOIN_PATIENCE_SECONDS = 10.0
_ALONE_PATIENCE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a home alone; `url` is empty until it listens, or for ever."""

    pid: int
    command: str
    url: str = ""


class HomeLock:
    """A home held alone. `announce` tells others where this process listens."""

    def __init__(self, descriptor: int, command: str) -> None:
        self._descriptor = descriptor
        self._command = command

    def announce(self, url: str) -> None:
        """Write the URL at which commands reach this process."""
        self._write(msgspec.json.encode(asdict(Holder(os.getpid(), self._command, url))))

    def _write(self, content: bytes) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, content, 0)


@contextmanager
def hold_alone(
    home: Path, command: str, *, patience_seconds: float = _ALONE_PATIENCE_SECONDS
) -> Iterator[HomeLock]:
    """Hold the home alone while the block runs; short commands are waited for a moment.

    Raises HomeInUseError, with pid and URL, where another process holds it.
    """
    with _opened(home) as descriptor:
        _lock(descriptor, home, fcntl.LOCK_EX, patience_seconds)
        lock = HomeLock(descriptor, command)
        lock.announce("")
        try:
            yield lock
        finally:
            os.ftruncate(descriptor, 0)


@contextmanager
def join(home: Path, *, patience_seconds: float = _JOIN_PATIENCE_SECONDS) -> Iterator[str | None]:
    """Work on the home beside other short commands (gives None), or give the server's URL.

    Raises HomeInUseError where a process without a URL holds the home for longer than that.
    """
    with _opened(home) as descriptor:
        until = time.monotonic() + patience_seconds
        while not _taken(descriptor, fcntl.LOCK_SH):
            holder = read_holder(home)
            if holder is not None and holder.url:
                yield holder.url
                return
            if time.monotonic() >= until:
                raise _in_use(home)
            time.sleep(_POLL_SECONDS)
        yield None


def serving_url(home: Path) -> str | None:
    """The URL of the process that serves the home, if one does; makes and holds nothing."""
    if not (home / LOCK_NAME).exists():
        return None
    with _opened(home) as descriptor:
        if _taken(descriptor, fcntl.LOCK_SH):
            return None
    holder = read_holder(home)
    return holder.url or None if holder is not None else None


def read_holder(home: Path) -> Holder | None:
    """What the lock file says; only true while the lock is taken (rule 1)."""
    try:
        return msgspec.json.decode((home / LOCK_NAME).read_bytes(), type=Holder)
    except (OSError, msgspec.DecodeError):
        return None


@contextmanager
def _opened(home: Path) -> Iterator[int]:
    try:
        descriptor = os.open(home / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SetupError(
            f"The home {home} cannot be locked: {error.strerror}.",
            remedy="Give this user the folder, or choose another with REGISTRY_HOME.",
        ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock(descriptor: int, home: Path, kind: int, patience_seconds: float) -> None:
    until = time.monotonic() + patience_seconds
    while not _taken(descriptor, kind):
        holder = read_holder(home)
        if time.monotonic() >= until or (holder is not None and holder.url):
            raise _in_use(home)
        time.sleep(_POLL_SECONDS)


def _in_use(home: Path) -> HomeInUseError:
    holder = read_holder(home)
    if holder is None:
        return HomeInUseError(
            f"A command of another process works on the home {home}.",
            remedy="Wait until it is done, then try again.",
        )
    where = f" at {holder.url}" if holder.url else ""
    return HomeInUseError(
        f"Process {holder.pid} ({holder.command}{where}) holds the home {home}.",
        remedy=f"Stop it first (kill {holder.pid}), or wait until it is done.",
    )
