"""The read API over HTTP: shapes, names in paths, pages, and bad input."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from registry.catalog.names import dataset_node, field_node, job_node, version_uuid
from registry.ids import uuid_text
from registry.wire import catalog as wire
from registry.wire.lineage import ColumnLineageAnswer, LineageAnswer, UpstreamAnswer
from tests.api.asking import API, at, get, refused
from tests.catalog.building import Catalog, Edge
from tests.live import Registry

LAKE = "s3://bucket:9000"


@pytest.fixture(scope="module")
def built(shared_registry: Registry) -> dict[str, bytes]:
    """raw → clean → model, with a version, a batch, tags and column lineage; ids by name."""
    catalog = Catalog()
    found = {name: catalog.dataset(LAKE, name) for name in ("raw/docs", "clean/docs", "model")}
    clean, train = catalog.job("etl", "dag.clean"), catalog.job("etl", "dag.train")
    raw, docs = found["raw/docs"], found["clean/docs"]
    run = catalog.run(clean, reads=[raw], writes=[docs], at=1)
    column = Edge(docs, raw, target_field="text", source_field="body")
    catalog.say(run, clean, [column], carrier=docs, origin="column_lineage", at=1)
    last = catalog.run(train, reads=[docs], writes=[found["model"]], at=2, state="FAILED")
    schema = {"fields": [{"name": "text", "type": "VARCHAR"}]}
    catalog.facet("dataset", docs, "schema", schema, at=1)
    tags = {"tags": [{"key": "pii", "value": "true", "field": "text"}]}
    catalog.facet("dataset", docs, "tags", tags, at=1)
    catalog.facet("run", run, "engine", {"name": "spark", "big": 9007199254740993}, at=1)
    catalog.facet("job", clean, "documentation", {"description": "Cleans"}, at=1)
    catalog.version(docs, 1, scope=run, at=1, added=[1])
    catalog.batch(docs, run, "first", 1, at=1, files=[("s3://bucket/1.parquet", 5, 0)])
    with shared_registry.house.database.write() as session:
        catalog.save(session)
    return {**found, "clean": clean, "train": train, "run": run, "last": last}


def test_every_answer_has_the_shape_that_is_documented(
    shared: TestClient, built: dict[str, bytes]
) -> None:
    lake, docs = at(LAKE), at(LAKE, "datasets", "clean/docs")
    spaces = get(shared, "/namespaces", wire.NamespaceList)
    assert [space["name"] for space in spaces["namespaces"]] == ["etl", LAKE]
    assert get(shared, f"/namespaces/{lake}", wire.NamespaceAnswer)["name"] == LAKE
    listed = get(shared, f"/namespaces/{lake}/datasets", wire.DatasetList)
    one = get(shared, f"/namespaces/{docs}", wire.DatasetAnswer)
    assert one in listed["datasets"]
    assert listed["totalCount"] == 3
    versions = get(shared, f"/namespaces/{docs}/versions", wire.VersionList)
    assert get(shared, f"/namespaces/{docs}/versions/1", wire.VersionDetail)["batchCount"] == 1
    uuid = versions["versions"][0]["version"]
    assert uuid == one["currentVersion"] == uuid_text(version_uuid(built["clean/docs"], 1))
    assert get(shared, f"/namespaces/{docs}/versions/{uuid}")["number"] == 1
    batches = get(shared, f"/namespaces/{docs}/batches", wire.BatchList, version=1)
    assert batches["batches"][0]["files"][0]["uri"] == "s3://bucket/1.parquet"
    jobs = get(shared, "/namespaces/etl/jobs", wire.JobList)
    assert get(shared, "/jobs", wire.JobList) == jobs
    assert [job["latestRun"]["state"] for job in jobs["jobs"]] == ["COMPLETED", "FAILED"]
    assert get(shared, "/jobs", lastRunStates="FAILED")["totalCount"] == 1
    job = get(shared, "/namespaces/etl/jobs/dag.clean", wire.JobAnswer)
    assert (job["description"], job["inputs"][0]["name"]) == ("Cleans", "raw/docs")
    runs = get(shared, "/namespaces/etl/jobs/dag.clean/runs", wire.RunList)
    run = runs["runs"][0]
    assert get(shared, f"/jobs/runs/{run['id']}", wire.RunAnswer) == run
    assert run["outputDatasetVersions"][0]["datasetVersionId"]["version"] == uuid
    facets = get(shared, f"/jobs/runs/{run['id']}/facets", wire.RunFacetsAnswer, type="run")
    assert facets["facets"] == {"engine": {"name": "spark", "big": 9007199254740993}}
    facets = get(shared, f"/jobs/runs/{run['id']}/facets", type="job")
    assert set(facets["facets"]) == {"documentation"}
    tags = get(shared, "/tags", wire.TagList)["tags"]
    assert [(tag["name"], tag["usedBy"]["fields"]) for tag in tags] == [("pii", 1)]
    found = get(shared, "/search", wire.SearchResults, q="docs", sort="UPDATE_AT")
    assert {hit["nodeId"] for hit in found["results"]} == {
        dataset_node(LAKE, "raw/docs"),
        dataset_node(LAKE, "clean/docs"),
    }
    assert get(shared, "/search", q="DAG", filter="JOB")["totalCount"] == 2


def test_a_dataset_says_what_its_facets_say_and_from_which_event(
    shared: TestClient, built: dict[str, bytes]
) -> None:
    one = get(shared, f"/namespaces/{at(LAKE, 'datasets', 'clean/docs')}")
    assert one["id"] == {"namespace": LAKE, "name": "clean/docs"}
    assert one["type"] == "DB_TABLE"
    assert one["fields"] == [
        {"name": "text", "type": "VARCHAR", "tags": ["pii"], "description": None}
    ]
    assert one["columnLineage"][0]["inputFields"][0]["field"] == "body"
    assert set(one["evidence"]) == set(one["facets"]) == {"schema", "tags"}
    assert all(event.startswith("sha256:") for event in one["evidence"].values())


def nodes(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["id"]: node for node in answer["graph"]}


def test_lineage_is_a_graph_with_edges_at_both_ends(
    shared: TestClient, built: dict[str, bytes]
) -> None:
    docs, job = dataset_node(LAKE, "clean/docs"), job_node("etl", "dag.clean")
    answer = get(shared, "/lineage", LineageAnswer, nodeId=docs)
    assert [node["id"] for node in answer["graph"]] == sorted(nodes(answer))
    assert answer["truncated"] is None
    found = nodes(answer)
    assert {node["type"] for node in found.values()} == {"DATASET", "JOB"}
    into = {"origin": dataset_node(LAKE, "raw/docs"), "destination": job}
    out = {"origin": job, "destination": docs}
    assert (found[job]["inEdges"], found[job]["outEdges"]) == ([into], [out])
    assert found[docs]["inEdges"] == [out]
    assert found[job]["data"]["inputs"] == [{"namespace": LAKE, "name": "raw/docs"}]
    assert found[job]["data"]["latestRun"]["state"] == "COMPLETED"
    assert found[docs]["data"]["fields"][0]["tags"] == ["pii"]
    for node in found.values():
        for edge in node["inEdges"] + node["outEdges"]:
            assert edge in found[edge["origin"]]["outEdges"]
            assert edge in found[edge["destination"]]["inEdges"]


def test_lineage_looks_one_way_as_far_as_asked_and_says_what_cut_it(
    shared: TestClient, built: dict[str, bytes]
) -> None:
    model = dataset_node(LAKE, "model")
    whole = get(shared, "/lineage", nodeId=model, direction="upstream")
    assert len(whole["graph"]) == 5
    near = get(shared, "/lineage", LineageAnswer, nodeId=model, direction="UPSTREAM", depth=1)
    assert (len(near["graph"]), near["truncated"]) == (3, {"by": "depth", "limit": 1})
    small = get(shared, "/lineage", nodeId=model, size=2)
    assert (len(small["graph"]), small["truncated"]) == (2, {"by": "size", "limit": 2})
    down = get(shared, "/lineage", nodeId=model, direction="downstream")
    assert [node["id"] for node in down["graph"]] == [model]


def test_lineage_of_a_version_a_run_and_a_time(shared: TestClient, built: dict[str, bytes]) -> None:
    version = dataset_node(LAKE, "clean/docs", version_uuid(built["clean/docs"], 1))
    run = f"run:{uuid_text(built['run'])}"
    for node in (version, run):
        found = nodes(get(shared, "/lineage", LineageAnswer, nodeId=node, direction="upstream"))
        assert dataset_node(LAKE, "raw/docs") in found
    docs = dataset_node(LAKE, "clean/docs")
    for early in ("2026-01-01T00:00:00Z", "2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00"):
        assert len(get(shared, "/lineage", nodeId=docs, asOf=early)["graph"]) == 1
    assert len(get(shared, "/lineage", nodeId=docs, asOf="2026-01-01T00:00:01Z")["graph"]) == 3


def test_column_lineage_has_the_edges_of_marquez(
    shared: TestClient, built: dict[str, bytes]
) -> None:
    text = field_node(LAKE, "clean/docs", "text")
    body = field_node(LAKE, "raw/docs", "body")
    by_field = get(shared, "/column-lineage", ColumnLineageAnswer, nodeId=text)
    by_dataset = get(shared, "/column-lineage", nodeId=dataset_node(LAKE, "clean/docs"))
    by_job = get(shared, "/column-lineage", nodeId=job_node("etl", "dag.clean"))
    assert by_field == by_dataset == by_job
    found = nodes(by_field)
    assert found[text]["type"] == "DATASET_FIELD"
    assert found[text]["inEdges"] == [{"origin": text, "destination": body}]
    assert found[body]["outEdges"] == [{"origin": body, "destination": text}]
    assert found[text]["data"]["fieldType"] == "VARCHAR"
    assert found[text]["data"]["inputFields"][0]["dataset"] == "raw/docs"
    down = get(shared, "/column-lineage", nodeId=body, withDownstream="true")
    assert set(nodes(down)) == {text, body}
    assert set(nodes(get(shared, "/column-lineage", nodeId=body))) == {body}


def test_upstream_runs_begin_with_the_run(shared: TestClient, built: dict[str, bytes]) -> None:
    run = uuid_text(built["last"])
    answer = get(shared, "/runlineage/upstream", UpstreamAnswer, runId=run)
    assert answer["runs"][0]["run"]["id"] == run
    assert answer["runs"][0]["job"]["name"] == "dag.train"
    assert answer["runs"][0]["inputs"][0]["name"] == "clean/docs"


LISTS = [
    "/namespaces",
    f"/namespaces/{at(LAKE)}/datasets",
    f"/namespaces/{at(LAKE, 'datasets', 'clean/docs')}/versions",
    f"/namespaces/{at(LAKE, 'datasets', 'clean/docs')}/batches",
    "/namespaces/etl/jobs",
    "/jobs",
    "/namespaces/etl/jobs/dag.clean/runs",
    "/tags",
]


@pytest.mark.parametrize("path", [*LISTS, "/events", "/events/lineage", "/search?q=a"])
@pytest.mark.parametrize(
    "bad",
    [
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "-1"},
        {"limit": "many"},
        {"limit": str(10**30)},
        {"offset": "-1"},
        {"offset": str(2**63)},
    ],
    ids=str,
)
def test_a_page_that_cannot_be_is_refused(
    shared: TestClient, built: dict[str, bytes], path: str, bad: dict[str, str]
) -> None:
    path, _, query = path.partition("?")
    extra = dict([query.split("=")]) if query else {}
    problem = refused(shared, path, 422, **bad, **extra)
    assert problem["path"] == f"query.{next(iter(bad))}"


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("cursor", ["x", "WyJub3RoaW5nIiwxXQ", "%00", "a" * 5000])
def test_a_cursor_that_no_list_gave_is_refused(
    shared: TestClient, built: dict[str, bytes], path: str, cursor: str
) -> None:
    refused(shared, path, 422, after=cursor)


@pytest.mark.parametrize(
    ("path", "params", "status", "where"),
    [
        ("/lineage", {}, 422, "query.nodeId"),
        ("/lineage", {"nodeId": "nothing"}, 422, "nodeId"),
        ("/lineage", {"nodeId": "dataset:a:\x00"}, 422, "nodeId"),
        ("/lineage", {"nodeId": "dataset:" + "a:" * 500}, 422, "nodeId"),
        ("/lineage", {"nodeId": "dataset:nowhere:nothing"}, 404, "nodeId"),
        ("/lineage", {"nodeId": "job:nowhere:nothing"}, 404, "nodeId"),
        ("/lineage", {"nodeId": "run:00000000-0000-0000-0000-000000000000"}, 404, "nodeId"),
        ("/lineage", {"nodeId": f"datasetField:{LAKE}:clean/docs:text"}, 422, "nodeId"),
        ("/lineage", {"nodeId": f"dataset:{LAKE}:model", "depth": "-1"}, 422, "query.depth"),
        ("/lineage", {"nodeId": f"dataset:{LAKE}:model", "depth": "9" * 30}, 422, "query.depth"),
        ("/lineage", {"nodeId": f"dataset:{LAKE}:model", "size": "0"}, 422, "query.size"),
        ("/lineage", {"nodeId": f"dataset:{LAKE}:model", "direction": "up"}, 422, None),
        ("/lineage", {"nodeId": f"dataset:{LAKE}:model", "asOf": "soon"}, 422, "asOf"),
        (
            "/lineage",
            {"nodeId": f"dataset:{LAKE}:model", "asOf": "0001-01-01T00:00:00+23:00"},
            422,
            "asOf",
        ),
        ("/column-lineage", {"nodeId": "datasetField:a:b:c"}, 404, "nodeId"),
        ("/runlineage/upstream", {"runId": "x"}, 422, "runId"),
        ("/runlineage/upstream", {"runId": "00000000-0000-0000-0000-000000000000"}, 404, "id"),
        ("/jobs/runs/x", {}, 422, "run_id"),
        ("/jobs/runs/00000000-0000-0000-0000-000000000000", {}, 404, "id"),
        ("/jobs/runs/00000000-0000-0000-0000-000000000000/facets", {}, 422, "query.type"),
        ("/namespaces/nowhere", {}, 404, "namespace"),
        ("/namespaces/nowhere/datasets", {}, 404, "namespace"),
        ("/namespaces/etl/datasets/nothing", {}, 404, "name"),
        ("/namespaces/etl/datasets/nothing/versions", {}, 404, "name"),
        ("/namespaces/etl/jobs/nothing", {}, 404, "name"),
        ("/namespaces/a%00b", {}, 422, "namespace"),
        ("/namespaces/etl/jobs/a%00b", {}, 422, "name"),
        ("/namespaces/%FF", {}, 422, "path.namespace"),
        ("/namespaces/%ED%A0%80", {}, 422, "path.namespace"),
        (f"/namespaces/{at(LAKE, 'datasets', 'clean/docs')}/versions/9", {}, 404, "version"),
        (f"/namespaces/{at(LAKE, 'datasets', 'clean/docs')}/versions/x", {}, 422, "version"),
        (f"/namespaces/{at(LAKE, 'datasets', 'clean/docs')}/versions/٣", {}, 422, "version"),
        (
            f"/namespaces/{at(LAKE, 'datasets', 'clean/docs')}/batches",
            {"version": "9"},
            404,
            "version",
        ),
        (
            f"/namespaces/{at(LAKE, 'datasets', 'clean/docs')}/versions",
            {"externalId": "\x00"},
            422,
            "externalId",
        ),
        ("/jobs", {"lastRunStates": "DONE"}, 422, None),
        ("/search", {}, 422, "query.q"),
        ("/search", {"q": "\x00"}, 422, "q"),
        ("/search", {"q": "a", "sort": "size"}, 422, "query.sort"),
        ("/search", {"q": "a", "before": "soon"}, 422, None),
        ("/search", {"q": "a", "namespace": "\x00"}, 422, "namespace"),
        ("/search", {"q": "a", "cursor": "x"}, 422, "cursor"),
        ("/events", {"before": "soon"}, 422, "before"),
        ("/events", {"sortDirection": "up"}, 422, "query.sortDirection"),
        ("/events", {"namespace": "\x00"}, 422, "namespace"),
        ("/events/a%00", {}, 422, "namespace"),
        ("/nothing", {}, 404, None),
    ],
)
def test_bad_input_gets_a_problem_that_says_what_to_do(
    shared: TestClient,
    built: dict[str, bytes],
    path: str,
    params: dict[str, str],
    status: int,
    where: str | None,
) -> None:
    problem = refused(shared, path, status, **params)
    if where is not None:
        assert problem["path"] == where


READS = [
    *LISTS,
    "/namespaces/etl",
    "/namespaces/etl/datasets/x",
    "/namespaces/etl/datasets/x/versions/1",
    "/namespaces/etl/jobs/x",
    "/jobs/runs/00000000-0000-0000-0000-000000000000",
    "/jobs/runs/00000000-0000-0000-0000-000000000000/facets?type=run",
    "/lineage?nodeId=dataset:a:b",
    "/column-lineage?nodeId=dataset:a:b",
    "/runlineage/upstream?runId=00000000-0000-0000-0000-000000000000",
    "/events",
    "/events/lineage",
    "/events/etl",
    "/search?q=a",
]


@pytest.mark.parametrize("path", READS)
def test_nothing_is_read_without_a_token(shared: TestClient, path: str) -> None:
    answer = shared.get(API + path, headers={"Authorization": ""})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_the_description_says_what_every_read_takes_and_gives(shared: TestClient) -> None:
    described = shared.get("/openapi.json").json()
    reads = {
        path: methods["get"]
        for path, methods in described["paths"].items()
        if "get" in methods
        and methods["get"].get("tags", [""])[0]
        in {"namespaces", "datasets", "jobs", "lineage", "events", "search"}
    }
    assert len(reads) >= 19
    for path, read in reads.items():
        assert read["summary"], path
        assert all(item.get("description") for item in read.get("parameters", ())), path
        assert read["responses"]["200"]["content"]["application/json"]["schema"], path
        assert {"401", "422", "503"} <= set(read["responses"]), path
