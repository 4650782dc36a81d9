"""From a run to the runs that made what it read."""

from __future__ import annotations

import pytest

from registry.catalog.ancestry import Ancestry, upstream_runs
from registry.catalog.graph import CutBy
from registry.catalog.version_tables import RunRead
from registry.errors import NotFoundError
from registry.storage.database import Database
from tests.catalog.building import Catalog, Edge, micros


def reads(catalog: Catalog, run: bytes, dataset: bytes, number: int | None) -> None:
    catalog.row(
        RunRead,
        run_id=run,
        dataset_id=dataset,
        number=number,
        read_at=micros(0),
        allotted_at=micros(0),
    )


def chain(length: int) -> tuple[Catalog, list[bytes]]:
    """Runs that each read the version that the one before made; the first reads nothing known."""
    catalog, runs = Catalog(), []
    outside = catalog.dataset("lake", "outside")
    before: tuple[bytes, int | None] = (outside, None)
    for n in range(length):
        out, job = catalog.dataset("lake", f"d{n}"), catalog.job("jobs", f"j{n}")
        # An earlier run of the same job made version 1; nobody read that.
        earlier = catalog.run(job, writes=[out], at=n)
        catalog.version(out, 1, scope=earlier, at=n)
        run = catalog.run(job, reads=[before[0]], writes=[out], at=n + 0.5)
        catalog.version(out, 2, scope=run, base=1, at=n + 0.5)
        reads(catalog, run, *before)
        runs.append(run)
        before = (out, 2)
    return catalog, runs


def ask(database: Database, run: bytes, *, depth: int = 20, size: int = 100) -> Ancestry:
    with database.read() as session:
        return upstream_runs(session, run, depth=depth, size=size)


def save(database: Database, catalog: Catalog) -> None:
    with database.write() as session:
        catalog.save(session)


def test_a_run_leads_to_the_runs_that_made_the_versions_it_read(database: Database) -> None:
    catalog, runs = chain(3)
    save(database, catalog)
    found = ask(database, runs[2])
    assert [one.run.id for one in found.runs] == [runs[2], runs[1], runs[0]]
    assert found.cut is None
    steps = [
        [(read.dataset.name, read.number, read.made_by) for read in one.inputs]
        for one in found.runs
    ]
    assert steps == [[("d1", 2, runs[1])], [("d0", 2, runs[0])], [("outside", None, None)]]


@pytest.mark.parametrize(("depth", "cut"), [(0, CutBy.DEPTH), (1, CutBy.DEPTH), (2, None)])
def test_depth_says_when_it_cut(database: Database, depth: int, cut: CutBy | None) -> None:
    catalog, runs = chain(3)
    save(database, catalog)
    found = ask(database, runs[2], depth=depth)
    assert (len(found.runs), found.cut) == (depth + 1, cut)


def test_size_says_when_it_cut(database: Database) -> None:
    catalog, runs = chain(4)
    save(database, catalog)
    found = ask(database, runs[3], size=2)
    assert (len(found.runs), found.cut) == (2, CutBy.SIZE)


def test_each_run_comes_once_also_in_a_circle(database: Database) -> None:
    catalog = Catalog()
    state, job = catalog.dataset("lake", "state"), catalog.job("jobs", "fold")
    first = catalog.run(job, reads=[state], writes=[state], at=1)
    second = catalog.run(job, reads=[state], writes=[state], at=2)
    catalog.version(state, 1, scope=first, at=1)
    catalog.version(state, 2, scope=second, at=2)
    reads(catalog, first, state, 2)  # a clock that ran ahead
    reads(catalog, second, state, 1)
    save(database, catalog)
    assert [one.run.id for one in ask(database, second).runs] == [second, first]


def test_a_run_that_was_named_as_the_source_leads_on(database: Database) -> None:
    catalog = Catalog()
    first, second = catalog.job("jobs", "first"), catalog.job("jobs", "second")
    giver, taker = catalog.run(first, at=1), catalog.run(second, at=2)
    edge = Edge(second, first, target_is_job=True, source_is_job=True, source_run=giver)
    catalog.say(taker, second, [edge])
    save(database, catalog)
    assert [one.run.id for one in ask(database, taker).runs] == [taker, giver]


def test_an_unknown_run_is_not_found(database: Database) -> None:
    with pytest.raises(NotFoundError):
        ask(database, b"\x01" * 16)
