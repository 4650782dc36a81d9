"""Brings objects into the ledger and binds them to batches.

Rules (DESIGN §2, §5):
1. An object is kept pseudonymised, once for each project; it expires if nothing binds it.
2. Binding goes: delete the batch's address range from the index, append, then bind in SQL. What no
   batch binds is never looked at, so a crash anywhere is mended by doing it again. Nobody else
   binds the same batch meanwhile, not even a worker that lost its lease and goes on.
3. A bound batch never changes: a later event that names another object is noted, not followed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import insert, select, update
from sqlmodel import Session

from registry.errors import InvalidInputError, StorageUnavailableError
from registry.ids import fresh_id
from registry.ledger.addresses import pack
from registry.ledger.bindings import (
    ask_to_bind,
    lock_awaited,
    note_failed,
    note_waiting,
    store_binding,
    wake,
)
from registry.ledger.columns import EXAMPLES, SUBJECTS
from registry.ledger.door import NOBODY, Ordinals, find_suppressed, without
from registry.ledger.erasing import read_holes
from registry.ledger.expire import EXPIRES_AFTER, object_name
from registry.ledger.holes import Holes
from registry.ledger.opened import Ledger
from registry.ledger.parents import compile_parents
from registry.ledger.plan import (
    BindPlan,
    FoundObject,
    Impossible,
    PlannedMap,
    Waiting,
    awaited_object,
    plan_binding,
)
from registry.ledger.rowmap import RowMap
from registry.ledger.rowmap_file import RowMapFile
from registry.ledger.tables import BatchBinding, BindingState, LedgerObject, ObjectKind
from registry.ledger.uploads import take_examples, take_parents
from registry.storage.alone import Turns
from registry.storage.columns import table_of
from registry.storage.database import Database
from registry.storage.temporary import writing_temporary

_binding, _object = table_of(BatchBinding), table_of(LedgerObject)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that is in the ledger."""

    id: str
    kind: ObjectKind
    rows: int


def store_object(
    ledger: Ledger,
    database: Database,
    source: Path,
    *,
    digest: str,
    kind: ObjectKind,
    content_type: str,
    account_id: str,
    project_id: str,
    now: datetime,
) -> StoredObject:
    """Keep an upload whose digest was checked; the same one twice is one object.

    Raises InvalidInputError, UnsupportedEncodingError, StorageUnavailableError; then nothing is
    kept. Effects: commits one row, and puts a task for each batch that waits for the object.
    """
    match = ledger.match(digest)
    known = database.transact(lambda session: _renew(session, match, kind, project_id, now))
    if known is not None:
        return known
    object_id = fresh_id()
    with writing_temporary(), tempfile.TemporaryDirectory(prefix="registry-object-") as folder:
        facts = _keep(ledger, source, Path(folder), object_id, kind, content_type)
    row = {
        "id": object_id,
        "match": match,
        "kind": kind.value,
        "account_id": account_id,
        "project_id": project_id,
        "created_at": now,
        "expires_at": now + EXPIRES_AFTER,
        **facts,
    }

    def work(session: Session) -> StoredObject:
        found = _find(session, match, kind, project_id)
        if found is not None:
            return found
        session.execute(insert(_object), [row])
        wake(session, [awaited_object(digest)], now=now)
        return StoredObject(object_id, kind, int(facts["rows"]))

    return database.transact(work)


def _renew(
    session: Session, match: bytes, kind: ObjectKind, project_id: str, now: datetime
) -> StoredObject | None:
    """An object that is there already; one that nothing is bound to stays as if it were new."""
    found = _find(session, match, kind, project_id)
    if found is not None:
        unbound = (_object.c.id == found.id) & _object.c.expires_at.is_not(None)
        session.execute(update(_object).where(unbound).values(expires_at=now + EXPIRES_AFTER))
    return found


def _find(session: Session, match: bytes, kind: ObjectKind, project_id: str) -> StoredObject | None:
    row = session.execute(
        select(_object.c.id, _object.c.rows).where(
            _object.c.match == match,
            _object.c.kind == kind.value,
            _object.c.project_id == project_id,
        )
    ).one_or_none()
    return None if row is None else StoredObject(row.id, kind, row.rows)


def _keep(
    ledger: Ledger, source: Path, folder: Path, object_id: str, kind: ObjectKind, content_type: str
) -> dict[str, Any]:
    """Write the parts of an object to the store; facts for its row."""
    match kind:
        case ObjectKind.EXAMPLES:
            rows, links = folder / "examples.parquet", folder / "subjects.parquet"
            taken = take_examples(source, content_type, rows, links, ledger.pseudonymiser())
            ledger.objects.put_file(object_name(object_id, "examples"), rows)
            ledger.objects.put_file(object_name(object_id, "subjects"), links)
            columns = msgspec.json.encode(sorted(taken.columns)).decode()
            return {"rows": taken.rows, "subjects": taken.subjects, "columns": columns}
        case ObjectKind.ROW_MAP:
            with RowMapFile(source) as opened:
                opened.check()
                count = len(opened)
            ledger.objects.put_file(object_name(object_id, "row_map"), source)
            return {"rows": count, "subjects": 0, "columns": "[]"}
        case ObjectKind.PARENTS:
            target = folder / "parents.parquet"
            count = take_parents(source, content_type, target)
            ledger.objects.put_file(object_name(object_id, "parents"), target)
            return {"rows": count, "subjects": 0, "columns": "[]"}


def bind_batch(
    ledger: Ledger,
    database: Database,
    number: int,
    *,
    turns: Turns,
    now: datetime,
    conclude: Callable[[Callable[[Session], None]], None],
) -> BindingState | None:
    """Bind a batch, or note what it waits for or why it cannot be; None where it is gone.

    `conclude` runs the last transaction (the task's own). Idempotent (rule 2). Raises
    StorageUnavailableError where another worker is at this batch, or the ledger takes no work.
    """
    with turns.alone(number):
        return _bind_alone(ledger, database, number, now, conclude)


def _bind_alone(
    ledger: Ledger,
    database: Database,
    number: int,
    now: datetime,
    conclude: Callable[[Callable[[Session], None]], None],
) -> BindingState | None:
    with database.read() as session:
        state = session.execute(
            select(_binding.c.state).where(_binding.c.number == number)
        ).scalar_one_or_none()
        plan = plan_binding(session, number, match=ledger.match)
        erased = _erased_of(session, plan.examples) if isinstance(plan, BindPlan) else NOBODY
    if state == BindingState.BOUND or plan is None:
        conclude(lambda _session: None)
        return None if plan is None else BindingState.BOUND
    match plan:
        case Waiting():
            conclude(lambda session: _note_waiting(session, ledger, plan, now))
            return BindingState.PENDING
        case Impossible():
            conclude(lambda session: note_failed(session, number, plan.detail, now))
            return BindingState.FAILED
        case BindPlan():
            return _bind(ledger, plan, erased, now, conclude)


def _erased_of(session: Session, examples: FoundObject | None) -> Ordinals:
    """Which rows of an object were erased from batches that it was bound to before."""
    if examples is None:
        return NOBODY
    query = select(_binding.c.number).where(_binding.c.object_id == examples.id)
    holes = read_holes(session, session.execute(query).scalars())
    return reduce(or_, holes.values(), Holes()).ordinals()


def _note_waiting(session: Session, ledger: Ledger, plan: Waiting, now: datetime) -> None:
    lock_awaited(session, plan.awaited)
    note_waiting(session, plan, now)
    if plan_binding(session, plan.number, match=ledger.match) != plan:
        # It came since the plan was made, and woke nobody.
        ask_to_bind(session, plan.number, now=now)


def _bind(
    ledger: Ledger,
    plan: BindPlan,
    erased: Ordinals,
    now: datetime,
    conclude: Callable[[Callable[[Session], None]], None],
) -> BindingState:
    try:
        maps = [_bind_map(ledger, plan, planned) for planned in plan.maps]
        rows = _agreed_rows(plan, maps)
    except InvalidInputError as error:
        detail = f"{error.detail} {error.remedy}"
        conclude(lambda session: note_failed(session, plan.number, detail, now))
        return BindingState.FAILED
    ledger.index.clear_batch(plan.number)
    away = NOBODY
    if plan.examples is not None:
        rows_at, links_at = (object_name(plan.examples.id, p) for p in ("examples", "subjects"))
        away = find_suppressed(ledger.objects, rows_at, links_at, ledger.door)
        away = np.union1d(away, erased)
        _append_examples(ledger, plan.number, plan.examples, away)

    def work(session: Session) -> None:
        store_binding(session, plan, maps, rows, now)
        if away.size:
            ledger.door.turned_away(session, plan.number, away, now)

    conclude(work)
    return BindingState.BOUND


def _bind_map(ledger: Ledger, plan: BindPlan, planned: PlannedMap) -> dict[str, Any]:
    """Check a map against its inputs; the row that binds it. Raises InvalidInputError."""
    unresolved = 0
    if isinstance(planned.source, str):
        name = f"maps/{plan.number}-{planned.position}.parquet"
        row_map = inline_map(planned.source)
        ledger.objects.put(name, row_map.to_bytes())
        rows, size = len(row_map), row_map.size
    elif planned.source.kind is ObjectKind.PARENTS:
        name = f"maps/{plan.number}-{planned.position}.parquet"
        compiled = compile_parents(
            ledger.objects, ledger.index, object_name(planned.source.id, "parents"), plan, planned
        )
        ledger.objects.put(name, compiled.row_map.to_bytes())
        rows, size = len(compiled.row_map), compiled.row_map.size
        unresolved = compiled.unresolved
    else:
        name = object_name(planned.source.id, "row_map")
        with RowMapFile(ledger.objects.open(name)) as opened:
            rows, size = len(opened), opened.size
    if size != planned.size:
        raise InvalidInputError(
            f"Map {planned.position} counts {size} input rows, and its inputs have {planned.size}.",
            remedy="Name the inputs in the order in which the map counts them.",
        )
    return {
        "number": plan.number,
        "position": planned.position,
        "role": planned.role,
        "object_name": name,
        "rows": rows,
        "size": size,
        "score": planned.score,
        "method": planned.method,
        "unresolved": unresolved,
    }


def inline_map(text: str) -> RowMap:
    """The row map of an inline facet. Raises InvalidInputError where a part is missing."""
    said = msgspec.json.decode(text)
    size = said["size"]
    needed = {"range": (), "take": ("parents",), "lists": ("offsets", "parents")}[said["form"]]
    missing = [name for name in needed if said.get(name) is None]
    if missing:
        raise InvalidInputError(
            f"An inline map of form {said['form']} lacks {' and '.join(missing)}.",
            remedy="Send it, or upload the map as an object.",
        )
    match said["form"]:
        case "range":
            start, stop = said.get("start"), said.get("stop")
            return RowMap.slice(start or 0, size if stop is None else stop, size)
        case "take":
            return RowMap.take(said["parents"], size)
        case _:
            return RowMap.lists(said["offsets"], said["parents"], size)


def _agreed_rows(plan: BindPlan, maps: list[dict[str, Any]]) -> int | None:
    rows = plan.rows
    for bound in maps:
        # A map of dropped duplicates tells of rows that are not in the batch.
        if bound["role"] == "duplicate_of":
            continue
        if rows is not None and bound["rows"] != rows:
            raise InvalidInputError(
                f"Map {bound['position']} has {bound['rows']} rows, and the batch {rows}.",
                remedy="Send a map with one row for each example of the batch.",
            )
        rows = bound["rows"]
    return rows


def _append_examples(ledger: Ledger, number: int, examples: FoundObject, away: Ordinals) -> None:
    for part, schema, append in (
        ("examples", EXAMPLES, ledger.index.append),
        ("subjects", SUBJECTS, ledger.index.append_subjects),
    ):
        source = ledger.objects.open(object_name(examples.id, part))
        with pq.ParquetFile(source, memory_map=isinstance(source, str)) as file:
            if file.metadata.num_rows:
                append(_with_addresses(file, number, schema, away))
    held = ledger.index.count(number)
    if held != examples.rows:
        # Whatever came between, the batch is not bound before the index has it once and whole.
        raise StorageUnavailableError(
            f"The index holds {held} examples of batch {number}, and {examples.rows} were added.",
            remedy="The worker does it again; if it stays so, look at the ledger's store.",
        )


def _with_addresses(
    file: pq.ParquetFile, number: int, schema: pa.Schema, away: Ordinals
) -> pa.RecordBatchReader:
    def batches() -> Iterator[pa.RecordBatch]:
        first = 0
        for batch in file.iter_batches(65_536):
            if "ordinal" in batch.schema.names:
                ordinals = batch.column("ordinal").to_numpy()
            else:
                ordinals = np.arange(first, first + batch.num_rows)
            first += batch.num_rows
            columns = [
                pa.array(pack(number, ordinals))
                if item.name == "address"
                else batch.column(item.name)
                for item in schema
            ]
            entering = pa.record_batch(columns, schema=schema)
            yield without(entering, ordinals, away) if away.size else entering

    return pa.RecordBatchReader.from_batches(schema, batches())
