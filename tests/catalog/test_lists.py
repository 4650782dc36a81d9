"""Lists of the catalog: in order, in pages, each item once; and single things by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlmodel import Session

from registry.catalog import tables as t
from registry.catalog.datasets import list_datasets, view_dataset
from registry.catalog.jobs import list_jobs, view_job
from registry.catalog.lookup import Named, find_dataset, find_job, resolve_node
from registry.catalog.names import dataset_node, field_node, job_node, parse_node, run_node
from registry.catalog.namespaces import find_namespace, list_namespaces
from registry.catalog.paging import Cut, Page
from registry.catalog.runs import find_run, list_runs
from registry.catalog.search import SearchSort, Wanted, search
from registry.catalog.tables import RunState
from registry.catalog.tags import list_tags
from registry.catalog.version_tables import RunRead
from registry.errors import InvalidInputError, NotFoundError
from registry.ids import uuid_text
from registry.storage.database import Database
from tests.catalog.building import Catalog, Edge, micros, moment


def every_page(read: Callable[[Cut], Page[Any]], limit: int) -> list[Any]:
    """All items, by following `next`; each page says the same total."""
    found: list[Any] = []
    cut, totals = Cut(limit), set()
    while True:
        page = read(cut)
        assert len(page.items) <= limit
        totals.add(page.total)
        found += page.items
        if page.next is None:
            break
        cut = Cut(limit, page.next)
    assert totals == {len(found)}
    return found


NAMES = ["b", "a", "a/b", "a:b", "Z", "ä", "10", "9", "a b", "%", "😀"]


@pytest.fixture
def filled(database: Database) -> Catalog:
    """Two namespaces of datasets and jobs, with runs."""
    catalog = Catalog()
    for space in ("s3://lake:9000", "other"):
        for name in NAMES:
            catalog.dataset(space, name)
            job = catalog.job(space, name)
            for n in range(3):
                state = "FAILED" if name == "b" and n == 2 else "COMPLETED"
                catalog.run(job, at=n if name != "a" else 0, state=state)
    with database.write() as session:
        catalog.save(session)
    return catalog


@pytest.mark.parametrize("limit", [1, 3, 11, 1000])
def test_every_list_gives_each_item_once_in_order(
    database: Database, filled: Catalog, limit: int
) -> None:
    with database.read() as session:
        spaces = every_page(lambda cut: list_namespaces(session, cut), limit)
        assert sorted(view.name for view in spaces) == ["other", "s3://lake:9000"]
        here = every_page(lambda cut: list_datasets(session, "s3://lake:9000", cut), limit)
        assert sorted(view.dataset.name for view in here) == sorted(NAMES)
        jobs = every_page(lambda cut: list_jobs(session, "other", cut), limit)
        assert sorted(view.job.name for view in jobs) == sorted(NAMES)
        everywhere = every_page(lambda cut: list_jobs(session, None, cut), limit)
        assert len({view.job for view in everywhere}) == 2 * len(NAMES)
        runs = every_page(
            lambda cut: list_runs(session, find_job(session, "other", "a"), cut), limit
        )
        assert len({view.id for view in runs}) == 3
        found = every_page(lambda cut: search(session, Wanted("%"), cut), limit)
        assert len(set(found)) == 4 * len(NAMES)
        newest = every_page(
            lambda cut: search(session, Wanted("%", sort=SearchSort.UPDATED_AT), cut), limit
        )
        assert set(newest) == set(found)


def test_an_offset_skips_as_marquez_does(database: Database, filled: Catalog) -> None:
    with database.read() as session:
        whole = list_datasets(session, "other", Cut(1000)).items
        for offset in range(len(NAMES) + 2):
            part = list_datasets(session, "other", Cut(3, offset=offset))
            assert part.items == whole[offset : offset + 3]
            assert part.total == len(NAMES)


def test_what_comes_between_two_pages_shifts_nothing(database: Database) -> None:
    catalog = Catalog()
    for name in "bdf":
        catalog.dataset("lake", name)
    with database.write() as session:
        catalog.save(session)
        first = list_datasets(session, "lake", Cut(2))
        more = Catalog()
        more.dataset("lake", "a")
        more.dataset("lake", "e")
        more.save(session)
        second = list_datasets(session, "lake", Cut(2, first.next))
    assert [view.dataset.name for view in first.items + second.items] == ["b", "d", "e", "f"]


def test_jobs_are_chosen_by_the_state_of_their_latest_run(
    database: Database, filled: Catalog
) -> None:
    with database.read() as session:
        failed = list_jobs(session, None, Cut(), states=[RunState.FAILED])
        done = list_jobs(session, "other", Cut(), states=[RunState.COMPLETED, RunState.NEW])
    assert {view.job.name for view in failed.items} == {"b"}
    assert failed.total == 2
    assert done.total == len(NAMES) - 1


def test_a_whole_dataset(database: Database) -> None:
    catalog = Catalog()
    source, out = catalog.dataset("lake", "source"), catalog.dataset("lake", "out")
    job = catalog.job("jobs", "job")
    run = catalog.run(job, reads=[source], writes=[out], at=5)
    catalog.facet("dataset", out, "schema", {"fields": [{"name": "f", "type": "INT"}]}, at=5)
    catalog.facet("dataset", out, "gone", None, at=5)
    column = Edge(
        out,
        source,
        target_field="f",
        source_field="g",
        transformations='[{"type":"DIRECT","subtype":"IDENTITY","description":"as is"}]',
    )
    catalog.say(run, job, [column], carrier=out, origin="column_lineage", at=5)
    catalog.link(out, ("hive", "db.out"))
    catalog.version(out, 1, scope=run, at=5, added=[])
    with database.write() as session:
        catalog.save(session)
        view = view_dataset(session, find_dataset(session, "lake", "out"))
        alias = find_dataset(session, "hive", "db.out")
    assert view.dataset == Named(out, "lake", "out") == alias
    assert set(view.facets) == {"schema"}
    assert [field.name for field in view.facts.fields] == ["f"]
    assert (view.version, view.modified_at) == (1, moment(5))
    (origin,) = view.field_sources["f"]
    assert (origin.dataset.name, origin.field) == ("source", "g")
    assert (origin.transformation.type, origin.transformation.description) == ("IDENTITY", "as is")
    assert view.aliases == (("hive", "db.out"),)
    assert view.deleted is False


@pytest.mark.parametrize(("written_again_at", "deleted"), [(None, True), (3, True), (9, False)])
def test_a_dropped_dataset_is_deleted_until_it_is_written_again(
    database: Database, written_again_at: float | None, deleted: bool
) -> None:
    catalog = Catalog()
    out, job = catalog.dataset("lake", "out"), catalog.job("jobs", "job")
    dropping = catalog.run(job, writes=[out], at=4)
    drop = {"lifecycleStateChange": "DROP"}
    catalog.facet("dataset", out, "lifecycleStateChange", drop, at=5)
    catalog.run(job, writes=[out], at=6, run=dropping)
    if written_again_at is not None:
        catalog.run(catalog.job("jobs", "other"), writes=[out], at=written_again_at)
    with database.write() as session:
        catalog.save(session)
        view = view_dataset(session, find_dataset(session, "lake", "out"))
    assert view.facts.lifecycle_state == "DROP"
    assert view.deleted is deleted


def test_a_whole_job(database: Database) -> None:
    catalog = Catalog()
    a, b, c = (catalog.dataset("lake", name) for name in "abc")
    job = catalog.job("jobs", "dag.task")
    catalog.declare(job, reads=[c])
    catalog.run(job, reads=[a], writes=[b], at=1)
    last = catalog.run(job, reads=[b], writes=[b], at=2, state="RUNNING")
    catalog.facet("job", job, "documentation", {"description": "Cleans"})
    parent = catalog.run(catalog.job("jobs", "dag"), at=0)
    catalog.row(
        t.RunParent,
        run_id=last,
        wins=catalog.wins(2),
        parent_run_id=parent,
        parent_namespace="jobs",
        parent_name="dag",
        root_run_id=None,
        root_namespace=None,
        root_name=None,
    )
    with database.write() as session:
        catalog.save(session)
        view = view_job(session, find_job(session, "jobs", "dag.task"))
    assert [end.name for end in view.inputs] == ["a", "b", "c"]
    assert [end.name for end in view.outputs] == ["b"]
    assert view.facts.description == "Cleans"
    assert view.latest_run is not None
    assert view.latest_run.id == last
    assert [read.dataset.name for read in view.latest_run.inputs] == ["b"]
    assert [run.created_at for run in view.latest_runs] == [moment(2), moment(1)]
    assert view.parent == ("jobs", "dag")


def test_a_whole_run(database: Database) -> None:
    catalog = Catalog()
    source, out = catalog.dataset("lake", "source"), catalog.dataset("lake", "out")
    job = catalog.job("jobs", "job")
    run = catalog.run(
        job, reads=[source], writes=[out], at=5, state="RUNNING", producer_run_id="manual-1"
    )
    catalog.facet("run", run, "processing_engine", {"name": "spark"})
    catalog.row(
        t.RunNominal, run_id=run, wins=catalog.wins(5), start_at=micros(1), end_at=micros(2)
    )
    catalog.row(
        t.ScopeFacet,
        scope_id=run,
        direction="input",
        dataset_id=source,
        kind="io",
        name="inputStatistics",
        wins=catalog.wins(5),
        payload='{"rowCount":3}',
    )
    catalog.row(
        RunRead,
        run_id=run,
        dataset_id=source,
        number=4,
        read_at=micros(5),
        allotted_at=micros(5),
    )
    catalog.version(out, 2, scope=run, at=6)
    with database.write() as session:
        catalog.save(session)
        view = find_run(session, run)
    assert (view.state, view.ended_at, view.producer_run_id) == ("RUNNING", None, "manual-1")
    assert (view.nominal_start_at, view.nominal_end_at) == (moment(1), moment(2))
    assert [(one.dataset.name, one.number) for one in view.inputs] == [("source", 4)]
    assert view.inputs[0].facets["inputStatistics"].payload == '{"rowCount":3}'
    assert [(one.dataset.name, one.number) for one in view.outputs] == [("out", 2)]
    assert set(view.facets) == {"processing_engine"}


def missing(session: Session) -> list[Callable[[], object]]:
    return [
        lambda: find_dataset(session, "lake", "nothing"),
        lambda: find_dataset(session, "nowhere", "a"),
        lambda: find_job(session, "jobs", "nothing"),
        lambda: find_namespace(session, "nowhere"),
        lambda: find_run(session, b"\x00" * 16),
        lambda: resolve_node(session, parse_node("dataset:lake:nothing")),
        lambda: resolve_node(session, parse_node("job:jobs:nothing")),
        lambda: resolve_node(session, parse_node(run_node(b"\x00" * 16))),
    ]


@pytest.mark.parametrize("which", range(8))
def test_what_there_is_not_is_not_found(database: Database, which: int) -> None:
    with database.read() as session, pytest.raises(NotFoundError) as caught:
        missing(session)[which]()
    assert caught.value.remedy


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
def test_what_cannot_be_a_name_is_refused(database: Database, text: str) -> None:
    with database.read() as session:
        for read in (
            lambda: find_dataset(session, "lake", text),
            lambda: find_job(session, text, "a"),
            lambda: find_namespace(session, text),
            lambda: list_datasets(session, text, Cut()),
            lambda: list_jobs(session, text, Cut()),
            lambda: search(session, Wanted(text), Cut()),
            lambda: search(session, Wanted("a", namespace=text), Cut()),
        ):
            with pytest.raises(InvalidInputError):
                read()


AWKWARD = [
    ("s3://bucket:9000", "raw/docs:v1"),
    ("postgres://h:5432", "db.public.t"),
    ("a", "b:c"),
    ("x#y", "z#0195c1e2-7d5b-7c3e-9a53-0f6f3a9c2b11"),
]


def test_awkward_names_are_found_by_their_node_id(database: Database) -> None:
    catalog = Catalog()
    for namespace, name in AWKWARD:
        catalog.dataset(namespace, name)
        catalog.job(namespace, name)
    with database.write() as session:
        catalog.save(session)
        for namespace, name in AWKWARD:
            dataset = resolve_node(session, parse_node(dataset_node(namespace, name)))
            job = resolve_node(session, parse_node(job_node(namespace, name)))
            field = resolve_node(session, parse_node(field_node(namespace, name, "f:g")))
            assert dataset.thing[1:] == job.thing[1:] == field.thing[1:] == (namespace, name)
            assert field.field == "f:g"


def test_the_version_of_a_job_is_the_job(database: Database) -> None:
    catalog = Catalog()
    job = catalog.job("jobs", "clean")
    node = f"{job_node('jobs', 'clean')}#"
    with database.write() as session:
        catalog.save(session)
        assert resolve_node(session, parse_node(node + uuid_text(job))).thing.id == job
        with pytest.raises(NotFoundError):
            resolve_node(session, parse_node(node + uuid_text(b"\x01" * 16)))


def test_a_node_id_that_means_two_things_is_refused_until_one_is_picked(
    database: Database,
) -> None:
    catalog = Catalog()
    catalog.dataset("a", "b:c")
    catalog.dataset("a:b", "c")
    node = parse_node("dataset:a:b:c")
    with database.write() as session:
        catalog.save(session)
        with pytest.raises(InvalidInputError, match="can mean 2 things") as caught:
            resolve_node(session, node)
        assert "namespace=" in caught.value.remedy
        assert resolve_node(session, node, namespace="a").thing.name == "b:c"
        assert resolve_node(session, node, namespace="a:b").thing.name == "c"


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("docs", {"raw/docs", "DOCS_new", "docs%"}),
        ("raw%cs", {"raw/docs"}),
        ("r_w", {"raw/docs"}),
        ("DOCS", {"raw/docs", "DOCS_new", "docs%"}),
        (r"docs\_", {"DOCS_new"}),
        (r"docs\%", {"docs%"}),
        ("s\\", set()),
        ("%%%", {"raw/docs", "DOCS_new", "docs%", "clean"}),
    ],
)
def test_search_understands_wildcards(database: Database, pattern: str, found: set[str]) -> None:
    catalog = Catalog()
    for name in ("raw/docs", "DOCS_new", "docs%"):
        catalog.dataset("lake", name)
    catalog.job("jobs", "clean")
    with database.write() as session:
        catalog.save(session)
        assert {item.name for item in search(session, Wanted(pattern), Cut()).items} == found


def test_search_is_narrowed(database: Database, filled: Catalog) -> None:
    with database.read() as session:

        def count(**narrow: Any) -> int:
            return search(session, Wanted("%", **narrow), Cut(1)).total

        assert count(type="JOB") == 2 * len(NAMES)
        assert count(type="DATASET", namespace="other") == len(NAMES)
        assert count(before=date(2026, 1, 1)) == count(after=date(2026, 1, 1)) == 0
        assert count(before=date(2026, 1, 2), after=date(2025, 12, 31)) == 4 * len(NAMES)


@pytest.mark.parametrize("pattern", ["", " ", "a" * 401, "%a" * 9])
def test_a_pattern_that_takes_too_long_is_refused(database: Database, pattern: str) -> None:
    with database.read() as session, pytest.raises(InvalidInputError) as caught:
        search(session, Wanted(pattern), Cut())
    assert caught.value.path == "q"


def test_tags_are_counted_by_what_carries_them(database: Database) -> None:
    catalog = Catalog()
    dataset, job = catalog.dataset("lake", "a"), catalog.job("jobs", "a")
    run = catalog.run(job)
    gold, pii = {"key": "gold", "value": "true"}, {"key": "pii", "value": "", "field": "mail"}
    catalog.facet("dataset", dataset, "tags", {"tags": [gold, pii, gold]})
    catalog.facet("job", job, "tags", {"tags": [gold, {"key": "team", "value": "search"}]})
    catalog.facet("run", run, "tags", {"tags": [gold]})
    catalog.facet("dataset", catalog.dataset("lake", "b"), "tags", None)
    with database.write() as session:
        catalog.save(session)
        found = every_page(lambda cut: list_tags(session, cut), 2)
    assert [(tag.name, tag.datasets, tag.fields, tag.jobs, tag.runs) for tag in found] == [
        ("gold", 1, 0, 1, 1),
        ("pii", 0, 1, 0, 0),
        ("team:search", 0, 0, 1, 0),
    ]
