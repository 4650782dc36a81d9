"""What events that speak of the same run, job or dataset come to together, in either order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import msgspec
import pytest
from sqlalchemy import select

from registry.catalog.tables import DatasetFacet, JobDataset, JobFacet, Run, RunFacet
from registry.ids import named_id
from registry.moments import to_micros
from registry.storage.columns import table_of
from registry.storage.database import Database
from tests.clock import FrozenClock
from tests.lineage.intake import Intake, claims_of
from tests.lineage.making import (
    LAKE,
    NOON,
    Json,
    dataset,
    dataset_event,
    deleted,
    facet,
    job_event,
    run_event,
)
from tests.stores import empty

_run = table_of(Run)
MINUTE = 60_000_000


@pytest.fixture
def intake(emptied_database: Database) -> Iterator[Intake]:
    with Intake(emptied_database, FrozenClock(), claims_of()).open() as opened:
        yield opened


def orders(intake: Intake, events: list[Json]) -> Iterator[Database]:
    """The database after the events, in every order in which they can come."""
    for order in permutations(events):
        empty(intake.database)
        for event in order:
            intake.take(event)
        yield intake.database


def minute_of(moment: object) -> float | None:
    """Minutes after noon of a moment in the database."""
    return None if moment is None else (to_micros(moment) - to_micros(NOON)) / MINUTE  # type: ignore[arg-type]


# (types and minutes of a run's events; state, start and end in minutes)
STATES: dict[str, tuple[list[tuple[str | None, int]], tuple[str, float | None, float | None]]] = {
    "a start begins it": ([("START", 1)], ("RUNNING", 1, None)),
    "metadata alone begins nothing": ([(None, 1), ("OTHER", 2)], ("NEW", None, None)),
    "running without a start is running": ([("RUNNING", 2)], ("RUNNING", None, None)),
    "a completion ends it": ([("START", 1), ("COMPLETE", 3)], ("COMPLETED", 1, 3)),
    "a late start does not open it again": ([("COMPLETE", 2), ("START", 9)], ("COMPLETED", 9, 2)),
    "late metadata does not open it again": ([("FAIL", 2), ("OTHER", 9)], ("FAILED", None, 2)),
    "late news of running does not open it again": (
        [("ABORT", 2), ("RUNNING", 9)],
        ("ABORTED", None, 2),
    ),
    "of two ends the later one counts": (
        [("START", 1), ("COMPLETE", 2), ("FAIL", 3)],
        ("FAILED", 1, 3),
    ),
    "of two starts the earlier one counts": (
        [("START", 2), ("START", 1), ("COMPLETE", 3)],
        ("COMPLETED", 1, 3),
    ),
}


@pytest.mark.parametrize("case", STATES)
def test_the_state_of_a_run(intake: Intake, case: str) -> None:
    events, expected = STATES[case]
    made = [run_event(kind, minute=minute) for kind, minute in events]
    for database in orders(intake, made):
        with database.read() as session:
            row = session.execute(select(_run)).one()
        assert (row.state, minute_of(row.started_at), minute_of(row.ended_at)) == expected


def said(minute: int, **facets: Json) -> list[Json]:
    """The same facets said of a run, of its job, and of a dataset by a run and by itself."""
    return [
        run_event(
            "RUNNING",
            minute=minute,
            run_facets=facets,
            job_facets=facets,
            inputs=[dataset("read", facets=facets)],
            outputs=[dataset("written", facets=facets)],
        ),
        dataset_event(dataset("described", facets=facets), minute=minute),
        job_event(minute=minute, job=("etl", "declared"), job_facets=facets),
    ]


# (what is said at minute 1, 2, …; what holds in the end)
FACETS: dict[str, tuple[list[dict[str, Json]], dict[str, Json]]] = {
    "a facet is replaced whole": (
        [{"a": facet(x=1, y=2)}, {"a": facet(x=3)}],
        {"a": facet(x=3)},
    ),
    "facets of other names stay": (
        [{"a": facet(x=1)}, {"b": facet(x=2)}],
        {"a": facet(x=1), "b": facet(x=2)},
    ),
    "a facet may be deleted": ([{"a": facet(x=1), "b": facet()}, {"a": deleted()}], {"b": facet()}),
    "a deleted facet may come back": ([{"a": deleted()}, {"a": facet(x=1)}], {"a": facet(x=1)}),
    "only true deletes": ([{"a": facet(_deleted=False)}], {"a": facet(_deleted=False)}),
    "what nobody has heard of is kept as it came": (
        [{"spark.x-y": {"n": 2**70, "d": 0.1, "u": "é\u2028\\", "deep": [{"a": None}]}}],
        {"spark.x-y": {"n": 2**70, "d": 0.1, "u": "é\u2028\\", "deep": [{"a": None}]}},
    ),
}


@pytest.mark.parametrize("case", FACETS)
def test_facets(intake: Intake, case: str) -> None:
    told, expected = FACETS[case]
    groups = [said(minute, **facets) for minute, facets in enumerate(told, start=1)]
    for order in permutations(groups):
        empty(intake.database)
        for group in order:
            intake.take(*group)
        for model, holders in ((RunFacet, 1), (JobFacet, 2), (DatasetFacet, 3)):
            assert facets_of(intake.database, model) == [expected] * holders, model


def facets_of(
    database: Database, model: type[RunFacet] | type[JobFacet] | type[DatasetFacet]
) -> list[dict[str, Json]]:
    """The facets that hold, of each run, job or dataset that has any."""
    table = table_of(model)
    holder = next(iter(table.primary_key.columns))
    found: dict[bytes, dict[str, Json]] = {}
    with database.read() as session:
        for identity, name, payload in session.execute(
            select(holder, table.c.name, table.c.payload)
        ):
            held = found.setdefault(bytes(identity), {})
            if payload:
                held[name] = msgspec.json.decode(payload)
    return list(found.values())


def test_a_later_declaration_replaces_the_list_of_a_job(intake: Intake) -> None:
    first = job_event(minute=1, inputs=[dataset("a"), dataset("b")], outputs=[dataset("out")])
    later = job_event(minute=2, inputs=[dataset("b"), dataset("c")])
    for database in orders(intake, [first, later]):
        assert flows(database) == {("input", "b"), ("input", "c"), ("output", "out")}


def test_what_a_run_read_stays_beside_what_its_job_declares(intake: Intake) -> None:
    ran = run_event(minute=1, inputs=[dataset("a")])
    declared = job_event(minute=2, inputs=[dataset("b")])
    for database in orders(intake, [ran, declared]):
        assert flows(database) == {("input", "a"), ("input", "b")}


def flows(database: Database) -> set[tuple[str, str]]:
    """The datasets that a job reads and writes."""
    known = {named_id("dataset", LAKE, name): name for name in ("a", "b", "c", "out")}
    table = table_of(JobDataset)
    with database.read() as session:
        rows = session.execute(select(table.c.direction, table.c.dataset_id))
        return {(direction, known[bytes(identity)]) for direction, identity in rows}
