"""Lineage graphs, told one rule at a time."""

from __future__ import annotations

from typing import Any

import pytest

from registry.catalog.flows import Past
from registry.catalog.graph import CutBy, Start, Way, walk_graph
from registry.catalog.graph_nodes import dataset_nodes, job_nodes
from registry.storage.database import Database
from tests.catalog.building import Catalog, Edge, moment
from tests.catalog.counting import queries

UP, DOWN = Way.UPSTREAM, Way.DOWNSTREAM


def edges(
    database: Database, catalog: Catalog, start: bytes, way: Way, **options: Any
) -> set[tuple[str, str]]:
    """The edges from a start, by the names of their ends."""
    names = {key: name for key, (_, _, name) in catalog.names.items()}
    begin = Start(dataset=start) if catalog.names[start][0] == "dataset" else Start(job=start)
    with database.read() as session:
        shape = walk_graph(session, begin, way=way, **options)
    return {(names[origin], names[end]) for origin, end in shape.edges}


def saved(database: Database, catalog: Catalog) -> Catalog:
    with database.write() as session:
        catalog.save(session)
    return catalog


def test_an_output_comes_from_the_inputs_of_the_run_that_wrote_it_last(
    database: Database,
) -> None:
    catalog = Catalog()
    a, b, out = (catalog.dataset("lake", name) for name in ("a", "b", "out"))
    job = catalog.job("jobs", "job")
    catalog.run(job, reads=[a], writes=[out], at=1)
    catalog.run(job, reads=[b], writes=[out], at=2)
    saved(database, catalog)
    assert edges(database, catalog, out, UP) == {("b", "job"), ("job", "out")}
    assert edges(database, catalog, b, DOWN) == {("b", "job"), ("job", "out")}
    # The job did read it, and nothing that is there came of it.
    assert edges(database, catalog, a, DOWN) == {("a", "job")}


def test_what_an_earlier_run_alone_wrote_is_not_lost(database: Database) -> None:
    catalog = Catalog()
    a, b, x, y = (catalog.dataset("lake", name) for name in ("a", "b", "x", "y"))
    job = catalog.job("jobs", "daily")
    catalog.run(job, reads=[a], writes=[x], at=1)
    catalog.run(job, reads=[b], writes=[y], at=2)
    saved(database, catalog)
    assert edges(database, catalog, x, UP) == {("a", "daily"), ("daily", "x")}
    assert edges(database, catalog, a, DOWN) == {("a", "daily"), ("daily", "x")}
    assert edges(database, catalog, job, Way.BOTH, depth=1) == {
        ("a", "daily"),
        ("b", "daily"),
        ("daily", "x"),
        ("daily", "y"),
    }


def test_explicit_lineage_says_which_input_goes_where(database: Database) -> None:
    catalog = Catalog()
    a, b, x, y = (catalog.dataset("lake", name) for name in ("a", "b", "x", "y"))
    job = catalog.job("jobs", "bulk")
    run = catalog.run(job, reads=[a, b], writes=[x, y])
    catalog.say(run, job, [Edge(x, a), Edge(y, b)])
    saved(database, catalog)
    assert edges(database, catalog, x, UP) == {("a", "bulk"), ("bulk", "x")}
    assert edges(database, catalog, b, DOWN) == {("b", "bulk"), ("bulk", "y")}


def test_lineage_supersedes_column_lineage_and_that_the_product(database: Database) -> None:
    catalog = Catalog()
    a, b, c, x, y, z = (catalog.dataset("lake", name) for name in "abcxyz")
    job = catalog.job("jobs", "job")
    run = catalog.run(job, reads=[a, b, c], writes=[x, y, z])
    columns = [Edge(x, b, target_field="f", source_field="g"), Edge(y, b, target_field="f")]
    catalog.say(run, job, columns, carrier=x, origin="column_lineage")
    catalog.say(run, job, [Edge(x, a)])
    saved(database, catalog)
    assert edges(database, catalog, x, UP) == {("a", "job"), ("job", "x")}
    assert edges(database, catalog, y, UP) == {("b", "job"), ("job", "y")}
    assert edges(database, catalog, z, UP) == {
        ("a", "job"),
        ("b", "job"),
        ("c", "job"),
        ("job", "z"),
    }
    assert edges(database, catalog, b, DOWN) == {("b", "job"), ("job", "y"), ("job", "z")}


def test_no_tracked_source_is_a_statement(database: Database) -> None:
    catalog = Catalog()
    a, x = catalog.dataset("lake", "a"), catalog.dataset("lake", "x")
    job = catalog.job("jobs", "extract")
    run = catalog.run(job, reads=[a], writes=[x])
    catalog.say(run, job, [Edge(x, None)])
    saved(database, catalog)
    assert edges(database, catalog, x, UP) == {("extract", "x")}
    assert edges(database, catalog, a, DOWN) == {("a", "extract")}


def test_a_view_comes_from_its_tables_without_a_job(database: Database) -> None:
    catalog = Catalog()
    a, view = catalog.dataset("lake", "a"), catalog.dataset("lake", "view")
    catalog.say(view, view, [Edge(view, a)])
    saved(database, catalog)
    assert edges(database, catalog, view, UP) == {("a", "view")}
    assert edges(database, catalog, a, DOWN) == {("a", "view")}


def test_a_job_feeds_a_job(database: Database) -> None:
    catalog = Catalog()
    a, x = catalog.dataset("lake", "a"), catalog.dataset("lake", "x")
    first, second, dag = (catalog.job("jobs", name) for name in ("first", "second", "dag"))
    catalog.run(first, reads=[a])
    catalog.run(second, writes=[x])
    said = Edge(second, first, target_is_job=True, source_is_job=True)
    catalog.say(dag, dag, [said])
    saved(database, catalog)
    chain = {("a", "first"), ("first", "second"), ("second", "x")}
    assert edges(database, catalog, x, UP) == chain
    assert edges(database, catalog, a, DOWN) == chain
    assert edges(database, catalog, second, Way.BOTH) == chain


def test_what_a_job_declares_counts_until_it_declares_something_else(database: Database) -> None:
    catalog = Catalog()
    a, b, x = (catalog.dataset("lake", name) for name in "abx")
    job = catalog.job("jobs", "job")
    catalog.declare(job, reads=[a], writes=[x], at=1)
    catalog.declare(job, reads=[b], at=2)
    saved(database, catalog)
    assert edges(database, catalog, x, UP) == {("b", "job"), ("job", "x")}
    assert edges(database, catalog, a, DOWN) == set()


def test_two_names_of_one_dataset_are_one_node(database: Database) -> None:
    catalog = Catalog()
    raw, path, model = (catalog.dataset("s3://lake", name) for name in ("raw", "path", "model"))
    table = catalog.dataset("hive", "db.table")
    writer, reader = catalog.job("jobs", "writer"), catalog.job("jobs", "reader")
    catalog.run(writer, reads=[raw], writes=[path])
    catalog.run(reader, reads=[table], writes=[model])
    catalog.link(path, ("hive", "db.table"))
    saved(database, catalog)
    chain = {("raw", "writer"), ("writer", "path"), ("path", "reader"), ("reader", "model")}
    assert edges(database, catalog, model, UP) == chain
    assert edges(database, catalog, raw, DOWN) == chain
    with database.read() as session:
        assert walk_graph(session, Start(dataset=table)).datasets == {raw, path, model}


def test_as_it_was(database: Database) -> None:
    catalog = Catalog()
    a, b, x = (catalog.dataset("lake", name) for name in "abx")
    job, other = catalog.job("jobs", "job"), catalog.job("jobs", "other")
    catalog.run(job, reads=[a], writes=[x], at=10)
    catalog.run(job, reads=[b], writes=[x], at=20)
    catalog.run(other, reads=[x], at=30)
    saved(database, catalog)

    def then(at: float, start: bytes, way: Way) -> set[tuple[str, str]]:
        past = Past(moment(at))
        return edges(database, catalog, start, way, past=past, past_downstream=past)

    assert then(9, x, UP) == set()
    assert then(10, x, UP) == {("a", "job"), ("job", "x")}
    assert then(20, x, UP) == {("b", "job"), ("job", "x")}
    assert then(15, a, DOWN) == {("a", "job"), ("job", "x")}
    assert then(25, a, DOWN) == {("a", "job")}
    assert then(29, x, DOWN) == set()
    assert then(30, x, DOWN) == {("x", "other")}


def test_one_run_is_what_it_read_and_wrote(database: Database) -> None:
    catalog = Catalog()
    source, a, b, x, y = (catalog.dataset("lake", name) for name in ("source", "a", "b", "x", "y"))
    maker, job = catalog.job("jobs", "maker"), catalog.job("jobs", "job")
    catalog.run(maker, reads=[source], writes=[a], at=1)
    first = catalog.run(job, reads=[a], writes=[x], at=2)
    catalog.run(job, reads=[b], writes=[y], at=3)
    saved(database, catalog)
    with database.read() as session:
        shape = walk_graph(session, Start(job=job, run=first), past=Past(moment(2)))
    assert shape.datasets == {source, a, x}
    assert shape.jobs == {maker, job}


def chain(length: int) -> tuple[Catalog, list[bytes]]:
    catalog = Catalog()
    datasets = [catalog.dataset("lake", f"d{n}") for n in range(length + 1)]
    for n in range(length):
        catalog.run(catalog.job("jobs", f"j{n}"), reads=[datasets[n]], writes=[datasets[n + 1]])
    return catalog, datasets


@pytest.mark.parametrize(("depth", "cut"), [(0, True), (1, True), (4, True), (5, False)])
def test_depth_counts_jobs_and_says_when_it_cut(database: Database, depth: int, cut: bool) -> None:
    catalog, datasets = chain(5)
    saved(database, catalog)
    for start, way in ((datasets[5], UP), (datasets[0], DOWN)):
        with database.read() as session:
            shape = walk_graph(session, Start(dataset=start), way=way, depth=depth)
        assert len(shape.jobs) == depth
        assert len(shape.datasets) == depth + 1
        assert shape.cut is (CutBy.DEPTH if cut else None)


def test_a_cycle_ends(database: Database) -> None:
    catalog = Catalog()
    a, b = catalog.dataset("lake", "a"), catalog.dataset("lake", "b")
    there, back = catalog.job("jobs", "there"), catalog.job("jobs", "back")
    catalog.run(there, reads=[a], writes=[a, b])
    catalog.run(back, reads=[b], writes=[a])
    saved(database, catalog)
    everything = {("a", "there"), ("there", "a"), ("there", "b"), ("b", "back"), ("back", "a")}
    for way in Way:
        assert edges(database, catalog, a, way, depth=50) == everything


def test_nothing_is_known_of_a_dataset_that_no_job_touched(database: Database) -> None:
    catalog = Catalog()
    alone = catalog.dataset("lake", "alone")
    saved(database, catalog)
    with database.read() as session:
        shape = walk_graph(session, Start(dataset=alone))
    assert (shape.datasets, shape.jobs, shape.edges, shape.cut) == ({alone}, set(), set(), None)


def layered(width: int, layers: int) -> tuple[Catalog, bytes]:
    """Layers of jobs that read every dataset of the layer before; gives the last dataset."""
    catalog = Catalog()
    before = [catalog.dataset("lake", f"0.{n}") for n in range(width)]
    for layer in range(1, layers + 1):
        after = [catalog.dataset("lake", f"{layer}.{n}") for n in range(width)]
        for n in range(width):
            job = catalog.job("jobs", f"{layer}.{n}")
            run = catalog.run(job, reads=before, writes=[after[n]], at=layer)
            if n % 2:
                catalog.say(run, job, [Edge(after[n], source) for source in before], at=layer)
        before = after
    return catalog, before[0]


def test_the_number_of_queries_follows_the_depth_alone(database: Database) -> None:
    counts = []
    for width in (3, 12):
        catalog, last = layered(width, 6)
        with database.write() as session:
            catalog.save(session)
            with queries(database) as seen:
                shape = walk_graph(session, Start(dataset=last), depth=6)
                dataset_nodes(session, shape.datasets)
                job_nodes(session, shape.jobs)
            assert len(shape.datasets) == 6 * width + 1
            assert shape.cut is None
            counts.append(len(seen))
            session.rollback()
    assert counts[0] == counts[1]
    assert counts[0] <= 12 * 7
