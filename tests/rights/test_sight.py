"""Holds, violations and shares are seen by who sees what they are about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from registry.catalog.names import dataset_id
from registry.request import House
from registry.rights.violations import Breach, raise_violation
from tests.api.town import Town, furnish, open_town

CLEAN = {"namespace": "s3://speech", "name": "clean"}
RAW = {"namespace": "s3://other", "name": "raw"}


@pytest.fixture
def town(house: House) -> Iterator[Town]:
    with open_town(house) as opened:
        furnish(opened)
        yield opened


def place(town: Town, who: str, *items: dict[str, Any]) -> Any:
    body = {
        "items": list(items),
        "matter": "Case 7",
        "owner": "legal",
        "reason": "court",
        "ground": "17_3_e",
    }
    return town.ask(who, "POST", "/api/v1/holds", json=body)


def test_a_hold_is_seen_by_who_sees_what_it_is_on(town: Town) -> None:
    hold = place(town, "steward", CLEAN).json()
    assert place(town, "steward", RAW).status_code == 404
    assert place(town, "neighbour", RAW).status_code == 201
    assert [h["id"] for h in town.ask("auditor", "GET", "/api/v1/holds").json()["holds"]] == [
        hold["id"]
    ]
    (theirs,) = town.ask("neighbour", "GET", "/api/v1/holds").json()["holds"]
    assert theirs["items"][0]["namespace"] == "s3://other"
    for path in ("lift/approve", "lift/refuse"):
        answer = town.ask("neighbour", "POST", f"/api/v1/holds/{hold['id']}/{path}")
        assert answer.status_code == 404, answer.text


def test_a_violation_is_seen_by_who_sees_what_it_is_about(town: Town) -> None:
    house = town.house
    with house.database.write() as session:
        for name, dataset in (("s3://speech", "clean"), ("s3://other", "raw")):
            about = dataset_id(name, dataset)
            breach = Breach("late", f"late/{name}", "It came late.", dataset_id=about)
            raise_violation(session, breach, actor="system", now=house.clock())
        unknown = Breach("broken", "broken/1", "Nobody knows where.")
        raise_violation(session, unknown, actor="system", now=house.clock())
    path = "/api/v1/violations"
    (ours,) = town.ask("viewer", "GET", path).json()["violations"]
    assert ours["namespace"] == "s3://speech"
    (theirs,) = town.ask("neighbour", "GET", path).json()["violations"]
    assert theirs["namespace"] == "s3://other"
    answer = town.ask("steward", "POST", f"{path}/{theirs['id']}/acknowledge")
    assert answer.status_code == 404
    answer = town.ask("steward", "POST", f"{path}/{ours['id']}/acknowledge")
    assert answer.json()["state"] == "acknowledged"


def test_a_share_is_seen_by_who_sees_the_dataset(town: Town) -> None:
    recipient = "/api/v1/register/recipients/acme"
    assert town.ask("steward", "PUT", recipient, json={"name": "Acme"}).status_code == 200
    body = {"version": 1, "recipient": "acme"}
    shares = "/api/v1/register/shares"
    assert town.ask("steward", "POST", shares, json={**CLEAN, **body}).status_code == 201
    answer = town.ask("steward", "POST", shares, json={**RAW, **body})
    assert answer.status_code == 404
    assert town.ask("viewer", "GET", shares).json()["totalCount"] == 1
    assert town.ask("neighbour", "GET", shares).json()["totalCount"] == 0
