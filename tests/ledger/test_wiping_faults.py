"""An erasure may break at every step; done again, it ends as one that nothing disturbed."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import select

from registry.client.http import HttpClient
from registry.ledger.closure import Sets
from registry.ledger.opened import Ledger
from registry.ledger.remains import find_remains, read_known
from registry.ledger.tables import BatchHole, BatchSum
from registry.request import House
from registry.storage.columns import table_of
from tests.clock import FrozenClock
from tests.ledger.erasures import chain, index_rows, mark, sets_of, wipe_now, work_off
from tests.ledger.test_binding_faults import Breaker, Breaking, BrokenError, altered, every_break

_hole, _sum = table_of(BatchHole), table_of(BatchSum)
# The mark; the objects, of parents first; the index; the tasks that follow.
STEPS = ["transact", *["put_file"] * 3, *["delete"] * 2, "transact"]
# The sums write the columns of each batch, and of those made from it: to break two is enough.
OF_TASKS = ["put", "put", "purge"]


def broken(ledger: Ledger, breaker: Breaker) -> Ledger:
    index: Any = copy.copy(ledger.index)
    index.examples = Breaking(ledger.index.examples, breaker, "delete")
    index.subjects = Breaking(ledger.index.subjects, breaker, "delete")
    outer = Breaking(index, breaker, "purge")
    objects: Any = Breaking(ledger.objects, breaker, "put", "put_file")
    return altered(ledger, index=outer, objects=objects)


def erase_once(house: House, sets: Sets, breaker: Breaker) -> None:
    """Mark, wipe and do what follows, until something breaks."""
    database: Any = Breaking(house.database, breaker, "transact")
    ledger = broken(house.ledger, breaker)
    mark(replace(house, database=database), sets)
    wipe_now(house, sets, ledger=ledger, database=database)
    # What breaks in a task is the worker's to note: the task comes again.
    work_off(replace(house, ledger=ledger))


def erase_fully(house: House, sets: Sets, clock: FrozenClock) -> None:
    mark(house, sets)
    wipe_now(house, sets)
    work_off(house)
    clock.advance(hours=2)
    work_off(house)


def objects_of(house: House) -> dict[str, list[dict[str, Any]]]:
    """The rows of every object, by its part."""
    found: dict[str, list[dict[str, Any]]] = {}
    for folder in ("objects", "columns"):
        for name in sorted(house.ledger.objects.names(folder)):
            if "row_map" in name:
                continue
            table = pq.read_table(pa.BufferReader(house.ledger.objects.get(name)))
            part = name if folder == "columns" else name.rpartition("/")[2]
            assert part not in found
            found[part] = table.to_pylist()
    return found


def state_of(house: House) -> dict[str, Any]:
    """All that an erasure changes."""
    with house.database.read() as session:
        holes = session.execute(select(_hole.c.number, _hole.c.holes, _hole.c.erased)).all()
        sums = session.execute(select(_sum)).all()
    return {
        "index": index_rows(house),
        "objects": objects_of(house),
        "holes": sorted((row[0], bytes(row[1]), row[2]) for row in holes),
        "sums": sorted(map(tuple, sums), key=repr),
    }


def restored(house: House, kept: dict[str, bytes], rows: dict[str, pa.Table]) -> None:
    """Put everything back as it was before an erasure, for the next break."""
    with house.database.write() as session:
        session.execute(_hole.delete())
    for name, content in kept.items():
        house.ledger.objects.put(name, content)
    index = house.ledger.index
    for number in range(1, 10):
        index.clear_batch(number)
    index.append(rows["examples"])
    index.append_subjects(rows["subjects"])
    index.purge(house.clock())


def test_an_erasure_may_break_at_every_step(
    house: House, admin: HttpClient, frozen_clock: FrozenClock
) -> None:
    known = chain(house, admin)
    sets = sets_of(known, raw=[0, 5, 11], cut=[0], named=[1])
    was = read_known(house.ledger, sets)
    house.ledger.index.optimise()
    names = [n for folder in ("objects", "columns") for n in house.ledger.objects.names(folder)]
    kept = {name: house.ledger.objects.get(name) for name in names}
    whole = {
        "examples": pa.concat_tables(house.ledger.index.scan_batch(known["raw"])),
        "subjects": pa.concat_tables(house.ledger.index.scan_subjects(known["raw"])),
    }
    breaker = Breaker()
    erase_once(house, sets, breaker)
    assert breaker.steps[:7] == STEPS
    assert {*breaker.steps[7:]} == {*OF_TASKS}
    frozen_clock.advance(hours=2)
    work_off(house)
    expected = state_of(house)
    for _name, breaking in every_break([*STEPS, *OF_TASKS]):
        restored(house, kept, whole)
        try:
            erase_once(house, sets, breaking)
        except BrokenError:
            assert breaking.step <= 7
        frozen_clock.advance(hours=1)
        erase_fully(house, sets, frozen_clock)
        assert state_of(house) == expected
        remains = find_remains(house.ledger, house.database, sets, known=was)
        assert (remains.found, remains.untold) == ((), ())


def test_two_wipes_at_once_bring_nothing_back(house: House, admin: HttpClient) -> None:
    known = chain(house, admin)
    first, second = sets_of(known, raw=[1, 2]), sets_of(known, raw=[7])
    mark(house, first)
    inner = house.ledger.objects.put_file
    done: list[str] = []

    def put_file(name: str, source: Any) -> None:
        # Another case marks while this one writes; it then waits for the object.
        if not done:
            done.append(name)
            mark(house, second)
        inner(name, source)

    objects: Any = copy.copy(house.ledger.objects)
    objects.put_file = put_file
    wipe_now(house, first, ledger=altered(house.ledger, objects=objects))
    wipe_now(house, second)
    work_off(house)
    ids = [row["example_id"] for row in objects_of(house)["examples.parquet"]]
    assert [row for row, each in enumerate(ids) if each is None] == [1, 2, 7]
