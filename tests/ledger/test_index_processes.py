"""Several processes on one ledger: nothing is lost, doubled or found wrong."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable

from registry.ledger.addresses import pack
from registry.ledger.index import ExampleIndex
from tests.ledger import processes
from tests.ledger.conftest import Place
from tests.ledger.processes import ROWS, Report
from tests.ledger.rows import digest, example_id, examples, subject_key, subjects

Work = tuple[Callable[[ExampleIndex, int, int], Report], int, int]


def at_once(place: Place, works: list[Work]) -> list[Report]:
    """Runs each piece of work in a process of its own; their reports, once all have ended."""
    spawn = multiprocessing.get_context("spawn")
    reports = spawn.Queue()
    running = [
        spawn.Process(
            target=processes.run,
            args=(work, place.url, place.storage_options, first, count, reports),
        )
        for work, first, count in works
    ]
    for process in running:
        process.start()
    received = [reports.get(timeout=120) for _ in running]
    for process in running:
        process.join(timeout=60)
    reports.close()
    failures = [report for report in received if isinstance(report, str)]
    assert not failures
    return received


def test_writers_erasers_upkeep_and_readers_share_one_ledger(place: Place) -> None:
    rounds = 20 if place.storage_options is None else 2
    index = place.open()
    for batch in range(1_000, 1_000 + rounds):
        index.append(examples(batch, ROWS))
        index.append_subjects(subjects((at, batch) for at in pack(batch, range(ROWS)).tolist()))
    index.append(examples(5_000, ROWS))

    reports = at_once(
        place,
        [
            (processes.bind_batches, 0, rounds),
            (processes.bind_batches, 500, rounds),
            (processes.erase_rows, 1_000, rounds),
            (processes.keep_up, 1, rounds // 2),
            (processes.keep_up, 3, rounds // 2),
            (processes.look_up, 5_000, 2 * rounds),
        ],
    )

    bound = [batch for name, found in reports if name == "bound" for batch in found]
    erased = {at for name, found in reports if name == "erased" for at in found}
    assert [found for name, found in reports if name == "wrong"] == [[0]]
    written = [*bound, *range(1_000, 1_000 + rounds)]
    kept = [at for batch in written for at in pack(batch, range(ROWS)).tolist() if at not in erased]
    for each in (place.open(), index):
        assert each.count() == len(kept) + ROWS
        assert each.find_ids([example_id(at) for at in kept]).addresses.tolist() == kept
        assert each.find_digests([digest(at) for at in kept]).addresses.tolist() == kept
        assert each.rows(kept, [])["address"].to_pylist() == sorted(kept)
        assert len(each.find_ids([example_id(at) for at in erased])) == 0
        people = each.find_subjects([subject_key(batch) for batch in written])
        assert people.addresses.tolist() == kept
        each.purge(processes.NOW)
    assert all(part.older_versions == 0 for part in index.residue())


def test_two_processes_may_make_the_ledger_in_the_same_moment(place: Place) -> None:
    at_once(place, [(processes.bind_batches, first, 1) for first in (1, 2, 3)])

    assert [place.open().count(batch) for batch in (1, 2, 3)] == [ROWS] * 3
