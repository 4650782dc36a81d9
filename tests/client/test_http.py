"""The client turns problem documents back into the registry's errors."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest

from registry.api.problems import STATUS, problem_of
from registry.client.http import HttpClient
from registry.errors import (
    InvalidInputError,
    NotFoundError,
    RegistryError,
    UnavailableError,
)


def answering(status: int, **body: object) -> HttpClient:
    transport = httpx.MockTransport(lambda _request: httpx.Response(status, **body))  # type: ignore[arg-type]
    return HttpClient("http://registry.test/", "reg_token", transport=transport)


@pytest.mark.parametrize("kind", STATUS, ids=lambda kind: kind.code)
def test_every_error_comes_back_as_itself(kind: type[RegistryError]) -> None:
    sent = problem_of(kind("It is so.", remedy="Do this.", path="$.a"))
    client = answering(sent.status_code, content=sent.body)
    with pytest.raises(RegistryError) as caught:
        client.get("/x")
    assert type(caught.value) is kind
    assert (caught.value.detail, caught.value.remedy, caught.value.path) == (
        "It is so.",
        "Do this.",
        "$.a",
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, NotFoundError), (418, InvalidInputError), (500, UnavailableError)],
)
def test_an_unknown_code_becomes_the_nearest_error(status: int, kind: type[RegistryError]) -> None:
    client = answering(status, json={"code": "made_up", "detail": "Hm.", "remedy": ""})
    with pytest.raises(kind, match=r"Hm\."):
        client.get("/x")


@pytest.mark.parametrize(
    "body", [{"text": "<html>"}, {"json": [1]}, {"json": {"code": 5}}, {"content": b"\xff"}]
)
@pytest.mark.parametrize("status", [301, 404, 502])
def test_what_is_no_registry_is_said_to_be_none(status: int, body: dict[str, object]) -> None:
    with pytest.raises(UnavailableError, match="not a registry's"):
        answering(status, **body).get("/x")


def test_a_page_that_is_no_json_is_said_to_be_none() -> None:
    with pytest.raises(UnavailableError, match="not a registry's"):
        answering(200, text="<html>Log in</html>").get("/x")


def test_nobody_there_is_unavailable() -> None:
    with (
        HttpClient("http://127.0.0.1:9", "reg_token") as client,
        pytest.raises(UnavailableError, match="did not answer"),
    ):
        client.get("/x")


def test_an_empty_answer_is_none() -> None:
    assert answering(204).post("/x", {}) is None


def test_pages_are_read_to_the_end_with_the_same_filters() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        after = request.url.params.get("after")
        page = {None: ([1, 2], "two"), "two": ([3], None)}[after]
        return httpx.Response(200, json={"items": page[0], "next": page[1]})

    client = HttpClient("http://registry.test", "t", transport=httpx.MockTransport(answer))
    assert list(client.pages("/x", "items", {"limit": 2, "kind": None})) == [1, 2, 3]
    assert asked == [{"limit": "2"}, {"limit": "2", "after": "two"}]


def test_names_in_a_path_and_a_base_with_a_path_stay_as_they_are() -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path)
        return httpx.Response(200, json={})

    transport = httpx.MockTransport(answer)
    HttpClient("http://host/registry/", "t", transport=transport).get("/api/v1/s3%3A%2F%2Flake")
    assert seen == [b"/registry/api/v1/s3%3A%2F%2Flake"]


def test_the_client_loads_in_a_pipeline_without_the_server() -> None:
    code = (
        "import sys, registry.client.http, registry.client.inprocess\n"
        "assert not {'fastapi', 'sqlalchemy', 'sqlmodel', 'uvicorn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
