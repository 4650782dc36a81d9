"""Looks for what is left of erased examples in everything that the ledger still has.

Rules (DESIGN §1.10, §6):
1. "Gone" is what reading everything again says, never what a wipe said of itself. Index files of
   every version and of none, objects, columns and sums are decoded and looked into.
2. By place where a place is known: (batch, ordinal). What has no place, such as an object that
   nobody names, is searched by value, as far as values are known (`Known`); else it is untold.
3. Nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import select
from sqlmodel import Session

from registry.errors import NotFoundError
from registry.ledger.closure import Sets
from registry.ledger.columns import DIGEST_BYTES, SUBJECT_KEY_BYTES, split
from registry.ledger.erasing import read_holes
from registry.ledger.find import addresses_of
from registry.ledger.holes import Holes
from registry.ledger.object_remains import part_remains, unnamed_remains
from registry.ledger.opened import Ledger
from registry.ledger.remainders import Known, Remainder, Remains
from registry.ledger.summed import TEXTS
from registry.ledger.sums import columns_name
from registry.ledger.tables import BatchSum
from registry.storage.columns import table_of
from registry.storage.database import Database

_sum = table_of(BatchSum)


def read_known(ledger: Ledger, sets: Sets) -> Known:
    """What the index knows of these examples; to be read before `wiping.wipe`. The subject keys are
    left out: an example may have other people beside the one who asks.
    """
    rows = ledger.index.rows(addresses_of(sets), ["example_id", "digest"])
    ids, digests = (rows.column(name).drop_null().to_pylist() for name in ("example_id", "digest"))
    return Known(frozenset(ids), frozenset(digests))


def find_remains(
    ledger: Ledger,
    database: Database,
    sets: Sets,
    *,
    known: Known | None = None,
    report: Callable[[str], None] = lambda _progress: None,
) -> Remains:
    """Look for these examples in everything that the ledger still has (rules 1 and 2).

    A wipe is followed by tasks (sums, purge, discard), and until they are done something may be
    found. `known`: None where nothing is known but the places. Cost: reads the objects and columns
    of these batches, and what of the index no purge has cleaned yet.
    """
    wanted = {number: ordinals for number, ordinals in sets.items() if ordinals.size}
    found: list[Remainder] = []
    untold: list[str] = []
    for place, remainders, unclear in _in_index(ledger, wanted, known or Known()):
        found += remainders
        untold += unclear
        report(f"{place} looked into")
    found += part_remains(ledger, database, wanted, known or Known())
    report("objects looked into")
    more, untold_objects = unnamed_remains(ledger, database, known)
    found += more
    untold += untold_objects
    report("objects that nobody names looked into")
    found += _in_columns(ledger, database, wanted)
    with database.read() as session:
        found += _in_sums(session, ledger, wanted)
    return Remains(tuple(found), tuple(untold))


def _in_index(
    ledger: Ledger, wanted: Sets, known: Known
) -> Iterator[tuple[str, tuple[Remainder, ...], tuple[str, ...]]]:
    from registry.ledger.index_remains import find_in_table

    addresses = addresses_of(wanted)
    of_examples, of_subjects = {}, {}
    if known.example_ids:
        of_examples["example_id"] = pa.array(sorted(known.example_ids), pa.string())
    if known.digests:
        of_examples["digest_high"] = _high(known.digests, DIGEST_BYTES)
    if known.subject_keys:
        of_subjects["key_high"] = _high(known.subject_keys, SUBJECT_KEY_BYTES)
    for table, place, values in (
        (ledger.index.examples, "index of examples", of_examples),
        (ledger.index.subjects, "index of subjects", of_subjects),
    ):
        in_table = find_in_table(table, place, addresses, values)
        yield place, in_table.remainders, in_table.untold


def _high(values: Iterable[bytes], width: int) -> pa.Array:
    return split(pa.array(sorted(values), pa.binary(width)))[0]


def _in_columns(ledger: Ledger, database: Database, wanted: Sets) -> Iterator[Remainder]:
    """Rows in the columns of these batches, and texts that no row has in those made from them."""
    with database.read() as session:
        downstream = _downstream(session, ledger, wanted)
    for number in sorted({*wanted, *downstream}):
        name = columns_name(number)
        try:
            source = ledger.objects.open(name)
        except NotFoundError:
            continue
        with pq.ParquetFile(source, memory_map=isinstance(source, str)) as file:
            columns = file.read()
        unused = sum(_unused(columns.column(n)) for n in TEXTS if n in columns.column_names)
        held = 0
        if number in wanted and columns.num_columns:
            at = wanted[number][wanted[number] < columns.num_rows]
            rows = columns.take(pa.array(at))
            held = sum(rows.num_rows - rows.column(n).null_count for n in rows.column_names)
        if held or unused:
            yield Remainder("columns", name, held + unused)


def _downstream(session: Session, ledger: Ledger, wanted: Sets) -> set[int]:
    """All batches that maps lead to from these."""
    reached: set[int] = set()
    frontier = set(wanted)
    while frontier:
        outputs = ledger.graph.outputs(session, frontier)
        frontier = {n for each in outputs.values() for n in each} - reached
        reached |= frontier
    return reached


def _unused(column: pa.ChunkedArray) -> int:
    """How many values of a dictionary no row has."""
    if not pa.types.is_dictionary(column.type):
        return 0
    whole = column.unify_dictionaries().combine_chunks()
    chunk = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    used = pc.count_distinct(chunk.indices).as_py()
    return max(0, len(chunk.dictionary) - int(used))


def _in_sums(session: Session, ledger: Ledger, wanted: Sets) -> Iterator[Remainder]:
    """Batches whose sums count other examples than are there."""
    nodes = ledger.graph.nodes(session, wanted)
    holes = read_holes(session, wanted)
    for number in sorted(wanted):
        node = nodes.get(number)
        query = select(_sum.c.examples).where(_sum.c.number == number, _sum.c.dimension == "total")
        counted = session.execute(query).scalar_one_or_none()
        if counted is None or node is None or node.rows is None:
            continue
        left = node.rows - len(holes.get(number, Holes()))
        if counted != left:
            yield Remainder("sums", f"batch {number}", abs(counted - left))
