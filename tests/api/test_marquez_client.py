"""marquez-python, unmodified, reads the registry over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from marquez_client import MarquezClient
from marquez_client import client as marquez
from marquez_client.errors import APIError

from registry.ids import uuid_text
from tests.catalog.building import Catalog, Edge
from tests.live import LiveServer

LAKE, DOCS = "s3://bucket:9000", "clean/docs:v1"


@pytest.fixture
def filled(server: LiveServer) -> dict[str, bytes]:
    catalog = Catalog()
    raw, docs = catalog.dataset(LAKE, "raw"), catalog.dataset(LAKE, DOCS)
    job = catalog.job("etl", "dag/clean")
    run = catalog.run(job, reads=[raw], writes=[docs])
    column = Edge(docs, raw, target_field="text", source_field="body")
    catalog.say(run, job, [column], carrier=docs, origin="column_lineage")
    catalog.version(docs, 1, scope=run)
    catalog.facet("dataset", docs, "tags", {"tags": [{"key": "gold", "value": ""}]})
    with server.registry.house.database.write() as session:
        catalog.save(session)
    return {"run": run}


@pytest.fixture
def reader(server: LiveServer) -> Iterator[Any]:
    """The client; it keeps its headers in its module."""
    kept = dict(marquez._HEADERS)
    yield MarquezClient(url=server.url, api_key=server.registry.token)
    marquez._HEADERS.clear()
    marquez._HEADERS.update(kept)


def test_it_reads_namespaces_datasets_and_versions(reader: Any, filled: dict[str, bytes]) -> None:
    spaces = reader.list_namespaces(limit=10, offset=0)["namespaces"]
    assert [space["name"] for space in spaces] == ["etl", LAKE]
    assert reader.get_namespace(LAKE)["name"] == LAKE
    assert [one["name"] for one in reader.list_datasets(LAKE)["datasets"]] == [DOCS, "raw"]
    dataset = reader.get_dataset(LAKE, DOCS)
    assert dataset["id"] == {"namespace": LAKE, "name": DOCS}
    assert dataset["tags"] == ["gold"]
    (version,) = reader.list_dataset_versions(LAKE, DOCS)["versions"]
    assert reader.get_dataset_version(LAKE, DOCS, version["version"])["id"] == version["id"]
    assert version["createdByRun"]["id"] == uuid_text(filled["run"])


def test_it_reads_jobs_and_runs(reader: Any, filled: dict[str, bytes]) -> None:
    assert [job["name"] for job in reader.list_jobs("etl")["jobs"]] == ["dag/clean"]
    job = reader.get_job("etl", "dag/clean")
    assert job["inputs"] == [{"namespace": LAKE, "name": "raw"}]
    (run,) = reader.list_job_runs("etl", "dag/clean")["runs"]
    assert reader.get_job_run(run["id"])["state"] == "COMPLETED"


def test_it_reads_column_lineage(reader: Any, filled: dict[str, bytes]) -> None:
    by_dataset = reader.get_column_lineage_by_dataset(LAKE, DOCS, depth=5)
    by_field = reader.get_column_lineage_by_dataset_field(LAKE, DOCS, "text")
    by_job = reader.get_column_lineage_by_job("etl", "dag/clean", with_downstream=True)
    assert len(by_dataset["graph"]) == 2
    assert by_dataset == by_field == by_job
    version = reader.list_dataset_versions(LAKE, DOCS)["versions"][0]["version"]
    by_version = reader.get_column_lineage_by_dataset(LAKE, DOCS, version=version)
    assert by_version == by_dataset
    run = reader.get_job_run(uuid_text(filled["run"]))
    job_version = run["jobVersion"]["version"]
    by_job_version = reader.get_column_lineage_by_job("etl", "dag/clean", version=job_version)
    assert by_job_version == by_dataset


def test_it_lists_events_and_tags(reader: Any, filled: dict[str, bytes]) -> None:
    assert reader.list_events() == {"events": [], "totalCount": 0, "next": None}
    assert reader.list_events(namespace=LAKE)["events"] == []
    assert [tag["name"] for tag in reader.list_tags()["tags"]] == ["gold"]


def test_what_there_is_not_is_an_error_to_it(reader: Any, filled: dict[str, bytes]) -> None:
    with pytest.raises(APIError):
        reader.get_dataset(LAKE, "nothing")
