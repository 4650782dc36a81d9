"""Projects over HTTP: everybody sees them, an administrator changes them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlmodel import Session

from registry.actors.projects import create_project
from registry.actors.tables import Role
from registry.client.http import HttpClient
from registry.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from registry.request import House
from tests.conftest import TokenMaker

PATH = "/api/v1/projects"
Connect = Callable[[str], HttpClient]


def test_a_project_is_made_changed_and_shown(admin: HttpClient) -> None:
    made = admin.post(PATH, {"name": "speech"})
    assert made == {
        "name": "speech",
        "mode": "enforce",
        "strict": False,
        "created_at": "2026-03-01T09:30:00Z",
        "claims": [],
    }
    changed = admin.patch(f"{PATH}/speech", {"mode": "observe"})
    assert changed == {**made, "mode": "observe"}
    assert admin.get(f"{PATH}/speech") == changed
    assert [each["name"] for each in admin.get(PATH)["projects"]] == ["default", "speech"]


def test_claims_come_and_go(admin: HttpClient) -> None:
    admin.post(PATH, {"name": "speech"})
    body = {"namespace": "s3://lake", "name_prefix": "speech/"}
    (claim,) = admin.post(f"{PATH}/speech/claims", body)["claims"]
    assert claim == {"id": claim["id"], **body}
    assert admin.delete(f"{PATH}/speech/claims/{claim['id']}")["claims"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "error"),
    [
        ("POST", "", {"name": "a b"}, InvalidInputError),
        ("POST", "", {"name": "new", "mode": "loud"}, InvalidInputError),
        ("POST", "", {"name": "default"}, ConflictError),
        ("GET", "/nowhere", None, NotFoundError),
        ("GET", "/a%00b", None, NotFoundError),
        ("GET", "/%ED%A0%80", None, NotFoundError),
        ("POST", "", {"name": "\x00"}, InvalidInputError),
        ("POST", "", {"name": "new", "mode": "\x00"}, InvalidInputError),
        ("PATCH", "/nowhere", {"mode": "warn"}, NotFoundError),
        ("PATCH", "/default", {"mood": "warn"}, InvalidInputError),
        ("POST", "/nowhere/claims", {"namespace": "s3://a"}, NotFoundError),
        ("POST", "/default/claims", {"namespace": "s3://a"}, ConflictError),
        ("DELETE", "/default/claims/7", None, NotFoundError),
        ("DELETE", "/default/claims/seven", None, InvalidInputError),
        ("DELETE", "/default/claims/99999999999999999999", None, NotFoundError),
    ],
)
def test_what_cannot_be_done_is_refused(
    admin: HttpClient, method: str, path: str, body: object, error: type[Exception]
) -> None:
    with pytest.raises(error):
        admin.request(method, PATH + path, json=body)


def test_others_see_projects_and_change_none(connect: Connect, make_token: TokenMaker) -> None:
    user = connect(make_token(*(role for role in Role if role is not Role.ADMINISTRATOR)))
    assert user.get(f"{PATH}/default")["name"] == "default"
    for method, path, body in (
        ("POST", "", {"name": "speech"}),
        ("PATCH", "/default", {"mode": "warn"}),
        ("POST", "/default/claims", {"namespace": "s3://a"}),
        ("DELETE", "/default/claims/1", None),
    ):
        with pytest.raises(ForbiddenError):
            user.request(method, PATH + path, json=body)


def test_one_of_two_who_take_a_name_at_once_is_refused(admin: HttpClient, house: House) -> None:
    barrier = Barrier(2)

    def take() -> str:
        def work(session: Session) -> str:
            if not house.database.is_sqlite:
                barrier.wait(30)
            return create_project(session, "speech", actor="ada", now=house.clock()).name

        try:
            return house.database.transact(work)
        except ConflictError as error:
            return error.code

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(future.result() for future in [pool.submit(take), pool.submit(take)])
    assert outcomes == ["conflict", "speech"]
    assert len(admin.get(PATH)["projects"]) == 2
