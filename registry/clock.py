"""The only place that asks what time it is.

All times are aware and in UTC. A `Clock` is passed to whatever needs one, so that tests freeze it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The current time, aware, in UTC, with microseconds."""
    return datetime.now(UTC)
