"""The real openlineage-python: an unmodified program lands correctly, by every transport it has."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import Job, OutputDataset, Run, RunEvent, RunState

from registry.settings import Settings
from tests.live import LiveServer, open_registry, served
from tests.stores import held

PROGRAM = Path(__file__).parent / "program.py"
RUN = "0195d4b0-7c1a-7a2b-8f3c-0000000000%02x"
LAKE = "s3%3A%2F%2Flake"


@pytest.fixture
def client(shared_server: LiveServer) -> Iterator[httpx.Client]:
    with shared_server.client() as made:
        yield made


def run_program(run: str, **environment: str) -> None:
    """Run the program as a process of its own, configured by the environment alone."""
    plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    subprocess.run(
        [sys.executable, PROGRAM, run], check=True, timeout=60, env=plain | environment, cwd="/"
    )


# How people configure it: by two variables, or by one for each key of the transport.
ENVIRONMENTS: dict[str, dict[str, str]] = {
    "by address and key": {"OPENLINEAGE_URL": "{url}", "OPENLINEAGE_API_KEY": "{token}"},
    "by address with an endpoint of its own": {
        "OPENLINEAGE_URL": "{url}",
        "OPENLINEAGE_API_KEY": "{token}",
        "OPENLINEAGE_ENDPOINT": "lineage",
    },
    "by http, packed": {
        "OPENLINEAGE__TRANSPORT__TYPE": "http",
        "OPENLINEAGE__TRANSPORT__URL": "{url}",
        "OPENLINEAGE__TRANSPORT__AUTH": '{{"type": "api_key", "apiKey": "{token}"}}',
        "OPENLINEAGE__TRANSPORT__COMPRESSION": "gzip",
    },
    "by async_http": {
        "OPENLINEAGE__TRANSPORT__TYPE": "async_http",
        "OPENLINEAGE__TRANSPORT__URL": "{url}",
        "OPENLINEAGE__TRANSPORT__AUTH": '{{"type": "api_key", "apiKey": "{token}"}}',
    },
    "by async_http, packed": {
        "OPENLINEAGE__TRANSPORT__TYPE": "async_http",
        "OPENLINEAGE__TRANSPORT__URL": "{url}",
        "OPENLINEAGE__TRANSPORT__AUTH": '{{"type": "api_key", "apiKey": "{token}"}}',
        "OPENLINEAGE__TRANSPORT__COMPRESSION": "gzip",
    },
}


@pytest.mark.parametrize("how", ENVIRONMENTS)
def test_an_unmodified_program_lands(
    shared_server: LiveServer, client: httpx.Client, how: str
) -> None:
    run = RUN % list(ENVIRONMENTS).index(how)
    token = shared_server.registry.token
    before = len(shared_server.witness.seen)
    run_program(
        run,
        **{
            name: value.format(url=shared_server.url, token=token)
            for name, value in ENVIRONMENTS[how].items()
        },
    )
    sent = shared_server.witness.seen[before:]
    assert [(seen.method, seen.status) for seen in sent] == [("POST", 201)] * 4
    packed = {seen.headers.get("content-encoding") for seen in sent}
    assert packed == {"gzip" if "packed" in how else None}
    check_landed(client, run)


def check_landed(client: httpx.Client, run: str) -> None:
    """Everything that the program said can be read again, in Marquez's shapes."""

    def get(path: str) -> Any:
        response = client.get(f"/api/v1/{path}")
        assert response.status_code == 200, response.text
        return response.json()

    told = get(f"jobs/runs/{run}")
    assert (told["state"], told["id"]) == ("COMPLETED", run)
    job = get("namespaces/nightly/jobs/orders%2Fclean")
    assert job["description"] == "Cleans the orders."
    assert [each["name"] for each in job["inputs"]] == ["orders/raw"]
    assert [each["name"] for each in job["outputs"]] == ["orders/clean"]
    clean = get(f"namespaces/{LAKE}/datasets/orders%2Fclean")
    assert clean["description"] == "Clean orders."
    assert [(field["name"], field["type"]) for field in clean["fields"]] == [("id", "BIGINT")]
    versions = get(f"namespaces/{LAKE}/datasets/orders%2Fclean/versions")["versions"]
    assert run in [version["createdByRun"]["id"] for version in versions]
    report = get("namespaces/nightly/jobs/orders%2Freport")
    assert [each["name"] for each in report["inputs"]] == ["orders/clean"]
    nodes = get("lineage?nodeId=dataset:s3%3A%2F%2Flake:orders%2Fraw&depth=5")["graph"]
    assert {node["data"]["name"] for node in nodes} >= {
        "orders/raw",
        "orders/clean",
        "orders/report",
    }
    states = [
        event["eventType"]
        for event in get("events/lineage")["events"]
        if event.get("run", {}).get("runId") == run
    ]
    assert sorted(states) == ["COMPLETE", "START"]


def event(state: RunState, run: int, minute: int = 0) -> RunEvent:
    return RunEvent(
        eventTime=datetime(2026, 2, 1, 12, minute, tzinfo=UTC).isoformat(),
        run=Run(runId=str(uuid.UUID(int=run << 96 | 4 << 76 | 2 << 62))),
        job=Job(namespace="etl", name=f"job {run % 3}"),
        eventType=state,
        outputs=[OutputDataset(namespace="s3://lake", name=f"out {run % 3}")],
        producer="https://example.org",
    )


def sender(server: LiveServer, kind: str, **options: Any) -> OpenLineageClient:
    """A client of openlineage-python with one of its transports."""
    transport = {
        "type": kind,
        "url": server.url,
        "auth": {"type": "api_key", "apiKey": server.registry.token},
        **options,
    }
    return OpenLineageClient(config={"transport": transport})


@pytest.fixture
def narrow_server(settings: Settings) -> Iterator[LiveServer]:
    """A server that gives up on a held database soon, and lets two events wait."""
    narrow = replace(settings, lock_timeout_seconds=0.2, queue_limit=2)
    with open_registry(narrow) as registry, served(registry) as live:
        yield live


@pytest.mark.parametrize("kind", ["http", "async_http"])
def test_a_client_that_is_answered_503_tries_again_and_lands(
    narrow_server: LiveServer, kind: str
) -> None:
    url = narrow_server.registry.house.settings.database
    client = sender(narrow_server, kind, retry={"total": 10, "backoff_factor": 0.05})
    with ThreadPoolExecutor(1) as threads:
        with held(url):
            emitted = threads.submit(client.emit, event(RunState.START, 1))
            narrow_server.witness.wait_for(503)
        emitted.result(60)
        assert client.close(60)
    assert [seen.status for seen in narrow_server.witness.seen][-1] == 201


def test_a_queue_that_is_full_loses_nothing_of_a_crowd(narrow_server: LiveServer) -> None:
    house = narrow_server.registry.house
    client = sender(narrow_server, "async_http", retry={"total": 40, "backoff_factor": 0.01})
    with held(house.settings.database):
        for run in range(12):
            client.emit(event(RunState.START, run))
            client.emit(event(RunState.COMPLETE, run, 1))
        narrow_server.witness.wait_for(503, count=3)
    assert client.close(120)
    assert client.transport.get_stats() == {"pending": 0, "success": 24, "failed": 0}
    with narrow_server.client() as http:
        told = http.get("/api/v1/jobs/runs/" + event(RunState.START, 11).run.runId).json()
        listed = http.get("/api/v1/events/lineage?limit=100").json()
    assert told["state"] == "COMPLETED"
    assert listed["totalCount"] == 24


def test_the_answer_to_overload_says_when_to_try_again(narrow_server: LiveServer) -> None:
    body = b'{"eventTime": "2026-02-01T12:00:00Z", "job": {"namespace": "n", "name": "%d"}}'
    answers: list[httpx.Response] = []
    with narrow_server.client() as http:

        def post(number: int) -> None:
            answers.append(http.post("/api/v1/lineage", content=body % number))

        with held(narrow_server.registry.house.settings.database):
            threads = [threading.Thread(target=post, args=(n,)) for n in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert http.post("/api/v1/lineage", content=body % 99).status_code == 201
    codes = {answer.json()["code"]: answer.headers["retry-after"] for answer in answers}
    assert codes == {"overloaded": "1", "storage_unavailable": "2"}
    assert {answer.status_code for answer in answers} == {503}


def test_a_wrong_key_is_told_once_and_not_tried_again(shared_server: LiveServer) -> None:
    client = OpenLineageClient(
        config={
            "transport": {
                "type": "http",
                "url": shared_server.url,
                "auth": {"type": "api_key", "apiKey": "reg_wrong"},
            }
        }
    )
    before = len(shared_server.witness.seen)
    with pytest.raises(Exception, match="401"):
        client.emit(event(RunState.START, 1))
    assert [seen.status for seen in shared_server.witness.seen[before:]] == [401]
    client.close()
