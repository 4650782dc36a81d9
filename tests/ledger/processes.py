"""What other processes do to one ledger in `test_index_processes`; each returns what it did."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from multiprocessing.queues import Queue

from registry.errors import StorageUnavailableError
from registry.ledger.addresses import pack
from registry.ledger.index import ExampleIndex
from tests.ledger.rows import examples, subjects

ROWS = 30
NOW = datetime(2026, 3, 1, tzinfo=UTC)
Report = tuple[str, list[int]]


def bind_batches(index: ExampleIndex, first: int, count: int) -> Report:
    """Binds batches, every fifth one twice, as a retry would."""
    for batch in range(first, first + count):
        for _ in range(2 if batch % 5 == 0 else 1):
            index.clear_batch(batch)
            index.append(examples(batch, ROWS))
            index.append_subjects(subjects((at, batch) for at in pack(batch, range(ROWS)).tolist()))
    return "bound", list(range(first, first + count))


def erase_rows(index: ExampleIndex, first: int, count: int) -> Report:
    """Erases the rows with odd ordinals of batches that were there before anybody started."""
    gone: list[int] = []
    for batch in range(first, first + count):
        odd = pack(batch, range(1, ROWS, 2)).tolist()
        index.erase(odd)
        gone += odd
    return "erased", gone


def keep_up(index: ExampleIndex, first: int, count: int) -> Report:
    """Optimises and purges without a pause. A purge may lose against the erasers every time."""
    chance = random.Random(first)
    for _ in range(count):
        if chance.random() < 0.5:
            index.optimise()
        else:
            with suppress(StorageUnavailableError):
                index.purge(NOW)
    return "kept up", []


def look_up(index: ExampleIndex, first: int, count: int) -> Report:
    """Asks for rows nobody touches; returns how many answers were wrong."""
    wrong = 0
    for turn in range(count):
        wanted = pack(first, [turn % ROWS]).tolist()
        found = index.rows(wanted, ["example_id"])
        again = index.find_ids(found["example_id"].to_pylist())
        wrong += found["address"].to_pylist() != wanted or again.addresses.tolist() != wanted
    return "wrong", [wrong]


def run(
    work: Callable[[ExampleIndex, int, int], Report],
    url: str,
    options: dict[str, str] | None,
    first: int,
    count: int,
    reports: Queue[Report | str],
) -> None:
    """The main function of a process."""
    try:
        reports.put(work(ExampleIndex(url, options), first, count))
    except Exception as error:
        reports.put(f"{work.__name__}: {type(error).__name__}: {error}")
        raise
