"""Single examples are walked back to their sources and forward to all that holds them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from registry.ledger.rowmap import NO_PARENT, RowMap
from tests.ledger.pipelines import NAMESPACE, Pipeline, digest_of, mapped, model, parquet, written
from tests.live import LiveServer

ROWS = 90


@pytest.fixture
def pipeline(server: LiveServer) -> Iterator[Pipeline]:
    with server.client() as client:
        yield Pipeline(server, client)


def texts(count: int = ROWS) -> list[str]:
    return [f"text number {row}" for row in range(count)]


def raw_table(count: int = ROWS) -> pa.Table:
    subjects = [[{"scheme": "email", "value": f"u{row % 7}@example.org"}] for row in range(count)]
    return pa.table(
        {
            "example_id": [f"ex-{row}" for row in range(count)],
            "content": texts(count),
            "license": ["MIT" if row % 2 else "PSF-2.0" for row in range(count)],
            "bytes": pa.array([len(text) for text in texts(count)], pa.int64()),
            "subjects": pa.array(subjects),
        }
    )


def collect(pipeline: Pipeline, **said: Any) -> None:
    digest = pipeline.upload_examples(raw_table())
    pipeline.run("collect", writes=[written("raw", "b1", examples=digest, **said)])


def test_every_final_example_of_a_chain_leads_to_its_source_and_back(pipeline: Pipeline) -> None:
    chance = np.random.default_rng(3)
    collect(pipeline)
    kept = np.flatnonzero(chance.random(ROWS) < 0.6).astype(np.uint32)
    order = chance.permutation(kept.size).astype(np.uint32)
    twice = np.repeat(np.arange(kept.size, dtype=np.uint32), 2)
    steps = [
        ("filtered", kept, ROWS),
        ("shuffled", order, kept.size),
        ("exploded", twice, kept.size),
    ]
    before = "raw"
    for name, parents, size in steps:
        inputs = [(before, "b1")]
        digest = pipeline.upload_map(RowMap.take(parents, size))
        pipeline.run(
            name, reads=[before], writes=[written(name, "b1", maps=[mapped(inputs, digest)])]
        )
        before = name
    pipeline.run("train", reads=["exploded"], writes=[model("classifier")])
    pipeline.settle()
    for row in range(0, twice.size, 7):
        found = pipeline.trace("exploded", address={"batch": "b1", "ordinal": row})
        expected = int(kept[order[twice[row]]])
        assert [source["example_id"] for source in found["sources"]] == [f"ex-{expected}"]
        assert [step["role"] for step in found["steps"]] == ["kept"] * 3
        assert found["unknown"] == []
        forward = pipeline.trace("raw", "forward", example_id=f"ex-{expected}")
        counts = {reached["dataset"]: reached["count"] for reached in forward["batches"]}
        assert counts == {"raw": 1, "filtered": 1, "shuffled": 1, "exploded": 2}
        assert [(m["name"], m["state"]) for m in forward["models"]] == [("classifier", "saw")]
    dropped = int(np.setdiff1d(np.arange(ROWS), kept)[0])
    forward = pipeline.trace("raw", "forward", example_id=f"ex-{dropped}")
    assert [reached["dataset"] for reached in forward["batches"]] == ["raw"]


def test_an_example_is_found_by_id_digest_content_and_address(pipeline: Pipeline) -> None:
    collect(pipeline)
    pipeline.settle()
    digest = hashlib.sha256(texts()[5].encode()).hexdigest()
    for named in (
        {"example_id": "ex-5"},
        {"digest": f"sha256:{digest}"},
        {"content": texts()[5]},
        {"address": {"batch": "b1", "ordinal": 5}},
    ):
        assert pipeline.trace("raw", **named)["example"]["ordinal"] == 5, named


def test_a_merge_and_a_pack_have_all_their_parents(pipeline: Pipeline) -> None:
    collect(pipeline)
    pack = RowMap.lists([0, 2, 5], [3, 1, 0, 2, 4], ROWS)
    inputs = [("raw", "b1")]
    pipeline.run(
        "pack",
        reads=["raw"],
        writes=[
            written("packed", "p", maps=[mapped(inputs, pipeline.upload_map(pack), "aggregated")])
        ],
    )
    pipeline.settle()
    found = pipeline.trace("packed", address={"batch": "p", "ordinal": 1})
    assert sorted(s["example_id"] for s in found["sources"]) == ["ex-0", "ex-2", "ex-4"]


def test_a_step_without_a_map_is_unknown_and_says_who_owes_it(pipeline: Pipeline) -> None:
    collect(pipeline)
    pipeline.run("mystery", reads=["raw"], writes=[written("out", "o", exampleCount=4)])
    pipeline.settle()
    found = pipeline.trace("out", address={"batch": "o", "ordinal": 2})
    assert found["sources"] == []
    assert [(u["job"], u["dataset"]) for u in found["unknown"]] == [("mystery", "raw")]
    forward = pipeline.trace("raw", "forward", example_id="ex-1")
    assert [(u["job"], u["dataset"]) for u in forward["unknown"]] == [("mystery", "raw")]


def test_examples_enter_where_a_batch_says_its_origin_and_nothing_is_known_before_it(
    pipeline: Pipeline,
) -> None:
    collect(pipeline)
    origin = {"kind": "public", "uri": "https://example.org/code"}
    for name, reads in {"entered": "elsewhere", "made": "raw"}.items():
        said = written(name, "e", exampleCount=4, origin=origin)
        pipeline.run(name, reads=[reads], writes=[said])
    pipeline.settle()
    found = pipeline.trace("entered", address={"batch": "e", "ordinal": 2})
    assert [source["origin_uri"] for source in found["sources"]] == ["https://example.org/code"]
    assert found["unknown"] == []
    # Of what was read here examples are known: an origin is no excuse for the map.
    found = pipeline.trace("made", address={"batch": "e", "ordinal": 2})
    assert found["sources"] == []
    assert [unknown["job"] for unknown in found["unknown"]] == ["made"]


def test_a_model_with_files_owes_no_map(pipeline: Pipeline) -> None:
    collect(pipeline)
    weights = written("classifier", "w", files=[{"uri": "s3://lake/model.bin"}])
    pipeline.run("train", reads=["raw"], writes=[{**model("classifier"), **weights}])
    pipeline.settle()
    forward = pipeline.trace("raw", "forward", example_id="ex-1")
    assert [model["state"] for model in forward["models"]] == ["saw"]
    assert forward["unknown"] == []
    subject = {"subject": {"scheme": "email", "value": "u1@example.org"}}
    located = pipeline.client.post("/api/v1/subjects/locate", json=subject).json()
    assert {each["dataset"] for each in located["coverage"]} == {"raw"}


def test_the_event_may_come_before_its_objects(pipeline: Pipeline) -> None:
    data = parquet(raw_table())
    row_map = RowMap.slice(10, 20, ROWS)
    said = written("cut", "c", maps=[mapped([("raw", "b1")], digest_of(row_map.to_bytes()))])
    pipeline.run("cut", reads=["raw"], writes=[said])
    pipeline.run("collect", writes=[written("raw", "b1", examples=digest_of(data))], minute=0)
    pipeline.settle()
    assert pipeline.put(row_map.to_bytes(), "row_map").status_code == 201
    assert pipeline.put(data, "examples").json()["rows"] == ROWS
    pipeline.settle()
    found = pipeline.trace("cut", address={"batch": "c", "ordinal": 3})
    assert [source["example_id"] for source in found["sources"]] == ["ex-13"]


def test_a_map_of_dropped_duplicates_leads_to_the_survivor(pipeline: Pipeline) -> None:
    collect(pipeline)
    kept = RowMap.take(np.arange(0, ROWS, 2, dtype=np.uint32), ROWS)
    survivor = RowMap.take([NO_PARENT, 1, 3], ROWS)
    maps = [
        mapped([("raw", "b1")], pipeline.upload_map(kept)),
        mapped([("raw", "b1")], pipeline.upload_map(survivor), "duplicate_of"),
    ]
    pipeline.run("dedup", reads=["raw"], writes=[written("unique", "u", maps=maps)])
    pipeline.settle()
    forward = pipeline.trace("raw", "forward", example_id="ex-3")
    reached = {r["dataset"]: r["count"] for r in forward["batches"]}
    assert reached == {"raw": 1, "unique": 1}


def test_a_run_that_read_before_a_late_batch_is_unknown_and_not_unseen(pipeline: Pipeline) -> None:
    collect(pipeline)
    pipeline.run("train", reads=["raw"], writes=[model("early")], minute=30)
    late = pa.table({"example_id": ["late-1"], "content": ["too late"]})
    digest = pipeline.upload_examples(late)
    answer = pipeline.run("collect", writes=[written("raw", "b2", examples=digest)], minute=20)
    pipeline.settle()
    forward = pipeline.trace("raw", "forward", example_id="late-1")
    assert [(m["name"], m["state"]) for m in forward["models"]] == [("early", "unknown")]
    assert [m["state"] for m in pipeline.trace("raw", "forward", example_id="ex-1")["models"]] == [
        "saw"
    ]
    assert answer["quarantined"] is False


def test_parents_named_by_id_become_a_row_map(pipeline: Pipeline) -> None:
    collect(pipeline)
    parents = pa.table(
        {"example_id": ["a", "b", "c"], "parent_ids": [["ex-7"], ["ex-1", "ex-2"], ["nobody"]]}
    )
    data = parquet(parents)
    assert pipeline.put(data, "parents").json()["rows"] == 3
    said = written("derived", "d", maps=[mapped([("raw", "b1")], digest_of(data), "transformed")])
    pipeline.run("derive", reads=["raw"], writes=[said])
    pipeline.settle()
    found = pipeline.trace("derived", address={"batch": "d", "ordinal": 1})
    assert sorted(s["example_id"] for s in found["sources"]) == ["ex-1", "ex-2"]
    assert pipeline.trace("derived", address={"batch": "d", "ordinal": 2})["sources"] == []


def test_a_person_is_located_and_unsearched_batches_are_said(pipeline: Pipeline) -> None:
    collect(pipeline, subjectCoverage={"keyedBy": "author"})
    pipeline.run("scrape", writes=[written("web", "w", exampleCount=5)])
    pipeline.settle()
    asked = {"subject": {"scheme": "email", "value": " U3@Example.org"}}
    found = pipeline.client.post("/api/v1/subjects/locate", json=asked).json()
    assert found["examples"] == len(range(3, ROWS, 7))
    assert [(d["dataset"], d["count"]) for d in found["by_dataset"]] == [("raw", found["examples"])]
    searched = {c["dataset"]: c["searched"] for c in found["coverage"]}
    assert searched == {"raw": "keyed", "web": "not_searched"}


def test_a_sample_is_the_same_for_the_same_seed(pipeline: Pipeline) -> None:
    collect(pipeline)
    pipeline.settle()
    asked = {"dataset": {"namespace": NAMESPACE, "name": "raw"}, "size": 8, "seed": 11}
    first, second = (pipeline.client.post("/api/v1/samples", json=asked).json() for _ in range(2))
    assert first == second
    assert first["population"] == ROWS
    drawn = [item["trace"]["example"]["ordinal"] for item in first["examples"]]
    assert len(set(drawn)) == 8
    other = pipeline.client.post("/api/v1/samples", json={**asked, "seed": 12}).json()
    assert other != first


def test_small_producers_send_examples_inside_the_event(pipeline: Pipeline) -> None:
    output = written("tiny", "t")
    rows = [{"example_id": "a", "content": "one", "confidence": 0.5}, {"content": "two"}]
    output["outputFacets"]["registry_examples"] = {
        "_producer": "https://example.org",
        "_schemaURL": "https://example.org/f.json",
        "rows": rows,
    }
    pipeline.run("small", writes=[output])
    pipeline.settle()
    assert pipeline.trace("tiny", content="two")["example"]["ordinal"] == 1
    events = pipeline.client.get("/api/v1/events", params={"limit": 10})
    assert "one" not in json.dumps(events.json()["events"])


def test_sums_of_a_derived_batch_are_those_of_its_parents(pipeline: Pipeline) -> None:
    collect(pipeline)
    odd = RowMap.take(np.arange(1, ROWS, 2, dtype=np.uint32), ROWS)
    maps = [mapped([("raw", "b1")], pipeline.upload_map(odd))]
    pipeline.run("odd", reads=["raw"], writes=[written("odd", "o", maps=maps)])
    pipeline.settle()
    with pipeline.server.registry.house.database.read() as session:
        rows = session.connection().exec_driver_sql(
            "SELECT value, examples, bytes FROM batch_sum WHERE dimension = 'license' "
            "AND number = (SELECT max(number) FROM batch_binding)"
        )
        assert [tuple(row) for row in rows] == [
            ("MIT", ROWS // 2, sum(len(text) for text in texts()[1::2]))
        ]


def test_a_version_is_verified_file_by_file(pipeline: Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts()))
    digest = digest_of(path.read_bytes())
    collect(pipeline, files=[{"uri": str(path), "sha256": digest, "rows": ROWS}])
    pipeline.settle()
    asked = {"dataset": {"namespace": NAMESPACE, "name": "raw", "version": 1}}
    found = pipeline.client.post("/api/v1/versions/verify", json=asked).json()
    assert found["verdict"] == "not_verified"
    assert [item["found"] for item in found["checked"]] == ["not_readable"]
    source = pipeline.trace("raw", example_id="ex-4")["sources"][0]
    assert source["file"] == {"uri": str(path), "row": 4, "sha256": digest}
