"""Tokens over HTTP: made, listed, revoked, and an administrator's alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from registry.actors.tables import Role
from registry.client.http import HttpClient
from registry.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    UnauthenticatedError,
)
from registry.request import House
from tests.clock import FrozenClock
from tests.conftest import TokenMaker

PATH = "/api/v1/tokens"
Connect = Callable[[str], HttpClient]


def make(admin: HttpClient, **changes: object) -> Any:
    return admin.post(PATH, {"name": "etl", "roles": ["pipeline"], **changes})


def test_a_new_token_works_and_is_shown_without_its_secret(
    admin: HttpClient, connect: Connect
) -> None:
    made = make(admin)
    assert made["token"].startswith(made["hint"])
    assert connect(made["token"]).get("/api/v1/projects")["projects"]
    listed = next(t for t in admin.get(PATH)["tokens"] if t["id"] == made["id"])
    assert listed == {key: value for key, value in made.items() if key != "token"}
    assert (listed["account"], listed["project"]) == ("etl", "default")
    assert listed["roles"] == ["pipeline"]


def test_a_token_ends_when_it_was_said_to(
    admin: HttpClient, connect: Connect, frozen_clock: FrozenClock
) -> None:
    made = make(admin, expires="P1M")
    assert made["expires_at"] == "2026-04-01T09:30:00Z"
    frozen_clock.advance(days=30)
    connect(made["token"]).get("/api/v1/projects")
    frozen_clock.advance(days=1)
    with pytest.raises(UnauthenticatedError, match="expired"):
        connect(made["token"]).get("/api/v1/projects")


def test_a_revoked_token_is_refused_from_the_next_request_on(
    admin: HttpClient, connect: Connect
) -> None:
    made = make(admin)
    user = connect(made["token"])
    user.get("/api/v1/projects")
    assert admin.post(f"{PATH}/{made['id']}/revoke")["revoked_at"] == "2026-03-01T09:30:00Z"
    with pytest.raises(UnauthenticatedError):
        user.get("/api/v1/projects")
    with pytest.raises(ConflictError, match="revoked since 2026-03-01"):
        admin.post(f"{PATH}/{made['id']}/revoke")


def test_unknown_expired_and_revoked_tokens_get_one_answer(
    admin: HttpClient, connect: Connect, frozen_clock: FrozenClock
) -> None:
    revoked, expired = make(admin), make(admin, expires="PT1S")
    admin.post(f"{PATH}/{revoked['id']}/revoke")
    frozen_clock.advance(seconds=2)
    answers = set()
    for secret in (revoked["token"], expired["token"], "reg_never"):
        with pytest.raises(UnauthenticatedError) as caught:
            connect(secret).get("/api/v1/projects")
        answers.add(str(caught.value))
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"roles": []}, "roles"),
        ({"roles": ["root"]}, "roles"),
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\x00"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"roles": ["viewer\x00"]}, "roles"),
        ({"expires": "P1D\x00"}, "expires"),
        ({"expires": "soon"}, "expires"),
        ({"expires": "P9999999Y"}, "expires"),
        ({"expires": "PT0S"}, "expires"),
        ({"name": 1}, "body.name"),
        ({"rolls": ["viewer"]}, "body.rolls"),
    ],
)
def test_what_cannot_be_a_token_is_refused_where_it_is_wrong(
    admin: HttpClient, changes: dict[str, object], path: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        make(admin, **changes)
    assert caught.value.path == path


@pytest.mark.parametrize("project", ["nowhere", "", "a\x00", "x" * 100_000])
def test_a_token_needs_a_project_that_is_there(admin: HttpClient, project: str) -> None:
    with pytest.raises(NotFoundError):
        make(admin, project=project)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"5", b"\xff", b"[" * 10_000, b'{"name": "a", "roles": {}}'),
        *(b'{"name": "\\ud800", "roles": ["viewer"]}', b'{"name": "a", "roles": ["\\udfff"]}'),
    ],
)
def test_a_body_that_cannot_be_read_is_the_callers_fault(admin: HttpClient, body: bytes) -> None:
    with pytest.raises(InvalidInputError):
        admin.request("POST", PATH, content=body, headers={"Content-Type": "application/json"})


def test_two_tokens_of_one_account_share_its_roles(admin: HttpClient) -> None:
    make(admin, roles=["pipeline"])
    assert make(admin, roles=["viewer"])["roles"] == ["pipeline", "viewer"]
    assert {tuple(t["roles"]) for t in admin.get(PATH)["tokens"] if t["account"] == "etl"} == {
        ("pipeline", "viewer")
    }


def test_many_tokens_are_listed_with_two_queries(admin: HttpClient, house: House) -> None:
    def queries() -> int:
        seen: list[str] = []

        def note(_c: object, _cu: object, statement: str, *_rest: object) -> None:
            if statement != "BEGIN":
                seen.append(statement)

        admin.get("/api/v1/projects")  # so that the token itself is known
        event.listen(house.database.engine, "before_cursor_execute", note)
        admin.get(PATH)
        event.remove(house.database.engine, "before_cursor_execute", note)
        return len(seen)

    before = queries()
    for number in range(5):
        make(admin, name=f"account {number}")
    assert queries() == before == 2


@pytest.mark.parametrize("token", ["nothing", "a%00b", "%ED%A0%80", "%2F", "x" * 5000])
def test_a_token_that_is_not_there_cannot_be_revoked(admin: HttpClient, token: str) -> None:
    with pytest.raises(NotFoundError):
        admin.post(f"{PATH}/{token}/revoke")


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
def test_only_an_administrator_manages_tokens(
    connect: Connect, make_token: TokenMaker, role: Role
) -> None:
    user = connect(make_token(role))
    for call in (
        lambda: make(user),
        lambda: user.get(PATH),
        lambda: user.post(f"{PATH}/x/revoke"),
    ):
        with pytest.raises(ForbiddenError, match="administrator"):
            call()
