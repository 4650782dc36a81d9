"""What a run writes is told with where it came from; only provenance travels."""

from __future__ import annotations

import hashlib
import io
from datetime import datetime
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry.client import Derivation, Registry, Source
from registry.errors import InvalidInputError
from registry.ledger.rowmap import NO_PARENT, RowMap
from registry.wire.facets import BATCH, ROW_MAPS, schema_url
from tests.client.peer import Peer

JOB = "jobs clean texts"
RAW = Source("lake", "raw", batch="b", rows=5_000)


def table(peer: Peer, digest: str) -> Any:
    return pq.read_table(io.BytesIO(peer.objects[digest]))


def test_a_batch_with_everything(peer: Peer, sdk: Registry, tmp_path: Path) -> None:
    (tmp_path / "part.jsonl").write_text('{"text": "secret one"}\n{"text": "secret two"}\n')
    rows = {"id": ["a", "b"], "text": ["secret one", "secret two"], "mail": ["a@x.de", None]}
    with sdk.run(JOB) as run:
        written = run.write(
            "lake raw",
            pd.DataFrame(rows),
            batch="2026-03",
            columns={"example_id": "id", "content": "text"},
            subjects={"email": "mail"},
            files=tmp_path / "part.jsonl",
            mode="replace_partition",
            partition="march",
            origin={
                "kind": "crawled",
                "uri": "https://example.org/",
                "collected_from": datetime(2026, 2, 1),
                "collected_until": "2026-03-01T00:00:00Z",
            },
            license="CC-BY-4.0",
            legal_basis="consent",
            special_category_condition="explicit_consent",
            purposes=["model_training"],
            region="EU",
            classification="internal",
            personal_data="personal",
            external_version="v9",
        )
    assert written == Source("lake", "raw", batch="2026-03", rows=2)
    assert list(written.ids or ()) == [pa.scalar("a"), pa.scalar("b")]
    batch = peer.batch()
    assert batch.pop("_producer").startswith("https://")
    assert batch.pop("_schemaURL") == schema_url(BATCH)
    examples = batch.pop("examples")
    (file,) = batch.pop("files")
    assert file["rows"] == 2
    assert file["uri"] == (tmp_path / "part.jsonl").as_uri()
    assert batch == {
        "batch": "2026-03",
        "mode": "replace_partition",
        "partition": "march",
        "origin": {
            "kind": "crawled",
            "uri": "https://example.org/",
            "collectedFrom": "2026-02-01T00:00:00.000000Z",
            "collectedUntil": "2026-03-01T00:00:00Z",
        },
        "license": "CC-BY-4.0",
        "legalBasis": "consent",
        "specialCategoryCondition": "explicit_consent",
        "purposes": ["model_training"],
        "region": "EU",
        "classification": "internal",
        "personalData": "personal",
        "exampleCount": 2,
        "subjectCoverage": {"keyedBy": "mail"},
    }
    assert table(peer, examples).to_pylist() == [
        {
            "example_id": rows["id"][row],
            "digest": hashlib.sha256(rows["text"][row].encode()).digest(),
            "subjects": [{"scheme": "email", "value": "a@x.de"}] if row == 0 else [],
            "bytes": 10,
        }
        for row in (0, 1)
    ]
    (output,) = peer.outputs()
    assert output["facets"]["version"]["datasetVersion"] == "v9"
    assert [each["name"] for each in output["facets"]["schema"]["fields"]] == ["id", "text", "mail"]
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert [kind for kind, _ in peer.arrivals] == ["event", "examples", "event", "event"]


def test_the_text_never_travels(peer: Peer, sdk: Registry) -> None:
    secret = "the text itself, which is nobody's business"
    with sdk.run(JOB) as run:
        run.write("lake raw", {"content": [secret], "example_id": ["1"]})
        run.write("lake raw", pl.DataFrame({"text": [secret]}), columns={"content": "text"})
        run.write("lake raw", {"q": [secret], "a": [secret]}, columns={"content": ["q", "a"]})
    assert len(peer.objects) == 3
    sent = b"".join(peer.objects.values()) + repr(peer.events).encode()
    assert secret.encode() not in sent


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.arange(5_000) % 2 == 0, RowMap.take(np.arange(0, 5_000, 2), 5_000)),
        (pl.Series(range(4_999, -1, -1)), RowMap.take(np.arange(4_999, -1, -1), 5_000)),
        (
            [[1, 2], []] * 1_000,
            RowMap.lists(np.cumsum([0, *[2, 0] * 1_000]), [1, 2] * 1_000, 5_000),
        ),
    ],
    ids=["mask", "numbers", "lists"],
)
def test_a_large_map_travels_beside_the_event(
    peer: Peer, sdk: Registry, given: Any, expected: RowMap
) -> None:
    with sdk.run(JOB) as run:
        written = run.write("lake clean", derived_from={RAW: given}, role="transformed")
    (entry,) = peer.maps()
    assert entry["inputs"] == [{"namespace": "lake", "name": "raw", "batch": "b"}]
    assert entry["role"] == "transformed"
    assert peer.kinds[entry["map"]] == "row_map"
    assert RowMap.from_bytes(peer.objects[entry["map"]]) == expected
    assert peer.batch()["exampleCount"] == written.rows == len(expected)
    assert peer.events[-1]["inputs"][0]["name"] == "raw"


def test_small_maps_are_in_the_event_one_for_each_derivation(peer: Peer, sdk: Registry) -> None:
    with sdk.run(JOB) as run:
        raw = run.write("lake raw", rows=4)
        labels = run.read("lake labels", version=2, rows=3)
        run.write(
            "lake clean",
            {"label": ["x", "y"]},
            derived_from=[
                Derivation(raw, [True, False, True, False]),
                Derivation(labels, [0, NO_PARENT], "labelled", score=0.5, method="vote"),
                Derivation((raw, labels), [[0, 6], []]),
            ],
        )
    maps = peer.outputs()[1]["outputFacets"][ROW_MAPS]
    assert maps["_schemaURL"] == schema_url(ROW_MAPS)
    first, second, third = maps["maps"]
    assert first == {
        "inputs": [{"namespace": "lake", "name": "raw", "batch": run.id}],
        "map": {"form": "take", "parents": [0, 2], "size": 4},
        "role": "kept",
    }
    assert (second["score"], second["method"], second["role"]) == (0.5, "vote", "labelled")
    assert second["inputs"] == [{"namespace": "lake", "name": "labels", "version": 2}]
    assert third["map"] == {"form": "lists", "parents": [0, 6], "offsets": [0, 2, 2], "size": 7}
    assert third["role"] == "aggregated"
    # What the run made itself is no input of it.
    assert [each["name"] for each in peer.events[-1]["inputs"]] == ["labels"]
    assert [each["name"] for each in peer.events[-1]["outputs"]] == ["raw", "clean"]


def test_ids_of_rows_written_before_are_resolved_at_once(peer: Peer, sdk: Registry) -> None:
    with sdk.run(JOB) as run:
        raw = run.write("lake raw", {"example_id": ["a", "b", "c"]})
        run.write("lake clean", {"example_id": ["x", "y"]}, derived_from={raw: ["c", "a"]})
    (entry,) = peer.outputs()[1]["outputFacets"][ROW_MAPS]["maps"]
    assert entry["map"] == {"form": "take", "parents": [2, 0], "size": 3}


def test_ids_of_others_travel_for_the_registry_to_resolve(peer: Peer, sdk: Registry) -> None:
    with sdk.run(JOB) as run:
        raw = run.read("lake raw", version=1)
        run.write(
            "lake clean",
            {"example_id": ["x", "y"]},
            derived_from={raw: [["c", "a"], []]},
            role="aggregated",
        )
    (entry,) = peer.maps()
    assert peer.kinds[entry["map"]] == "parents"
    assert table(peer, entry["map"]).to_pydict() == {
        "example_id": ["x", "y"],
        "parent_ids": [["c", "a"], []],
    }


def test_a_tracked_dataset_says_itself_where_its_rows_came_from(peer: Peer, sdk: Registry) -> None:
    rows = datasets.Dataset.from_dict({"n": list(range(10))})
    with sdk.run(JOB) as run:
        tracked = run.track(rows, "lake raw", batch="b")
        made = tracked.filter(lambda e: e["n"] % 2 == 1).shuffle(seed=1)
        written = run.write("lake clean", made)
        # What was written can be tracked on.
        again = run.track(rows.select(made["n"][:]), written).select([4, 0])
        run.write("lake small", again, columns={"example_id": "n"})
    first, second = (each["outputFacets"][ROW_MAPS]["maps"] for each in peer.outputs())
    assert first[0]["map"] == {"form": "take", "parents": made["n"][:], "size": 10}
    assert second[0]["inputs"] == [{"namespace": "lake", "name": "clean", "batch": run.id}]
    assert second[0]["map"] == {"form": "take", "parents": [4, 0], "size": 5}
    assert [each["name"] for each in peer.events[-1]["inputs"]] == ["raw"]


def test_the_splits_of_a_dictionary_are_tracked_by_name(peer: Peer, sdk: Registry) -> None:
    rows = datasets.DatasetDict({s: datasets.Dataset.from_dict({"n": [1, 2]}) for s in "ab"})
    with sdk.run(JOB) as run:
        tracked = run.track(rows, {"a": "lake a", "b": "lake b"}, version=1)
        run.write("lake both", datasets.concatenate_datasets([tracked["a"], tracked["b"]]))
    (entry,) = peer.maps()
    assert [each["name"] for each in entry["inputs"]] == ["a", "b"]
    assert entry["map"]["stop"] == 4


def test_lost_track_is_said_and_can_be_admitted(peer: Peer, sdk: Registry) -> None:
    rows = datasets.Dataset.from_dict({"n": [1, 2]})
    with sdk.run(JOB) as run:
        mixed = datasets.concatenate_datasets([run.track(rows, "lake raw", batch="b"), rows])
        with pytest.raises(InvalidInputError, match="Dataset 1 of 2 that were concatenated"):
            run.write("lake clean", mixed)
        run.write("lake clean", mixed, derived_from=None)
    assert ROW_MAPS not in peer.outputs()[0]["outputFacets"]


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ({"dataset": "nospace"}, "The dataset to write is 'nospace'"),
        ({"batch": ""}, "A batch is named '', of 0 characters"),
        ({"batch": "x" * 513}, "of 513 characters"),
        ({"mode": "apend"}, "mode is 'apend'"),
        ({"mode": "replace_partition"}, "no partition is named"),
        ({"origin": "stolen"}, "kind is 'stolen'"),
        ({"origin": {"from": "x"}}, "An origin has no 'from'"),
        ({"classification": "top"}, "classification is 'top'"),
        ({"personal_data": "some"}, "personal_data is 'some'"),
        ({"licence": "MIT"}, "A batch has no 'licence'"),
        ({"examples": {"label": ["x"]}, "rows": 2}, "Rows says 2, but the table has 1"),
        ({"files": "missing.parquet"}, "The file missing.parquet cannot be read"),
        ({"files": {"uri": "s3://a", "rows": 3}, "rows": 2}, "has 2 rows, but its files hold 3"),
        ({"derived_from": {RAW: [True]}}, "has a mask of 1 rows, but there are 5000"),
        ({"derived_from": {RAW: [5_000]}}, "row 5000 is named"),
        ({"derived_from": {RAW: [1]}, "rows": 2}, "covers 1 rows, but 2 are written"),
        ({"derived_from": {"lake raw": [1]}}, "which rows that is nobody said"),
        ({"derived_from": {RAW: ["a"]}}, "the rows written have none"),
        ({"examples": {"example_id": ["a", "a"]}}, "id 'a' stands for 2 rows"),
        ({"examples": 5}, "builtins.int is no table"),
    ],
)
def test_bad_input_is_named_before_anything_is_sent(
    peer: Peer, sdk: Registry, what: dict[str, Any], complaint: str
) -> None:
    with sdk.run(JOB) as run:
        given = {"dataset": "lake clean", **what}
        with pytest.raises(InvalidInputError, match=complaint):
            run.write(**given)
    assert [kind for kind, _ in peer.arrivals] == ["event", "event"]
    assert peer.outputs() == []
