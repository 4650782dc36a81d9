"""The walk over the database and the slow search over all rules give the same graph."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.catalog.flows import Past
from registry.catalog.graph import CutBy, Start, Way, walk_graph
from registry.ids import named_id
from registry.storage.database import Database
from tests.catalog.building import Catalog, Edge, moment
from tests.catalog.naive import Naive

_NAMES = count()
_DATASETS, _JOBS, _RUNS = 5, 4, 3

_some = st.lists(st.integers(0, _DATASETS - 1), max_size=3, unique=True)
_job = st.integers(0, _JOBS - 1)
_at = st.integers(0, 20)
_end = st.one_of(
    st.tuples(st.just("dataset"), st.integers(0, _DATASETS - 1)),
    st.tuples(st.just("job"), _job),
)
_edge = st.tuples(_end, st.one_of(st.none(), _end))
_dataset_edge = st.tuples(
    st.tuples(st.just("dataset"), st.integers(0, _DATASETS - 1)),
    st.tuples(st.just("dataset"), st.integers(0, _DATASETS - 1)),
)
_event = st.one_of(
    st.tuples(st.just("run"), _job, st.integers(0, _RUNS - 1), _some, _some, _at),
    st.tuples(st.just("run"), _job, st.integers(0, _RUNS - 1), _some, _some, _at),
    st.tuples(st.just("declare"), _job, st.just(0), _some, _some, _at),
    st.tuples(
        st.just("say"), _job, st.integers(0, _RUNS), st.lists(_edge, max_size=4), st.just(0), _at
    ),
    st.tuples(
        st.just("columns"),
        _job,
        st.integers(0, _RUNS - 1),
        st.lists(_dataset_edge, max_size=3),
        st.just(0),
        _at,
    ),
    st.tuples(st.just("view"), st.integers(0, _DATASETS - 1), st.just(0), _some, _some, _at),
    st.tuples(st.just("link"), st.integers(0, _DATASETS - 1), st.integers(0, 1), _some, _some, _at),
)
_events = st.lists(_event, min_size=1, max_size=25)


def build(events: list[Any]) -> tuple[Catalog, list[bytes], list[bytes]]:
    """A catalog in namespaces of its own, from drawn events."""
    catalog, space = Catalog(), f"space-{next(_NAMES)}"
    datasets = [catalog.dataset(space, f"d{n}") for n in range(_DATASETS)]
    jobs = [catalog.job(space, f"j{n}") for n in range(_JOBS)]
    runs = {
        (job, n): named_id("run", space, f"{job}.{n}") for job in range(_JOBS) for n in range(_RUNS)
    }
    for kind, who, which, first, second, at in events:
        match kind:
            case "run":
                reads, writes = ([datasets[n] for n in part] for part in (first, second))
                catalog.run(jobs[who], reads=reads, writes=writes, at=at, run=runs[who, which])
            case "declare":
                reads, writes = ([datasets[n] for n in part] for part in (first, second))
                catalog.declare(jobs[who], reads=reads, writes=writes, at=at)
            case "say" | "columns":
                scope = jobs[who] if which == _RUNS else runs[who, which]
                edges = [_drawn(datasets, jobs, *ends) for ends in first]
                origin = "lineage" if kind == "say" else "column_lineage"
                catalog.say(scope, jobs[who], edges, at=at, origin=origin)
            case "view":
                target = datasets[who]
                edges = [Edge(target, datasets[n]) for n in first] or [Edge(target, None)]
                catalog.say(target, target, edges, at=at)
            case "link":
                alias = (space, f"d{(who + 1) % _DATASETS}") if which else (space, f"alias{who}")
                catalog.link(datasets[who], alias, at=at)
    return catalog, datasets, jobs


def _drawn(datasets: list[bytes], jobs: list[bytes], target: Any, source: Any) -> Edge:
    kinds = {"dataset": datasets, "job": jobs}
    return Edge(
        kinds[target[0]][target[1]],
        kinds[source[0]][source[1]] if source else None,
        target_is_job=target[0] == "job",
        source_is_job=bool(source) and source[0] == "job",
    )


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=_events,
    depth=st.integers(0, 6),
    way=st.sampled_from([Way.UPSTREAM, Way.DOWNSTREAM]),
    as_of=st.one_of(st.none(), _at),
)
def test_every_start_gives_the_graph_that_the_rules_give(
    database: Database, events: list[Any], depth: int, way: Way, as_of: int | None
) -> None:
    catalog, datasets, jobs = build(events)
    naive = Naive(catalog, as_of)
    past = None if as_of is None else Past(moment(as_of))
    with database.write() as session:
        catalog.save(session)
        for key in [*datasets, *jobs]:
            start = Start(dataset=key) if key in datasets else Start(job=key)
            expected, more = naive.graph(
                dataset=start.dataset, job=start.job, up=way is Way.UPSTREAM, depth=depth
            )
            shape = walk_graph(
                session, start, way=way, depth=depth, past=past, past_downstream=past
            )
            assert shape.edges == expected
            assert (shape.cut is CutBy.DEPTH) == more
            begin = naive.name(key) if key in datasets else key
            ends = {end for pair in expected for end in pair} | {begin}
            assert shape.datasets | shape.jobs == ends


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=_events, size=st.integers(1, 8))
def test_a_graph_that_is_cut_by_size_says_so_and_is_a_part_of_the_whole(
    database: Database, events: list[Any], size: int
) -> None:
    catalog, datasets, _ = build(events)
    with database.write() as session:
        catalog.save(session)
        start = Start(dataset=datasets[0])
        whole = walk_graph(session, start, depth=20)
        part = walk_graph(session, start, depth=20, size=size)
        again = walk_graph(session, start, depth=20, size=size)
    nodes = len(whole.datasets) + len(whole.jobs)
    assert part == again
    assert part.edges <= whole.edges
    assert len(part.datasets) + len(part.jobs) == min(size, nodes)
    assert (part.cut is CutBy.SIZE) == (nodes > size)
    if nodes <= size:
        assert part == whole


@pytest.mark.parametrize("way", list(Way))
def test_both_ways_is_the_union_of_the_two(database: Database, way: Way) -> None:
    catalog = Catalog()
    a, b, c, d = (catalog.dataset("lake", name) for name in "abcd")
    first, second, third = (catalog.job("jobs", name) for name in ("first", "second", "third"))
    catalog.run(first, reads=[a], writes=[b])
    catalog.run(second, reads=[b], writes=[c])
    catalog.run(third, reads=[a], writes=[d])
    with database.write() as session:
        catalog.save(session)
        shape = walk_graph(session, Start(dataset=b), way=way)
    up, down = {(a, first), (first, b)}, {(b, second), (second, c)}
    expected = {Way.UPSTREAM: up, Way.DOWNSTREAM: down, Way.BOTH: up | down}[way]
    assert shape.edges == expected
