"""`registry serve` as a process that a test may kill, and what has to hold of what it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from registry.app import prepare_database
from registry.audit.check import check_log
from registry.audit.kept import KeptCheckpoints
from registry.audit.notes import VerifierKey
from registry.clock import system_clock
from registry.keys.listing import list_keys
from registry.keys.tables import Purpose
from registry.lineage.events import read_event
from registry.lineage.reproject import rebuild
from registry.lineage.tables import EventState, LineageEvent
from registry.settings import Settings
from registry.storage.columns import table_of
from registry.storage.database import Database
from registry.storage.home import local_token
from registry.storage.objects import Objects
from tests.cli.conftest import Process
from tests.lineage.making import batch, dataset, encoded, facet, run_event
from tests.live import grant_every_role
from tests.stores import ALLOTTED, dump, dump_projected

LOCK_TIMEOUT_SECONDS = "0.3"


@dataclass(frozen=True)
class Serving:
    """A server process."""

    process: Process
    url: str

    def kill(self) -> None:
        """`kill -9`, at once."""
        self.process.popen.kill()

    def end(self, *, kindly: bool = True) -> None:
        """Stop it (SIGTERM), or see that it ends after a kill."""
        if kindly:
            self.process.popen.terminate()
        answer = self.process.finish()
        assert answer.code == (0 if kindly else -9), answer.err
        assert "Traceback" not in answer.err


@dataclass(frozen=True)
class Site:
    """A registry whose server is started and killed: where it is, and its token."""

    settings: Settings
    token: str
    processes: list[Process]

    def serve(self) -> Serving:
        """Start the server on the same home and database as before."""
        environment = {"REGISTRY_LOCK_TIMEOUT_SECONDS": LOCK_TIMEOUT_SECONDS}
        if not self.settings.embedded:
            environment["REGISTRY_DATABASE_URL"] = self.settings.database_url
            environment["REGISTRY_MASTER_KEY"] = self.settings.master_key
        process = Process("serve", "--port", "0", "--json", home=self.settings.home, **environment)
        self.processes.append(process)
        return Serving(process, json.loads(process.line())["url"])


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[[Settings], Site]]:
    """`make_site(settings)`; whatever it started is killed with the test."""
    processes: list[Process] = []

    def make(settings: Settings) -> Site:
        token = prepare_database(settings).secret or local_token(settings)
        if not settings.embedded:
            database = Database(settings.database)
            grant_every_role(database)
            database.close()
        return Site(settings, token, processes)

    yield make
    for process in processes:
        process.popen.kill()
        process.popen.communicate()


@pytest.fixture
def site(make_site: Callable[[Settings], Site], settings: Settings) -> Site:
    """A registry on this test's database."""
    return make_site(settings)


def groups_of_events(runs: int, *, first: int = 0) -> list[list[bytes]]:
    """So many runs with a start and an end each, alone or in batches; few jobs and datasets."""
    events = []
    for run in range(first, first + runs):
        name = f"data {run % 5}"
        written = dataset(
            name,
            facets={"custom": facet(run=run)},
            output_facets=batch(
                f"batch {run}", exampleCount=run, files=[{"uri": f"s3://lake/{run}", "rows": run}]
            ),
        )
        told = {"run": run + 1, "job": ("etl", f"job {run % 3}"), "outputs": [written]}
        events.append(encoded(run_event("START", minute=run, **told)))
        events.append(encoded(run_event("COMPLETE", minute=run + 0.5, **told)))
    groups, size = [], 0
    while events:
        size = size % 4 + 1
        groups.append(events[:size])
        events = events[size:]
    return groups


def check_whole(settings: Settings, taken: set[bytes]) -> None:
    """Hold what a server left to the promise: all that was taken is there, and nothing is half.

    Every event taken is in the log, projected; the catalog is what a rebuild makes of the log;
    every event has its journal entry, every completed run its versions.
    """
    database = Database(settings.database)
    try:
        log = dump(database, [table_of(LineageEvent)])["lineage_event"]
        names = [column.name for column in table_of(LineageEvent).columns]
        digest, state = names.index("digest"), names.index("state")
        kept = {bytes(row[digest]) for row in log}
        assert {read_event(body).digest for body in taken} <= kept
        assert {row[state] for row in log} <= {EventState.PROJECTED.value}
        with database.read() as session:
            run = session.connection().exec_driver_sql
            entries = run(
                "SELECT count(*) FROM audit_entry WHERE kind = 'lineage.event.received'"
            ).scalar_one()
            unversioned = run(
                "SELECT count(*) FROM run r JOIN scope_dataset s ON s.scope_id = r.id "
                "LEFT JOIN dataset_version v ON v.scope_id = r.id AND v.dataset_id = s.dataset_id "
                "WHERE r.state = 'COMPLETED' AND s.direction = 'output' AND v.number IS NULL"
            ).scalar_one()
            keys = [
                VerifierKey(None, key.public_key)
                for key in list_keys(session, Purpose.SIGNING)
                if key.public_key is not None
            ]
        assert (entries, unversioned) == (len(log), 0)
        outside = list(KeptCheckpoints(Objects(settings.ledger)).all())
        with database.read() as session:
            report = check_log(session, keys, outside)
        # A server that was killed at once signed nothing yet; one that signed has one origin.
        opened = [notice for notice in report.notices if "was opened" in notice]
        assert (report.findings, opened) == ([], [])
        before = dump_projected(database), dump(database, ALLOTTED)
        rebuild(database, clock=system_clock, actor="tests")
        assert (dump_projected(database), dump(database, ALLOTTED)) == before
        if settings.embedded:
            with database.read() as session:
                check = session.connection().exec_driver_sql("PRAGMA integrity_check")
                assert check.scalar_one() == "ok"
    finally:
        database.close()
