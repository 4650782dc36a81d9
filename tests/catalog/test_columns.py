"""Lineage of fields, told one rule at a time, and held against a slow search."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.catalog.columns import Column, Transformation, read_transformation, walk_columns
from registry.catalog.flows import Past
from registry.catalog.graph import CutBy
from registry.storage.database import Database
from tests.catalog.building import Catalog, Edge, moment

ColumnPair = tuple[str, str]


def text(catalog: Catalog, column: Column) -> str:
    return f"{catalog.names[column[0]][2]}.{column[1] or '?'}"


def sources(
    database: Database, catalog: Catalog, dataset: bytes, field: str = "", **options: Any
) -> set[ColumnPair]:
    """(source, target) of every flow, as `dataset.field`."""
    with database.read() as session:
        shape = walk_columns(session, datasets=[dataset], field=field, **options)
    return {
        (text(catalog, source), text(catalog, target))
        for target, found in shape.sources.items()
        for source in found
    }


def said(
    catalog: Catalog,
    job: bytes,
    target: bytes,
    columns: dict[str, list[tuple[bytes, str]]],
    *,
    at: float = 0,
) -> bytes:
    """A run of the job that carries column lineage of its output."""
    reads = {source for found in columns.values() for source, _ in found}
    run = catalog.run(job, reads=sorted(reads), writes=[target], at=at)
    edges = [
        Edge(target, source, target_field=field, source_field=name)
        for field, found in columns.items()
        for source, name in found
    ]
    catalog.say(run, job, edges, carrier=target, origin="column_lineage", at=at)
    return run


def save(database: Database, catalog: Catalog) -> None:
    with database.write() as session:
        catalog.save(session)


def pipeline() -> tuple[Catalog, dict[str, bytes]]:
    """raw → clean → model, field by field."""
    catalog = Catalog()
    found = {name: catalog.dataset("lake", name) for name in ("raw", "clean", "model")}
    first, second = catalog.job("jobs", "clean"), catalog.job("jobs", "train")
    raw, clean = found["raw"], found["clean"]
    said(catalog, first, clean, {"id": [(raw, "id")], "text": [(raw, "body"), (raw, "title")]})
    said(catalog, second, found["model"], {"weights": [(clean, "text")]})
    return catalog, found


def test_a_field_is_followed_to_where_it_came_from(database: Database) -> None:
    catalog, found = pipeline()
    save(database, catalog)
    to_text = {("raw.body", "clean.text"), ("raw.title", "clean.text")}
    assert sources(database, catalog, found["model"], "weights") == {
        *to_text,
        ("clean.text", "model.weights"),
    }
    assert sources(database, catalog, found["clean"], "id") == {("raw.id", "clean.id")}
    assert sources(database, catalog, found["clean"]) == {*to_text, ("raw.id", "clean.id")}
    assert sources(database, catalog, found["raw"], "body") == set()


def test_and_to_what_it_went_into(database: Database) -> None:
    catalog, found = pipeline()
    save(database, catalog)
    down = sources(database, catalog, found["raw"], "body", downstream=True)
    assert down == {("raw.body", "clean.text"), ("clean.text", "model.weights")}


def test_depth_counts_fields_and_says_when_it_cut(database: Database) -> None:
    catalog, found = pipeline()
    save(database, catalog)
    with database.read() as session:
        for depth, cut in ((0, CutBy.DEPTH), (1, CutBy.DEPTH), (2, None)):
            shape = walk_columns(session, datasets=[found["model"]], field="weights", depth=depth)
            assert (len(shape.sources), shape.cut) == (depth, cut)
        shape = walk_columns(session, datasets=[found["model"]], field="weights", size=2)
        assert (len(shape.columns), shape.cut) == (2, CutBy.SIZE)


def test_only_the_last_run_counts_and_the_past_is_kept(database: Database) -> None:
    catalog = Catalog()
    a, b, out = (catalog.dataset("lake", name) for name in ("a", "b", "out"))
    job = catalog.job("jobs", "job")
    said(catalog, job, out, {"f": [(a, "x")]}, at=1)
    said(catalog, job, out, {"f": [(b, "y")]}, at=2)
    save(database, catalog)
    assert sources(database, catalog, out, "f") == {("b.y", "out.f")}
    assert sources(database, catalog, out, "f", past=Past(moment(1))) == {("a.x", "out.f")}


def test_what_touches_the_whole_dataset_touches_each_field(database: Database) -> None:
    catalog = Catalog()
    a, out = catalog.dataset("lake", "a"), catalog.dataset("lake", "out")
    job = catalog.job("jobs", "job")
    said(catalog, job, out, {"f": [(a, "x")], "": [(a, "day")], "g": [(a, "")]})
    catalog.facet("dataset", out, "schema", {"fields": [{"name": "h"}, {"name": "f"}]})
    save(database, catalog)
    to_f = {("a.x", "out.f"), ("a.day", "out.f")}
    assert sources(database, catalog, out, "f") == to_f
    assert sources(database, catalog, out) == {
        *to_f,
        ("a.?", "out.g"),
        ("a.day", "out.g"),
        ("a.day", "out.h"),
    }
    down = sources(database, catalog, a, "day", downstream=True)
    assert down == {("a.day", "out.f"), ("a.day", "out.g"), ("a.day", "out.h")}


def test_names_of_one_dataset_are_one(database: Database) -> None:
    catalog = Catalog()
    a, path, out = (catalog.dataset("lake", name) for name in ("a", "path", "out"))
    table = catalog.dataset("hive", "db.t")
    said(catalog, catalog.job("jobs", "first"), path, {"f": [(a, "x")]})
    said(catalog, catalog.job("jobs", "second"), out, {"g": [(table, "f")]})
    catalog.link(path, ("hive", "db.t"))
    save(database, catalog)
    assert sources(database, catalog, out, "g") == {("path.f", "out.g"), ("a.x", "path.f")}


def test_transformations_are_read_in_any_shape() -> None:
    for payload, expected in (
        (None, (None, None)),
        ("", (None, None)),
        ("{", (None, None)),
        ('{"type":"DIRECT"}', (None, None)),
        ('[{"type":"DIRECT"}]', (None, "DIRECT")),
        ('[1,{"type":"INDIRECT","subtype":"JOIN","description":"on id"}]', ("on id", "JOIN")),
    ):
        assert read_transformation(payload) == Transformation(*expected)


_FIELDS = ["f", "g"]
_column = st.tuples(st.integers(0, 3), st.sampled_from(_FIELDS))
_run = st.tuples(
    st.integers(0, 2),
    st.integers(0, 3),
    st.lists(st.tuples(st.sampled_from(_FIELDS), _column), max_size=4),
    st.integers(0, 9),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=st.lists(_run, max_size=10), start=_column, up=st.booleans(), depth=st.integers(0, 5))
def test_the_walk_finds_what_a_slow_search_finds(
    database: Database, runs: list[Any], start: Any, up: bool, depth: int
) -> None:
    catalog = Catalog()
    datasets = [catalog.dataset("lake", f"d{n}") for n in range(4)]
    jobs = [catalog.job("jobs", f"j{n}") for n in range(3)]
    last: dict[tuple[int, int], tuple[tuple[int, int], list[Any]]] = {}
    for order, (job, target, columns, at) in enumerate(runs):
        by_field: dict[str, list[tuple[bytes, str]]] = {}
        for field, (source, name) in columns:
            by_field.setdefault(field, []).append((datasets[source], name))
        run = said(catalog, jobs[job], datasets[target], by_field, at=at)
        wins = catalog.scope_datasets[run, "output", datasets[target]][2]
        last[job, target] = max(last.get((job, target), ((b"", 0), [])), ((wins, order), columns))  # type: ignore[type-var]
    pairs = {
        ((datasets[source], name), (datasets[target], field))
        for (_, target), (_, columns) in last.items()
        for field, (source, name) in columns
    }
    pairs = {(source, target) for source, target in pairs if source != target}
    begin = (datasets[start[0]], start[1])
    expected: set[Any] = set()
    fronts = [{begin}, set() if up else {begin}]
    seen = [set(front) for front in fronts]
    for _ in range(depth):
        for way in (0, 1):
            near, far = (1, 0) if way == 0 else (0, 1)
            found = {pair for pair in pairs if pair[near] in fronts[way]}
            expected |= found
            fronts[way] = {pair[far] for pair in found} - seen[way]
            seen[way] |= fronts[way]
    with database.write() as session:
        catalog.save(session)
        shape = walk_columns(
            session, datasets=[begin[0]], field=begin[1], depth=depth, downstream=not up
        )
        session.rollback()
    walked = {(source, target) for target, found in shape.sources.items() for source in found}
    assert walked == expected
    assert shape.columns == {begin} | {end for pair in expected for end in pair}
