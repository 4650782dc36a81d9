"""How many OpenLineage events a second the server takes over HTTP, each durable and projected.

    python -m benchmarks.ingest

A real `registry serve` in a process of its own; events like an Airflow task's (START and COMPLETE,
1.2 kB, seven facets, one input, one output). With REGISTRY_BENCHMARK_POSTGRES set to an SQLAlchemy
URL of an empty database, PostgreSQL too. The load generator shares the machine with the server.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openlineage.client.uuid import generate_new_uuid

from benchmarks.load import Load, run_load

POSTGRES = "REGISTRY_BENCHMARK_POSTGRES"
EVENTS, BATCH_SIZE, CONNECTIONS, ROUNDS = 20_000, 500, 32, 3
_FACET = {"_producer": "https://example.org", "_schemaURL": "https://example.org/facet.json"}
_FIELDS = [{"name": "id", "type": "BIGINT"}, {"name": "text", "type": "VARCHAR"}]


@dataclass(frozen=True, slots=True)
class Serving:
    """A running server: where it listens, whose token, and how long it took to answer."""

    port: int
    token: str
    seconds_to_first_answer: float


def make_events(count: int) -> list[bytes]:
    """START and COMPLETE of `count / 2` runs of 200 jobs over 550 datasets; new runs each time."""
    events = []
    for number in range(count // 2):
        run_id = str(generate_new_uuid())
        for kind in ("START", "COMPLETE"):
            events.append(json.dumps(_event(number, kind, run_id)).encode())
    return events


def _event(number: int, kind: str, run_id: str) -> dict[str, object]:
    minute, second = divmod(number // 1000, 60)
    schema = {"schema": {**_FACET, "fields": _FIELDS}}
    output = {
        "namespace": "s3://lake",
        "name": f"clean/{number % 250}",
        "facets": schema,
        "outputFacets": {"outputStatistics": {**_FACET, "rowCount": 100, "size": 1000}},
    }
    parent = {
        "run": {"runId": "0190f3a2-7c4e-7d1b-9b2a-4e5f6a7b8c9d"},
        "job": {"namespace": "airflow", "name": "daily"},
    }
    return {
        "eventType": kind,
        "eventTime": f"2026-01-01T00:{minute:02}:{second:02}.{number % 1000:03}Z",
        "producer": "https://example.org/producer",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {
            "runId": run_id,
            "facets": {
                "nominalTime": {**_FACET, "nominalStartTime": "2026-01-01T00:00:00Z"},
                "processing_engine": {**_FACET, "name": "spark", "version": "3.5"},
                "parent": {**_FACET, **parent},
            },
        },
        "job": {
            "namespace": "airflow",
            "name": f"daily.task_{number % 200}",
            "facets": {"jobType": {**_FACET, "processingType": "BATCH", "integration": "SPARK"}},
        },
        "inputs": [{"namespace": "s3://lake", "name": f"raw/{number % 300}", "facets": schema}],
        "outputs": [output] if kind == "COMPLETE" else [],
    }


@contextmanager
def serving(database_url: str | None) -> Iterator[Serving]:
    """`registry serve` on a home of its own, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="registry-benchmark-") as folder:
        home = Path(folder) / "home"
        environment = {**os.environ, "REGISTRY_HOME": str(home)}
        environment.pop("REGISTRY_TOKEN", None)
        token = None
        if database_url is not None:
            environment["REGISTRY_DATABASE_URL"] = database_url
            environment.setdefault("REGISTRY_MASTER_KEY", secrets.token_hex(32))
            first_token = _said(environment, "db", "upgrade")["token"]
            named = {**environment, "REGISTRY_TOKEN": first_token}
            made = _said(named, "token", "create", "benchmark", "--role", "pipeline")
            token = made["token"]
        command = [sys.executable, "-m", "registry", "serve", "--port", "0", "--json"]
        began = time.perf_counter()
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            try:
                assert process.stdout is not None
                url = json.loads(process.stdout.readline())["url"]
                _wait(url)
                first = time.perf_counter() - began
                if token is None:
                    token = (home / "admin-token").read_text("ascii").strip()
                yield Serving(int(url.rsplit(":", 1)[1]), token, first)
            finally:
                process.terminate()
                process.wait()


def _said(environment: dict[str, str], *words: str) -> Any:
    """What a command says as JSON."""
    command = [sys.executable, "-m", "registry", *words, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    return json.loads(done.stdout)


def _wait(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{url}/healthz", timeout=5).read()
            return
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def measure(name: str, database_url: str | None) -> None:
    """Print a row for each way in: events a second (median of rounds), latencies."""
    singles: list[Load] = []
    batches: list[Load] = []
    with serving(database_url) as server:
        for _ in range(ROUNDS):
            bodies = make_events(EVENTS)
            singles.append(
                run_load(
                    server.port,
                    "/api/v1/lineage",
                    bodies,
                    token=server.token,
                    connections=CONNECTIONS,
                )
            )
            events = make_events(EVENTS)
            parts = [
                b"[" + b",".join(events[at : at + BATCH_SIZE]) + b"]"
                for at in range(0, EVENTS, BATCH_SIZE)
            ]
            batches.append(
                run_load(
                    server.port,
                    "/api/v1/lineage/batch",
                    parts,
                    token=server.token,
                    connections=4,
                )
            )
        seconds = server.seconds_to_first_answer
    _print(name, f"one event a request, {CONNECTIONS} connections", singles, {201})
    _print(name, f"batches of {BATCH_SIZE}, 4 connections", batches, {204})
    print(f"{name:<12} serve, start to first answer: {seconds:.2f} s")


def _print(name: str, what: str, loads: list[Load], expected: set[int]) -> None:
    for load in loads:
        if set(load.statuses) != expected:
            raise SystemExit(f"{name}, {what}: statuses {load.statuses}")
    rates = sorted(EVENTS / load.seconds for load in loads)
    middle = loads[len(loads) // 2]
    print(
        f"{name:<12} {what}: {rates[len(rates) // 2]:,.0f} events/s "
        f"(of {len(rates)}: {rates[0]:,.0f} to {rates[-1]:,.0f}), "
        f"p50 {middle.percentile_ms(0.5):.1f} ms, p99 {middle.percentile_ms(0.99):.1f} ms"
    )


def main() -> None:
    """Measure SQLite, and PostgreSQL where a URL is given."""
    measure("SQLite", None)
    if url := os.environ.get(POSTGRES):
        measure("PostgreSQL", url)


if __name__ == "__main__":
    main()
