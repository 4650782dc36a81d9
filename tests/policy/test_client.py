"""A pipeline filters its tables by a manifest, of every kind, and names it in its training run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from registry.client import Registry
from registry.client.manifest import Manifest
from registry.errors import InvalidInputError, NotFoundError
from tests.ledger.pipelines import NAMESPACE, Pipeline
from tests.live import LiveServer
from tests.policy.asking import collect, consent, examples

ABOUT: dict[str, Any] = {
    "manifest": "sha256:" + "0" * 64,
    "namespace": "s3://lake",
    "name": "raw",
    "version": 1,
    "allowed": 3,
    "withheld": {"consent": 3},
    "batches": [{"batch": 9, "rows": 2, "allowed": 1}, {"batch": 4, "rows": 4, "allowed": 2}],
}


def made(ids: list[str | None] | None = None) -> Manifest:
    columns: dict[str, Any] = {
        "batch": pa.array([9, 4, 4], pa.uint32()),
        "ordinal": pa.array([1, 0, 3], pa.uint32()),
    }
    if ids is not None:
        columns["example_id"] = pa.array(ids, pa.string())
    return Manifest(ABOUT, pa.table(columns))


TEXTS = {"id": [f"ex-{row}" for row in range(6)], "text": list("abcdef")}


def tables() -> list[Any]:
    import datasets

    return [
        datasets.Dataset.from_dict(TEXTS),
        pa.table(TEXTS),
        pd.DataFrame(TEXTS),
        pl.DataFrame(TEXTS),
    ]


@pytest.mark.parametrize("table", tables(), ids=["huggingface", "arrow", "pandas", "polars"])
def test_rows_are_chosen_by_position_or_id(table: Any) -> None:
    by_position = made().filter(table)
    assert type(by_position) is type(table)
    assert list(map(str, by_position["text"])) == ["b", "c", "f"]
    by_id = made(["ex-5", "ex-0", None]).filter(table, ids="id")
    assert list(map(str, by_id["text"])) == ["a", "f"]


@pytest.mark.parametrize(
    ("table", "ids", "complaint"),
    [
        (pa.table({"text": ["a"]}), None, "has 6"),
        (pa.table(TEXTS), "id", "no example ids"),
        ([{"text": "a"}] * 6, None, "cannot be filtered"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(table: Any, ids: str | None, complaint: str) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        made().filter(table, ids=ids)


def test_a_pipeline_asks_and_filters(server: LiveServer) -> None:
    with server.client() as http:
        pipeline = Pipeline(server, http)
        said = {"legalBasis": "consent", "license": "MIT"}
        collect(pipeline, examples(4, [[0], [1], [2], [0]]), **said)
        for number in range(3):
            consent(pipeline, number, "given")
        consent(pipeline, 0, "withdrawn", datetime(2026, 2, 1, tzinfo=UTC))
        pipeline.settle()
    with Registry(server.url, server.registry.token) as registry:
        name = (NAMESPACE, "raw")
        found = registry.manifest(name, purpose="model_training", with_ids=True)
        assert (found.allowed, found.withheld) == (2, {"consent": 2})
        table = pa.table({"id": ["ex-3", "ex-2", "ex-1", "ex-0"]})
        assert found.filter(table, ids="id").to_pydict() == {"id": ["ex-2", "ex-1"]}
        assert found.filter(table).num_rows == 2
        with pytest.raises(NotFoundError):
            registry.manifest((NAMESPACE, "nothing"), purpose="model_training")
