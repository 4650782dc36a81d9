"""Alerts go out signed, are tried again, and say no more than the violation."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from registry.errors import SettingsError
from registry.policy.alerting import check_alert_settings, put_alerts
from registry.policy.book import folder_of
from registry.request import House
from registry.rights.violations import Breach, raise_violation
from registry.settings import Settings, load_settings
from registry.signing import webhook_signature
from registry.storage.queue import count_tasks
from registry.workers.loop import Workers

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


class Receiver:
    """A web server on loopback that answers with the statuses it was given, then 204."""

    def __init__(self, *statuses: int) -> None:
        self.seen: list[tuple[dict[str, str], bytes]] = []
        waiting = list(statuses)
        seen = self.seen

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                seen.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(waiting.pop(0) if waiting else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    @contextmanager
    def listening(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join(60)


def alerted(house: House, url: str) -> House:
    return replace(house, settings=replace(house.settings, alert_webhook=url, alert_secret=SECRET))


def checked(settings: Settings) -> None:
    check_alert_settings(settings)
    folder_of(settings)


def raise_one(house: House) -> None:
    with house.database.write() as session:
        breach = Breach("past_retention", "past_retention:x", "A rule let it stay until then.")
        raised = raise_violation(session, breach, actor="tests", now=house.clock())
        assert raised is not None
        put_alerts(session, house.settings, [raised], now=house.clock())


def test_a_violation_is_posted_once_and_signed(house: House) -> None:
    receiver = Receiver()
    with receiver.listening():
        told = alerted(house, receiver.url)
        raise_one(told)
        assert Workers(told, threads=1).work_off() == 1
    ((headers, body),) = receiver.seen
    message_id, at = headers["webhook-id"], headers["webhook-timestamp"]
    signed = f"{message_id}.{at}.".encode() + body
    expected = hmac.new(bytes(range(32)), signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()
    assert headers["webhook-signature"] == webhook_signature(SECRET, message_id, int(at), body)
    said = json.loads(body)
    assert said["type"] == "violation.raised"
    assert said["data"]["kind"] == "past_retention"


def test_a_receiver_that_fails_is_asked_again_under_the_same_id(
    house: House, frozen_clock: Any
) -> None:
    receiver = Receiver(500)
    with receiver.listening():
        told = alerted(house, receiver.url)
        raise_one(told)
        workers = Workers(told, threads=1)
        workers.work_off()
        with house.database.read() as session:
            assert count_tasks(session)["waiting"] == 1
        frozen_clock.advance(minutes=5)
        workers.work_off()
    ids = [headers["webhook-id"] for headers, _ in receiver.seen]
    assert len(ids) == 2
    assert ids[0] == ids[1]


def test_without_a_place_to_go_nothing_is_put(house: House) -> None:
    raise_one(house)
    with house.database.read() as session:
        assert count_tasks(session).get("waiting", 0) == 0


@pytest.mark.parametrize(
    "variables",
    [
        {"REGISTRY_ALERT_WEBHOOK": "ftp://x", "REGISTRY_ALERT_SECRET": SECRET},
        {"REGISTRY_ALERT_WEBHOOK": "https://x"},
        {"REGISTRY_ALERT_WEBHOOK": "https://x", "REGISTRY_ALERT_SECRET": "whsec_c2hvcnQ="},
        {"REGISTRY_ALERT_EMAIL": "a@example.org"},
        {"REGISTRY_POLICIES": "/no/such/folder"},
    ],
)
def test_settings_that_cannot_work_stop_the_start(variables: dict[str, str]) -> None:
    settings = load_settings(variables)
    with pytest.raises(SettingsError):
        checked(settings)


def test_a_mail_server_that_is_gone_is_tried_again(house: House) -> None:
    settings = replace(house.settings, alert_email="a@example.org", smtp_url="smtp://127.0.0.1:9")
    told = replace(house, settings=settings)
    raise_one(told)
    Workers(told, threads=1).work_off()
    with house.database.read() as session:
        assert count_tasks(session)["waiting"] == 1
