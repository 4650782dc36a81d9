"""Sums up the examples of a batch for cards and decisions, through its maps where it is derived.

Rules (DESIGN §2):
1. A batch where examples entered has its recorded columns; a derived one has those of its parents,
   gathered map by map. Each bound batch keeps its columns as one small Parquet file, so that a
   derived batch costs one pass over its own rows and those of its inputs.
2. A row with several parents has a value where they agree, else `(mixed)`.
3. Sums are computed whole, never changed by a difference; what nobody recorded is counted under
   the empty value, which is not zero (DESIGN §1.8).
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import delete, insert
from sqlmodel import Session

from registry.errors import NotFoundError
from registry.ledger.addresses import unpack
from registry.ledger.batches import BatchGraph, BatchNode, MapNode
from registry.ledger.opened import Ledger
from registry.ledger.rowmap import Role
from registry.ledger.rowmap_codec import sentinel
from registry.ledger.tables import BatchSum
from registry.storage.columns import table_of
from registry.storage.objects import Objects

NOT_RECORDED = ""
MIXED = "(mixed)"
OTHERS = "(others)"
VALUES_LIMIT = 1_000
TEXTS = ("split", "license", "language", "modality", "label", "source_domain", "pii")
NUMBERS = ("bytes", "tokens")
SUMMED = pa.schema(
    [
        *[pa.field(name, pa.dictionary(pa.int32(), pa.string())) for name in TEXTS],
        *[pa.field(name, pa.int64()) for name in NUMBERS],
    ]
)
_RECORDED = ["split", "license", "language", "modality", "label", "source_uri", "pii", *NUMBERS]
_sum = table_of(BatchSum)


@dataclass(frozen=True, slots=True)
class Sum:
    """Examples, bytes and tokens of one value of one dimension; None: nobody recorded them."""

    dimension: str
    value: str
    examples: int
    bytes: int | None
    tokens: int | None


def columns_name(number: int) -> str:
    """Where the columns of a batch lie."""
    return f"columns/{number}.parquet"


def sum_batch(session: Session, ledger: Ledger, number: int) -> list[Sum] | None:
    """The sums of a bound batch, and its columns kept for what is derived from it.

    None where it is not bound, or where an input has no columns yet. Effects: one object.
    """
    node = ledger.graph.nodes(session, [number]).get(number)
    if node is None or not node.is_bound or node.rows is None:
        return None
    table = batch_columns(ledger, node)
    if table is None:
        return None
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    ledger.objects.put(columns_name(number), sink.getvalue())
    return list(sums_of(table))


def batch_columns(ledger: Ledger, node: BatchNode) -> pa.Table | None:
    """The summed columns of a batch, one row for each ordinal; None where an input has none yet."""
    rows = node.rows or 0
    table = _recorded(ledger, node, rows)
    for part in node.maps:
        if part.role in (Role.DUPLICATE_OF, Role.LABELLED):
            continue
        gathered = _gathered(ledger.graph, ledger.objects, part, rows)
        if gathered is None:
            return None
        table = _filled(table, gathered)
    return table


def _recorded(ledger: Ledger, node: BatchNode, rows: int) -> pa.Table:
    """What was recorded at entry; a batch's own licence stands for rows that have none."""
    columns = {name: np.full(rows, None, object) for name in TEXTS}
    numbers = {name: np.full(rows, np.nan) for name in NUMBERS}
    for part in ledger.index.scan_batch(node.number, ["address", *_RECORDED]):
        _, ordinals = unpack(part.column("address").combine_chunks().to_numpy())
        inside = ordinals < rows
        at = ordinals[inside]
        for name in TEXTS:
            columns[name][at] = _texts(part, name)[inside]
        for name in NUMBERS:
            values = part.column(name).cast(pa.float64()).to_numpy()
            numbers[name][at] = values[inside]
    arrays: list[pa.Array] = []
    for name in TEXTS:
        texts = pa.array(columns[name], pa.string())
        if name == "license" and node.license is not None:
            texts = pc.fill_null(texts, node.license)
        arrays.append(texts.dictionary_encode())
    for name in NUMBERS:
        arrays.append(pa.array(numbers[name], pa.float64(), from_pandas=True).cast(pa.int64()))
    return pa.table(arrays, schema=SUMMED)


def _texts(part: pa.Table, name: str) -> npt.NDArray[np.object_]:
    match name:
        case "source_domain":
            uris = part.column("source_uri").to_pylist()
            known: dict[str | None, str | None] = {}
            return np.array([_domain(uri, known) for uri in uris], object)
        case "pii":
            kinds = part.column("pii").to_pylist()
            joined = (None if k is None else ",".join(sorted(set(k))) or "none" for k in kinds)
            return np.array(list(joined), object)
        case _:
            return np.array(part.column(name).to_pylist(), object)


def _domain(uri: str | None, known: dict[str | None, str | None]) -> str | None:
    if uri not in known:
        try:
            known[uri] = None if uri is None else urlsplit(uri).hostname
        except ValueError:
            known[uri] = None
    return known[uri]


def _gathered(graph: BatchGraph, objects: Objects, part: MapNode, rows: int) -> pa.Table | None:
    """The columns of a map's parents, in the order of the outputs."""
    inputs: list[pa.Table] = []
    for number, _, _ in part.inputs:
        try:
            source = objects.open(columns_name(number))
        except NotFoundError:
            return None
        with pq.ParquetFile(source) as file:
            inputs.append(file.read())
    together = pa.concat_tables(inputs).unify_dictionaries().combine_chunks()
    first, several = _first_parents(graph, part, rows)
    taken = together.take(pa.array(first, pa.int64(), mask=first < 0))
    if not several.any():
        return taken
    return _mixed(taken, together, graph, part, several)


def _first_parents(
    graph: BatchGraph, part: MapNode, rows: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The first parent of each output (-1: none), and which outputs have several."""
    first = np.full(rows, -1, np.int64)
    several = np.zeros(rows, bool)
    for start, chunk in graph.open_map(part).chunks():
        stop = min(start + len(chunk), rows)
        if chunk.parents is None:
            found = np.arange(len(chunk), dtype=np.int64) + chunk.start
        elif chunk.offsets is None:
            found = np.where(
                chunk.parents == sentinel(chunk.size), -1, chunk.parents.astype(np.int64)
            )
        else:
            counts = np.diff(chunk.offsets)
            found = np.full(len(chunk), -1, np.int64)
            found[counts > 0] = chunk.parents[chunk.offsets[:-1][counts > 0]].astype(np.int64)
            several[start:stop] = (counts > 1)[: stop - start]
        first[start:stop] = found[: stop - start]
    return first, several


def _mixed(
    taken: pa.Table,
    together: pa.Table,
    graph: BatchGraph,
    part: MapNode,
    several: npt.NDArray[np.bool_],
) -> pa.Table:
    """Rule 2 for the outputs with several parents; their bytes and tokens are added up."""
    file = graph.open_map(part)
    values = {name: together.column(name).to_pylist() for name in SUMMED.names}
    columns = {name: taken.column(name).to_pylist() for name in SUMMED.names}
    for row in np.flatnonzero(several).tolist():
        parents = file.parents_of(row).tolist()
        for name in TEXTS:
            found = {values[name][parent] for parent in parents}
            columns[name][row] = found.pop() if len(found) == 1 else MIXED
        for name in NUMBERS:
            found_numbers = [values[name][parent] for parent in parents]
            whole = [number for number in found_numbers if number is not None]
            columns[name][row] = sum(whole) if len(whole) == len(found_numbers) else None
    arrays = [pa.array(columns[name], pa.string()).dictionary_encode() for name in TEXTS]
    arrays += [pa.array(columns[name], pa.int64()) for name in NUMBERS]
    return pa.table(arrays, schema=SUMMED)


def _filled(own: pa.Table, gathered: pa.Table) -> pa.Table:
    """A batch's own columns, and its parents' where it has none."""
    arrays: list[pa.Array] = []
    for name in SUMMED.names:
        kind = pa.string() if name in TEXTS else pa.int64()
        mine, theirs = own.column(name).cast(kind), gathered.column(name).cast(kind)
        merged = pc.coalesce(mine, theirs).combine_chunks()
        arrays.append(merged.dictionary_encode() if name in TEXTS else merged)
    return pa.table(arrays, schema=SUMMED)


def sums_of(table: pa.Table) -> Iterator[Sum]:
    """The sums of a batch's columns: all of them, and by each value of each dimension."""
    yield Sum("total", "", table.num_rows, *_totals(table))
    for name in TEXTS:
        keyed = table.select([name, *NUMBERS]).set_column(
            0, name, pc.fill_null(table.column(name).cast(pa.string()), NOT_RECORDED)
        )
        grouped = keyed.group_by(name).aggregate(
            [([], "count_all"), *[(n, "sum") for n in NUMBERS], *[(n, "count") for n in NUMBERS]]
        )
        yield from _limited(name, grouped.to_pylist())


def _totals(table: pa.Table) -> Sequence[int | None]:
    return [
        None if table.column(name).null_count else pc.sum(table.column(name)).as_py() or 0
        for name in NUMBERS
    ]


def _limited(name: str, rows: list[dict[str, object]]) -> Iterator[Sum]:
    """The largest values of a dimension, and the rest together as `(others)`."""
    rows.sort(key=lambda row: (-int(str(row["count_all"])), str(row[name])))
    for row in rows[:VALUES_LIMIT]:
        examples = int(str(row["count_all"]))
        known = [
            int(str(row[f"{n}_sum"])) if row[f"{n}_count"] == examples else None for n in NUMBERS
        ]
        yield Sum(name, str(row[name]), examples, *known)
    rest = Counter[str]()
    for row in rows[VALUES_LIMIT:]:
        rest["examples"] += int(str(row["count_all"]))
    if rest["examples"]:
        yield Sum(name, OTHERS, rest["examples"], None, None)


def store_sums(session: Session, number: int, sums: list[Sum]) -> None:
    """Replace the sums of a batch. Does not commit."""
    session.execute(delete(_sum).where(_sum.c.number == number))
    session.execute(
        insert(_sum),
        [
            {
                "number": number,
                "dimension": item.dimension,
                "value": item.value,
                "examples": item.examples,
                "bytes": item.bytes,
                "tokens": item.tokens,
            }
            for item in sums
        ],
    )
