"""Opens the catalog and hands out transactions; the only place that knows which database it is.

Rules:
1. One request or task is one transaction: `read()` and `write()` give a session, commit at the
   end, and roll back on any error.
2. SQLite runs in WAL with `synchronous=FULL`, `secure_delete` and foreign keys. Whatever writes
   begins with BEGIN IMMEDIATE, because a deferred read-then-write fails at once in spite of the
   busy timeout (sqlite.org/lang_transaction.html §2.2); writers of one process queue on a lock.
3. PostgreSQL deadlocks and serialization failures are tried again by `transact`.
4. A database that is locked, full or gone becomes StorageUnavailableError; a later call succeeds
   without a restart.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import Session

from registry.errors import StorageUnavailableError

T = TypeVar("T")
_TRY_AGAIN_STATES = {"40001", "40P01"}
# SQLSTATE: connection, transaction rollback, resources, object in use, operator, system error; and
# a server that became a read-only standby. A limit of the program (54) is the statement's fault.
_UNAVAILABLE_CLASSES = {"08", "40", "53", "55", "57", "58"}
_UNAVAILABLE_STATES = {"25006"}
_ATTEMPTS = 5


class Database:
    """An engine with the transaction rules above. Thread-safe; dispose of it with `close()`."""

    def __init__(self, url: str, *, lock_timeout_seconds: float = 10.0) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.lock_timeout_seconds = lock_timeout_seconds
        self._writer = threading.RLock() if self.is_sqlite else None
        self.engine = self._make_engine()

    def _make_engine(self) -> Engine:
        if self.is_sqlite:
            engine = create_engine(
                self.url,
                connect_args={
                    "timeout": self.lock_timeout_seconds,
                    "check_same_thread": False,
                    "cached_statements": 1024,
                },
                pool_size=16,
                max_overflow=48,
                # The connection used last has its pages and statements at hand.
                pool_use_lifo=True,
            )
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        engine = create_engine(self.url, pool_pre_ping=True, pool_size=16, max_overflow=16)
        timeout_ms = int(self.lock_timeout_seconds * 1000)

        def prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
            with connection.cursor() as cursor:  # type: ignore[attr-defined]  # psycopg's
                cursor.execute(f"SET lock_timeout = {timeout_ms}")
            connection.commit()

        event.listen(engine, "connect", prepare)
        return engine

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one consistent state (SQLite) and is not meant to write."""
        with _as_unavailable(), self.engine.connect() as connection:
            with Session(connection, autoflush=False) as session:
                yield session
            connection.rollback()

    @contextmanager
    def write(self, *, at_once: bool = False) -> Iterator[Session]:
        """A session whose changes are durable when the block ends without an error.

        `at_once` is for background work that can come again: another process that holds SQLite is
        not waited for, because this process's own writers would wait with it. Raises
        StorageUnavailableError when the database is locked, full or gone.
        """
        with _as_unavailable(), self._turn(), self.engine.connect() as connection:
            options = {"registry_writes": True, "registry_at_once": at_once}
            connection = connection.execution_options(**options)
            with connection.begin(), Session(connection, autoflush=False) as session:
                yield session
                session.flush()

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection without a transaction of its own, for locks that are a session's."""
        with _as_unavailable(), self.engine.connect() as connection:
            yield connection

    def transact(self, work: Callable[[Session], T], *, at_once: bool = False) -> T:
        """Run `work` in a write transaction, again on deadlock or serialization failure.

        `work` must be free of effects outside the session, because it may run several times.
        """
        for attempt in range(_ATTEMPTS):
            try:
                with self.write(at_once=at_once) as session:
                    return work(session)
            except StorageUnavailableError as error:
                last = attempt == _ATTEMPTS - 1
                if last or not _may_try_again(error.__cause__):
                    raise
                time.sleep(random.uniform(0.005, 0.05) * (attempt + 1))  # noqa: S311 - back-off
        raise AssertionError("the loop above returns or raises")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for this process's turn to write (SQLite only): fair, and without busy polling."""
        if self._writer is None:
            yield
            return
        if not self._writer.acquire(timeout=self.lock_timeout_seconds):
            raise StorageUnavailableError(
                f"Another write held the database for {self.lock_timeout_seconds} s.",
                remedy="Try again; if it stays so, look for a long running command.",
            )
        try:
            yield
        finally:
            self._writer.release()

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # sqlite3's: we send BEGIN
    # SQLite has unhex() from 3.41 on; queries by many ids need it (registry.storage.bulk).
    connection.create_function("registry_unhex", 1, bytes.fromhex, deterministic=True)
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "secure_delete=ON",
        "foreign_keys=ON",
        "cache_size=-65536",
        "temp_store=MEMORY",
        "wal_autocheckpoint=4000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("registry_at_once", False):
        writes = options.get("registry_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
        return
    patience = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
    connection.exec_driver_sql("PRAGMA busy_timeout = 0")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {patience}")


@contextmanager
def _as_unavailable() -> Iterator[None]:
    """Turn a driver's 'locked', 'full' or 'gone' into StorageUnavailableError."""
    try:
        yield
    except (DBAPIError, PoolTimeoutError, sqlite3.OperationalError) as error:
        if not _is_unavailable(error):
            raise
        raise StorageUnavailableError(
            f"The database did not take the work: {_first_line(error)}.",
            remedy="Try again; if it stays so, look at the database's disk, locks and log.",
        ) from error


def _is_unavailable(error: Exception) -> bool:
    """Whether the database is at fault, and not what it was asked."""
    if not isinstance(error, DBAPIError):
        return True
    state = _sqlstate(error)
    if state is not None:
        return state[:2] in _UNAVAILABLE_CLASSES or state in _UNAVAILABLE_STATES
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def _may_try_again(error: BaseException | None) -> bool:
    return _sqlstate(error) in _TRY_AGAIN_STATES


def _sqlstate(error: BaseException | None) -> str | None:
    origin: Any = getattr(error, "orig", None)
    state: str | None = getattr(origin, "sqlstate", None)
    return state


def _first_line(error: Exception) -> str:
    """The driver's own words, without SQL or parameters (they may hold personal data)."""
    origin = getattr(error, "orig", None)
    text = str(origin if origin is not None else error)
    return text.strip().splitlines()[0][:200].rstrip(".") if text.strip() else "no reason given"
