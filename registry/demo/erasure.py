"""Erases one generated contributor, from request to certificate, as people would whose job it is.

filed     a data owner files the request, and plans it
approved  somebody else approves the plan, by its digest
executed  the registry takes the person out of its own data, and looks again
certified a signed certificate says what is done and what is not, and verifies without a registry
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.client.http import HttpClient
from registry.demo.contributors import Contributor
from registry.demo.pipeline import Audience
from registry.errors import UnavailableError

PATIENCE_SECONDS = 180.0
CERTIFICATE = "certificate.json"
_POLL_SECONDS = 0.2
_PATH = "/api/v1/erasure-requests"
_AT_WORK = frozenset({"approved", "executing", "verifying"})


@dataclass(frozen=True, slots=True)
class Erased:
    """What became of one contributor's request.

    `before` and `after`: how many examples are found of them; `plan`: what was approved; `request`:
    the case as it stands; `certificate`: the file that it was written to.
    """

    contributor: Contributor
    before: int
    plan: dict[str, Any]
    request: dict[str, Any]
    after: int
    certificate: Path


def erase_contributor(
    client: HttpClient, contributor: Contributor, home: Path, audience: Audience
) -> Erased:
    """Take a contributor from request to certificate.

    Raises UnavailableError after three minutes. Effects: a file `certificate.json` in the home.
    """
    audience.begin("erase", 5)
    before = _located(client, contributor)
    asked = {
        "right": "erasure",
        "regime": "gdpr",
        "subjects": [{"scheme": "email", "value": contributor.email}],
        "channel": "demo",
        "identity": "authenticated",
    }
    request = client.post(_PATH, asked)
    path = f"{_PATH}/{request['id']}"
    audience.advance()
    plan = client.post(f"{path}/plan", {})
    audience.advance()
    # Whoever filed a request does not approve its plan.
    token = client.post("/api/v1/tokens", {"name": "demo-approver", "roles": ["approver"]})
    with HttpClient(client.url, str(token["token"])) as approver:
        approver.post(f"{path}/approve", {"plan": plan["plan"]})
    audience.advance()
    client.post(f"{path}/execute", None)
    ended = _wait(client, path)
    audience.advance()
    file = home / CERTIFICATE
    file.write_bytes(client.request("GET", f"{path}/certificate").content)
    after = _located(client, contributor)
    audience.advance()
    audience.end(f"{plan['erase']['examples']:,} examples of one contributor, and a certificate")
    return Erased(contributor, before, plan, ended, after, file)


def _located(client: HttpClient, contributor: Contributor) -> int:
    asked = {"subject": {"scheme": "email", "value": contributor.email}}
    return int(client.post("/api/v1/subjects/locate", asked)["examples"])


def _wait(client: HttpClient, path: str) -> dict[str, Any]:
    """The case, once its outcome is stated and certified."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        request: dict[str, Any] = client.get(path)
        if request["state"] not in _AT_WORK and request["certificates"]:
            return request
        if time.monotonic() > until:
            raise UnavailableError(
                f"The request {request['id']} is still {request['state']}.",
                remedy="The machine may be busy: run the demo again.",
            )
        time.sleep(_POLL_SECONDS)
