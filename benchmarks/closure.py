"""From a person to everything that became of their examples, through the product as it is used.

    python -m benchmarks.closure                    10^7 examples, about two minutes
    python -m benchmarks.closure --rows 100000000   10^8

Ten batches of examples with id, digest and subject (a tenth as many people as rows) are uploaded
and bound; a pipeline filters, shuffles, labels, splits and merges them and trains a model. Measured
are recording and binding, then `locate` and the closure forward, for one person and a thousand.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import select

from registry.actors.accounts import SYSTEM
from registry.actors.tables import Project
from registry.app import close_house, open_house
from registry.keys.identifiers import Scheme
from registry.keys.subjects import live_subject_keys
from registry.ledger.closure import push_forward
from registry.ledger.find import bound_sets
from registry.ledger.record import store_object
from registry.ledger.rowmap import RowMap
from registry.ledger.tables import ObjectKind
from registry.lineage.door import admit
from registry.lineage.ingest import Arrival, Sender
from registry.request import House
from registry.settings import Settings
from registry.storage.columns import table_of
from registry.wire.facets import BATCH, ROW_MAPS, schema_url
from registry.workers.loop import Workers

SEED, BATCHES, ROUNDS, PARQUET = 20260301, 10, 20, "application/vnd.apache.parquet"
NAMESPACE = "file://lake"


class Bench:
    """A pipeline on a house of its own; prints what each part takes."""

    def __init__(self, house: House, folder: Path, rows: int) -> None:
        self.house, self.folder, self.rows = house, folder, rows
        self.rng = np.random.default_rng(SEED)
        self.minute = 0
        with house.database.read() as session:
            project = session.execute(select(table_of(Project).c.id)).scalars().one()
        self.sender = Sender(SYSTEM, project)

    def upload(self, path: Path, kind: ObjectKind) -> str:
        """Take a file as an uploaded object; its digest."""
        with path.open("rb") as file:
            digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
        store_object(
            self.house.ledger,
            self.house.database,
            path,
            digest=digest,
            kind=kind,
            content_type=PARQUET,
            account_id=self.sender.account_id,
            project_id=self.sender.project_id,
            now=self.house.clock(),
        )
        path.unlink()
        return digest

    def run(self, job: str, reads: list[str], output: dict[str, Any]) -> None:
        """Report a completed run."""
        self.minute += 1
        event = {
            "eventType": "COMPLETE",
            "eventTime": f"2026-02-01T00:{self.minute:02}:00Z",
            "producer": "https://example.org/benchmark",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": str(uuid.uuid4())},
            "job": {"namespace": "benchmark", "name": job},
            "inputs": [{"namespace": NAMESPACE, "name": name} for name in reads],
            "outputs": [output],
        }
        admitted = admit(msgspec.json.encode(event))
        self.house.events.submit([Arrival(admitted.event, self.sender)]).result()

    def record(self, batch: int) -> None:
        """Upload and report one batch of examples."""
        rows = self.rows // BATCHES
        path = self.folder / "examples.parquet"
        people = self.rng.integers(0, self.rows // 10, rows)
        digests = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(32), rows, [None, pa.py_buffer(self.rng.bytes(32 * rows))]
        )
        subject = pa.StructArray.from_arrays(
            [
                pa.array(["email"]).take(pa.array(np.zeros(rows, np.int32))),
                pa.array([f"person{number}@example.org" for number in people.tolist()]),
            ],
            names=["scheme", "value"],
        )
        offsets = pa.array(np.arange(rows + 1, dtype=np.int32))
        table = pa.table(
            {
                "example_id": [f"{batch:02}/{number:09}" for number in range(rows)],
                "digest": digests,
                "subjects": pa.ListArray.from_arrays(offsets, subject),
            }
        )
        pq.write_table(table, path, row_group_size=1 << 17)
        digest = self.upload(path, ObjectKind.EXAMPLES)
        said = {"exampleCount": rows, "examples": digest, "subjectCoverage": {"keyedBy": "author"}}
        self.run(f"collect-{batch}", [], _written("raw", f"{batch}", **said))

    def step(self, job: str, source: tuple[str, list[str]], name: str, row_map: RowMap) -> None:
        """Upload a row map and report the step that it belongs to."""
        dataset, batches = source
        path = self.folder / "map.parquet"
        path.write_bytes(row_map.to_bytes())
        digest = self.upload(path, ObjectKind.ROW_MAP)
        inputs = [{"namespace": NAMESPACE, "name": dataset, "batch": batch} for batch in batches]
        output = _written(name, "all", exampleCount=len(row_map))
        maps = [{"inputs": inputs, "map": digest, "role": "kept"}]
        output["outputFacets"][ROW_MAPS] = _facet(ROW_MAPS, maps=maps)
        self.run(job, [dataset], output)

    def derive(self) -> None:
        """Filter, shuffle, label, split, merge 4:1, train."""
        kept = np.flatnonzero(self.rng.random(self.rows) < 0.95)
        raw = ("raw", [str(batch) for batch in range(BATCHES)])
        self.step("filter", raw, "clean", RowMap.take(kept, self.rows))
        size = kept.size
        self.step("shuffle", ("clean", ["all"]), "mixed", _take(self.rng.permutation(size)))
        self.step("label", ("mixed", ["all"]), "labelled", RowMap.identity(size))
        share = size * 9 // 10
        self.step("split", ("labelled", ["all"]), "train", RowMap.slice(0, share, size))
        offsets = np.append(np.arange(0, share, 4), share)
        packed = RowMap.lists(offsets, np.arange(share), share)
        self.step("pack", ("train", ["all"]), "packed", packed)
        kind = _facet(BATCH) | {"datasetType": "MODEL"}
        model = {"namespace": NAMESPACE, "name": "model", "facets": {"datasetType": kind}}
        self.run("train", ["packed"], model)

    def closures(self, people: int) -> Iterator[tuple[float, float, int]]:
        """Seconds of locating, of the closure, and the examples reached; other people each time."""
        ledger = self.house.ledger
        for _ in range(ROUNDS if people == 1 else 3):
            named = self.rng.integers(0, self.rows // 10, people).tolist()
            with self.house.database.read() as session:
                began = time.perf_counter()
                keys = [
                    key
                    for number in named
                    for key in live_subject_keys(
                        ledger.keyring, Scheme.EMAIL, f"person{number}@example.org"
                    )
                ]
                found = bound_sets(session, ledger.index.find_subjects(keys).addresses)
                located = time.perf_counter()
                reached = push_forward(session, ledger.graph, found).reached
                done = time.perf_counter()
            yield located - began, done - located, sum(map(len, reached.values()))


def _take(parents: Any) -> RowMap:
    return RowMap.take(parents, len(parents))


def _facet(name: str, **said: Any) -> dict[str, Any]:
    return {"_producer": "https://example.org", "_schemaURL": schema_url(name), **said}


def _written(dataset: str, batch: str, **said: Any) -> dict[str, Any]:
    facets = {BATCH: _facet(BATCH, batch=batch, **said)}
    return {"namespace": NAMESPACE, "name": dataset, "outputFacets": facets}


@contextmanager
def opened(folder: Path) -> Iterator[House]:
    house = open_house(Settings(home=folder / "home"))
    house.events.start()
    try:
        yield house
    finally:
        house.events.stop()
        close_house(house)


def timed(what: str, rows: int, began: float) -> None:
    took = time.perf_counter() - began
    print(f"{what:<44} {took:8.1f} s  {rows / took / 1e6:6.2f} M/s", flush=True)


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description="From a person to what became of their examples.")
    parser.add_argument("--rows", type=int, default=10**7)
    rows = parser.parse_args().rows
    print(f"{rows:,} examples, {rows // 10:,} people, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as house:
        bench = Bench(house, Path(folder), rows)
        began = time.perf_counter()
        for batch in range(BATCHES):
            bench.record(batch)
        timed("made, uploaded and pseudonymised", rows, began)
        began = time.perf_counter()
        Workers(house, threads=1).work_off()
        timed("bound, indexed and summed", rows, began)
        began = time.perf_counter()
        bench.derive()
        Workers(house, threads=1).work_off()
        timed("five steps: maps uploaded and bound", 5 * rows, began)
        for people in (1, 1_000):
            taken = sorted(bench.closures(people), key=lambda each: each[0] + each[1])
            for what, (locate, push, reached) in (
                ("median", taken[len(taken) // 2]),
                ("worst", taken[-1]),
            ):
                print(
                    f"{people:>5} people, {what}: locate {locate * 1e3:8.1f} ms, "
                    f"closure {push * 1e3:8.1f} ms, {reached:,} examples reached",
                    flush=True,
                )


if __name__ == "__main__":
    main()
