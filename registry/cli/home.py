"""Holds an embedded home for a command that needs it alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from registry.settings import Settings

if TYPE_CHECKING:
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
