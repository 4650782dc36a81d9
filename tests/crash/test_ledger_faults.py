"""A disk that is full while examples are taken or bound: a clear problem, nothing half, a retry."""

from __future__ import annotations

import hashlib
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from registry.app import check_everything, ledger_place
from registry.ledger.sweep import Store
from registry.settings import Settings
from registry.storage.database import Database
from tests.crash.conftest import Site
from tests.ledger.pipelines import PARQUET, digest_of, parquet
from tests.lineage.making import batch, dataset, run_event
from tests.stores import copy_sqlite, settings_on

ROWS = 60_000
PATIENCE_SECONDS = 120.0


@pytest.fixture
def embedded(sqlite_template: Path, tmp_path: Path) -> Settings:
    """Settings of an embedded registry: its processes are ours, and so are its files."""
    return settings_on(copy_sqlite(sqlite_template, tmp_path / "home"), tmp_path / "home")


def examples(seed: int) -> bytes:
    """Some megabytes that do not pack."""
    ids = [hashlib.sha256(b"%d %d" % (seed, row)).hexdigest() for row in range(ROWS)]
    return parquet(pa.table({"example_id": ids}))


def put(client: httpx.Client, data: bytes) -> httpx.Response:
    path = f"/api/v1/ledger/objects/{digest_of(data).removeprefix('sha256:')}"
    headers = {"Content-Type": PARQUET}
    return client.put(path, params={"kind": "examples"}, content=data, headers=headers)


@contextmanager
def full_disk(pid: int) -> Iterator[None]:
    """No file of a process may grow beyond a megabyte while the block runs (EFBIG)."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (2**20, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


def wait_for(settings: Settings, query: str, is_it: Callable[[Any], bool]) -> None:
    """Wait until the first row of a query is what it should be."""
    until = time.monotonic() + PATIENCE_SECONDS
    with closing(Database(settings.database)) as database:
        while True:
            with database.read() as session:
                row = session.connection().exec_driver_sql(query).first()
            if row is not None and is_it(row):
                return
            assert time.monotonic() < until, row
            threading.Event().wait(0.05)


def test_a_disk_that_is_full_while_examples_are_taken_and_bound(
    embedded: Settings, make_site: Callable[[Settings], Site]
) -> None:
    site = make_site(embedded)
    serving = site.serve()
    first, second = examples(1), examples(2)
    headers = {"Authorization": f"Bearer {site.token}"}
    with httpx.Client(base_url=serving.url, headers=headers, timeout=60.0) as client:
        assert put(client, first).status_code == 201
        with full_disk(serving.process.popen.pid):
            refused = put(client, second)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
            assert refused.json()["code"] == "storage_unavailable"
            output = dataset("raw", output_facets=batch("b1", examples=digest_of(first)))
            event = run_event("COMPLETE", run=1, outputs=[output])
            assert client.post("/api/v1/lineage", json=event).status_code == 201
            failed = "SELECT attempts, error FROM task WHERE kind = 'ledger.batch.bind'"
            wait_for(embedded, failed, lambda row: row.error is not None)
            bound = "SELECT count(*) FROM batch_binding"
            wait_for(embedded, bound, lambda row: row[0] == 0)
        bound = "SELECT state FROM batch_binding"
        wait_for(embedded, bound, lambda row: row.state == "bound")
        assert put(client, second).status_code == 201
        asked = {"dataset": {"namespace": output["namespace"], "name": "raw"}}
        wanted = hashlib.sha256(b"1 77").hexdigest()
        traced = client.post("/api/v1/trace", json={**asked, "example_id": wanted})
        assert traced.json()["example"]["ordinal"] == 77
    serving.end()
    assert Store(ledger_place(embedded)).index.count() == ROWS
    assert [each for each in check_everything(embedded) if each.problems] == []
