"""Access for a while: asked for, decided by another person, and ended by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from registry.actors.tables import Role
from registry.audit.tables import AuditEntry
from registry.request import House
from registry.storage.columns import table_of
from tests.api.town import Town, furnish, open_town
from tests.clock import FrozenClock

PATH = "/api/v1/access-requests"


@pytest.fixture
def town(house: House) -> Iterator[Town]:
    with open_town(house) as opened:
        yield opened


def ask(town: Town, who: str, **changes: Any) -> Any:
    body = {"role": "auditor", "project": "speech", "why": "quarterly review", "for": "P7D"}
    kept = {key: value for key, value in {**body, **changes}.items() if value is not None}
    return town.ask(who, "POST", PATH, json=kept)


def test_access_is_asked_for_approved_and_ends(town: Town, frozen_clock: FrozenClock) -> None:
    furnish(town)
    asked = ask(town, "stranger")
    assert asked.status_code == 201, asked.text
    request = asked.json()
    assert (request["state"], request["for"], request["project"]) == ("waiting", "P7D", "speech")
    assert town.ask("stranger", "GET", "/api/v1/jobs").status_code == 403
    frozen_clock.advance(days=3)
    decided = town.ask("approver", "POST", f"{PATH}/{request['id']}/approve").json()
    assert (decided["state"], decided["decided_by"]) == ("approved", "approver")
    assert town.ask("stranger", "GET", "/api/v1/jobs").json()["totalCount"] == 1
    bindings = town.ask("administrator", "GET", "/api/v1/bindings").json()["bindings"]
    (given,) = [one for one in bindings if one["account"] == "stranger"]
    assert given["id"] == decided["binding"]
    assert (given["granted_by"], given["expires_at"]) == ("approver", "2026-03-11T09:30:00Z")
    frozen_clock.advance(days=7)
    assert town.ask("stranger", "GET", "/api/v1/jobs").status_code == 403


def test_nobody_decides_on_what_they_asked_for(town: Town) -> None:
    mine = ask(town, "approver").json()["id"]
    for verb, body in (("approve", None), ("deny", {"why": "no"})):
        refused = town.ask("approver", "POST", f"{PATH}/{mine}/{verb}", json=body)
        assert refused.status_code == 403
        assert "nobody decides on what they filed" in refused.json()["detail"]
    town.join("second", Role.APPROVER)
    assert town.ask("second", "POST", f"{PATH}/{mine}/approve").status_code == 200


def test_a_request_is_decided_once(town: Town) -> None:
    first, second = (ask(town, "stranger").json()["id"] for _ in range(2))
    denied = town.ask("approver", "POST", f"{PATH}/{first}/deny", json={"why": "ask your lead"})
    assert (denied.json()["state"], denied.json()["note"]) == ("denied", "ask your lead")
    town.ask("approver", "POST", f"{PATH}/{second}/approve")
    for one, state in ((first, "denied"), (second, "approved")):
        again = town.ask("approver", "POST", f"{PATH}/{one}/approve")
        assert (again.status_code, again.json()["code"]) == (409, "conflict")
        assert f"is {state} already" in again.json()["detail"]


def test_an_approver_decides_in_their_own_project_alone(town: Town) -> None:
    here, everywhere = (
        ask(town, "stranger", project=project).json()["id"] for project in ("speech", "*")
    )
    hidden = town.ask("neighbour", "POST", f"{PATH}/{here}/approve")
    missing = town.ask("neighbour", "POST", f"{PATH}/none/approve")
    assert hidden.status_code == missing.status_code == 404
    assert hidden.text.replace(here, "none") == missing.text
    assert town.ask("approver", "POST", f"{PATH}/{everywhere}/approve").status_code == 404
    town.bind("approver", Role.APPROVER, "*")
    assert town.ask("approver", "POST", f"{PATH}/{everywhere}/approve").status_code == 200


def test_requests_are_listed_to_who_filed_and_who_decides(town: Town) -> None:
    filed = [ask(town, who).json()["id"] for who in ("viewer", "stranger")]
    ask(town, "viewer", project="other")
    listed = {
        who: [one["account"] for one in town.ask(who, "GET", PATH).json()["requests"]]
        for who in ("approver", "viewer", "stranger", "steward", "neighbour")
    }
    assert listed == {
        "approver": ["stranger", "viewer"],
        "viewer": ["viewer", "viewer"],
        "stranger": ["stranger"],
        "steward": [],
        "neighbour": ["viewer"],
    }
    town.ask("approver", "POST", f"{PATH}/{filed[0]}/approve")
    waiting = town.ask("approver", "GET", PATH, params={"state": "waiting"}).json()
    assert ([one["id"] for one in waiting["requests"]], waiting["totalCount"]) == (filed[1:], 1)
    assert town.ask("steward", "GET", f"{PATH}/{filed[0]}").status_code == 404
    assert town.ask("viewer", "GET", f"{PATH}/{filed[0]}").json()["state"] == "approved"


def test_an_auditor_is_let_into_one_lineage(town: Town) -> None:
    furnish(town)
    scope = {"namespace": "s3://speech", "name": "clean"}
    asked = ask(town, "stranger", project=None, scope=scope).json()
    assert (asked["project"], asked["scope"]) == ("speech", "dataset:s3://speech:clean")
    assert town.ask("neighbour", "POST", f"{PATH}/{asked['id']}/approve").status_code == 404
    town.ask("approver", "POST", f"{PATH}/{asked['id']}/approve")
    jobs = town.ask("stranger", "GET", "/api/v1/jobs").json()["jobs"]
    assert [job["name"] for job in jobs] == ["dig", "refine", "sell"]


def test_asking_for_a_lineage_does_not_say_whether_it_exists(town: Town) -> None:
    scope = {"namespace": "s3://speech", "name": "clean"}

    def told() -> dict[str, Any]:
        answer = ask(town, "stranger", project=None, scope=scope)
        assert answer.status_code == 201
        return {key: value for key, value in answer.json().items() if key != "id"}

    before = told()
    furnish(town)
    assert told() == before


@pytest.mark.parametrize(
    ("changes", "status", "path"),
    [
        ({"role": "administrator"}, 422, "role"),
        ({"role": "root"}, 422, "role"),
        ({"why": " "}, 422, "why"),
        ({"why": "x" * 2_001}, 422, "why"),
        ({"why": "a\x00b"}, 422, "why"),
        ({"for": "P2Y"}, 422, "for"),
        ({"for": "PT0S"}, 422, "for"),
        ({"for": "a week"}, 422, "for"),
        ({"project": "nowhere"}, 404, "project"),
        ({"project": None, "scope": {"namespace": "a", "name": "b"}, "role": "steward"}, 422, None),
        ({"reason": "x"}, 422, "body.reason"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(
    town: Town, changes: dict[str, Any], status: int, path: str | None
) -> None:
    answer = ask(town, "stranger", **changes)
    assert answer.status_code == status, answer.text
    assert path is None or answer.json()["path"] == path


def test_an_approval_cannot_make_a_conflict(town: Town) -> None:
    asked = ask(town, "pipeline", role="approver").json()
    refused = town.ask("approver", "POST", f"{PATH}/{asked['id']}/approve")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert town.ask("pipeline", "GET", f"{PATH}/{asked['id']}").json()["state"] == "waiting"


def test_every_step_is_an_entry_and_none_holds_the_reason(town: Town) -> None:
    one, two = (ask(town, "stranger").json()["id"] for _ in range(2))
    town.ask("approver", "POST", f"{PATH}/{one}/approve")
    town.ask("approver", "POST", f"{PATH}/{two}/deny", json={"why": "quarterly is enough"})
    entry = table_of(AuditEntry)
    with town.house.database.read() as session:
        query = select(entry.c.kind, entry.c.payload).order_by(entry.c.id)
        rows = [(kind, bytes(payload).decode()) for kind, payload in session.execute(query)]
    said = [(kind, json.loads(text)) for kind, text in rows if "actors.access." in kind]
    assert [(kind, facts["request"]) for kind, facts in said] == [
        ("actors.access.requested", one),
        ("actors.access.requested", two),
        ("actors.access.approved", one),
        ("actors.access.denied", two),
    ]
    assert not any("quarterly" in text for _, text in rows)
