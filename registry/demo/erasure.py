"""Erases one generated contributor, from request to certificate, as people would whose job it is.

filed     a data owner files the request, plans it, and decides on what is for a person to decide
approved  somebody else approves the plan, by its digest
executed  the registry takes the person out of its own data and of the files, and looks again;
          a data owner says what is done about the model that saw them
certified a signed certificate says what is done, and verifies without a registry
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from registry.client.http import HttpClient
from registry.clock import system_clock
from registry.demo.contributors import Contributor
from registry.demo.pipeline import Audience
from registry.errors import UnavailableError

PATIENCE_SECONDS = 180.0
CERTIFICATE = "certificate.json"
_POLL_SECONDS = 0.2
_PATH = "/api/v1/erasure-requests"
_DONE = "fulfilled"


@dataclass(frozen=True, slots=True)
class Erased:
    """What became of one contributor's request.

    `before` and `after`: how many examples are found of them; `rows_before` and `rows_after`: how
    many rows of the Parquet files are theirs; `plan`: what was approved; `request`: the case as it
    stands; `certificate`: the file that it was written to.
    """

    contributor: Contributor
    before: int
    plan: dict[str, Any]
    request: dict[str, Any]
    after: int
    certificate: Path
    rows_before: int
    rows_after: int


def erase_contributor(
    client: HttpClient,
    contributor: Contributor,
    home: Path,
    files: Sequence[Path],
    audience: Audience,
) -> Erased:
    """Take a contributor from request to certificate. `files`: what the demo wrote.

    Raises UnavailableError after three minutes. Effects: the files without their rows, a file
    `certificate.json` in the home.
    """
    audience.begin("erase", 5)
    before, rows_before = _located(client, contributor), _rows_of(contributor, files)
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
    plan = _decided(client, path, client.post(f"{path}/plan", {}))
    audience.advance()
    # Whoever filed a request does not approve its plan.
    token = client.post("/api/v1/tokens", {"name": "demo-approver", "roles": ["approver"]})
    with HttpClient(client.url, str(token["token"])) as approver:
        approver.post(f"{path}/approve", {"plan": plan["plan"]})
    audience.advance()
    _answer_for_models(client, path, client.post(f"{path}/execute", None))
    ended = _wait(client, path)
    audience.advance()
    file = home / CERTIFICATE
    file.write_bytes(client.request("GET", f"{path}/certificate").content)
    after = _located(client, contributor)
    audience.advance()
    audience.end(f"{plan['erase']['examples']:,} examples of one contributor, and a certificate")
    rows_after = _rows_of(contributor, files)
    return Erased(contributor, before, plan, ended, after, file, rows_before, rows_after)


def _decided(client: HttpClient, path: str, plan: dict[str, Any]) -> dict[str, Any]:
    """The plan, made anew with a decision on all that is for a person to decide."""
    reasons = sorted({group["reason"] for group in plan["review"]})
    if not reasons:
        return plan
    why = "ThirdPartyRightsImpaired: other contributors wrote it too"
    decisions = [{"reason": each, "decision": "keep", "why": why} for each in reasons]
    decided: dict[str, Any] = client.post(f"{path}/plan", {"decisions": decisions})
    return decided


def _answer_for_models(client: HttpClient, path: str, request: dict[str, Any]) -> None:
    """Say of each model that saw the person's examples that it will be trained anew."""
    due_on = (system_clock() + timedelta(days=30)).date().isoformat()
    said = {"disposition": "retrain", "owner": "the demo's own", "due_on": due_on}
    for task in request["tasks"]:
        if task["kind"] == "model":
            body = {**said, "reason": "It saw the examples, and is made again in a second."}
            client.post(f"{path}/tasks/{task['id']}/dispose", body)


def _rows_of(contributor: Contributor, files: Sequence[Path]) -> int:
    """How many rows of the Parquet files are the contributor's, read anew."""
    return sum(
        pc.sum(pc.equal(column, contributor.email)).as_py() or 0
        for path in files
        if path.suffix == ".parquet"
        for column in [pq.read_table(path, columns=["contributor"]).column("contributor")]
    )


def _located(client: HttpClient, contributor: Contributor) -> int:
    asked = {"subject": {"scheme": "email", "value": contributor.email}}
    return int(client.post("/api/v1/subjects/locate", asked)["examples"])


def _wait(client: HttpClient, path: str) -> dict[str, Any]:
    """The case, once nothing is left to be done and that is certified."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        request: dict[str, Any] = client.get(path)
        if request["state"] == _DONE and request["certificates"]:
            return request
        if time.monotonic() > until:
            raise UnavailableError(
                f"The request {request['id']} is still {request['state']}.",
                remedy="The machine may be busy: run the demo again.",
            )
        time.sleep(_POLL_SECONDS)
