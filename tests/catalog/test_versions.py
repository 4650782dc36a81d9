"""Versions and batches: what each version holds, in which order, and which one is current."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.catalog import version_tables as v
from registry.catalog.batches import list_batches
from registry.catalog.lookup import Named, find_dataset, resolve_node
from registry.catalog.names import dataset_id, dataset_node, parse_node, version_uuid
from registry.catalog.paging import Cut, encode_cursor
from registry.catalog.versions import (
    current_numbers,
    find_version,
    list_versions,
    membership,
    number_of,
)
from registry.errors import InvalidInputError, NotFoundError
from registry.storage.bulk import insert_rows
from registry.storage.columns import table_of
from registry.storage.database import Database
from tests.catalog.building import Catalog, micros, moment
from tests.catalog.counting import queries
from tests.catalog.test_lists import every_page

LAKE = Named(dataset_id("lake", "out"), "lake", "out")

#: (line: None begins one, else which of the lines there are; batches added; which to remove)
_version = st.tuples(
    st.one_of(st.none(), st.integers(0, 3)),
    st.lists(st.integers(1, 12), max_size=3, unique=True),
    st.lists(st.integers(1, 12), max_size=2, unique=True),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(_version, min_size=1, max_size=15))
def test_membership_is_what_the_line_added_less_what_it_removed(
    database: Database, drawn: list[Any]
) -> None:
    catalog, heads = Catalog(), [1]
    changes: list[tuple[int, Sequence[int], Sequence[int]]] = []
    for number, (line, added, removed) in enumerate(drawn, start=1):
        removed = [batch for batch in removed if batch not in added]
        head = number if line is None or number == 1 else heads[line % len(heads)]
        if head == number and number not in heads:
            heads.append(number)
        changes.append((head, added, removed))
        catalog.version(LAKE.id, number, line=head, added=added, removed=removed)
    with database.write() as session:
        catalog.save(session)
        for number, (line, _, _) in enumerate(changes, start=1):
            expected: list[int] = []
            for other, added, removed in changes[:number]:
                if other == line:
                    kept = [item for item in expected if item not in {*added, *removed}]
                    expected = kept + sorted(added)
            assert membership(session, LAKE.id, number) == expected
        assert membership(session, LAKE.id, len(drawn) + 1) == []
        session.rollback()


def test_a_hundred_thousand_appends_are_one_query_away(database: Database) -> None:
    count = 100_000
    columns = ("dataset_id", "number", "line", "base", "mode", "scope_id", "completed_at")
    rows = [
        (LAKE.id, n, 1, n - 1 or None, "append", LAKE.id, micros(n), micros(n), 0)
        for n in range(1, count + 1)
    ]
    with database.write() as session:
        insert_rows(session, table_of(v.DatasetVersion), (*columns, "allotted_at", "late"), rows)
        member = ("dataset_id", "number", "batch_number", "change")
        added = [(LAKE.id, n, n, "added") for n in range(1, count + 1)]
        insert_rows(session, table_of(v.VersionBatch), member, added)
        with queries(database) as seen:
            assert membership(session, LAKE.id, count) == list(range(1, count + 1))
            assert current_numbers(session, [LAKE.id]) == {LAKE.id: count}
        assert len(seen) <= 3  # one more to set PostgreSQL up


def test_a_late_overwrite_is_not_the_current_version(database: Database) -> None:
    catalog = Catalog()
    other = catalog.dataset("lake", "none")
    catalog.version(LAKE.id, 1, at=1)
    catalog.version(LAKE.id, 2, line=2, mode="overwrite", at=10)
    catalog.version(LAKE.id, 3, line=2, base=2, at=11)
    catalog.version(LAKE.id, 4, line=4, mode="overwrite", at=5, late=True)
    with database.write() as session:
        catalog.save(session)
        assert current_numbers(session, [LAKE.id, other]) == {LAKE.id: 3}


def test_a_whole_version(database: Database) -> None:
    catalog = Catalog()
    out, job = catalog.dataset("lake", "out"), catalog.job("jobs", "job")
    first = catalog.run(job, writes=[out], at=1)
    second = catalog.run(job, writes=[out], at=2)
    catalog.version(out, 1, scope=first, at=1, added=[5])
    catalog.version(out, 2, scope=second, base=1, at=2, added=[7, 6], removed=[5], late=True)
    catalog.row(
        v.ExternalVersion,
        scope_id=second,
        direction="output",
        dataset_id=out,
        wins=catalog.wins(2),
        external_id="snap-9007199254740993",
    )
    with database.write() as session:
        catalog.save(session)
        dataset = find_dataset(session, "lake", "out")
        view = find_version(session, dataset, 2)
        listed = list_versions(session, dataset, Cut())
        named = list_versions(session, dataset, Cut(), external_id="snap-9007199254740993")
        uuid = version_uuid(out, 2)
        assert number_of(dataset, uuid) == number_of(dataset, "2") == 2
        node = resolve_node(session, parse_node(dataset_node("lake", "out", uuid)))
        with pytest.raises(NotFoundError):
            resolve_node(session, parse_node(dataset_node("lake", "out", version_uuid(out, 3))))
    assert (view.base, view.mode, view.late, view.completed_at) == (1, "append", True, moment(2))
    assert (view.added, view.removed) == ((6, 7), (5,))
    assert view.external_id == "snap-9007199254740993"
    assert view.run is not None
    assert view.run.id == second
    assert [one.number for one in view.run.outputs] == [2]
    assert [one.number for one in listed.items] == [2, 1]
    assert [one.number for one in named.items] == [2]
    assert named.total == 1
    assert node.version == 2


@pytest.mark.parametrize("version", ["0", "99", "9" * 40, version_uuid(b"\x00" * 16, 1)])
def test_a_version_that_there_is_not_is_not_found(database: Database, version: str | bytes) -> None:
    catalog = Catalog()
    catalog.version(catalog.dataset("lake", "out"), 1)
    with database.write() as session:
        catalog.save(session)
        with pytest.raises(NotFoundError):
            find_version(session, LAKE, number_of(LAKE, version))


def filled(database: Database) -> Catalog:
    catalog = Catalog()
    out, job = catalog.dataset("lake", "out"), catalog.job("jobs", "job")
    for number in range(1, 8):
        run = catalog.run(job, writes=[out], at=number)
        catalog.batch(
            out,
            run,
            f"part-{number}",
            number,
            at=number,
            files=[(f"s3://lake/{number}.parquet", 10, 0), ("s3://lake/more.parquet", None, 10)],
            license="CC-BY-4.0",
            purposes='["model_training"]',
            subject_coverage='{"keyedBy":"mail"}',
            example_count=20,
        )
        catalog.version(out, number, scope=run, base=number - 1 or None, added=[8 - number])
    with database.write() as session:
        catalog.save(session)
    return catalog


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_batches_come_by_number_or_in_the_order_of_a_version(
    database: Database, limit: int
) -> None:
    filled(database)
    with database.read() as session:
        every = every_page(lambda cut: list_batches(session, LAKE, cut), limit)
        fifth = every_page(lambda cut: list_batches(session, LAKE, cut, version=5), limit)
        versions = every_page(lambda cut: list_versions(session, LAKE, cut), limit)
    assert [batch.number for batch in every] == [1, 2, 3, 4, 5, 6, 7]
    assert [batch.number for batch in fifth] == [7, 6, 5, 4, 3]
    assert [version.number for version in versions] == [7, 6, 5, 4, 3, 2, 1]


def test_a_whole_batch(database: Database) -> None:
    filled(database)
    with database.read() as session:
        batch = list_batches(session, LAKE, Cut(1)).items[0]
    assert (batch.name, batch.license, batch.example_count) == ("part-1", "CC-BY-4.0", 20)
    assert batch.purposes == ("model_training",)
    assert batch.subject_coverage == {"keyedBy": "mail"}
    assert [(file.uri, file.rows, file.first_ordinal) for file in batch.files] == [
        ("s3://lake/1.parquet", 10, 0),
        ("s3://lake/more.parquet", None, 10),
    ]
    assert (batch.region, batch.origin_kind, batch.collected_from) == (None, None, None)


def test_a_cursor_of_another_list_is_refused(database: Database) -> None:
    with database.read() as session, pytest.raises(InvalidInputError):
        list_batches(session, LAKE, Cut(1, encode_cursor("versions", (1,))))
