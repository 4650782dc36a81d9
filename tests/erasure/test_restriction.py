"""From the verified identity on, the person is in no manifest, until their request is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from registry.actors.tables import Role
from tests.ledger.pipelines import Pipeline
from tests.live import LiveServer
from tests.policy.asking import allowed, collect, consent, examples

PEOPLE = [[row % 4] for row in range(12)]
PATH = "/api/v1/erasure-requests"


@pytest.fixture
def pipeline(server: LiveServer) -> Iterator[Pipeline]:
    """Twelve examples of four people who all agreed."""
    with server.client() as client:
        made = Pipeline(server, client)
        said = {"legalBasis": "consent", "license": "CC-BY-4.0", "personalData": "personal"}
        collect(made, examples(12, PEOPLE), **said)
        for number in range(4):
            consent(made, number, "given")
        made.settle()
        yield made


def filed(pipeline: Pipeline, number: int, **said: Any) -> dict[str, Any]:
    """File a request of one of the four."""
    subject = {"scheme": "email", "value": f"PERSON{number}@example.org"}
    body = {"right": "erasure", "regime": "gdpr", "subjects": [subject], "channel": "letter"}
    answer = pipeline.client.post(PATH, json={**body, **said})
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def in_manifest(pipeline: Pipeline) -> set[int]:
    """Whose examples may be trained on."""
    return {PEOPLE[ordinal][0] for _, ordinal in allowed(pipeline)}


def test_the_person_is_left_out_from_the_verified_identity_on(pipeline: Pipeline) -> None:
    case = filed(pipeline, 1)
    absent = filed(pipeline, 9)
    assert in_manifest(pipeline) == {0, 1, 2, 3}
    # The same answer for somebody of whom there is data and somebody of whom there is none.
    assert {**case, "id": ""} == {**absent, "id": ""}
    path = f"{PATH}/{case['id']}"
    pipeline.client.post(f"{path}/verify-identity", json={"method": "called back"})
    assert in_manifest(pipeline) == {0, 2, 3}
    filed(pipeline, 2, right="objection", identity="authenticated")
    assert in_manifest(pipeline) == {0, 3}
    filed(pipeline, 3, right="access", identity="authenticated")
    assert in_manifest(pipeline) == {0, 3}
    # Refused by a second person, the request restricts nothing any more.
    token = pipeline.server.registry.make_token(role=Role.APPROVER)
    with pipeline.server.client(token=token) as approver:
        body = {"justification": "ProcessUnfounded", "reasons": "no such person"}
        assert approver.post(f"{path}/deny", json=body).status_code == 200
    assert in_manifest(pipeline) == {0, 1, 3}
