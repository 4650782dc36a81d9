"""Tells people of violations: signed webhooks and mail, each a task of its own that is tried again.

Rules:
1. An alert is put into the queue in the transaction that raises its violation, once for each way
   it goes, so that none is lost and none goes out for what was rolled back.
2. A webhook follows Standard Webhooks (standardwebhooks.com): `webhook-id` is the same at every
   try, so that a receiver can tell a repetition; `webhook-signature` is `v1,` and base64 of
   HMAC-SHA-256 over `id.timestamp.body`.
3. Any 2xx is delivered; anything else is tried again by the queue, and 410 Gone is not.
4. An alert says what a violation's row says, which holds no identifier of a person.
5. Mail goes to one address each, under the same Message-ID at every try (RFC 5322 §3.6.4). What the
   server refuses is tried again by the queue, which keeps what it gives up. A password is given to
   a mail server over TLS alone.
"""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from registry.errors import UnavailableError
from registry.moments import rfc3339
from registry.policy.alerting import addresses_of
from registry.rights.violations import ViolationView, read_violation
from registry.settings import Settings
from registry.signing import webhook_signature
from registry.workers.context import TaskContext

if TYPE_CHECKING:
    import smtplib

TIMEOUT_SECONDS = 20.0


def send_alert(context: TaskContext) -> None:
    """Deliver one alert. Raises UnavailableError where it was not taken; then it is tried again."""
    house = context.house
    with house.database.read() as session:
        violation = read_violation(session, str(context.task.payload["violation"]))
    match context.task.payload["way"]:
        case "email":
            to = str(context.task.payload.get("to", ""))
            for address in [to] if to else addresses_of(house.settings):
                _mail(house.settings, violation, address, context.task.id)
        case _:
            _post(house.settings, violation, context.task.id, house.clock())


def body_of(violation: ViolationView, at: datetime) -> bytes:
    """The body of a webhook: `type`, `timestamp` and `data`, as Standard Webhooks has it."""
    data = {
        "id": violation.id,
        "kind": violation.kind,
        "state": violation.state.value,
        "detail": violation.detail,
        "project": violation.project,
        "namespace": violation.namespace,
        "dataset": violation.dataset,
        "version": violation.number,
        "batch": violation.batch_number,
        "rule": violation.rule,
        "raised_at": rfc3339(violation.raised_at),
    }
    message = {"type": "violation.raised", "timestamp": rfc3339(at), "data": data}
    return msgspec.json.encode(message)


def _post(settings: Settings, violation: ViolationView, task_id: str, now: datetime) -> None:
    import httpx

    if not settings.alert_webhook:
        return
    timestamp = int(now.timestamp())
    body = body_of(violation, now)
    message_id = f"msg_{task_id}"
    headers = {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": webhook_signature(settings.alert_secret, message_id, timestamp, body),
    }
    try:
        answer = httpx.post(
            settings.alert_webhook, content=body, headers=headers, timeout=TIMEOUT_SECONDS
        )
    except httpx.HTTPError as error:
        raise _not_delivered(type(error).__name__) from error
    if answer.status_code != 410 and not answer.is_success:
        raise _not_delivered(f"it answered {answer.status_code}")


def _not_delivered(reason: str) -> UnavailableError:
    return UnavailableError(
        f"An alert was not delivered: {reason}.",
        remedy="Look at what REGISTRY_ALERT_WEBHOOK and REGISTRY_SMTP_URL name.",
    )


def _mail(settings: Settings, violation: ViolationView, address: str, task_id: str) -> None:
    import smtplib
    import ssl

    if address not in addresses_of(settings):
        return
    place = urlsplit(settings.smtp_url)
    host = place.hostname or "localhost"
    message = EmailMessage()
    message["Subject"] = f"Violation: {violation.kind.replace('_', ' ')}"
    message["From"] = f"registry@{host}"
    message["To"] = address
    message["Date"] = violation.raised_at
    message["Message-ID"] = f"<{task_id}@{host}>"
    about = f"{violation.namespace} {violation.dataset}" if violation.dataset else "-"
    message.set_content(
        f"{violation.detail}\n\nDataset: {about}\nRaised: {rfc3339(violation.raised_at)}\n"
        f"Violation: {violation.id}\n"
    )
    try:
        with _server(place.scheme, host, place.port) as server:
            if place.username:
                if not isinstance(server.sock, ssl.SSLSocket):
                    raise _not_delivered("a password would go to the mail server without TLS")
                server.login(unquote(place.username), unquote(place.password or ""))
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise _not_delivered(type(error).__name__) from error


def _server(scheme: str, host: str, port: int | None) -> smtplib.SMTP:
    """A connection to the mail server: TLS from the start, or as soon as the server offers it."""
    import smtplib
    import ssl

    secure = ssl.create_default_context()
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port or 465, timeout=TIMEOUT_SECONDS, context=secure)
    server = smtplib.SMTP(host, port or 587, timeout=TIMEOUT_SECONDS)
    try:
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls(context=secure)
    except BaseException:
        server.close()
        raise
    return server
