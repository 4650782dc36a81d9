"""A token comes in one header; whatever else is sent as one is refused, and that is recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from registry.actors.bindings import account_id_of
from registry.audit.events import EntryKind
from registry.audit.tables import AuditEntry
from registry.request import House
from registry.storage.columns import table_of
from tests.api.town import Town, event, open_town

PATHS = (("GET", "/api/v1/jobs"), ("POST", "/api/v1/lineage"))


@pytest.fixture
def town(house: House) -> Iterator[Town]:
    with open_town(house) as opened:
        yield opened


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Token {token}",
        "{token}",
        "Bearer {token} {token}",
        "Bearer {token}, Bearer {token}",
        "Bearer\t{token}x",
        "Bearer {token}\x7f",
        'Bearer "{token}"',
        "Bearer " + "x" * 1_000_000,
    ],
    ids=lambda header: header[:30].encode("unicode_escape").decode(),
)
def test_a_malformed_header_is_refused(town: Town, header: str) -> None:
    text = header.replace("{token}", town.tokens["steward"])
    for method, path in PATHS:
        answer = town.client.request(method, path, headers={"Authorization": text}, json={})
        assert answer.status_code == 401, answer.text
        assert answer.headers["www-authenticate"] == "Bearer"
        assert town.tokens["steward"] not in answer.text
        assert len(answer.content) < 1_000


def test_two_headers_are_refused_also_where_both_are_good(town: Town) -> None:
    for others in ("steward", "stranger"):
        values = [f"Bearer {town.tokens[who]}" for who in ("steward", others)]
        for method, path in PATHS:
            headers = [("Authorization", value) for value in values]
            answer = town.client.request(method, path, headers=headers, json={})
            assert (answer.status_code, answer.json()["path"]) == (401, "Authorization")
            assert "2 Authorization headers" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["access_token", "token", "api_key"])
def test_a_token_in_the_address_is_refused_whatever_else_is_sent(town: Town, name: str) -> None:
    token = town.tokens["steward"]
    for method, path in PATHS:
        for headers in ({}, {"Authorization": f"Bearer {token}"}):
            answer = town.client.request(
                method, path, params={name: token}, headers=headers, json={}
            )
            assert answer.status_code == 401
            assert "in its address" in answer.json()["detail"]
            assert token not in answer.text


def test_a_pipeline_without_its_role_gets_403_and_nothing_is_kept(town: Town) -> None:
    told = event("told", writes=("s3://speech told",))
    for path, body in (("/api/v1/lineage", told), ("/api/v1/lineage/batch", [told])):
        answer = town.ask("viewer", "POST", path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert "steward or pipeline" in answer.json()["detail"]
    assert town.ask("viewer", "GET", "/api/v1/jobs").json()["totalCount"] == 0


def test_a_refusal_is_recorded_by_whom_and_of_what(town: Town) -> None:
    town.ask("viewer", "GET", "/api/v1/tokens")
    town.ask("viewer", "POST", "/api/v1/lineage", json={})
    town.ask("stranger", "GET", "/api/v1/namespaces/s3%3A%2F%2Fsecret")
    town.ask(None, "GET", "/api/v1/tokens")
    entry = table_of(AuditEntry)
    with town.house.database.read() as session:
        query = select(entry.c.actor, entry.c.payload).order_by(entry.c.id)
        rows = session.execute(query.where(entry.c.kind == EntryKind.ACTION_REFUSED)).all()
        who = {account_id_of(session, name): name for name in ("viewer", "stranger")}
    said = [(who[actor], json.loads(payload)) for actor, payload in rows]
    assert [(name, facts["action"], facts["at"]) for name, facts in said] == [
        ("viewer", "registry.administer", "GET /api/v1/tokens"),
        ("viewer", "lineage.write", "POST /api/v1/lineage"),
        ("stranger", "catalog.read", "GET /api/v1/namespaces/{namespace}"),
    ]


def test_a_role_that_was_taken_away_ends_with_the_next_request(town: Town) -> None:
    told = event("told", writes=("s3://speech told",))
    assert town.ask("feeder", "POST", "/api/v1/lineage", json=told).status_code == 201
    path = "/api/v1/bindings"
    found = town.ask("administrator", "GET", path, params={"account": "feeder"})
    (mine,) = found.json()["bindings"]
    assert (mine["role"], mine["project"], mine["expires_at"]) == ("pipeline", "speech", None)
    gone = town.ask("administrator", "DELETE", f"{path}/{mine['id']}")
    assert gone.json() == mine
    assert town.ask("feeder", "POST", "/api/v1/lineage", json=told).status_code == 403
    assert town.ask("administrator", "DELETE", f"{path}/{mine['id']}").status_code == 404
    back = {"account": "feeder", "role": "pipeline", "project": "speech", "expires": "PT1H"}
    assert town.ask("administrator", "POST", path, json=back).status_code == 201
    assert town.ask("feeder", "POST", "/api/v1/lineage", json=told).status_code == 201


@pytest.mark.parametrize(
    ("change", "status", "path"),
    [
        ({"account": "nobody"}, 404, "account"),
        ({"account": "a\x00"}, 404, "account"),
        ({"role": "root"}, 422, "role"),
        ({"project": "nowhere"}, 404, "project"),
        ({"expires": "soon"}, 422, "expires"),
        ({"expires": "PT0S"}, 422, "expires"),
        ({"role": "approver", "account": "feeder"}, 409, "role"),
        ({"scope": {"namespace": "s3://a", "name": "b"}, "expires": "P1D"}, 422, "scope"),
        ({"scope": {"namespace": "\ud800", "name": "b"}}, 422, None),
        (
            {"project": None, "role": "steward", "scope": {"namespace": "a", "name": "b"}},
            422,
            None,
        ),
    ],
)
def test_a_binding_that_cannot_be_is_refused(
    town: Town, change: dict[str, object], status: int, path: str | None
) -> None:
    body = {"account": "viewer", "role": "viewer", "project": "speech", **change}
    answer = town.ask(
        "administrator",
        "POST",
        "/api/v1/bindings",
        content=json.dumps(body),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == status, answer.text
    assert path is None or answer.json()["path"] == path


def test_a_token_with_conflicting_roles_is_not_made(town: Town) -> None:
    body = {"name": "both", "roles": ["pipeline", "approver"], "project": "speech"}
    answer = town.ask("administrator", "POST", "/api/v1/tokens", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    listed = town.ask("administrator", "GET", "/api/v1/bindings").json()["bindings"]
    assert "both" not in {one["account"] for one in listed}
