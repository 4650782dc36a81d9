"""Takes away what the ledger keeps of examples that were marked as erased.

Rules (DESIGN §2, §6):
1. Every step may be done twice, so that a wipe that was cut off anywhere is called again. They come
   in this order: parents objects, which name examples by an id that the index alone knows; the
   batches' own objects; the index; then the tasks that sum up, purge and discard.
2. What is taken out of an object is what the marks of all batches that are bound to it say, and not
   what one caller asks for; and it is written again while it is held. So of two wipes at once
   neither brings back what the other took away.
3. Rows keep their places: an erased one becomes a row without any value, and its subjects go. An
   object is replaced under its name in one step, so nobody reads half of it and no second one
   is left behind.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import select
from sqlmodel import Session

from registry.errors import ConflictError, NotFoundError
from registry.ids import named_id
from registry.ledger.bindings import ask_to_sum
from registry.ledger.closure import Sets
from registry.ledger.door import Ordinals, without
from registry.ledger.erasing import read_holes, without_holes
from registry.ledger.expire import object_name
from registry.ledger.find import addresses_of
from registry.ledger.holes import Holes
from registry.ledger.opened import Ledger
from registry.ledger.tables import BatchBinding, LedgerObject, ObjectKind
from registry.ledger.uploads import KEPT_EXAMPLES, KEPT_PARENTS, KEPT_SUBJECTS
from registry.storage.alone import Turns
from registry.storage.bulk import TypedColumn, select_by_rows
from registry.storage.columns import table_of
from registry.storage.database import Database
from registry.storage.queue import TaskKind, put_task
from registry.storage.temporary import writing_temporary

Chosen = npt.NDArray[np.bool_]
_binding, _object = table_of(BatchBinding), table_of(LedgerObject)
_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)
# The batches made from some batches or themselves among these, whose maps were said by an object.
_NAMED_BY = """
SELECT i.number, i.input_number, m.map_object FROM (
  SELECT o.number, o.position, o.input_number FROM {rows} AS w
  JOIN map_input o ON o.input_number = w.number
  UNION
  SELECT o.number, o.position, o.input_number FROM {rows} AS w
  JOIN map_input o ON o.number = w.number
) AS i
JOIN batch b ON b.number = i.number
JOIN batch_map m ON m.dataset_id = b.dataset_id AND m.run_id = b.run_id
  AND m.batch_name = b.name AND m.position = i.position
WHERE m.map_object IS NOT NULL
"""
_ROWS_AT_ONCE = 65_536
# Objects are held under numbers beyond those of batches (`storage.alone`).
_OBJECTS_FROM = 1 << 40


@dataclass(frozen=True, slots=True)
class Wiped:
    """What one call took away: rows of the index (of examples and of subjects), and objects that
    were written again. Nothing, where an earlier call did it all.
    """

    index_rows: int
    objects: int


def wipe(
    ledger: Ledger,
    database: Database,
    sets: Sets,
    *,
    turns: Turns,
    now: datetime,
    report: Callable[[str], None] = lambda _progress: None,
) -> Wiped:
    """Take away all that the ledger keeps of examples that were marked (rule 1).

    What index files, sums and columns still hold is gone when the tasks are done that it asks for;
    `remains.find_remains` says when. Effects: objects, index, tasks; commits. `report` is called
    between steps. Raises ConflictError for examples that nobody marked, StorageUnavailableError;
    then call it again. Cost: reads every object of these batches, and rewrites what holds a row.
    """
    marked = {number: ordinals for number, ordinals in sets.items() if ordinals.size}
    if not marked:
        return Wiped(0, 0)
    with database.read() as session:
        _check_marked(session, marked)
        named = parents_objects(session, ledger, marked)
        own = examples_objects(session, marked)
    written = 0
    for done, (object_id, naming) in enumerate(sorted(named.items()), 1):
        with turns.alone(_turn_of(object_id)):
            written += _wipe_parents(ledger, database, object_id, naming)
        report(f"{done} of {len(named)} parents objects looked at")
    for done, object_id in enumerate(own, 1):
        with turns.alone(_turn_of(object_id)):
            written += _wipe_examples(ledger, database, object_id)
        report(f"{done} of {len(own)} examples objects looked at")
    index_rows = ledger.index.erase(addresses_of(marked))
    report(f"{index_rows} rows of the index erased")
    database.transact(lambda session: _ask_for_the_rest(session, marked, now))
    return Wiped(index_rows, written)


def _check_marked(session: Session, marked: Sets) -> None:
    for number, ordinals in without_holes(session, marked).items():
        raise ConflictError(
            f"{ordinals.size} examples of batch {number} are not marked as erased.",
            remedy="Mark them first, in the transaction that asks about holds.",
        )


def _ask_for_the_rest(session: Session, marked: Sets, now: datetime) -> None:
    for number in sorted(marked):
        ask_to_sum(session, number, now=now)
    key = TaskKind.PURGE_INDEX
    put_task(session, key, {}, now=now, dedupe_key=key)


def _turn_of(object_id: str) -> int:
    return _OBJECTS_FROM | int.from_bytes(named_id("object", object_id)[:5], "big")


def examples_objects(session: Session, marked: Sets) -> list[str]:
    """The examples objects of these batches."""
    sql = (
        "SELECT DISTINCT k.object_id FROM {rows} AS w JOIN batch_binding k ON k.number = w.number "
        "WHERE k.object_id IS NOT NULL ORDER BY k.object_id"
    )
    return [row[0] for row in select_by_rows(session, sql, _NUMBER, [(n,) for n in marked])]


def _wipe_examples(ledger: Ledger, database: Database, object_id: str) -> int:
    """Rewrite both parts of an examples object without what was marked; how many were."""
    with database.read() as session:
        query = select(_binding.c.number).where(_binding.c.object_id == object_id)
        numbers = list(session.execute(query).scalars())
        holes = read_holes(session, numbers)
    erased = _together(holes.values())
    written = 0
    for part, schema in (("subjects", KEPT_SUBJECTS), ("examples", KEPT_EXAMPLES)):
        name = object_name(object_id, part)

        def wiped(first: int, batch: pa.RecordBatch) -> pa.RecordBatch:
            rows = batch.num_rows
            own = "ordinal" in batch.schema.names
            at = batch.column("ordinal").to_numpy() if own else np.arange(first, first + rows)
            return without(batch, at, erased) if _holds(batch, np.isin(at, erased)) else batch

        written += _rewrite(ledger, name, schema, wiped)
    return written


def _holds(batch: pa.RecordBatch, gone: Chosen) -> bool:
    """Whether any of these rows has any value."""
    if not gone.any():
        return False
    rows = batch.filter(pa.array(gone))
    return any(column.null_count < rows.num_rows for column in rows.columns)


def _together(holes: Iterable[Holes]) -> Ordinals:
    return reduce(or_, holes, Holes()).ordinals()


@dataclass(slots=True)
class Naming:
    """A parents object: the batches that were made by it, and those whose examples it names."""

    outputs: set[int]
    inputs: set[int]


def parents_objects(session: Session, ledger: Ledger, marked: Sets) -> dict[str, Naming]:
    """The parents objects that name one of these examples, or tell of its own parents."""
    by_match: dict[bytes, Naming] = {}
    wanted = [(number,) for number in sorted(marked)]
    for output, source, digest in select_by_rows(session, _NAMED_BY, _NUMBER, wanted):
        naming = by_match.setdefault(ledger.match(digest), Naming(set(), set()))
        naming.outputs.add(output)
        naming.inputs.add(source)
    found: dict[str, Naming] = {}
    matches = sorted(by_match)
    for start in range(0, len(matches), 5_000):
        query = select(_object.c.id, _object.c.match).where(
            _object.c.match.in_(matches[start : start + 5_000]),
            _object.c.kind == ObjectKind.PARENTS.value,
        )
        # The same object in another project names the same examples.
        found |= {row.id: by_match[bytes(row.match)] for row in session.execute(query)}
    return found


def _wipe_parents(ledger: Ledger, database: Database, object_id: str, naming: Naming) -> int:
    """Take erased examples out of a parents object: their rows, and their ids in others' rows."""
    with database.read() as session:
        holes = read_holes(session, naming.outputs | naming.inputs)
    erased = _together(each for n, each in holes.items() if n in naming.outputs)
    ids = _ids_of(ledger, {n: holes[n].ordinals() for n in naming.inputs if n in holes})
    value_set = pa.array(sorted(ids), pa.string())

    def wiped(first: int, batch: pa.RecordBatch) -> pa.RecordBatch:
        gone = np.isin(np.arange(first, first + batch.num_rows), erased)
        return _without_parents(batch, gone, value_set)

    return _rewrite(ledger, object_name(object_id, "parents"), KEPT_PARENTS, wiped)


def _ids_of(ledger: Ledger, sets: Sets) -> Collection[str]:
    """The ids of these examples that the index still knows."""
    if not sets:
        return ()
    rows = ledger.index.rows(addresses_of(sets), ["address", "example_id"])
    return {each for each in rows.column("example_id").to_pylist() if each is not None}


def _without_parents(batch: pa.RecordBatch, gone: Chosen, ids: pa.Array) -> pa.RecordBatch:
    """Rows of parents without those `gone`, which become empty, and without the parents `ids`.

    The batch itself where there is nothing to take out.
    """
    lists = batch.column("parent_ids")
    parents, rows = pc.list_flatten(lists), pc.list_parent_indices(lists).to_numpy()
    kept = ~pc.is_in(parents, value_set=ids).to_numpy(zero_copy_only=False) & ~gone[rows]
    is_gone = pa.array(gone)
    named = pc.any(pc.not_equal(batch.column("example_id").filter(is_gone), "")).as_py()
    if kept.all() and not named:
        return batch
    offsets = np.zeros(batch.num_rows + 1, np.int32)
    np.cumsum(np.bincount(rows[kept], minlength=batch.num_rows), out=offsets[1:])
    columns = {
        "example_id": pc.if_else(is_gone, "", batch.column("example_id")),
        "parent_ids": pa.ListArray.from_arrays(pa.array(offsets), parents.filter(pa.array(kept))),
        "role": pc.if_else(is_gone, pa.scalar(None, pa.string()), batch.column("role")),
    }
    return pa.record_batch([columns[name] for name in KEPT_PARENTS.names], schema=KEPT_PARENTS)


def _rewrite(
    ledger: Ledger,
    name: str,
    schema: pa.Schema,
    wiped: Callable[[int, pa.RecordBatch], pa.RecordBatch],
) -> int:
    """Replace an object by what `wiped` makes of its rows (first row, rows); 1 where that changes
    anything. One that is not there has nothing to lose.
    """
    try:
        source = ledger.objects.open(name)
    except NotFoundError:
        return 0
    is_changed = False
    with writing_temporary(), tempfile.TemporaryDirectory(prefix="registry-wipe-") as folder:
        target = Path(folder) / "part.parquet"
        with (
            pq.ParquetFile(source, memory_map=isinstance(source, str)) as file,
            pq.ParquetWriter(target, schema, compression="zstd") as out,
        ):
            for first, batch in _batches(file):
                after = wiped(first, batch)
                is_changed = is_changed or after is not batch
                out.write_batch(after)
        if is_changed:
            ledger.objects.put_file(name, target)
    return int(is_changed)


def _batches(file: pq.ParquetFile) -> Iterator[tuple[int, pa.RecordBatch]]:
    first = 0
    for batch in file.iter_batches(_ROWS_AT_ONCE):
        yield first, batch
        first += batch.num_rows
