"""Batches that cannot be bound as they were said: nothing of them counts, and a retry mends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import select

from registry.actors.tables import Role
from registry.catalog.version_tables import Batch
from registry.ledger.rowmap import RowMap
from registry.ledger.tables import BatchBinding, BatchWait
from registry.storage.columns import table_of
from tests.ledger.pipelines import NAMESPACE, Pipeline, digest_of, mapped, parquet, written
from tests.live import LiveServer

ROWS = 20
_batch, _binding, _wait = table_of(Batch), table_of(BatchBinding), table_of(BatchWait)


@pytest.fixture
def pipeline(server: LiveServer) -> Iterator[Pipeline]:
    with server.client() as client:
        yield Pipeline(server, client)


def table(prefix: str = "ex", rows: int = ROWS) -> pa.Table:
    ids = [f"{prefix}-{row}" for row in range(rows)]
    return pa.table({"example_id": ids, "content": [f"{prefix} text {row}" for row in range(rows)]})


def collect(pipeline: Pipeline) -> None:
    said = written("raw", "b1", examples=pipeline.upload_examples(table()))
    pipeline.run("collect", writes=[said])
    pipeline.settle()
    assert standing(pipeline, "b1") == ("bound", None, [])


def standing(pipeline: Pipeline, batch: str) -> tuple[str, str | None, list[str]]:
    """The state of a batch, why it failed, and what it waits for."""
    with pipeline.server.registry.house.database.read() as session:
        row = session.execute(
            select(_batch.c.number, _binding.c.state, _binding.c.detail)
            .join(_binding, _binding.c.number == _batch.c.number)
            .where(_batch.c.name == batch)
        ).one()
        waits = select(_wait.c.awaited).where(_wait.c.number == row.number)
        return row.state, row.detail, list(session.execute(waits).scalars())


def is_traced(pipeline: Pipeline, dataset: str, batch: str, ordinal: int = 0) -> list[Any]:
    """The ids of the sources of an example."""
    found = pipeline.trace(dataset, address={"batch": batch, "ordinal": ordinal})
    return [source["example_id"] for source in found["sources"]]


TAKE = np.arange(5, dtype=np.uint32)
MAPS: dict[str, tuple[dict[str, Any], str]] = {
    "an ordinal beyond the input": ({"form": "take", "parents": [3, 20], "size": 20}, "20"),
    "a count that the input does not have": ({"form": "take", "parents": [3], "size": 7}, "7"),
    "a slice beyond the input": ({"form": "range", "start": 10, "stop": 30, "size": 20}, "30"),
    "a slice backwards": ({"form": "range", "start": 9, "stop": 3, "size": 20}, "9"),
    "lists whose ends fall": (
        {"form": "lists", "offsets": [0, 3, 1], "parents": [1, 2, 3], "size": 20},
        "offsets",
    ),
    "lists without ends": ({"form": "lists", "parents": [1], "size": 20}, "lacks offsets"),
    "a take without parents": ({"form": "take", "size": 20}, "lacks parents"),
}


@pytest.mark.parametrize("case", MAPS)
def test_a_map_that_does_not_fit_fails_and_says_why_until_another_comes(
    pipeline: Pipeline, case: str
) -> None:
    collect(pipeline)
    row_map, says = MAPS[case]
    bad = written("out", "o", maps=[mapped([("raw", "b1")], row_map)])
    pipeline.run("step", reads=["raw"], writes=[bad], minute=10)
    pipeline.settle()
    state, detail, _ = standing(pipeline, "o")
    assert state == "failed"
    assert says in str(detail)
    found = pipeline.trace("out", address={"batch": "o", "ordinal": 0})
    assert found["sources"] == []
    assert "not bound" in found["unknown"][0]["reason"]
    forward = pipeline.trace("raw", "forward", example_id="ex-3")
    assert [each["dataset"] for each in forward["batches"]] == ["raw"]

    good = written("out", "o", maps=[mapped([("raw", "b1")], pipeline.upload_map(five()))])
    resend(pipeline, good)
    assert standing(pipeline, "o") == ("bound", None, [])
    assert is_traced(pipeline, "out", "o", 3) == ["ex-3"]


def five() -> RowMap:
    return RowMap.take(TAKE, ROWS)


def resend(pipeline: Pipeline, said: dict[str, Any]) -> None:
    """The same run says it again, later."""
    pipeline.run("step", reads=["raw"], writes=[said], minute=11, run=pipeline.runs["step"])
    pipeline.settle()


def test_a_batch_that_is_not_there_is_waited_for_by_name(pipeline: Pipeline) -> None:
    collect(pipeline)
    maps = [mapped([("raw", "b1"), ("more", "b9")], pipeline.upload_map(RowMap.identity(2 * ROWS)))]
    pipeline.run("join", reads=["raw", "more"], writes=[written("all", "a", maps=maps)])
    pipeline.settle()
    state, _, waits = standing(pipeline, "a")
    assert state == "pending"
    assert [wait.rpartition(":")[2] for wait in waits] == ["b9"]
    examples = pipeline.upload_examples(table("more"))
    pipeline.run("collect more", writes=[written("more", "b9", examples=examples)])
    pipeline.settle()
    assert standing(pipeline, "a") == ("bound", None, [])
    assert is_traced(pipeline, "all", "a", ROWS + 4) == ["more-4"]


def test_batches_that_wait_for_each_other_are_a_cycle(pipeline: Pipeline) -> None:
    collect(pipeline)
    identity = {"form": "range", "size": ROWS}
    ring = ["one", "two", "three"]
    for at, name in enumerate(ring):
        said = written(name, name, maps=[mapped([(ring[at - 1], ring[at - 1])], identity)])
        pipeline.run(f"make {name}", reads=[ring[at - 1]], writes=[said])
        pipeline.settle()
    states = {name: standing(pipeline, name) for name in ring}
    assert {state for state, _, _ in states.values()} <= {"failed", "pending"}
    details = [detail for state, detail, _ in states.values() if state == "failed"]
    assert details
    assert all("comes from itself" in str(detail) for detail in details)
    # One of them is said again without the ring, and all are bound.
    said = written("three", "three", maps=[mapped([("raw", "b1")], identity)])
    pipeline.run("make three", reads=["raw"], writes=[said], run=pipeline.runs["make three"])
    pipeline.settle()
    assert {standing(pipeline, name)[0] for name in ring} == {"bound"}
    assert is_traced(pipeline, "two", "two", 7) == ["ex-7"]


def test_a_batch_that_names_itself_fails(pipeline: Pipeline) -> None:
    maps = [mapped([("self", "s")], {"form": "range", "size": ROWS})]
    pipeline.run("turn", reads=["self"], writes=[written("self", "s", maps=maps)])
    pipeline.settle()
    state, detail, _ = standing(pipeline, "s")
    assert state == "failed"
    assert "itself" in str(detail)


def test_of_two_uploads_of_one_batch_that_differ_the_bound_one_stays(pipeline: Pipeline) -> None:
    collect(pipeline)
    other = pipeline.upload_examples(table("other"))
    answer = pipeline.run(
        "collect", writes=[written("raw", "b1", examples=other)], run=pipeline.runs["collect"]
    )
    assert answer["quarantined"] is False
    pipeline.settle()
    assert is_traced(pipeline, "raw", "b1", 4) == ["ex-4"]
    dataset = {"namespace": NAMESPACE, "name": "raw"}
    asked = {"dataset": dataset, "example_id": "other-4"}
    assert pipeline.client.post("/api/v1/trace", json=asked).status_code == 404
    assert (
        pipeline.client.post("/api/v1/samples", json={"dataset": dataset}).json()["population"]
        == ROWS
    )


def test_what_is_said_of_the_rows_must_agree(pipeline: Pipeline) -> None:
    examples = pipeline.upload_examples(table())
    files = [{"uri": "s3://lake/a.parquet", "rows": 19}]
    said = written("raw", "b1", examples=examples, files=files)
    pipeline.run("step", writes=[said], minute=3)
    pipeline.settle()
    state, detail, _ = standing(pipeline, "b1")
    assert state == "failed"
    assert detail == "its examples object says 20 rows, and its files 19."
    resend(pipeline, written("raw", "b1", examples=examples, exampleCount=ROWS))
    assert standing(pipeline, "b1") == ("bound", None, [])
    assert is_traced(pipeline, "raw", "b1", 19) == ["ex-19"]


def test_another_projects_object_does_not_count(pipeline: Pipeline, server: LiveServer) -> None:
    token = server.registry.make_project("speech", f"{NAMESPACE} speech/")
    data = parquet(table("secret"))
    with server.client(token=token) as client:
        theirs = Pipeline(server, client)
        assert theirs.put(data, "examples").status_code == 201
    pipeline.run("collect", writes=[written("raw", "b1", examples=digest_of(data))])
    pipeline.settle()
    state, _, waits = standing(pipeline, "b1")
    assert (state, waits) == ("pending", [f"object:{digest_of(data)}"])
    assert pipeline.put(data, "examples").status_code == 201
    pipeline.settle()
    assert is_traced(pipeline, "raw", "b1", 2) == ["secret-2"]


def test_parents_that_nobody_knows_are_left_out_and_counted(pipeline: Pipeline) -> None:
    collect(pipeline)
    ids = {"example_id": ["p", "q"], "parent_ids": [["ex-1", "nobody"], ["ex-2"]]}
    data = parquet(pa.table(ids))
    assert pipeline.put(data, "parents").status_code == 201
    maps = [mapped([("raw", "b1")], digest_of(data), "aggregated")]
    pipeline.run("pack", reads=["raw"], writes=[written("packed", "p", maps=maps)])
    pipeline.settle()
    assert is_traced(pipeline, "packed", "p", 0) == ["ex-1"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PIPELINE])
def test_no_token_sees_more_by_asking_wrongly(server: LiveServer, role: Role) -> None:
    token = server.registry.make_token(role=role)
    with server.client(token=token) as client:
        wrong: list[Any] = [{}, {"dataset": {}}, {"dataset": {"namespace": "a"}}, [], "x"]
        for asked in wrong:
            answer = client.post("/api/v1/trace", json=asked)
            assert answer.status_code in (403, 422)
            assert answer.headers["content-type"] == "application/problem+json"
