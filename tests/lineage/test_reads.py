"""Which version of a dataset a run read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from registry.catalog.version_tables import RunRead
from registry.storage.columns import table_of
from registry.storage.database import Database
from tests.clock import FrozenClock
from tests.lineage.intake import Intake, claims_of
from tests.lineage.making import Json, dataset, facet, run_event, wrote
from tests.stores import dump


@pytest.fixture
def intake(emptied_database: Database) -> Iterator[Intake]:
    with Intake(emptied_database, FrozenClock(), claims_of()).open() as opened:
        yield opened


def read(minute: float, event_type: str = "COMPLETE", *, version: str | None = None) -> Json:
    """The run numbered 9, which reads a dataset; perhaps a version of it that it names."""
    facets = None if version is None else {"version": facet(datasetVersion=version)}
    source = dataset("clean", facets=facets)
    return run_event(event_type, run=9, minute=minute, job=("etl", "read"), inputs=[source])


def began(minute: float) -> Json:
    """The start of the run numbered 9, which says nothing of what it reads."""
    return run_event("START", run=9, minute=minute, job=("etl", "read"))


# (events in order of arrival, what the run numbered 9 read of `clean`)
READS: dict[str, tuple[list[Json], int | None]] = {
    "a run reads the last version that was complete when it began": (
        [wrote(1, 1, "a"), wrote(2, 2, "b"), read(3, "START")],
        2,
    ),
    "a run does not read what completed after it began": (
        [wrote(1, 1, "a"), wrote(4, 4, "b"), read(3, "START")],
        1,
    ),
    "a run that began before anything was complete reads what nobody knows": (
        [wrote(4, 4, "a"), read(3, "START")],
        None,
    ),
    "a run reads what nobody knows where no version is known": ([read(3, "START")], None),
    "a version that comes later changes nothing of what was read": (
        [wrote(1, 1, "a"), read(3, "START"), wrote(2, 2, "b")],
        1,
    ),
    "what was read is settled at first sight, not at the end": (
        [wrote(1, 1, "a"), read(3, "START"), wrote(4, 4, "b"), read(5, "COMPLETE")],
        1,
    ),
    "the start of a run counts, although its input is told of at its end": (
        [wrote(1, 1, "a"), wrote(4, 4, "b"), began(3), read(5, "COMPLETE")],
        1,
    ),
    "a run reads the version that its input names": (
        [wrote(1, 1, "a", version="v-a"), wrote(2, 2, "b", version="v-b"), read(3, version="v-a")],
        1,
    ),
    "a version may be named by a number": (
        [wrote(1, 1, "a", version=2**63 + 1), wrote(2, 2, "b"), read(3, version=str(2**63 + 1))],
        1,
    ),
    "a name that two versions have leads to the later one": (
        [wrote(1, 1, "a", version="v"), wrote(2, 2, "b", version="v"), read(3, version="v")],
        2,
    ),
    "a name that no version has leads to none, whatever is there": (
        [wrote(1, 1, "a", version="v-a"), read(3, version="v-x")],
        None,
    ),
    "the name of another dataset's version leads to none": (
        [wrote(1, 1, "a"), wrote(2, 2, "r", to="raw", version="v-r"), read(3, version="v-r")],
        None,
    ),
}


@pytest.mark.parametrize("case", READS)
def test_what_a_run_read(intake: Intake, case: str) -> None:
    events, expected = READS[case]
    for event in events:
        intake.take(event)
    assert [row[2] for row in dump(intake.database, [table_of(RunRead)])["run_read"]] == [expected]
