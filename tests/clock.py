"""A clock that stands still until a test moves it; it passes for `registry.clock.Clock`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


class FrozenClock:
    """Gives `now` whenever it is called."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **units: float) -> datetime:
        """Move on by what `timedelta` takes (`seconds=5`, `days=30`); gives the new time."""
        self.now += timedelta(**units)
        return self.now
