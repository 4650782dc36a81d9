"""Puts an alert for each violation into the queue, once for each way that alerts go.

It happens in the transaction that raises the violation, so that none is lost and none goes out for
what was rolled back (`registry.workers.alerts` delivers them).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from sqlmodel import Session

from registry.settings import Settings
from registry.storage.queue import TaskKind, put_task

Way = Literal["webhook", "email"]


def ways_of(settings: Settings) -> list[Way]:
    """Which ways alerts go."""
    ways: list[Way] = []
    if settings.alert_webhook:
        ways.append("webhook")
    if settings.alert_email:
        ways.append("email")
    return ways


def put_alerts(
    session: Session, settings: Settings, violations: Iterable[str], *, now: datetime
) -> None:
    """Put the alerts of these violations into the queue. Does not commit."""
    ways = ways_of(settings)
    for violation in violations:
        for way in ways:
            payload: dict[str, object] = {"violation": violation, "way": way}
            put_task(session, TaskKind.SEND_ALERT, payload, now=now)
