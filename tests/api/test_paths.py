"""Names in paths: whatever they hold, they arrive as they are."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from registry.catalog.names import dataset_node
from tests.api.asking import at, get
from tests.catalog.building import Catalog
from tests.live import Registry

LAKE = "s3://bucket:9000"
AWKWARD = [
    "a/versions",
    "a/versions/1",
    "x%2Fy",
    "x%252Fy",
    ".../batches",
    "versions",
    "batches",
    "a/runs",
    "a/datasets/b",
    "a/jobs/b/runs",
    "100%",
    "a b+c",
    "q?x=1#f",
    "ä/😀",
    "http://h:80/p;k=v",
    "tab\tand\nline",
    "/",
    "//",
]


@pytest.fixture(scope="module")
def named(shared_registry: Registry) -> None:
    """A dataset, its version, and a job with a run under every pair of the names."""
    catalog = Catalog()
    for space in (LAKE, *AWKWARD):
        for key in {"plain", space if space != LAKE else "clean/docs", *AWKWARD}:
            if space == LAKE or key in ("plain", space):
                dataset, job = catalog.dataset(space, key), catalog.job(space, key)
                run = catalog.run(job, writes=[dataset])
                catalog.version(dataset, 1, scope=run)
    with shared_registry.house.database.write() as session:
        catalog.save(session)


@pytest.mark.parametrize("name", AWKWARD)
def test_any_name_arrives_as_it_is(shared: TestClient, named: None, name: str) -> None:
    assert get(shared, f"/namespaces/{at(name)}")["name"] == name
    assert get(shared, f"/namespaces/{at(name)}/datasets")["totalCount"] == 2
    assert get(shared, f"/namespaces/{at(name)}/jobs")["totalCount"] == 2
    for space, key in ((LAKE, name), (name, "plain"), (name, name)):
        identity = {"namespace": space, "name": key}
        dataset, job = at(space, "datasets", key), at(space, "jobs", key)
        assert get(shared, f"/namespaces/{dataset}")["id"] == identity
        versions = get(shared, f"/namespaces/{dataset}/versions")["versions"]
        assert [version["name"] for version in versions] == [key]
        assert get(shared, f"/namespaces/{dataset}/versions/1")["name"] == key
        assert get(shared, f"/namespaces/{dataset}/batches")["totalCount"] == 0
        assert get(shared, f"/namespaces/{job}")["id"] == identity
        assert get(shared, f"/namespaces/{job}/runs")["totalCount"] == 1
        node = dataset_node(space, key)
        found = get(shared, "/lineage", nodeId=node, namespace=space, depth=1)
        assert len(found["graph"]) == 2


def test_a_slash_that_is_not_encoded_is_understood_where_it_can_be(
    shared: TestClient, named: None
) -> None:
    assert get(shared, f"/namespaces/{LAKE}")["name"] == LAKE
    assert get(shared, f"/namespaces/{LAKE}/datasets")["totalCount"] == len(AWKWARD) + 2
    path = f"/namespaces/{LAKE}/datasets/clean/docs"
    assert get(shared, path)["name"] == "clean/docs"
    assert get(shared, f"{path}/versions")["totalCount"] == 1
    assert get(shared, f"{path}/versions/1")["number"] == 1
    assert get(shared, f"{path}/batches")["totalCount"] == 0
    assert get(shared, f"/namespaces/{LAKE}/jobs/clean/docs/runs")["totalCount"] == 1
