"""Works on a case by HTTP, as the people do whose business it is."""

from __future__ import annotations

from typing import Any

from registry.audit.notes import VerifierKey
from registry.client.http import HttpClient
from registry.erasure.case.approve import approve_plan
from registry.erasure.certificate.document import Certificate, verify
from registry.keys.tables import Purpose
from registry.request import House
from tests.clock import FrozenClock
from tests.ledger.erasures import work_off

REQUESTS = "/api/v1/erasure-requests"


def filed(client: HttpClient, email: str, **said: Any) -> str:
    """File a request for erasure by an authenticated channel; its id."""
    body = {
        "right": "erasure",
        "regime": "gdpr",
        "subjects": [{"scheme": "email", "value": email}],
        "channel": "portal",
        "identity": "authenticated",
        **said,
    }
    return str(client.post(REQUESTS, body)["id"])


def planned(client: HttpClient, email: str, *decisions: dict[str, str]) -> dict[str, Any]:
    """File a request and plan it; the plan."""
    request_id = filed(client, email)
    return plan(client, request_id, *decisions)


def plan(client: HttpClient, request_id: str, *decisions: dict[str, str]) -> dict[str, Any]:
    """Plan a request."""
    made: dict[str, Any] = client.post(
        f"{REQUESTS}/{request_id}/plan", {"decisions": list(decisions)}
    )
    return made


def approved(house: House, made: dict[str, Any]) -> None:
    """Approve a plan, as somebody who did not file it."""
    house.database.transact(
        lambda session: approve_plan(
            session, made["id"], plan=made["plan"], actor="approver", now=house.clock()
        )
    )


def executed(house: House, client: HttpClient, request_id: str) -> None:
    """Carry a plan out, and do what the queue has."""
    client.post(f"{REQUESTS}/{request_id}/execute", None)
    work_off(house)


def finished(house: House, clock: FrozenClock, *, rounds: int = 6) -> None:
    """Let the time pass that purges and discards wait for."""
    for _ in range(rounds):
        clock.advance(minutes=70)
        work_off(house)


def show(client: HttpClient, request_id: str) -> dict[str, Any]:
    """A request with everything about it."""
    shown: dict[str, Any] = client.get(f"{REQUESTS}/{request_id}")
    return shown


def certificate_of(house: House, client: HttpClient, request_id: str) -> Certificate:
    """The newest certificate, verified."""
    answer = client.request("GET", f"{REQUESTS}/{request_id}/certificate")
    return verify(answer.content, keys_of(house))


def keys_of(house: House) -> list[VerifierKey]:
    """The public keys that certificates of this registry are signed with."""
    return [
        VerifierKey(None, key.public_key)
        for key in house.keyring.versions(Purpose.SIGNING)
        if key.public_key
    ]
