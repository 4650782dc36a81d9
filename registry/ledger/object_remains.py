"""Looks into uploaded objects for rows of erased examples; those that nobody names by value.

Rules:
1. An object of a batch is looked into at the ordinals that were erased: a row there has no value,
   and no subject. A parents object may name an erased example in the row of another one, by an id
   that no example of the batches it names has any more.
2. An object that no row of the catalog names is the rest of a broken upload, or one that is being
   made; so is a file beside the objects of a folder. It has no place, so its values are compared.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import select

from registry.errors import NotFoundError
from registry.ledger.addresses import unpack
from registry.ledger.closure import Sets
from registry.ledger.door import Ordinals
from registry.ledger.erasing import read_holes
from registry.ledger.expire import FOLDER, object_name
from registry.ledger.opened import Ledger
from registry.ledger.remainders import Known, Remainder
from registry.ledger.tables import LedgerObject
from registry.ledger.wiping import Naming, examples_objects, parents_objects
from registry.storage.columns import table_of
from registry.storage.database import Database

_object = table_of(LedgerObject)
_PLACE, _UNNAMED = "object", "object that nobody names"
_ROWS_AT_ONCE = 65_536
_IDS_AT_ONCE = 5_000


def part_remains(
    ledger: Ledger, database: Database, wanted: Sets, known: Known
) -> Iterator[Remainder]:
    """What the objects of these batches still hold of these examples (rule 1)."""
    with database.read() as session:
        named = parents_objects(session, ledger, wanted)
        own = {n: examples_objects(session, {n: wanted[n]}) for n in sorted(wanted)}
    for number, objects in own.items():
        for object_id in objects:
            for part in ("examples", "subjects"):
                name = object_name(object_id, part)
                held = sum(_held(batch, at, wanted[number]) for at, batch in _rows(ledger, name))
                if held:
                    yield Remainder(_PLACE, name, held)
    for object_id, naming in sorted(named.items()):
        name = object_name(object_id, "parents")
        held = _named(ledger, database, name, naming, wanted, known)
        if held:
            yield Remainder(_PLACE, name, held)


def _rows(ledger: Ledger, name: str) -> Iterator[tuple[int, pa.RecordBatch]]:
    try:
        source = ledger.objects.open(name)
    except NotFoundError:
        return
    first = 0
    with pq.ParquetFile(source, memory_map=isinstance(source, str)) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE):
            yield first, batch
            first += batch.num_rows


def _held(batch: pa.RecordBatch, first: int, erased: Ordinals) -> int:
    """How many rows of erased ordinals have a value."""
    if "ordinal" in batch.schema.names:
        return int(np.isin(batch.column("ordinal").to_numpy(), erased).sum())
    gone = np.isin(np.arange(first, first + batch.num_rows), erased)
    rows = batch.filter(pa.array(gone))
    some = np.zeros(rows.num_rows, np.bool_)
    for column in rows.columns:
        some |= pc.is_valid(column).to_numpy(zero_copy_only=False)
    return int(some.sum())


def _named(
    ledger: Ledger, database: Database, name: str, naming: Naming, wanted: Sets, known: Known
) -> int:
    """Rows of erased examples in a parents object, and erased parents of others."""
    own = [wanted[number] for number in sorted(naming.outputs) if number in wanted]
    erased = np.unique(np.concatenate(own)) if own else np.empty(0, np.uint32)
    ids = pa.array(sorted(known.example_ids), pa.string())
    held = 0
    told: set[str] = set()
    for first, batch in _rows(ledger, name):
        gone = np.isin(np.arange(first, first + batch.num_rows), erased)
        rows = batch.filter(pa.array(gone))
        empty = pc.and_(
            pc.equal(rows.column("example_id"), ""),
            pc.equal(pc.list_value_length(rows.column("parent_ids")), 0),
        )
        held += rows.num_rows - int(pc.sum(empty).as_py() or 0)
        parents = pc.list_flatten(batch.column("parent_ids"))
        told.update(parents.filter(pc.is_in(parents, value_set=ids)).to_pylist())
    return held + len(told - _living(ledger, database, told, naming.inputs))


def _living(ledger: Ledger, database: Database, ids: set[str], numbers: set[int]) -> set[str]:
    """Those of these ids that an example of these batches still has."""
    if not ids:
        return set()
    asked = sorted(ids)
    hits = ledger.index.find_ids(asked)
    batches, ordinals = unpack(hits.addresses)
    with database.read() as session:
        holes = read_holes(session, numbers)
    return {
        asked[which]
        for which, n, ordinal in zip(hits.which, batches.tolist(), ordinals.tolist(), strict=True)
        if n in numbers and not (n in holes and ordinal in holes[n])
    }


def unnamed_remains(
    ledger: Ledger, database: Database, known: Known | None
) -> tuple[list[Remainder], list[str]]:
    """What objects that nobody names hold of what is known, and what could not be told (rule 2).

    Cost: a listing of all objects.
    """
    names = _unnamed(ledger, database)
    if known is None:
        return [], [f"{_UNNAMED}: {name}" for name in names]
    found: list[Remainder] = []
    untold: list[str] = []
    for name in names:
        try:
            held = sum(_known_rows(batch, known) for _, batch in _rows(ledger, name))
        except (pa.ArrowInvalid, OSError):
            untold.append(f"{_UNNAMED}: {name} cannot be read")
            continue
        if held:
            found.append(Remainder(_UNNAMED, name, held))
    return found, untold


def _unnamed(ledger: Ledger, database: Database) -> list[str]:
    by_id: dict[str, list[str]] = {}
    for name in {*ledger.objects.names(FOLDER), *ledger.objects.broken_off(FOLDER)}:
        by_id.setdefault(name.removeprefix(f"{FOLDER}/").partition("/")[0], []).append(name)
    ids = sorted(by_id)
    whole = {f"{part}.parquet" for part in ("examples", "subjects", "row_map", "parents")}
    found: list[str] = []
    for start in range(0, len(ids), _IDS_AT_ONCE):
        some = ids[start : start + _IDS_AT_ONCE]
        with database.read() as session:
            query = select(_object.c.id).where(_object.c.id.in_(some))
            kept = set(session.execute(query).scalars())
        for object_id in some:
            found += [
                name
                for name in by_id[object_id]
                if object_id not in kept or name.rpartition("/")[2] not in whole
            ]
    return sorted(name for name in found if "row_map" not in name)


def _known_rows(batch: pa.RecordBatch, known: Known) -> int:
    """How many rows hold one of the known values."""
    hits = np.zeros(batch.num_rows, np.bool_)
    for column, values in (
        ("example_id", known.example_ids),
        ("digest", known.digests),
        ("subject_key", known.subject_keys),
    ):
        if column in batch.schema.names and values:
            held = batch.column(column)
            asked = pa.array(list(values), held.type)
            hits |= pc.is_in(held, value_set=asked).to_numpy(zero_copy_only=False)
    if "parent_ids" in batch.schema.names:
        lists = batch.column("parent_ids")
        asked = pa.array(sorted(known.example_ids), pa.string())
        inside = pc.is_in(pc.list_flatten(lists), value_set=asked)
        hits[pc.list_parent_indices(lists).filter(inside).to_numpy()] = True
    return int(hits.sum())
