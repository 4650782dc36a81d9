"""From events to graphs: what producers say over HTTP is what lineage answers."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.asking import API, get

LAKE, JOBS = "s3://lake:9000", "airflow"
PRODUCER = "https://producer.example"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs"


def facet(**content: object) -> dict[str, object]:
    return {"_producer": PRODUCER, "_schemaURL": f"{SCHEMA}/Facet", **content}


def dataset(name: str, namespace: str = LAKE, **facets: object) -> dict[str, object]:
    return {"namespace": namespace, "name": name, "facets": facets}


def source(name: str, kind: str = "DATASET", **more: object) -> dict[str, object]:
    namespace = LAKE if kind == "DATASET" else JOBS
    return {"namespace": namespace, "name": name, "type": kind, **more}


def run(job: str, at: int, reads: list[Any], writes: list[Any], **facets: object) -> dict[str, Any]:
    return {
        "eventType": "COMPLETE",
        "eventTime": f"2026-01-01T00:00:{at:02}Z",
        "run": {"runId": str(uuid.UUID(int=at + 1))},
        "job": {"namespace": JOBS, "name": job, "facets": facets},
        "inputs": reads,
        "outputs": writes,
        "producer": PRODUCER,
        "schemaURL": f"{SCHEMA}/RunEvent",
    }


@pytest.fixture(scope="module")
def told(shared: TestClient) -> TestClient:
    """A registry that heard of bulk and plain jobs, a view, a chain of jobs and another name."""
    entries = [
        {**source("c"), "inputs": [source("a")]},
        {**source("d"), "inputs": [source("b")]},
        {**source("made"), "inputs": [], "fields": {"total": {"inputs": [{"type": "JOB"}]}}},
    ]
    reads, writes = [dataset("a"), dataset("b")], [dataset(name) for name in ("c", "d", "made")]
    columns = facet(fields={"x": {"inputFields": [{**source("c"), "field": "y"}]}})
    alias = facet(identifiers=[{"namespace": "hive", "name": "db.c", "type": "TABLE"}])
    chain = {**source("second", "JOB"), "inputs": [source("first", "JOB")]}
    events: list[dict[str, Any]] = [
        run("plain", 0, [dataset("old")], [dataset("e")]),
        run("plain", 1, [dataset("c"), dataset("d")], [dataset("e", columnLineage=columns)]),
        run("bulk", 2, reads, writes, lineage=facet(entries=entries)),
        run("reader", 3, [dataset("db.c", "hive")], []),
        run("aliaser", 4, [], [dataset("c", symlinks=alias)]),
        run("first", 5, [dataset("e")], []),
        run("second", 6, [], [dataset("f")]),
        {
            "eventTime": "2026-01-01T00:00:07Z",
            "job": {
                "namespace": JOBS,
                "name": "dag",
                "facets": {"lineage": facet(entries=[chain])},
            },
            "producer": PRODUCER,
            "schemaURL": f"{SCHEMA}/JobEvent",
        },
        {
            "eventTime": "2026-01-01T00:00:08Z",
            "dataset": dataset("view", lineage=facet(inputs=[source("f")])),
            "producer": PRODUCER,
            "schemaURL": f"{SCHEMA}/DatasetEvent",
        },
    ]
    for event in reversed(events):  # the order of arrival does not matter
        answer = shared.post(f"{API}/lineage", content=json.dumps(event))
        assert answer.status_code == 201, answer.text
        assert answer.json()["quarantined"] is False
    return shared


def edges(client: TestClient, node: str, direction: str) -> set[tuple[str, str]]:
    """The edges of a graph by the last part of their ends' names."""
    answer = get(client, "/lineage", nodeId=node, direction=direction)
    assert answer["truncated"] is None
    return {
        (edge["origin"].rpartition(":")[2], edge["destination"].rpartition(":")[2])
        for one in answer["graph"]
        for edge in one["outEdges"]
    }


def test_each_output_comes_from_the_inputs_that_were_named_for_it(told: TestClient) -> None:
    assert edges(told, f"dataset:{LAKE}:d", "upstream") == {("b", "bulk"), ("bulk", "d")}
    assert edges(told, f"dataset:{LAKE}:made", "upstream") == {("bulk", "made")}


def test_column_lineage_narrows_the_last_run(told: TestClient) -> None:
    up = edges(told, f"dataset:{LAKE}:e", "upstream")
    assert {("c", "plain"), ("plain", "e")} <= up
    assert not {("d", "plain"), ("old", "plain")} & up


def test_another_name_leads_to_the_same_dataset(told: TestClient) -> None:
    up = edges(told, "job:airflow:reader", "upstream")
    assert {("c", "reader"), ("bulk", "c"), ("a", "bulk")} <= up
    assert get(told, "/lineage", nodeId="dataset:hive:db.c") == get(
        told, "/lineage", nodeId=f"dataset:{LAKE}:c"
    )


def test_a_view_comes_from_a_chain_of_jobs(told: TestClient) -> None:
    up = edges(told, f"dataset:{LAKE}:view", "upstream")
    assert {
        ("f", "view"),
        ("second", "f"),
        ("first", "second"),
        ("e", "first"),
        ("plain", "e"),
        ("c", "plain"),
        ("bulk", "c"),
        ("a", "bulk"),
    } <= up
    assert ("b", "bulk") not in up
    down = edges(told, f"dataset:{LAKE}:a", "downstream")
    assert ("f", "view") in down


def test_fields_are_followed_too(told: TestClient) -> None:
    answer = get(told, "/column-lineage", nodeId=f"datasetField:{LAKE}:e:x")
    assert [node["id"] for node in answer["graph"]] == [
        f"datasetField:{LAKE}:c:y",
        f"datasetField:{LAKE}:e:x",
    ]
