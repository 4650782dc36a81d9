"""A pipeline with people in its data, and the questions that are asked about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from registry.rights.consent import ConsentSaid, record_consents
from tests.ledger.pipelines import NAMESPACE, Pipeline, written

GIVEN_AT = datetime(2026, 1, 1, tzinfo=UTC)


def person(number: int) -> str:
    """The address of a made-up person."""
    return f"person{number}@example.org"


def examples(rows: int, people: Sequence[Sequence[int]] | None = None, **columns: Any) -> pa.Table:
    """Examples with ids, and the people of each."""
    made: dict[str, Any] = {
        "example_id": [f"ex-{row}" for row in range(rows)],
        "content": [f"text number {row}" for row in range(rows)],
        **columns,
    }
    if people is not None:
        made["subjects"] = [
            [{"scheme": "email", "value": person(each)} for each in row] for row in people
        ]
    return pa.table(made)


def collect(
    pipeline: Pipeline, table: pa.Table, dataset: str = "raw", batch: str = "b1", **said: Any
) -> None:
    """A run that writes these examples as one batch."""
    digest = pipeline.upload_examples(table)
    pipeline.run(
        f"collect-{dataset}-{batch}", writes=[written(dataset, batch, examples=digest, **said)]
    )


def consent(
    pipeline: Pipeline,
    number: int,
    status: str,
    at: datetime = GIVEN_AT,
    purpose: str = "model_training",
    **said: Any,
) -> None:
    """Record a consent event of a person."""
    house = pipeline.server.registry.house
    event = ConsentSaid("email", person(number), purpose, status, at, **said)
    with house.database.write() as session:
        record_consents(
            session,
            house.keyring,
            house.policies.current().purposes,
            [event],
            actor="tests",
            now=house.clock(),
        )


def ask(pipeline: Pipeline, path: str, dataset: str = "raw", **asked: Any) -> dict[str, Any]:
    """The JSON answer to a question about a dataset."""
    body = {
        "dataset": {"namespace": NAMESPACE, "name": dataset},
        "purpose": "model_training",
        **asked,
    }
    answer = pipeline.client.post(
        f"/api/v1/{path}", json=body, headers={"Accept": "application/json"}
    )
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def allowed(pipeline: Pipeline, dataset: str = "raw", **asked: Any) -> list[tuple[int, int]]:
    """The allowed (batch, ordinal) of a manifest, as its Arrow stream has them."""
    rows = manifest_rows(pipeline, dataset, **asked)
    return list(
        zip(rows.column("batch").to_pylist(), rows.column("ordinal").to_pylist(), strict=True)
    )


def manifest_rows(pipeline: Pipeline, dataset: str = "raw", **asked: Any) -> pa.Table:
    """The rows of a manifest's Arrow stream."""
    body = {
        "dataset": {"namespace": NAMESPACE, "name": dataset},
        "purpose": "model_training",
        **asked,
    }
    answer = pipeline.client.post("/api/v1/manifests", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Registry-Manifest"].startswith("sha256:")
    return pa.ipc.open_stream(answer.content).read_all()
