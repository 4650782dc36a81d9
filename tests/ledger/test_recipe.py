"""What is needed to make a version again, by the run that made it and not by a later one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from registry.ledger.recipe import Code, read_code, read_parameters, read_seed
from registry.ledger.rowmap import RowMap
from tests.ledger.pipelines import NAMESPACE, Pipeline, mapped, written
from tests.live import LiveServer

MARKS = {"_producer": "https://example.org", "_schemaURL": "https://example.org/f.json"}


def code(commit: str) -> dict[str, Any]:
    place = {"type": "git", "url": "https://example.org/r.git", "path": "train.py"}
    return {"sourceCodeLocation": {**MARKS, **place, "version": commit}}


def parameters(**said: str) -> dict[str, Any]:
    listed = [{"key": key, "value": value} for key, value in said.items()]
    return {"executionParameters": {**MARKS, "parameters": listed}}


@pytest.fixture
def pipeline(server: LiveServer) -> Iterator[Pipeline]:
    with server.client() as client:
        yield Pipeline(server, client)


def recipe(pipeline: Pipeline, dataset: str, version: int) -> dict[str, Any]:
    asked = {"dataset": {"namespace": NAMESPACE, "name": dataset, "version": version}}
    answer = pipeline.client.post("/api/v1/versions/recipe", json=asked)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def test_a_version_is_told_with_the_code_of_its_own_run(pipeline: Pipeline) -> None:
    examples = pipeline.upload_examples(pa.table({"example_id": ["a", "b"]}))
    pipeline.run("collect", writes=[written("raw", "b1", examples=examples)])
    row_map = pipeline.upload_map(RowMap.identity(2))
    files = [{"uri": "s3://lake/c.parquet", "sha256": "sha256:" + "0" * 64, "rows": 2}]
    for number, commit in enumerate(["abc", "def"], 1):
        said = written("clean", f"c{number}", maps=[mapped([("raw", "b1")], row_map)], files=files)
        pipeline.run(
            "clean",
            reads=["raw"],
            writes=[said],
            run_facets=parameters(seed=str(number), depth="3"),
            job_facets=code(commit),
        )
    pipeline.settle()
    for number, commit in enumerate(["abc", "def"], 1):
        found = recipe(pipeline, "clean", number)
        assert found["code"] == {
            "url": "https://example.org/r.git",
            "commit": commit,
            "branch": None,
            "path": "train.py",
            "changed": None,
        }
        assert found["seed"] == str(number)
        assert found["parameters"] == {"seed": str(number), "depth": "3"}
        assert found["job"] == "clean"
        assert [(each["dataset"], each["version"]) for each in found["inputs"]] == [("raw", 1)]
    (first, last) = recipe(pipeline, "clean", 2)["batches"]
    assert first["batch_name"] == "c1"
    assert last["files"] == files
    assert last["objects"] == [{"kind": "row_map", "sha256": row_map}]
    assert recipe(pipeline, "raw", 1)["batches"][0]["objects"] == [
        {"kind": "examples", "sha256": examples}
    ]


def test_what_nobody_said_is_null(pipeline: Pipeline) -> None:
    pipeline.run("collect", writes=[written("raw", "b1", exampleCount=2)])
    found = recipe(pipeline, "raw", 1)
    assert (found["code"], found["seed"], found["parameters"]) == (None, None, {})
    assert found["inputs"] == []
    assert found["batches"][0]["objects"] == []


def test_a_dataset_without_versions_has_no_recipe(pipeline: Pipeline) -> None:
    pipeline.run("collect", reads=["elsewhere"], kind="START")
    asked = {"dataset": {"namespace": NAMESPACE, "name": "elsewhere"}}
    answer = pipeline.client.post("/api/v1/versions/recipe", json=asked)
    assert answer.status_code == 404


def test_the_seed_is_the_parameter_of_that_name_or_the_only_one_like_it() -> None:
    assert read_seed({"seed": "1", "data.seed": "2"}) == "1"
    assert read_seed({"data.seed": "2", "lr": "0.1"}) == "2"
    assert read_seed({"data_seed": "2", "model_seed": "3"}) is None
    assert read_seed({"seeding": "2"}) is None


@pytest.mark.parametrize("said", [None, [], {"parameters": 5}, {"parameters": [5, {"key": 1}]}])
def test_parameters_that_are_none_are_left_out(said: Any) -> None:
    assert read_parameters({"executionParameters": said}) == {}


def test_parameters_are_texts() -> None:
    listed = [{"key": "lr", "value": 0.5}, {"key": "n"}, {"key": "name", "value": "x"}]
    found = read_parameters({"executionParameters": {"parameters": listed}})
    assert found == {"lr": "0.5", "n": "null", "name": "x"}


def test_code_is_read_in_every_form() -> None:
    assert read_code({}) is None
    assert read_code({"sourceCodeLocation": "here"}) is None
    said = {"repoUrl": "r", "url": "u", "tag": "v1", "branch": "main", "changed": True}
    assert read_code({"sourceCodeLocation": said}) == Code("r", "v1", "main", None, changed=True)
