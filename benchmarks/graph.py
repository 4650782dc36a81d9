"""How long a lineage graph takes: depth 20 on a dense DAG, and whether that grows with the catalog.

    python -m benchmarks.graph

Each job reads 10 datasets of the layer before and writes one; a layer is 100 jobs wide. Measured is
what `GET /api/v1/lineage` does once the request is understood: walk, fetch, encode. With
REGISTRY_BENCHMARK_POSTGRES set to an SQLAlchemy URL of an empty database, PostgreSQL too.
"""

from __future__ import annotations

import gc
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlmodel import Session

from registry.api.graph_answers import lineage_json
from registry.catalog import tables as t
from registry.catalog.graph import DEFAULT_SIZE, Start, Way, walk_graph
from registry.catalog.names import dataset_id, job_id
from registry.ids import named_id
from registry.storage.bulk import insert_rows
from registry.storage.columns import table_of, wins_key
from registry.storage.database import Database
from registry.storage.migrate import upgrade_schema

POSTGRES = "REGISTRY_BENCHMARK_POSTGRES"
WIDTH, FAN_IN, DEPTH, REPEATS = 100, 10, 20, 9
SMALL, LARGE = 1_000, 20_000
_SCHEMA = (
    '{"fields":[{"name":"id","type":"BIGINT"},{"name":"text","type":"VARCHAR"},'
    '{"name":"label","type":"VARCHAR","description":"What the annotator chose"}]}'
)


def dataset(layer: int, index: int) -> tuple[str, str]:
    """The name of a dataset of the DAG."""
    return "s3://lake:9000", f"layer-{layer:03}/part-{index:03}"


def job(layer: int, index: int) -> tuple[str, str]:
    """The name of a job of the DAG; it writes the dataset of the same place."""
    return "pipelines", f"build-{layer:03}-{index:03}"


def fill(session: Session, jobs: int) -> int:
    """Write a DAG of that many jobs; give the number of its layers."""
    chance, layers, begin = random.Random(7), jobs // WIDTH, 1_767_225_600_000_000
    names = ("id", "namespace", "name", "created_at", "updated_at")
    places = [(layer, index) for layer in range(1, layers + 1) for index in range(WIDTH)]
    every = [(0, index) for index in range(WIDTH)] + places
    rows = [(dataset_id(*dataset(*at)), *dataset(*at), begin, begin) for at in every]
    insert_rows(session, table_of(t.Dataset), names, rows)
    facets = [(row[0], "schema", wins_key(begin, b"\x01" * 32), _SCHEMA) for row in rows]
    insert_rows(
        session, table_of(t.DatasetFacet), ("dataset_id", "name", "wins", "payload"), facets
    )
    rows = [(job_id(*job(*at)), *job(*at), begin, begin) for at in places]
    insert_rows(session, table_of(t.Job), names, rows)
    runs, scopes, latest = [], [], []
    for layer, index in places:
        maker, run = job_id(*job(layer, index)), named_id("bench", f"{layer}.{index}")
        at = begin + layer * 1_000_000
        wins = wins_key(at, named_id("digest", f"{layer}.{index}") * 2)
        runs.append((run, maker, wins, "COMPLETED", b"\x03" + wins, at, at, at, at + 500_000))
        reads = [(layer - 1, each) for each in chance.sample(range(WIDTH), FAN_IN)]
        for way, ends in (("input", reads), ("output", [(layer, index)])):
            for end in ends:
                key = dataset_id(*dataset(*end))
                scopes.append((run, way, key, maker, at, wins))
                latest.append((maker, way, key, 0, run, wins))
    columns = ("id", "job_id", "owner_key", "state", "state_key", "created_at", "updated_at")
    insert_rows(session, table_of(t.Run), (*columns, "started_at", "ended_at"), runs)
    columns = ("scope_id", "direction", "dataset_id", "job_id", "first_at", "wins")
    insert_rows(session, table_of(t.ScopeDataset), columns, scopes)
    columns = ("job_id", "direction", "dataset_id", "declared", "scope_id", "wins")
    insert_rows(session, table_of(t.JobDataset), columns, latest)
    return layers


def read_graph(session: Session, start: Start, way: Way, depth: int) -> tuple[int, int, int]:
    """Answer as the route does; give (nodes, edges, bytes)."""
    shape = walk_graph(session, start, way=way, depth=depth)
    answer = lineage_json(session, shape, depth=depth, size=DEFAULT_SIZE)
    return len(shape.datasets) + len(shape.jobs), len(shape.edges), len(answer)


def measure(work: Callable[[], object]) -> tuple[float, float]:
    """(median, best) milliseconds of REPEATS runs after one to warm up."""
    work()
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        work()
        times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times), min(times)


CASES: tuple[tuple[str, Way, Callable[[int], int], int], ...] = (
    ("upstream of the last layer", Way.UPSTREAM, lambda layers: layers, DEPTH),
    ("downstream of a source", Way.DOWNSTREAM, lambda layers: max(layers - DEPTH, 0), DEPTH),
    ("both ways from the middle", Way.BOTH, lambda layers: layers // 2, DEPTH),
    ("upstream, 10 layers, wherever", Way.UPSTREAM, lambda _: 10, DEPTH),
)


def report(database: Database, jobs: int) -> dict[str, float]:
    """Fill, measure and print; give the best milliseconds by case."""
    with database.write() as session:
        layers = fill(session, jobs)
    found = {}
    print(f"\n{database.url.get_backend_name()}, {jobs:,} jobs in {layers} layers of {WIDTH}")
    for name, way, layer, depth in CASES:
        start = Start(dataset=dataset_id(*dataset(layer(layers), 0)))
        with database.read() as session:
            nodes, edges, size = read_graph(session, start, way, depth)
            middle, best = measure(lambda: read_graph(session, start, way, depth))  # noqa: B023
        found[name] = best
        print(
            f"  {name:32} {nodes:6,} nodes {edges:7,} edges {size / 1e6:5.1f} MB"
            f"   median {middle:6.1f} ms   best {best:6.1f} ms"
        )
    return found


@contextmanager
def databases() -> Iterator[list[Callable[[], Database]]]:
    """How to open an empty database, for each engine there is."""
    with tempfile.TemporaryDirectory() as folder:
        count = iter(range(100))
        makers = [lambda: Database(f"sqlite:///{Path(folder) / f'{next(count)}.db'}")]
        url = os.environ.get(POSTGRES)
        if url:
            makers.append(lambda: _emptied(Database(url)))
        yield makers


def _emptied(database: Database) -> Database:
    with database.write() as session:
        connection = session.connection()
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    return database


def main() -> None:
    """Print the figures."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as `registry serve` does
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")
    print(f"{sys.argv[0]}: depth {DEPTH}, fan-in {FAN_IN}")
    with databases() as makers:
        for make in makers:
            figures = []
            for jobs in (SMALL, LARGE):
                database = make()
                upgrade_schema(database)
                figures.append(report(database, jobs))
                database.close()
            ratios = {name: figures[1][name] / figures[0][name] for name in figures[0]}
            print(f"  {LARGE:,} jobs take, times {SMALL:,} jobs:")
            for name, ratio in ratios.items():
                print(f"    {name:32} {ratio:4.2f}")


if __name__ == "__main__":
    main()
