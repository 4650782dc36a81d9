"""Lists, searches, graphs and counts hold what an actor may see; the rest does not exist."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from registry.actors.bindings import EVERY_PROJECT, project_id_of
from registry.actors.tables import Role
from registry.request import House
from tests.api.town import Town, event, furnish, open_town, run_of

API = "/api/v1"
OTHER = f"{API}/namespaces/s3%3A%2F%2Fother"
DIG = f"{API}/namespaces/jobs/jobs/dig"
RAW = {"namespace": "s3://other", "name": "raw"}


@pytest.fixture
def town(house: House) -> Iterator[Town]:
    with open_town(house) as opened:
        yield opened


def read(town: Town, who: str, path: str, **params: Any) -> Any:
    asked = API + path + (("&" if "?" in path else "?") + urlencode(params) if params else "")
    answer = town.ask(who, "GET", asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(found: Any, key: str) -> tuple[list[str], int]:
    return [item["name"] for item in found[key]], found["totalCount"]


# What each of them sees of the same registry: by path, what is listed, and the total.
SEEN: dict[str, dict[str, list[str]]] = {
    "viewer": {
        "/namespaces": ["jobs", "s3://speech"],
        "/namespaces/s3%3A%2F%2Fspeech/datasets": ["clean"],
        "/jobs": ["refine"],
        "/namespaces/jobs/jobs": ["refine"],
        "/search?q=e": ["clean", "refine"],
        "/tags": ["fine"],
    },
    "neighbour": {
        "/namespaces": ["jobs", "s3://other"],
        "/namespaces/s3%3A%2F%2Fother/datasets": ["raw", "shop"],
        "/jobs": ["dig", "sell"],
        "/namespaces/jobs/jobs": ["dig", "sell"],
        "/search?q=e": ["sell"],
        "/tags": ["secret"],
    },
    "administrator": {
        "/namespaces": ["jobs", "s3://other", "s3://speech"],
        "/jobs": ["dig", "refine", "sell"],
        "/search?q=e": ["clean", "refine", "sell"],
        "/tags": ["fine", "secret"],
    },
}
KEYS = {"namespaces": "namespaces", "jobs": "jobs", "search": "results", "tags": "tags"}


def test_lists_and_totals_hold_what_is_in_sight(town: Town) -> None:
    furnish(town)
    for who, lists in SEEN.items():
        for path, expected in lists.items():
            last = path.partition("?")[0].rpartition("/")[2]
            found = read(town, who, path)
            key = KEYS.get(last, last)
            assert names(found, key) == (expected, len(expected)), (who, path)
            page = read(town, who, path, limit=1)
            assert names(page, key) == (expected[:1], len(expected)), (who, path)


def test_events_are_those_of_jobs_in_sight(town: Town) -> None:
    furnish(town)
    for who, jobs in (("viewer", ["refine"]), ("neighbour", ["dig", "sell"])):
        for path in ("/events", "/events/lineage", "/events/jobs"):
            found = read(town, who, path, sortDirection="asc")
            assert [one["job"]["name"] for one in found["events"]] == jobs
            assert found["totalCount"] == len(jobs)


def test_a_visible_job_and_run_show_the_ends_that_are_in_sight(town: Town) -> None:
    furnish(town)
    job = read(town, "viewer", "/namespaces/jobs/jobs/refine")
    assert (job["inputs"], [one["name"] for one in job["outputs"]]) == ([], ["clean"])
    run = read(town, "viewer", f"/jobs/runs/{run_of('refine')}")
    assert run["inputDatasetVersions"] == []
    assert [one["datasetVersionId"]["name"] for one in run["outputDatasetVersions"]] == ["clean"]
    recipe = town.ask("viewer", "POST", f"{API}/versions/recipe", json={"dataset": CLEAN}).json()
    assert (recipe["inputs"], recipe["job"]) == ([], "refine")


CLEAN = {"namespace": "s3://speech", "name": "clean"}


def test_a_graph_holds_what_is_in_sight_and_says_that_there_is_more(town: Town) -> None:
    furnish(town)
    for who, nodes, beyond in (
        ("viewer", ["dataset:s3://speech:clean", "job:jobs:refine"], True),
        ("administrator", ["clean", "raw", "shop", "dig", "refine", "sell"], False),
    ):
        found = read(town, who, "/lineage", nodeId="dataset:s3://speech:clean")
        assert found["beyondScope"] is beyond
        assert len(found["graph"]) == len(nodes)
        text = str(found)
        assert all(node in text for node in nodes)
        assert beyond is not ("s3://other" in text)
    upstream = read(town, "viewer", "/runlineage/upstream", runId=run_of("refine"))
    assert [one["job"]["name"] for one in upstream["runs"]] == ["refine"]
    assert (upstream["runs"][0]["inputs"], upstream["beyondScope"]) == ([], True)
    whole = read(town, "administrator", "/runlineage/upstream", runId=run_of("refine"))
    assert [one["job"]["name"] for one in whole["runs"]] == ["refine", "dig"]
    assert whole["beyondScope"] is False


LOOKUPS: tuple[tuple[str, str, Any], ...] = (
    ("GET", OTHER, None),
    ("GET", f"{OTHER}/datasets", None),
    ("GET", f"{OTHER}/datasets/raw", None),
    ("GET", f"{OTHER}/datasets/raw/versions", None),
    ("GET", f"{OTHER}/datasets/raw/versions/1", None),
    ("GET", f"{OTHER}/datasets/raw/batches", None),
    ("GET", DIG, None),
    ("GET", f"{DIG}/runs", None),
    ("GET", f"{API}/jobs/runs/{run_of('dig')}", None),
    ("GET", f"{API}/jobs/runs/{run_of('dig')}/facets?type=run", None),
    ("GET", f"{API}/lineage?nodeId=dataset:s3://other:raw", None),
    ("GET", f"{API}/lineage?nodeId=run:{run_of('dig')}", None),
    ("GET", f"{API}/column-lineage?nodeId=dataset:s3://other:raw", None),
    ("GET", f"{API}/runlineage/upstream?runId={run_of('dig')}", None),
    ("GET", f"{API}/events/s3:%2F%2Fother", None),
    ("GET", f"{API}/search?q=raw", None),
    ("POST", f"{API}/trace", {"dataset": RAW, "example_id": "1"}),
    ("POST", f"{API}/samples", {"dataset": RAW, "size": 1, "seed": 1}),
    ("POST", f"{API}/versions/recipe", {"dataset": RAW}),
    ("POST", f"{API}/versions/verify", {"dataset": RAW}),
)


def test_what_is_out_of_sight_is_not_told_from_what_does_not_exist(town: Town) -> None:
    def looked_up() -> list[tuple[int, bytes]]:
        answers = [town.ask("auditor", method, path, json=b) for method, path, b in LOOKUPS]
        return [(answer.status_code, answer.content) for answer in answers]

    before = looked_up()
    furnish(town)
    assert looked_up() == before


def test_a_project_out_of_sight_does_not_exist_either(town: Town) -> None:
    listed = [one["name"] for one in read(town, "viewer", "/projects")["projects"]]
    assert listed == ["speech"]
    hidden = town.ask("viewer", "GET", f"{API}/projects/other")
    missing = town.ask("viewer", "GET", f"{API}/projects/nowhere")
    assert hidden.status_code == missing.status_code == 404
    assert hidden.text.replace("other", "nowhere") == missing.text


def test_a_role_confined_to_a_lineage_shows_that_and_nothing_beside_it(town: Town) -> None:
    furnish(town)
    town.send("neighbour", event("beside", writes=("s3://other apart",), minute=5))
    body = {"account": "stranger", "role": "auditor", "scope": CLEAN}
    endless = town.ask("administrator", "POST", f"{API}/bindings", json=body)
    assert (endless.status_code, endless.json()["path"]) == (422, "expires")
    made = town.ask("administrator", "POST", f"{API}/bindings", json={**body, "expires": "P1D"})
    assert made.json()["scope"] == "dataset:s3://speech:clean"
    found = read(town, "stranger", "/lineage", nodeId="dataset:s3://speech:clean")
    assert len(found["graph"]) == 6
    assert found["beyondScope"] is False
    assert names(read(town, "stranger", "/jobs"), "jobs")[0] == ["dig", "refine", "sell"]
    apart = town.ask("stranger", "GET", f"{OTHER}/datasets/apart")
    assert apart.status_code == 404
    assert names(read(town, "stranger", "/namespaces/s3%3A%2F%2Fother/datasets"), "datasets") == (
        ["raw", "shop"],
        2,
    )
    # It reads; it writes nowhere, and numbers of the whole server are not part of a lineage.
    assert town.ask("stranger", "GET", "/metrics").status_code == 403
    told = town.ask("stranger", "POST", f"{API}/lineage", json=event("x", writes=("s3://a b",)))
    assert told.status_code == 403
    # What joins the lineage later is in sight at once.
    onward = event("on", reads=("s3://other shop",), writes=("s3://other later",), minute=6)
    town.send("neighbour", onward)
    assert town.ask("stranger", "GET", f"{OTHER}/datasets/later").status_code == 200


def test_a_lineage_that_was_let_into_closes_by_itself(town: Town, frozen_clock: Any) -> None:
    furnish(town)
    body = {"account": "stranger", "role": "viewer", "scope": CLEAN, "expires": "P1D"}
    assert town.ask("administrator", "POST", f"{API}/bindings", json=body).status_code == 201
    assert names(read(town, "stranger", "/jobs"), "jobs")[1] == 3
    frozen_clock.advance(days=1)
    assert town.ask("stranger", "GET", f"{API}/jobs").status_code == 403


def test_who_reads_several_projects_sees_them_together(town: Town) -> None:
    furnish(town)
    town.bind("viewer", Role.VIEWER, EVERY_PROJECT)
    assert names(read(town, "viewer", "/jobs"), "jobs")[0] == ["dig", "refine", "sell"]


def test_quarantine_is_for_the_project_whose_name_would_have_been_written(town: Town) -> None:
    furnish(town)
    path = f"{API}/events/quarantine"
    held = {one["name"]: one["event"] for one in town.ask("steward", "GET", path).json()["events"]}
    assert set(held) == {"stray feeder", "stray neighbour"}
    intruding, strayed = held["stray neighbour"], held["stray feeder"]
    assert town.ask("steward", "POST", f"{path}/{strayed}/release").status_code == 403
    assert town.ask("neighbour", "POST", f"{path}/{intruding}/release").status_code == 403
    assert town.ask("steward", "POST", f"{path}/{intruding}/release").status_code == 200
    assert town.ask("neighbour", "POST", f"{path}/{strayed}/reject").status_code == 200


def test_nobody_releases_what_they_sent(town: Town) -> None:
    town.join("both", Role.STEWARD)
    town.send("both", event("mine", writes=("s3://other theirs",)))
    with town.house.database.read() as session:
        other = project_id_of(session, "other")
    town.bind("both", Role.STEWARD, other)
    path = f"{API}/events/quarantine"
    (held,) = town.ask("both", "GET", path).json()["events"]
    refused = town.ask("both", "POST", f"{path}/{held['event']}/release")
    assert refused.status_code == 403
    assert "nobody decides on what they filed" in refused.json()["detail"]
    released = town.ask("neighbour", "POST", f"{path}/{held['event']}/release")
    assert released.json()["state"] == "projected"
