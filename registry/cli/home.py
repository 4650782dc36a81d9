"""Holds an embedded home for a command that needs it alone, and opens a database beside others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from registry.errors import NotFoundError
from registry.settings import Settings

if TYPE_CHECKING:
    from registry.storage.database import Database
    from registry.storage.homelock import HomeLock


@contextmanager
def held_home(settings: Settings, command: str) -> Iterator[HomeLock | None]:
    """Hold the home while the block runs; gives None with PostgreSQL, where nothing is held.

    Raises HomeInUseError, with pid and URL, where another process holds it.
    """
    if not settings.embedded:
        yield None
        return
    from registry.storage.home import make_home
    from registry.storage.homelock import hold_alone

    make_home(settings)
    with hold_alone(settings.home, command) as lock:
        yield lock


def require_registry(settings: Settings) -> None:
    """Raise NotFoundError where an embedded home has no registry; for commands that make none."""
    if not settings.embedded or settings.database_url:
        return
    if not (settings.home / "registry.db").exists():
        raise NotFoundError(
            f"There is no registry in {settings.home}.",
            remedy="Choose its folder with REGISTRY_HOME, or begin one: registry serve.",
        )


@contextmanager
def existing_database(settings: Settings) -> Iterator[Database]:
    """The database of these settings, for a command that only reads: beside a server, too.

    Raises NotFoundError where an embedded home has none; nothing is made.
    """
    from registry.storage.database import Database

    require_registry(settings)
    database = Database(settings.database, lock_timeout_seconds=settings.lock_timeout_seconds)
    try:
        yield database
    finally:
        database.close()
