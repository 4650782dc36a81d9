"""Looks whether the ledger holds what the catalog binds: rows in the index, and row maps.

Rules:
1. A batch that was bound with examples has exactly its rows in the index, but for those that were
   erased since, and one without has none.
2. Each map of a bound batch is there and relates as many rows as was bound.
3. What lies in the ledger and is bound by nobody is no fault: it is never looked at (DESIGN §2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import select

from registry.errors import InvalidInputError, NotFoundError
from registry.ledger.addresses import pack
from registry.ledger.erasing import read_holes
from registry.ledger.holes import Holes
from registry.ledger.sweep import Store, Sweep
from registry.ledger.tables import BatchBinding, BindingState, MapBinding
from registry.storage.check import PROBLEM_LIMIT, Finding
from registry.storage.columns import table_of
from registry.storage.database import Database

_binding, _map = table_of(BatchBinding), table_of(MapBinding)
_BATCHES_A_PAGE = 1_000
_BATCHES_A_PART = 25


@dataclass(frozen=True, slots=True)
class BoundMap:
    """A row map as it was bound: its object, the rows of the batch, the rows of its inputs."""

    position: int
    object_name: str
    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class BoundBatch:
    """A batch as it was bound. `indexed`: the rows it had in the index; `erased`: which of its
    ordinals are gone since (Roaring bytes, `holes`), None for none of them.
    """

    number: int
    indexed: int
    maps: tuple[BoundMap, ...]
    erased: bytes | None = None


def check_ledger(database: Database, sweep: Sweep) -> list[Finding]:
    """Look at every bound batch. Cost: a count in the index and the maps' footers for each."""
    rows: list[str] = []
    maps: list[str] = []
    for in_index, in_maps in sweep.each(check_batches, _grouped(bound_batches(database))):
        rows += in_index
        maps += in_maps
        if len(rows) + len(maps) >= PROBLEM_LIMIT:
            break
    return [
        Finding("examples", tuple(rows[:PROBLEM_LIMIT])),
        Finding("row maps", tuple(maps[:PROBLEM_LIMIT])),
    ]


def bound_batches(database: Database) -> Iterator[BoundBatch]:
    """Every bound batch by number; a transaction for some hundred at a time."""
    after = -1
    while page := _page(database, after):
        yield from page
        after = page[-1].number


def _page(database: Database, after: int) -> list[BoundBatch]:
    query = (
        select(_binding.c.number, _binding.c.rows, _binding.c.indexed)
        .where(_binding.c.state == BindingState.BOUND, _binding.c.number > after)
        .order_by(_binding.c.number)
        .limit(_BATCHES_A_PAGE)
    )
    with database.read() as session:
        rows = session.execute(query).all()
        if not rows:
            return []
        bound: dict[int, list[BoundMap]] = {}
        for item in session.execute(
            select(_map)
            .where(_map.c.number.between(rows[0].number, rows[-1].number))
            .order_by(_map.c.number, _map.c.position)
        ):
            one = BoundMap(item.position, item.object_name, item.rows, item.size)
            bound.setdefault(item.number, []).append(one)
        holes = read_holes(session, [row.number for row in rows])
    return [
        BoundBatch(
            row.number,
            (row.rows or 0) if row.indexed else 0,
            tuple(bound.get(row.number, ())),
            holes[row.number].to_bytes() if row.number in holes else None,
        )
        for row in rows
    ]


def _grouped(batches: Iterable[BoundBatch]) -> Iterator[tuple[BoundBatch, ...]]:
    waiting = iter(batches)
    while group := tuple(islice(waiting, _BATCHES_A_PART)):
        yield group


def check_batches(
    store: Store, batches: tuple[BoundBatch, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is wrong with some batches: in the index, and in their maps (rules 1 and 2)."""
    rows: list[str] = []
    maps: list[str] = []
    for batch in batches:
        rows += _wrong_rows(store, batch)
        maps += filter(None, (_wrong_with(store, batch.number, each) for each in batch.maps))
    return tuple(rows), tuple(maps)


def _wrong_rows(store: Store, batch: BoundBatch) -> Iterator[str]:
    found = store.index.count(batch.number)
    expected, remaining, but = batch.indexed, 0, ""
    if batch.erased is not None and batch.indexed:
        holes = Holes.from_bytes(batch.erased)
        expected -= len(holes)
        but = f", of which {len(holes)} were erased"
        at = pack(batch.number, holes.ordinals())
        remaining = store.index.rows(at, ["address"]).num_rows
    if remaining:
        yield (
            f"the index still holds {remaining} examples of batch {batch.number} that were erased; "
            "the erasure is not at its end"
        )
    if found - remaining != expected:
        yield (
            f"batch {batch.number} is bound with {batch.indexed} examples{but}, and the index "
            f"holds {found - remaining}"
        )


def _wrong_with(store: Store, number: int, bound: BoundMap) -> str | None:
    from registry.ledger.rowmap_file import RowMapFile

    name = f"map {bound.position} of batch {number}"
    try:
        with RowMapFile(store.objects.open(bound.object_name)) as file:
            found = (len(file), file.size)
    except NotFoundError:
        return f"{name} is gone: {bound.object_name}"
    except InvalidInputError as error:
        return f"{name} cannot be read: {error.detail}"
    if found != (bound.rows, bound.size):
        return (
            f"{name} is bound with {bound.rows} rows of {bound.size}, and its object has "
            f"{found[0]} of {found[1]}"
        )
    return None
