"""What tells an operator how the server is: with and without a token."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from registry.client.http import HttpClient
from registry.errors import SchemaOutdatedError, UnauthenticatedError
from registry.request import House
from registry.storage.queue import TaskKind, put_task

Connect = Callable[[str], HttpClient]


def test_health_needs_no_token(connect: Connect) -> None:
    stranger = connect("")
    assert stranger.get("/healthz") == {"status": "ok"}
    assert stranger.get("/readyz") == {"status": "ready"}


@pytest.mark.parametrize("path", ["/metrics", "/openapi.json", "/api/v1/projects"])
@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic dXNlcg==", "Bearer " + "x" * 600]
)
def test_everything_else_needs_one(connect: Connect, path: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    with pytest.raises(UnauthenticatedError):
        connect("wrong").request("GET", path, headers=headers)


def test_a_server_with_another_schema_is_not_ready(connect: Connect, house: House) -> None:
    with house.database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    stranger = connect("")
    assert stranger.get("/healthz") == {"status": "ok"}
    with pytest.raises(SchemaOutdatedError, match="0000"):
        stranger.get("/readyz")


def test_metrics_count_tasks_and_events(admin: HttpClient, house: House) -> None:
    with house.database.write() as session:
        put_task(session, TaskKind.NAMES_REASSIGN, {}, now=house.clock())
    answer = admin.request("GET", "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.text.splitlines()
    assert 'registry_tasks{state="waiting"} 1' in lines
    assert 'registry_tasks{state="dead"} 0' in lines
    assert 'registry_events{state="quarantined"} 0' in lines
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


def test_the_description_names_every_route(admin: HttpClient) -> None:
    described = admin.get("/openapi.json")
    assert described["openapi"].startswith("3.1")
    assert {"/healthz", "/metrics", "/api/v1/tokens", "/api/v1/projects/{project}"} <= set(
        described["paths"]
    )


def test_what_is_not_there_is_a_problem_document(admin: HttpClient) -> None:
    answer = admin._http.get("/nothing/here")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "not_found"
    answer = admin._http.put("/healthz")
    assert (answer.status_code, answer.json()["code"]) == (405, "bad_method")
