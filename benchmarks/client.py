"""What capture costs a pipeline: Hugging Face steps with and without, recording, adoption.

    python -m benchmarks.client                   GSM8K (or texts like it) and 1,000,000 rows
    python -m benchmarks.client --rows 100000     fewer generated rows

A pipeline is run by turns with and without a registry; the figures are the medians of its CPU time
(all threads), because others may use the machine, and of the time on the clock. With: the dataset
is tracked, the result written by `run.write`, and everything sent to another process on loopback
that takes it. The rival: OriginBlame, +1.3 to 4 % and 227 bytes a record.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import os
import random
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from registry.client import PARENTS, Registry
from registry.client.adopt import adopt
from registry.client.examples import record_examples
from tests.client.peer import listening

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("GSM8K_FOLDER", ROOT.parent / "shared" / "data" / "gsm8k"))
GSM8K_ROWS = 7_473
ROUNDS = 11
Step = Callable[[Any], Any]


@dataclass(frozen=True)
class Taken:
    """How long something took: on all cores together, and on the clock."""

    cpu_seconds: float
    wall_seconds: float


class Taker:
    """A process that takes what is sent, so that its work is not counted as the pipeline's."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_take, args=(there,), daemon=True)
        self._process.start()
        self.url = str(self._here.recv())

    def sent_bytes(self) -> int:
        """How much was sent in objects since the last question."""
        self._here.send("bytes")
        return int(self._here.recv())

    def close(self) -> None:
        """End the process."""
        self._here.send("end")
        self._process.join()


def _take(there: Connection) -> None:
    with listening() as peer:
        there.send(peer.url)
        while there.recv() != "end":
            there.send(sum(map(len, peer.objects.values())))
            peer.objects.clear()


def took(work: Callable[[], object]) -> Taken:
    """Run once."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Taken(time.process_time() - cpu, time.perf_counter() - wall)


def median(rounds: list[Taken]) -> Taken:
    """The median of each."""
    return Taken(
        statistics.median(each.cpu_seconds for each in rounds),
        statistics.median(each.wall_seconds for each in rounds),
    )


def made_up_rows(count: int, seed: int = 1) -> Iterator[dict[str, str]]:
    """Questions and answers of GSM8K's form and length."""
    chance = random.Random(seed)
    words = [f"{chance.choice('bcdfglmprst')}{chance.choice('aeiou')}{n:x}" for n in range(2_000)]
    for _ in range(count):
        lines = (" ".join(chance.choices(words, k=12)) for _ in range(chance.randrange(1, 6)))
        yield {"question": " ".join(chance.choices(words, k=40)), "answer": "\n".join(lines)}


def gsm8k() -> Any:
    """GSM8K's training rows where the data set is there, else rows like them."""
    file = FOLDER / "train.jsonl"
    if not file.exists():
        return datasets.Dataset.from_list(list(made_up_rows(GSM8K_ROWS)))
    return datasets.Dataset.from_list([json.loads(line) for line in file.open(encoding="utf-8")])


def generated(count: int) -> Any:
    """Rows like GSM8K's: ten thousand different ones, repeated."""
    table = pa.Table.from_pylist(list(made_up_rows(10_000)))
    return datasets.Dataset(table.take(pa.array(np.arange(count) % 10_000)))


def one_by_one(rows: Any) -> Any:
    """Filter, shuffle, split, map row by row, concatenate, sort."""
    chosen = rows.filter(lambda row: len(row["question"]) > 120).shuffle(seed=7)
    parts = chosen.train_test_split(test_size=0.1, seed=1)
    train = parts["train"].map(lambda row: {"steps": row["answer"].count("\n") + 1})
    test = parts["test"].map(lambda row: {"steps": 0})
    return datasets.concatenate_datasets([train, test]).sort("steps")


def in_batches(rows: Any) -> Any:
    """The same with batched functions."""
    chosen = rows.filter(lambda rows: [len(q) > 120 for q in rows["question"]], batched=True)
    parts = chosen.shuffle(seed=7).train_test_split(test_size=0.1, seed=1)
    train = parts["train"].map(
        lambda rows: {"steps": [a.count("\n") + 1 for a in rows["answer"]]}, batched=True
    )
    test = parts["test"].map(lambda rows: {"steps": [0] * len(rows["answer"])}, batched=True)
    return datasets.concatenate_datasets([train, test]).sort("steps")


def signature(rows: Any) -> dict[str, list[int]]:
    """The least hash of each question's runs of five words: work as a search for copies does it."""
    found = []
    for question in rows["question"]:
        words = question.split()
        runs = (" ".join(words[at : at + 5]) for at in range(max(1, len(words) - 4)))
        found.append(min(zlib.crc32(run.encode()) for run in runs))
    return {"signature": found}


def deduplicate(rows: Any) -> Any:
    """Hash every question, keep the first of each hash, shuffle."""
    seen: set[int] = set()

    def is_first(row: Any) -> bool:
        known = row["signature"] in seen
        seen.add(row["signature"])
        return not known

    return rows.map(signature, batched=True).filter(is_first).shuffle(seed=7)


def explode(rows: Any) -> dict[str, list[Any]]:
    """A row for each line of an answer, which nobody says where it came from."""
    return {"line": [line for answer in rows["answer"] for line in answer.split("\n")]}


def explode_and_say(rows: Any, numbers: list[int]) -> dict[str, list[Any]]:
    """The same, and the number of the row that each line came from."""
    counted = zip(numbers, rows["answer"], strict=True)
    pairs = [(number, line) for number, answer in counted for line in answer.split("\n")]
    return {"line": [line for _, line in pairs], PARENTS: [number for number, _ in pairs]}


def one_to_many(rows: Any) -> Any:
    """A batched map whose rows are found out by evaluating each row once more."""
    return rows.map(explode, batched=True, remove_columns=rows.column_names)


def one_to_many_said(rows: Any) -> Any:
    """A batched map that says its rows itself."""
    return rows.map(
        explode_and_say, batched=True, with_indices=True, remove_columns=rows.column_names
    )


def report_capture(name: str, rows: Any, steps: Step, sdk: Registry, taker: Taker) -> None:
    """Print what capture adds to a pipeline, and what it sends for each row that is written."""
    without: list[Taken] = []
    captured: list[Taken] = []
    written = 0

    def capture() -> None:
        nonlocal written
        with sdk.run("benchmarks capture", code=False) as run:
            made = steps(run.track(rows, "file://lake raw", batch="b"))
            written = run.write("file://lake clean", made).rows or 0

    taker.sent_bytes()
    capture()
    sent = taker.sent_bytes()
    steps(rows)
    for _ in range(ROUNDS):
        without.append(took(lambda: steps(rows)))
        captured.append(took(capture))
    one, other = median(without), median(captured)
    cpu = 100 * (other.cpu_seconds / one.cpu_seconds - 1)
    wall = 100 * (other.wall_seconds / one.wall_seconds - 1)
    extra = 1e6 * (other.cpu_seconds - one.cpu_seconds) / max(1, written)
    print(
        f"{name:<42}{len(rows):>11,}{written:>11,}{one.cpu_seconds:>9.3f}{other.cpu_seconds:>9.3f}"
        f"{cpu:>+8.1f} %{wall:>+8.1f} %{extra:>9.2f}{sent / max(1, written):>9.2f}",
        flush=True,
    )


def report_recording(count: int) -> None:
    """Print how many examples a second are recorded: ids and contents, and texts scanned."""
    rows = list(made_up_rows(10_000))
    texts = pa.array([row["answer"] for row in rows]).take(pa.array(np.arange(count) % 10_000))
    table = pa.table({"id": np.arange(count), "text": texts})
    columns = {"example_id": "id", "content": "text"}
    for what, scan in (("ids and contents hashed", ()), ("and texts scanned", ("text",))):
        record = functools.partial(record_examples, table, columns=columns, scan_pii=scan)
        taken = median([took(record) for _ in range(3)])
        print(f"{what:<42}{count:>11,}{count / taken.cpu_seconds:>20,.0f} rows/s of CPU time")


def report_adoption(sdk: Registry, taker: Taker, folder: Path) -> None:
    """Print how fast Parquet is adopted."""
    for number in range(4):
        rows = list(made_up_rows(50_000, seed=number))
        ids = [f"{number}-{row}" for row in range(len(rows))]
        mails = [f"u{row % 5_000}@example.org" for row in range(len(rows))]
        table = pa.Table.from_pylist(rows).append_column("id", [ids]).append_column("mail", [mails])
        pq.write_table(table, folder / f"part-{number}.parquet", compression="zstd")
    asked: dict[str, dict[str, Any]] = {
        "adopt: ids": {},
        "adopt: ids, contents, subjects": {"content": "answer", "subject": {"email": "mail"}},
        "adopt: ids, contents, texts scanned": {"content": "answer", "scan_pii": ["answer"]},
    }
    for what, options in asked.items():
        taker.sent_bytes()
        done = None

        def work(options: dict[str, Any] = options) -> None:
            nonlocal done
            done = adopt(
                sdk,
                str(folder),
                "file://lake adopted",
                id_column="id",
                again=True,
                state=folder.parent / f"{folder.name}.jsonl",
                **options,
            )

        taken = median([took(work) for _ in range(3)])
        assert done is not None
        megabytes, sent = done.bytes / 1e6, taker.sent_bytes()
        print(
            f"{what:<42}{done.rows:>11,}{megabytes / taken.wall_seconds:>9.0f} MB/s"
            f"{megabytes / taken.cpu_seconds:>9.0f} MB/s of CPU time"
            f"{sent / done.rows:>9.1f} B/row (budget 50 MB/s)"
        )


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    datasets.disable_progress_bars()
    datasets.disable_caching()
    with (
        tempfile.TemporaryDirectory() as spool,
        tempfile.TemporaryDirectory() as folder,
        closing(Taker()) as taker,
        Registry(taker.url, "reg_bench", spool=spool, strict=True) as sdk,
    ):
        heads = ("rows", "written", "CPU s", "with", "CPU", "clock", "µs/row", "B/row")
        widths = (11, 11, 9, 9, 10, 10, 9, 9)
        head = "".join(f"{name:>{width}}" for name, width in zip(heads, widths, strict=True))
        print(f"{'pipeline':<42}{head}")
        small, large = gsm8k(), generated(rows)
        for name, source, steps in (
            ("GSM8K, row by row", small, one_by_one),
            ("GSM8K, in batches", small, in_batches),
            ("GSM8K, copies dropped", small, deduplicate),
            ("GSM8K, one to many", small, one_to_many),
            ("GSM8K, one to many, said", small, one_to_many_said),
            ("generated, in batches", large, in_batches),
        ):
            report_capture(name, source, steps, sdk, taker)
        report_recording(rows)
        report_adoption(sdk, taker, Path(folder))


if __name__ == "__main__":
    main()
