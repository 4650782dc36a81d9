"""Keeps two workers from doing the same work outside the database at the same time.

Rules:
1. A lease alone does not: whoever lost one while it was suspended may still write to the ledger
   when it goes on. So the work is done while its number is held, and the kernel (SQLite: a lock on
   one byte of a file beside the database) or the server (PostgreSQL: a session's advisory lock)
   lets go of it when its process ends, however it ends.
2. Who waits longer than the lock timeout gets StorageUnavailableError: the task comes back later.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from registry.errors import StorageUnavailableError
from registry.storage.database import Database

_POLL_SECONDS = 0.02
# Numbers that are held share PostgreSQL's space of 64 bits with whatever else is locked there.
_SPACE = 0x6C65 << 48


class Turns:
    """The numbers of one database that somebody works on alone. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._guard = threading.Lock()
        self._held: set[int] = set()
        self._descriptor: int | None = None

    @contextmanager
    def alone(self, number: int) -> Iterator[None]:
        """Hold a number (0 ≤ number < 2^48) while the block runs (rule 1).

        Raises StorageUnavailableError (rule 2).
        """
        if not self._database.is_sqlite:
            with self._on_server(number):
                yield
            return
        until = time.monotonic() + self._database.lock_timeout_seconds
        while not self._take(number):
            if time.monotonic() >= until:
                raise _busy(number)
            time.sleep(_POLL_SECONDS)
        try:
            yield
        finally:
            self._leave(number)

    def close(self) -> None:
        """Close the file of the locks, which lets go of all of them."""
        with self._guard:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _take(self, number: int) -> bool:
        with self._guard:
            # The kernel's lock is the process's, so threads are told apart here.
            if number in self._held:
                return False
            if self._descriptor is None:
                name = f"{self._database.url.database}-turns"
                self._descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
            except (BlockingIOError, PermissionError):
                return False
            self._held.add(number)
            return True

    def _leave(self, number: int) -> None:
        with self._guard:
            self._held.discard(number)
            if self._descriptor is not None:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, number)

    @contextmanager
    def _on_server(self, number: int) -> Iterator[None]:
        with self._database.connected() as connection:
            key = _SPACE | number
            # The lock is the session's, so that no transaction stays open for as long as the work.
            connection.exec_driver_sql("SELECT pg_advisory_lock(%s)", (key,))
            connection.commit()
            try:
                yield
            finally:
                try:
                    connection.exec_driver_sql("SELECT pg_advisory_unlock(%s)", (key,))
                    connection.commit()
                except BaseException:
                    # Never back into the pool with the lock on it.
                    connection.invalidate()
                    raise


def _busy(number: int) -> StorageUnavailableError:
    return StorageUnavailableError(
        f"Another worker is at number {number} already.",
        remedy="Try again when it is done.",
    )
