"""A small pipeline that reports to a registry: objects, events, and the work that follows them."""

from __future__ import annotations

import hashlib
import io
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from registry.ledger.rowmap import RowMap
from registry.storage.queue import count_tasks
from registry.wire.facets import BATCH, ROW_MAPS, schema_url
from registry.workers.loop import Workers
from tests.live import LiveServer

PARQUET = "application/vnd.apache.parquet"
NAMESPACE = "file://lake"
SETTLE_SECONDS = 60.0


def parquet(table: pa.Table) -> bytes:
    """A table as the bytes of a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def digest_of(data: bytes) -> str:
    """`sha256:…` of bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def facet(name: str, **said: Any) -> dict[str, Any]:
    """One of our facets with what OpenLineage asks of each."""
    return {"_producer": "https://example.org/tests", "_schemaURL": schema_url(name), **said}


@dataclass
class Pipeline:
    """Sends events in order of time, a minute apart, and waits for the ledger's work."""

    server: LiveServer
    client: httpx.Client
    minute: int = 0
    runs: dict[str, str] = field(default_factory=dict)

    def put(self, data: bytes, kind: str, content_type: str = PARQUET) -> httpx.Response:
        """Upload an object under its digest."""
        return self.client.put(
            f"/api/v1/ledger/objects/{digest_of(data).removeprefix('sha256:')}",
            params={"kind": kind},
            content=data,
            headers={"Content-Type": content_type},
        )

    def run(
        self,
        job: str,
        *,
        reads: Sequence[str] = (),
        writes: Sequence[dict[str, Any]] = (),
        kind: str = "COMPLETE",
        minute: int | None = None,
        run: str | None = None,
        run_facets: dict[str, Any] | None = None,
        job_facets: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Send one event of a new run, or of `run`; give the answer."""
        self.minute += 1
        at = self.minute if minute is None else minute
        made = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{job}/{self.minute}"))
        self.runs[job] = made if run is None else run
        event = {
            "eventType": kind,
            "eventTime": f"2026-02-01T{at // 60:02}:{at % 60:02}:00Z",
            "producer": "https://example.org/tests",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": self.runs[job], "facets": run_facets or {}},
            "job": {"namespace": "tests", "name": job, "facets": job_facets or {}},
            "inputs": [{"namespace": NAMESPACE, "name": name} for name in reads],
            "outputs": list(writes),
        }
        answer = self.client.post("/api/v1/lineage", json=event)
        assert answer.status_code == 201, answer.text
        said: dict[str, Any] = answer.json()
        return said

    def settle(self) -> None:
        """Do all work that is due, and wait for what the server's own worker has begun."""
        house = self.server.registry.house
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            Workers(house, threads=1).work_off()
            with house.database.read() as session:
                counts = count_tasks(session)
            if not counts.get("waiting") and not counts.get("running"):
                return
            assert time.monotonic() < deadline, counts

    def trace(self, dataset: str, direction: str = "backward", **named: Any) -> dict[str, Any]:
        """The answer to a trace of one example."""
        asked = {"dataset": {"namespace": NAMESPACE, "name": dataset}, "direction": direction}
        answer = self.client.post("/api/v1/trace", json={**asked, **named})
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said

    def upload_map(self, row_map: RowMap) -> str:
        """Upload a row map; its digest."""
        data = row_map.to_bytes()
        assert self.put(data, "row_map").status_code == 201
        return digest_of(data)

    def upload_examples(self, table: pa.Table) -> str:
        """Upload examples; their digest."""
        data = parquet(table)
        answer = self.put(data, "examples")
        assert answer.status_code == 201, answer.text
        return digest_of(data)


def written(
    dataset: str, batch: str, *, maps: Sequence[dict[str, Any]] = (), **said: Any
) -> dict[str, Any]:
    """An output with a batch, and row maps if there are any."""
    facets = {BATCH: facet(BATCH, batch=batch, **said)}
    if maps:
        facets[ROW_MAPS] = facet(ROW_MAPS, maps=list(maps))
    return {"namespace": NAMESPACE, "name": dataset, "outputFacets": facets}


def mapped(
    inputs: Sequence[tuple[str, str]], row_map: str | dict[str, Any], role: str = "kept"
) -> dict[str, Any]:
    """A row map from (dataset, batch) inputs."""
    return {
        "inputs": [{"namespace": NAMESPACE, "name": d, "batch": b} for d, b in inputs],
        "map": row_map,
        "role": role,
    }


def model(name: str) -> dict[str, Any]:
    """An output that is a model."""
    kind = {"_producer": "https://example.org", "_schemaURL": "https://example.org/f.json"}
    return {
        "namespace": NAMESPACE,
        "name": name,
        "facets": {"datasetType": {**kind, "datasetType": "MODEL"}},
    }
