"""A ticket system files requests by signed webhooks: once each, fresh, and as its account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from registry.actors.tables import Role
from registry.app import create_app
from registry.errors import SettingsError
from registry.policy.alerting import check_ticket_settings
from registry.request import House
from registry.settings import Settings
from registry.signing import is_signed, webhook_signature
from tests.conftest import TokenMaker
from tests.erasure.filing import case_now, entries, restricted

PATH = "/api/v1/erasure-requests/tickets"
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + "AAAA9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DATA = {
    "right": "erasure",
    "regime": "gdpr",
    "subjects": [{"scheme": "email", "value": "person-1@example.org"}],
    "reference": "T-17",
    "identity": "authenticated",
}


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    """Nobody's client of a house that takes tickets."""
    settings = replace(house.settings, ticket_secret=SECRET)
    opened = replace(house, settings=settings)
    app = create_app(settings, clock=house.clock, house=opened, background=False)
    with TestClient(app, raise_server_exceptions=False) as made:
        yield made


def send(
    client: TestClient,
    house: House,
    data: Any = DATA,
    *,
    message_id: str = "msg_1",
    secret: str = SECRET,
    seconds: int = 0,
    kind: str = "erasure.requested",
    **headers: str,
) -> Any:
    """Send a ticket as its system does."""
    body = json.dumps({"type": kind, "timestamp": "now", "data": data}).encode()
    timestamp = int(house.clock().timestamp()) + seconds
    signed = {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": webhook_signature(secret, message_id, timestamp, body),
    }
    return client.post(PATH, content=body, headers={**signed, **headers})


def test_the_published_example_of_standard_webhooks_verifies() -> None:
    # https://www.standardwebhooks.com: the vector of the reference libraries.
    body = b'{"test": 2432232314}'
    signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert webhook_signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == signature


def test_a_ticket_becomes_one_request_of_its_account(
    client: TestClient, house: House, make_token: TokenMaker
) -> None:
    make_token(Role.DATA_OWNER, name="tickets")
    first = send(client, house)
    assert first.status_code == 201, first.text
    case = case_now(house, first.json()["id"])
    assert (case.channel, case.reference, case.state.value) == ("ticket", "T-17", "received")
    assert restricted(house) == 1
    filed = [facts for kind, facts in entries(house, "erasure.request.filed")]
    assert [each["request"] for each in filed] == [case.id]
    assert send(client, house).json() == first.json()
    assert send(client, house, message_id="msg_2").json() == first.json()
    bare = {name: value for name, value in DATA.items() if name != "reference"}
    second = send(client, house, bare, message_id="msg_3").json()
    assert second["reference"] == "msg_3"
    assert second["id"] != case.id
    assert send(client, house, bare, message_id="msg_3").json()["id"] == second["id"]
    other = {**DATA, "subjects": [{"scheme": "email", "value": "person-2@example.org"}]}
    assert send(client, house, other).status_code == 409


@pytest.mark.parametrize(
    "changed",
    [
        {"secret": OTHER},
        {"seconds": -301},
        {"seconds": 301},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"webhook-id": "msg_9"},
        {"webhook-id": ""},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "9" * 30},
        {"webhook-timestamp": "-1"},
    ],
)
def test_what_is_not_signed_now_is_refused_by_one_answer(
    client: TestClient, house: House, make_token: TokenMaker, changed: dict[str, Any]
) -> None:
    make_token(Role.DATA_OWNER, name="tickets")
    answer = send(client, house, **changed)
    assert answer.status_code == 401
    assert answer.json()["path"] == "webhook-signature"
    assert entries(house, "erasure") == []


def test_several_signatures_and_a_few_minutes_are_taken(
    client: TestClient, house: House, make_token: TokenMaker
) -> None:
    make_token(Role.DATA_OWNER, name="tickets")
    assert send(client, house, seconds=-300).status_code == 201
    body = b"{}"
    good = webhook_signature(SECRET, "m", 1, body)
    now = house.clock().fromtimestamp(1, tz=house.clock().tzinfo)
    assert is_signed(SECRET, "m", "1", f"v1,AAAA {good}", body, now=now)
    assert not is_signed(SECRET, "m", "1", good, b"{ }", now=now)


def test_without_a_secret_no_ticket_is_taken(house: House) -> None:
    app = create_app(house.settings, clock=house.clock, house=house, background=False)
    with TestClient(app) as bare:
        assert send(bare, house).status_code == 401


@pytest.mark.parametrize("role", [None, Role.APPROVER])
def test_a_ticket_may_no_more_than_its_account(
    client: TestClient, house: House, make_token: TokenMaker, role: Role | None
) -> None:
    if role is not None:
        make_token(role, name="tickets")
    answer = send(client, house)
    assert (answer.status_code, answer.json()["code"]) == (503, "settings_error")
    assert "registry token create tickets --role data_owner" in answer.json()["remedy"]


@pytest.mark.parametrize(
    ("data", "kind", "path"),
    [
        ({**DATA, "right": "oblivion"}, "erasure.requested", "data.right"),
        ({**DATA, "extra": 1}, "erasure.requested", "data.extra"),
        ([], "erasure.requested", "data"),
        (DATA, "ticket.closed", "type"),
        ({**DATA, "subjects": []}, "erasure.requested", "subjects"),
        ({**DATA, "received_at": "2026-01-01T00:00:00"}, "erasure.requested", "data.received_at"),
    ],
)
def test_a_ticket_that_cannot_be_taken_is_named_with_its_place(
    client: TestClient, house: House, make_token: TokenMaker, data: Any, kind: str, path: str
) -> None:
    make_token(Role.DATA_OWNER, name="tickets")
    answer = send(client, house, data, kind=kind)
    assert (answer.status_code, answer.json()["path"]) == (422, path)
    assert "person-1" not in answer.text


@pytest.mark.parametrize("secret", ["secret", "whsec_AAAA", "whsec_!!"])
def test_a_secret_that_signs_nothing_stops_the_start(secret: str) -> None:
    with pytest.raises(SettingsError, match="REGISTRY_TICKET_SECRET"):
        check_ticket_settings(Settings(ticket_secret=secret))
    check_ticket_settings(Settings(ticket_secret=SECRET))
