"""Which versions a dataset has, and what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from registry.catalog.version_tables import BatchNumber
from registry.catalog.versions import current_numbers, membership
from registry.ids import named_id
from registry.lineage.ingest import decode_warnings
from registry.lineage.tables import LineageEvent
from registry.moments import to_micros
from registry.storage.columns import table_of
from registry.storage.database import Database
from tests.clock import FrozenClock
from tests.lineage.intake import Intake, claims_of
from tests.lineage.making import LAKE, NOON, Json, batch, dataset, facet, run_event, wrote
from tests.stores import ALLOTTED, dump, dump_projected

MINUTE = 60_000_000
CLEAN = named_id("dataset", LAKE, "clean")
_event, _number = table_of(LineageEvent), table_of(BatchNumber)


@pytest.fixture
def intake(emptied_database: Database) -> Iterator[Intake]:
    with Intake(emptied_database, FrozenClock(), claims_of()).open() as opened:
        yield opened


def ended(run: int, minute: float, event_type: str = "COMPLETE", **more: Any) -> Json:
    """The end of a run, which says nothing of what it wrote."""
    return run_event(event_type, run=run, minute=minute, **more)


def nominal(day: int) -> dict[str, Json]:
    return {"nominalTime": facet(nominalStartTime=f"2026-02-0{day}T00:00:00Z")}


def parent(run: int) -> dict[str, Json]:
    job = {"namespace": "etl", "name": "dag"}
    return {"parent": facet(run={"runId": f"{run:08d}-0000-4000-8000-000000000000"}, job=job)}


def shown_versions(database: Database, name: str = "clean") -> list[str]:
    """Each version as `number mode batches`, with its base and what else is to be said of it.

    Membership is worked out here from its definition: what the versions of the line added, less
    what they removed, in order of number.
    """
    with database.read() as session:
        connection = session.connection()
        versions = connection.exec_driver_sql(
            "SELECT v.number, v.line, v.base, v.mode, v.late, v.completed_at "
            "FROM dataset_version v "
            f"JOIN dataset d ON d.id = v.dataset_id WHERE d.name = '{name}' ORDER BY v.number"
        ).all()
        changes = connection.exec_driver_sql(
            "SELECT vb.number, vb.change, n.name FROM version_batch vb "
            "JOIN batch_number n ON n.number = vb.batch_number "
            f"JOIN dataset d ON d.id = vb.dataset_id WHERE d.name = '{name}' ORDER BY vb.number"
        ).all()
    lines = []
    for number, line, base, mode, late, completed_at in versions:
        members: set[str] = set()
        of_line = {v for v, of, *_ in versions if of == line and v <= number}
        for changed_in, change, batch_name in changes:
            if changed_in in of_line:
                (members.add if change == "added" else members.discard)(batch_name)
        minute = (completed_at - to_micros(NOON)) // MINUTE
        told = f"{number} {mode} {''.join(sorted(members)) or '-'} @{minute}"
        told += f" on {base}" if base else ""
        lines.append(told + (" late" if late else ""))
    return lines


def check_reading(database: Database) -> None:
    """Hold what the catalog reads of each version to what is shown here."""
    with database.read() as session:
        rows = session.execute(select(_number.c.number, _number.c.name))
        names = {row.number: row.name for row in rows}
        for line in shown_versions(database):
            number, _, batches, *_ = line.split()
            members = membership(session, CLEAN, int(number))
            assert "".join(sorted(names[member] for member in members)) == batches.strip("-")


def current_version(database: Database) -> int | None:
    """The number of the current version."""
    with database.read() as session:
        return current_numbers(session, [CLEAN]).get(CLEAN)


CASES: dict[str, tuple[list[Json], list[str]]] = {
    "a completed run has a version of what it wrote": (
        [wrote(1, 1, "a")],
        ["1 append a @1"],
    ),
    "a run that wrote a dataset without telling of a batch has an empty version": (
        [wrote(1, 1)],
        ["1 append - @1"],
    ),
    "a run that is not complete has no version": (
        [wrote(1, 1, "a", "START"), wrote(1, 2, "b", "RUNNING"), wrote(1, 3, "c", None)],
        [],
    ),
    "a failed run has no version": ([wrote(1, 1, "a", "START"), ended(1, 2, "FAIL")], []),
    "an aborted run has no version": ([wrote(1, 1, "a", "ABORT")], []),
    "the end of a run may come before what it wrote": (
        [ended(1, 2), wrote(1, 1, "a", "RUNNING")],
        ["1 append a @2"],
    ),
    "the end of a run makes a version of all it wrote": (
        [wrote(1, 1, "a", "RUNNING"), wrote(1, 2, "b", "RUNNING"), ended(1, 3)],
        ["1 append ab @3"],
    ),
    "an append follows the version before it": (
        [wrote(1, 1, "a"), wrote(2, 2, "b"), wrote(3, 3, "c", mode="append")],
        ["1 append a @1", "2 append ab @2 on 1", "3 append abc @3 on 2"],
    ),
    "an overwrite begins anew": (
        [wrote(1, 1, "a"), wrote(2, 2, "b", mode="overwrite"), wrote(3, 3, "c")],
        ["1 append a @1", "2 overwrite b @2", "3 append bc @3 on 2"],
    ),
    "a partition is replaced by a batch of its own": (
        [
            wrote(1, 1, "a", partition="p1"),
            wrote(2, 2, "b", partition="p2"),
            wrote(3, 3, "c", mode="replace_partition", partition="p1"),
        ],
        ["1 append a @1", "2 append ab @2 on 1", "3 replace_partition bc @3 on 2"],
    ),
    "a partition that is new is added": (
        [wrote(1, 1, "a"), wrote(2, 2, "b", mode="replace_partition", partition="p1")],
        ["1 append a @1", "2 replace_partition ab @2 on 1"],
    ),
    "a partition may be replaced twice": (
        [wrote(n, n, b, mode="replace_partition", partition="p1") for n, b in ((1, "a"), (2, "b"))],
        ["1 replace_partition a @1", "2 replace_partition b @2 on 1"],
    ),
    "only partitions of the same dataset are replaced": (
        [
            wrote(1, 1, "a", partition="p1"),
            wrote(2, 2, "b", to="raw", mode="replace_partition", partition="p1"),
            wrote(3, 3, "c"),
        ],
        ["1 append a @1", "2 append ac @3 on 1"],
    ),
    **{
        f"without a batch, {change} begins anew": (
            [wrote(1, 1, "a"), wrote(2, 2, change=change), wrote(3, 3, "b")],
            ["1 append a @1", "2 overwrite - @2", "3 append b @3 on 2"],
        )
        for change in ("OVERWRITE", "TRUNCATE", "CREATE", "overwrite")
    },
    **{
        f"without a batch, {change} follows": (
            [wrote(1, 1, "a"), wrote(2, 2, change=change)],
            ["1 append a @1", "2 append a @2 on 1"],
        )
        for change in ("ALTER", "RENAME", "SOMETHING")
    },
    "DROP makes no version": ([wrote(1, 1, "a"), wrote(2, 2, change="DROP")], ["1 append a @1"]),
    "the mode of a batch goes before a lifecycle change": (
        [wrote(1, 1, "a"), wrote(2, 2, "b", mode="append", change="OVERWRITE")],
        ["1 append a @1", "2 append ab @2 on 1"],
    ),
    "a batch without a mode leaves it to the lifecycle change": (
        [wrote(1, 1, "a"), wrote(2, 2, "b", change="OVERWRITE")],
        ["1 append a @1", "2 overwrite b @2"],
    ),
    "a batch that comes after its run's version makes one more": (
        [wrote(1, 1, "a"), wrote(1, 0, "b", "RUNNING")],
        ["1 append a @1", "2 append ab @1 on 1 late"],
    ),
    "a late batch of an overwrite joins what its run began": (
        [
            wrote(1, 1, "a"),
            wrote(2, 2, "b", mode="overwrite"),
            wrote(2, 2, "c", "OTHER", mode="overwrite"),
        ],
        ["1 append a @1", "2 overwrite b @2", "3 append bc @2 on 2 late"],
    ),
    "the same batch told again makes no version": (
        [wrote(1, 1, "a"), wrote(1, 2, "a", "OTHER", exampleCount=5), ended(1, 3)],
        ["1 append a @1"],
    ),
    "a run that completed earlier and is told of later follows late": (
        [wrote(1, 1, "a"), wrote(3, 3, "c"), wrote(2, 2, "b")],
        ["1 append a @1", "2 append ac @3 on 1", "3 append abc @3 on 2 late"],
    ),
    "what came late is in what follows": (
        [wrote(2, 2, "b"), wrote(1, 1, "a"), wrote(3, 3, "c")],
        ["1 append b @2", "2 append ab @2 on 1 late", "3 append abc @3 on 2"],
    ),
    "an append from before an overwrite joins the line of its time": (
        [wrote(1, 1, "a"), wrote(3, 3, "c", mode="overwrite"), wrote(2, 2, "b"), wrote(4, 4, "d")],
        [
            "1 append a @1",
            "2 overwrite c @3",
            "3 append ab @2 on 1 late",
            "4 append cd @4 on 2",
        ],
    ),
    "an overwrite from before another changes nothing of what followed": (
        [
            wrote(3, 3, "c", mode="overwrite"),
            wrote(1, 1, "a", mode="overwrite"),
            wrote(4, 4, "d"),
        ],
        ["1 overwrite c @3", "2 overwrite a @1 late", "3 append cd @4 on 1"],
    ),
    "what followed an overwrite that came late follows it again": (
        [wrote(1, 1, "a"), wrote(3, 3, "c"), wrote(2, 2, "b", mode="overwrite"), wrote(4, 4, "d")],
        [
            "1 append a @1",
            "2 append ac @3 on 1",
            "3 overwrite b @2 late",
            "4 append bc @3 on 3 late",
            "5 append bcd @4 on 4",
        ],
    ),
    "an overwrite that came after the first append goes before it": (
        [wrote(3, 3, "c"), wrote(2, 2, "b", mode="overwrite"), wrote(4, 4, "d")],
        [
            "1 append c @3",
            "2 overwrite b @2 late",
            "3 append bc @3 on 2 late",
            "4 append bcd @4 on 3",
        ],
    ),
    "a partition replaced late leaves what was written after it": (
        [
            wrote(1, 1, "a", partition="p1"),
            wrote(3, 3, "c", partition="p1"),
            wrote(2, 2, "b", partition="p1", mode="replace_partition"),
        ],
        ["1 append a @1", "2 append ac @3 on 1", "3 replace_partition bc @3 on 2 late"],
    ),
    "a late batch of a partition that was replaced since is in no version": (
        [
            wrote(1, 1, "a", partition="p1"),
            wrote(3, 3, "c", partition="p1", mode="replace_partition"),
            wrote(2, 2, "b", partition="p1"),
        ],
        ["1 append a @1", "2 replace_partition c @3 on 1", "3 append c @3 on 2 late"],
    ),
    "a run that fails after all keeps the version that was made": (
        [wrote(1, 1, "a"), ended(1, 2, "FAIL")],
        ["1 append a @1"],
    ),
    "a retry at the same nominal time replaces what the failed run left": (
        [
            wrote(1, 1, "a", run_facets=nominal(1)),
            ended(1, 2, "FAIL"),
            wrote(2, 3, "b", run_facets=nominal(1)),
        ],
        ["1 append a @1", "2 append b @3 on 1"],
    ),
    "a retry under the same parent replaces what the aborted run left": (
        [
            wrote(1, 1, "a", run_facets=parent(9)),
            ended(1, 2, "ABORT"),
            wrote(2, 3, "b", run_facets=parent(9)),
        ],
        ["1 append a @1", "2 append b @3 on 1"],
    ),
    "another day is no retry": (
        [
            wrote(1, 1, "a", run_facets=nominal(1)),
            ended(1, 2, "FAIL"),
            wrote(2, 3, "b", run_facets=nominal(2)),
        ],
        ["1 append a @1", "2 append ab @3 on 1"],
    ),
    "a run that did not fail is not replaced": (
        [wrote(1, 1, "a", run_facets=nominal(1)), wrote(2, 3, "b", run_facets=nominal(1))],
        ["1 append a @1", "2 append ab @3 on 1"],
    ),
    "what a failed run left unfinished is in no version of its retry": (
        [
            wrote(1, 1, "a", "START", run_facets=nominal(1)),
            ended(1, 2, "FAIL"),
            wrote(2, 3, "b", run_facets=nominal(1)),
        ],
        ["1 append b @3"],
    ),
    "a run writes several datasets, each with its own versions": (
        [
            run_event(
                minute=1,
                outputs=[
                    dataset("raw", output_facets=batch("r")),
                    dataset("clean", output_facets=batch("a")),
                ],
            ),
            wrote(2, 2, "b"),
        ],
        ["1 append a @1", "2 append ab @2 on 1"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_versions(intake: Intake, case: str) -> None:
    events, expected = CASES[case]
    for event in events:
        intake.take(event)
    assert shown_versions(intake.database) == expected
    check_reading(intake.database)
    current = current_version(intake.database)
    intake.take(wrote(50, 50, "z"))
    last = shown_versions(intake.database)[-1]
    assert last.endswith("@50" if current is None else f"@50 on {current}")


IN_ORDER = [
    name
    for name, (events, told) in CASES.items()
    if "late" not in " ".join(told) and len({e["run"]["runId"] for e in events}) == len(events)
]


@pytest.mark.parametrize("case", IN_ORDER)
def test_versions_of_what_came_in_order_are_the_same_in_one_group(
    intake: Intake, case: str
) -> None:
    events, expected = CASES[case]
    intake.take(*events)
    assert shown_versions(intake.database) == expected


def test_a_late_batch_is_told_of_on_the_event_that_brought_it(intake: Intake) -> None:
    intake.take(wrote(1, 1, "a"))
    (brought,) = intake.take(wrote(1, 1, "b", "OTHER"))
    late = brought.event.warnings[-1]
    assert (late.code, late.path) == ("late_batch", "$.outputs")
    assert re.fullmatch(r"Batch \d+ came after its time and is in version 2\.", late.detail)
    assert warnings_kept(intake.database) == [[], ["late_batch"]]


def test_a_late_batch_that_was_replaced_is_told_of_too(intake: Intake) -> None:
    events, _ = CASES["a late batch of a partition that was replaced since is in no version"]
    *_, (brought,) = [intake.take(event) for event in events]
    late = brought.event.warnings[-1]
    assert late.code == "late_batch"
    assert re.fullmatch(r"Batch \d+ was replaced since, and is in no version\.", late.detail)


def warnings_kept(database: Database) -> list[list[str]]:
    """The codes of the warnings kept with each event, in order of arrival."""
    with database.read() as session:
        rows = session.execute(select(_event.c.warnings).order_by(_event.c.id)).scalars()
        return [[w.code for w in decode_warnings(kept)] for kept in rows]


def test_a_rebuild_leaves_versions_and_reads_as_they_are(intake: Intake) -> None:
    for events, _ in CASES.values():
        for event in events:
            intake.take(event)
    before = dump(intake.database, ALLOTTED), dump_projected(intake.database)
    intake.rebuild()
    assert (dump(intake.database, ALLOTTED), dump_projected(intake.database)) == before
