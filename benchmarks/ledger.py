"""What the example ledger costs: row maps, traces through them, and the example index.

    python -m benchmarks.ledger                  10^6 and 10^7 rows, about two minutes
    python -m benchmarks.ledger --rows 1000000   one size
    python -m benchmarks.ledger --large          10^8 rows as well: minutes, 20 GB disk, 6 GB memory
    python -m benchmarks.ledger --encodings      and the ways a map could be written

Each figure is one line: what, rows, value, unit, and the budget of DESIGN §7 where there is one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from registry.ledger import columns
from registry.ledger.index import ExampleIndex
from registry.ledger.positions import Positions
from registry.ledger.rowmap import RowMap
from registry.ledger.rowmap_file import RowMapFile

SEED = 20260301
ROWS_AT_ONCE = 1 << 17
LOOK_UPS = 300


@dataclass(frozen=True)
class Figure:
    """One measured value."""

    what: str
    rows: int
    value: float
    unit: str
    budget: str = ""

    def __str__(self) -> str:
        budget = f"   (budget {self.budget})" if self.budget else ""
        return f"{self.what:<58}{self.rows:>13,}{self.value:>12.4g} {self.unit}{budget}"


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def best(work: Callable[[], object]) -> float:
    """The shortest of three calls, so that other work on the machine counts little."""
    return min(seconds(work) for _ in range(3))


def percentiles(what: str, rows: int, taken: list[float], budget: str = "") -> Iterator[Figure]:
    """The median and the 99th percentile of some times, in milliseconds."""
    yield Figure(f"{what}, p50", rows, 1e3 * float(np.median(taken)), "ms")
    yield Figure(f"{what}, p99", rows, 1e3 * float(np.percentile(taken, 99)), "ms", budget)


def kept_rows(rng: np.random.Generator, rows: int) -> npt.NDArray[np.int64]:
    """What a filter that keeps 95 % keeps."""
    return np.flatnonzero(rng.random(rows) < 0.95)


def kinds_of_map(rows: int) -> Iterator[tuple[str, Callable[[], RowMap], str]]:
    """Each kind of step with the arrays a pipeline has, and the budget of its bytes."""
    rng = np.random.default_rng(SEED)
    kept, order = kept_rows(rng, rows), rng.permutation(rows)
    exploded = np.repeat(np.arange(rows // 8), 8)
    packs = np.arange(0, rows + 1, 4)
    yield "filter 95 %", lambda: RowMap.take(kept, rows), "<= 0.15"
    yield "explode 1:8", lambda: RowMap.take(exploded, rows // 8), ""
    yield "global shuffle", lambda: RowMap.take(order, rows), "<= 4"
    yield "merge 4:1 of a shuffle", lambda: RowMap.lists(packs, order[: packs[-1]], rows), ""


def row_maps(rows: int) -> Iterator[Figure]:
    """Capture, storage, reading and forward pushes of each kind of map."""
    rng = np.random.default_rng(SEED)
    for name, capture, budget in kinds_of_map(rows):
        whole = capture()
        data = whole.to_bytes()
        edges = 0 if whole.parents is None else whole.parents.size
        taken = best(lambda capture=capture: capture().to_bytes())  # type: ignore[misc]
        yield Figure(f"{name}: capture", rows, edges / taken / 1e6, "M edges/s", ">= 30")
        yield Figure(f"{name}: stored", rows, len(data) / edges, "B/edge", budget)
        reading = best(lambda data=data: RowMap.from_bytes(data))  # type: ignore[misc]
        yield Figure(f"{name}: read whole", rows, edges / reading / 1e6, "M edges/s")
        few = rng.integers(0, whole.size, 1_000)
        pushing = best(lambda data=data, few=few: RowMapFile(data).forward(few))  # type: ignore[misc]
        yield Figure(f"{name}: 1,000 rows forward in the file", rows, 1e3 * pushing, "ms")


CHOICES = [
    ("filter 95 %", "DELTA_BINARY_PACKED", "zstd"),
    ("filter 95 %", "DELTA_BINARY_PACKED", "lz4"),
    ("filter 95 %", "DELTA_BINARY_PACKED", "none"),
    ("global shuffle", "BYTE_STREAM_SPLIT", "zstd"),
    ("global shuffle", "BYTE_STREAM_SPLIT", "lz4"),
    ("global shuffle", "DELTA_BINARY_PACKED", "none"),
    ("global shuffle", "PLAIN", "zstd"),
]


def encodings(rows: int) -> Iterator[Figure]:
    """Why the files are written as they are: size, opening and one row group, choice by choice."""
    rng = np.random.default_rng(SEED)
    arrays = {
        "filter 95 %": kept_rows(rng, rows).astype(np.uint32),
        "global shuffle": rng.permutation(rows).astype(np.uint32),
    }
    for name, encoding, compression in CHOICES:
        table = pa.table({"parent": arrays[name]})
        for group in (16_384, 65_536, 131_072):
            sink = pa.BufferOutputStream()
            pq.write_table(
                table,
                sink,
                row_group_size=group,
                compression=compression,
                use_dictionary=False,
                column_encoding={"parent": encoding},
                store_schema=False,
            )
            data = sink.getvalue()
            opening, reading = [], []
            for _ in range(20):
                started = time.perf_counter()
                file = pq.ParquetFile(pa.BufferReader(data))
                opened = time.perf_counter()
                file.read_row_group(int(rng.integers(file.num_row_groups)), use_threads=False)
                opening.append(opened - started)
                reading.append(time.perf_counter() - opened)
            what = f"{name}, {encoding.lower()}, {compression}, groups of {group:,}"
            yield Figure(what, rows, data.size / table.num_rows, "B/edge")
            yield Figure("  open", rows, 1e3 * float(np.median(opening)), "ms")
            yield Figure("  one row group", rows, 1e3 * float(np.median(reading)), "ms")


def write_chain(folder: Path, rows: int) -> list[str]:
    """Six steps over about `rows` rows each, as files; the first reads the source."""
    rng = np.random.default_rng(SEED)
    paths: list[str] = []
    size = rows
    for step in range(6):
        if step % 3 == 0:
            whole = RowMap.take(kept_rows(rng, size), size)
        elif step % 3 == 1:
            whole = RowMap.take(rng.permutation(size), size)
        else:
            whole = RowMap.take(np.sort(rng.integers(0, size, size)), size)
        path = folder / f"step{step}.parquet"
        path.write_bytes(whole.to_bytes())
        paths.append(str(path))
        size = len(whole)
    return paths


def trace_back(files: list[RowMapFile], output: int) -> int:
    """One example from the last step to the source."""
    for file in reversed(files):
        output = int(file.parents_of(output)[0])
    return output


def trace_forward(paths: list[str], found: Positions) -> None:
    """Some source rows through every step, each file opened anew."""
    for path in paths:
        with RowMapFile(path) as file:
            found = file.forward(found)


def trace_cold(paths: list[str], length: int, answers: multiprocessing.Queue[object]) -> None:
    """In a fresh process: each trace opens all six files anew, as a first question does."""
    rng = np.random.default_rng(SEED)
    taken, used = [], []
    for output in rng.integers(0, length, LOOK_UPS).tolist():
        started, before = time.perf_counter(), time.process_time()
        files = [RowMapFile(path) for path in paths]
        trace_back(files, output)
        taken.append(time.perf_counter() - started)
        used.append(time.process_time() - before)
        for file in files:
            file.close()
    answers.put((taken, used))


def traces(rows: int) -> Iterator[Figure]:
    """One example through six steps, cold and warm; a thousand sources forward."""
    rng = np.random.default_rng(SEED)
    with tempfile.TemporaryDirectory() as folder:
        paths = write_chain(Path(folder), rows)
        files = [RowMapFile(path) for path in paths]
        spawn = multiprocessing.get_context("spawn")
        answers: multiprocessing.Queue[tuple[list[float], list[float]]] = spawn.Queue()
        process = spawn.Process(target=trace_cold, args=(paths, len(files[-1]), answers))
        process.start()
        cold, used = answers.get()
        process.join()
        yield Figure("back through 6 steps, first in a process", rows, 1e3 * cold[0], "ms")
        yield from percentiles("back through 6 steps, nothing cached", rows, cold, "<= 25")
        yield from percentiles("  processor time of it", rows, used)
        asked = rng.integers(0, len(files[-1]), 20).tolist()
        for output in asked:
            trace_back(files, output)
        warm = [seconds(lambda at=at: trace_back(files, at)) for at in asked * 10]  # type: ignore[misc]
        yield from percentiles("back through 6 steps, cached", rows, warm, "<= 1")
        for count in (10, 1_000):
            sources = rng.integers(0, rows, count)
            taken = best(lambda sources=sources: trace_forward(paths, sources))  # type: ignore[misc]
            yield Figure(f"{count:,} sources forward through 6 steps", rows, taken, "s")


def uniform(rows: npt.NDArray[np.uint8]) -> pa.Array:
    """Fixed-width bytes from n × width numbers."""
    data = pa.py_buffer(np.ascontiguousarray(rows))
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(rows.shape[1]), rows.shape[0], [None, data]
    )


def some_examples(rng: np.random.Generator, batch: int, rows: int) -> Iterator[pa.RecordBatch]:
    """Examples with an id and a digest."""
    for start in range(0, rows, ROWS_AT_ONCE):
        ordinals = np.arange(start, min(rows, start + ROWS_AT_ONCE), dtype=np.uint64)
        ids = pc.binary_join_element_wise(
            f"doc-{batch:05d}", pa.array(ordinals).cast(pa.string()), "-"
        )
        digests = rng.integers(0, 256, (ordinals.size, columns.DIGEST_BYTES), np.uint8)
        addresses = ordinals | np.uint64(batch << 32)
        yield pa.record_batch(
            [pa.array(addresses), ids, uniform(digests)], ["address", "example_id", "digest"]
        )


def some_subjects(
    rng: np.random.Generator, batch: int, rows: int, keys: npt.NDArray[np.uint8]
) -> Iterator[pa.RecordBatch]:
    """One subject for each example, of those in `keys`."""
    for start in range(0, rows, ROWS_AT_ONCE):
        addresses = np.arange(start, min(rows, start + ROWS_AT_ONCE), dtype=np.uint64)
        addresses |= np.uint64(batch << 32)
        people = uniform(keys[rng.integers(0, keys.shape[0], addresses.size)])
        version = pa.array(np.ones(addresses.size, np.int32))
        yield pa.record_batch([pa.array(addresses), people, version], columns.SUBJECTS.names)


def recorded(
    index: ExampleIndex, rows: int, batch_rows: int, keys: npt.NDArray[np.uint8]
) -> tuple[float, float]:
    """Records all batches, both tables at once; wall and processor seconds without making them."""
    rng = np.random.default_rng(SEED)
    wall = processor = 0.0
    for batch in range(rows // batch_rows):
        examples = list(some_examples(rng, batch, batch_rows))
        subjects = list(some_subjects(rng, batch, batch_rows, keys))
        readers = [
            pa.RecordBatchReader.from_batches(part[0].schema, part) for part in (examples, subjects)
        ]
        started, used = time.perf_counter(), time.process_time()
        other = threading.Thread(target=index.append_subjects, args=(readers[1],))
        other.start()
        index.append(readers[0])
        other.join()
        wall += time.perf_counter() - started
        processor += time.process_time() - used
    return wall, processor


def size_of(folder: str) -> int:
    """All bytes below a folder."""
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def example_index(rows: int, batch_rows: int) -> Iterator[Figure]:
    """Recording, storage and each look-up, with one subject an example and ten examples each."""
    rng = np.random.default_rng(SEED)
    keys = rng.integers(0, 256, (max(1, rows // 10), columns.SUBJECT_KEY_BYTES), np.uint8)
    how = f"batches of {batch_rows:,}"
    with tempfile.TemporaryDirectory() as folder:
        index = ExampleIndex(folder)
        wall, processor = recorded(index, rows, batch_rows, keys)
        yield Figure(f"record and index, {how}", rows, rows / wall / 1e6, "M examples/s", ">= 1")
        yield Figure(f"record and index, {how}: processor", rows, processor / rows * 1e6, "us each")
        index.optimise()
        for table in (index.examples, index.subjects):
            table.latest().cleanup_old_versions(retain_versions=1)
        yield Figure(f"stored with both tables' indices, {how}", rows, size_of(folder) / rows, "B")
        batches = rows // batch_rows
        questions: dict[str, Callable[[], object]] = {
            "look up an id": lambda: index.find_ids(
                [f"doc-{int(rng.integers(batches)):05d}-{int(rng.integers(batch_rows))}"]
            ),
            "look up a digest that is not there": lambda: index.find_digests([rng.bytes(32)]),
            "look up a subject of ten examples": lambda: index.find_subjects(
                [keys[rng.integers(keys.shape[0])].tobytes()]
            ),
            "fetch a row by address": lambda: index.rows(
                [int(rng.integers(batches)) << 32 | int(rng.integers(batch_rows))], ["example_id"]
            ),
        }
        for what, ask in questions.items():
            yield from percentiles(what, rows, [seconds(ask) for _ in range(LOOK_UPS)])
        thousand = [keys[at].tobytes() for at in rng.integers(0, keys.shape[0], 1_000)]
        yield Figure(
            "look up 1,000 subjects", rows, seconds(lambda: index.find_subjects(thousand)), "s"
        )
        yield Figure(
            "erase 1,000 scattered rows", rows, seconds(lambda: erase(index, rng, batch_rows)), "s"
        )


def erase(index: ExampleIndex, rng: np.random.Generator, batch_rows: int) -> None:
    """Erases a thousand examples of the first batch."""
    index.erase(rng.choice(batch_rows, min(batch_rows, 1_000), replace=False))


def small_appends(count: int) -> Iterator[Figure]:
    """Many small batches bound one after the other, as pipelines send them."""
    rng = np.random.default_rng(SEED)
    keys = rng.integers(0, 256, (1_000, columns.SUBJECT_KEY_BYTES), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        index = ExampleIndex(folder)
        taken = []
        for batch in range(count):
            examples = list(some_examples(rng, batch, 100))
            subjects = list(some_subjects(rng, batch, 100, keys))
            started = time.perf_counter()
            index.clear_batch(batch)
            index.append(pa.Table.from_batches(examples))
            index.append_subjects(pa.Table.from_batches(subjects))
            taken.append(time.perf_counter() - started)
        yield Figure(f"{count} batches of 100, each cleared and appended", count, sum(taken), "s")
        yield from percentiles("  one of them", count, taken)
        asked = [
            seconds(lambda: index.find_ids([f"doc-{int(rng.integers(count)):05d}-7"]))
            for _ in range(100)
        ]
        yield from percentiles("  look up an id after them", count, asked)


def main() -> None:
    """Prints every figure as it is measured."""
    parser = argparse.ArgumentParser(description="What the example ledger costs.")
    parser.add_argument("--rows", type=int, nargs="*", default=[10**6, 10**7])
    parser.add_argument("--large", action="store_true", help="10^8 rows as well")
    parser.add_argument("--encodings", action="store_true", help="compare ways to write a map")
    chosen = parser.parse_args()
    sizes = [*chosen.rows, *([10**8] if chosen.large else [])]
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    figures: list[Iterator[Figure]] = [small_appends(600)]
    for rows in sizes:
        if chosen.encodings:
            figures.append(encodings(rows))
        figures += [row_maps(rows), traces(rows)]
        parts = sorted({min(rows, part) for part in (10**6, 10**7)})
        figures += [example_index(rows, part) for part in parts]
    for part in figures:
        for figure in part:
            print(figure, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory {peak:.1f} GB, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
