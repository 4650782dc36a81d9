"""What the tests of rights share: events that make a dataset, and people."""

from __future__ import annotations

import uuid
from typing import Any

from registry.client.http import HttpClient
from registry.wire.facets import BATCH, schema_url

NAMESPACE = "file://lake"


def person(number: int) -> dict[str, str]:
    """The identifier of a generated person."""
    return {"scheme": "email", "value": f"person-{number}@example.org"}


def consent(number: int, status: str, at: str, **said: Any) -> dict[str, Any]:
    """A consent event of a generated person."""
    return {
        "subject": person(number),
        "purpose": "model_training",
        "status": status,
        "at": at,
        **said,
    }


def facet(name: str, **said: Any) -> dict[str, Any]:
    """One of our facets with what OpenLineage asks of each."""
    return {"_producer": "https://example.org/tests", "_schemaURL": schema_url(name), **said}


def write_batch(
    client: HttpClient,
    dataset: str,
    batch: str,
    *,
    reads: tuple[str, ...] = (),
    minute: int = 0,
    facets: dict[str, Any] | None = None,
    symlinks: tuple[str, ...] = (),
    **said: Any,
) -> None:
    """Let a run write a batch to a dataset, and complete."""
    output: dict[str, Any] = {
        "namespace": NAMESPACE,
        "name": dataset,
        "outputFacets": {BATCH: facet(BATCH, batch=batch, **said)},
        "facets": facets or {},
    }
    if symlinks:
        names = [{"namespace": NAMESPACE, "name": each, "type": "TABLE"} for each in symlinks]
        plain = {"_producer": "https://example.org", "_schemaURL": "https://example.org/s.json"}
        output["facets"] = {**output["facets"], "symlinks": {**plain, "identifiers": names}}
    run = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{dataset}/{batch}"))
    event = {
        "eventType": "COMPLETE",
        "eventTime": f"2026-02-01T{minute // 60:02}:{minute % 60:02}:00Z",
        "producer": "https://example.org/tests",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": run},
        "job": {"namespace": "tests", "name": f"write {dataset} {batch}"},
        "inputs": [{"namespace": NAMESPACE, "name": name} for name in reads],
        "outputs": [output],
    }
    answer = client.post("/api/v1/lineage", event)
    assert not answer["quarantined"], answer
