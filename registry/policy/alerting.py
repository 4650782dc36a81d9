"""Puts an alert for each violation into the queue, once for each way that alerts go.

It happens in the transaction that raises the violation, so that none is lost and none goes out for
what was rolled back (`registry.workers.alerts` delivers them).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from sqlmodel import Session

from registry.errors import SettingsError
from registry.settings import Settings
from registry.signing import webhook_key
from registry.storage.queue import TaskKind, put_task

Way = Literal["webhook", "email"]


def check_alert_settings(settings: Settings) -> None:
    """Raise SettingsError for alerts that could not go out, or not signed."""
    if settings.alert_email and urlsplit(settings.smtp_url).scheme not in ("smtp", "smtps"):
        raise SettingsError(
            "REGISTRY_ALERT_EMAIL is set, and REGISTRY_SMTP_URL names no mail server.",
            remedy="Set REGISTRY_SMTP_URL, such as smtp://mail.example.org:587.",
        )
    if not settings.alert_webhook:
        return
    if urlsplit(settings.alert_webhook).scheme not in ("http", "https"):
        raise SettingsError(
            "REGISTRY_ALERT_WEBHOOK is no HTTP address.", remedy="Write https://host/path."
        )
    if webhook_key(settings.alert_secret) is None:
        raise SettingsError(
            "REGISTRY_ALERT_SECRET is no secret of 24 to 64 bytes in base64.",
            remedy="Set it to whsec_ and the output of: openssl rand -base64 32",
        )


def check_ticket_settings(settings: Settings) -> None:
    """Raise SettingsError for a ticket secret that signs nothing."""
    if settings.ticket_secret and webhook_key(settings.ticket_secret) is None:
        raise SettingsError(
            "REGISTRY_TICKET_SECRET is no secret of 24 to 64 bytes in base64.",
            remedy="Set it to whsec_ and the output of: openssl rand -base64 32",
        )


def ways_of(settings: Settings) -> list[Way]:
    """Which ways alerts go."""
    ways: list[Way] = []
    if settings.alert_webhook:
        ways.append("webhook")
    if settings.alert_email:
        ways.append("email")
    return ways


def addresses_of(settings: Settings) -> list[str]:
    """Whom alerts are mailed to, each once."""
    parts = (part.strip() for part in (settings.alert_email or "").split(","))
    return list(dict.fromkeys(part for part in parts if part))


def put_alerts(
    session: Session, settings: Settings, violations: Iterable[str], *, now: datetime
) -> None:
    """Put the alerts of these violations into the queue: one for the webhook, and one for each
    address, so that what one refuses is not sent again to the others. Does not commit.
    """
    ways = ways_of(settings)
    goals = [{"way": "webhook"}] if "webhook" in ways else []
    goals += [{"way": "email", "to": each} for each in addresses_of(settings)]
    for violation in violations:
        for goal in goals:
            payload: dict[str, object] = {"violation": violation, **goal}
            key = ":".join(("alert", violation, *goal.values()))
            put_task(session, TaskKind.SEND_ALERT, payload, now=now, dedupe_key=key)
