"""Sums up the examples of a batch for cards and decisions, through its maps where it is derived.

Rules (DESIGN §2):
1. A batch where examples entered has its recorded columns; a derived one has those of its parents,
   gathered map by map. Each bound batch keeps its columns as one small Parquet file, so that a
   derived batch costs one pass over its own rows and those of its inputs.
2. A row with several parents has a value where they agree, else `(mixed)`.
3. Sums are computed whole, never changed by a difference; what nobody recorded is counted under
   the empty value, which is not zero (DESIGN §1.8).
4. Erased examples are counted nowhere, and their rows among the columns hold nothing.
5. Each example has the dataset where it entered as its `source` (the dataset's id in hex), however
   many steps lie between. A synthesised example enters where it was synthesised.
6. Of each dimension the largest values are kept, and the others together. `PAIRS` are counted by
   both values at once, a tab between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import delete, insert
from sqlmodel import Session

from registry.errors import NotFoundError
from registry.ledger.addresses import unpack
from registry.ledger.batches import BatchNode, MapNode
from registry.ledger.erasing import read_holes
from registry.ledger.holes import Holes
from registry.ledger.opened import Ledger
from registry.ledger.rowmap import Role
from registry.ledger.summed import (
    ABSENT,
    NUMBERS,
    TEXTS,
    Summed,
    TextBuilder,
    Texts,
    blanked,
    filled,
    read_together,
    taken,
    through_map,
)
from registry.ledger.tables import BatchSum
from registry.storage.columns import table_of

NOT_RECORDED = ""
OTHERS = "(others)"
SOURCE = "source"
PAIR = "\t"
PAIRS = (("modality", SOURCE), ("modality", "source_domain"))
VALUES_LIMIT = 1_000
_LONGEST_SECONDS = 1e9
DOMAINS_LIMIT = 20_000
#: The recorded column that a summed one is made of, where the names differ.
_MADE_OF = {
    "source_domain": "source_uri",
    "collected_month": "collected_at",
    "milliseconds": "duration_seconds",
}
_COLUMNS = tuple(name for name in TEXTS if name != SOURCE)
_RECORDED = [_MADE_OF.get(name, name) for name in (*_COLUMNS, *NUMBERS)]
_sum = table_of(BatchSum)


@dataclass(frozen=True, slots=True)
class Sum:
    """Examples of one value of one dimension, and their numbers; None: nobody recorded them."""

    dimension: str
    value: str
    examples: int
    bytes: int | None
    tokens: int | None
    milliseconds: int | None = None


def columns_name(number: int) -> str:
    """Where the columns of a batch lie."""
    return f"columns/{number}.parquet"


def sum_batch(session: Session, ledger: Ledger, number: int) -> list[Sum] | None:
    """The sums of a bound batch, and its columns kept for what is derived from it.

    None where it is not bound, or where an input has no columns yet. Effects: one object.
    """
    # What was said of the batch since it was bound counts too.
    ledger.graph.forget([number])
    node = ledger.graph.nodes(session, [number]).get(number)
    if node is None or not node.is_bound or node.rows is None:
        return None
    holes = read_holes(session, [number]).get(number)
    columns = batch_columns(ledger, node, holes)
    if columns is None:
        return None
    ledger.objects.put(columns_name(number), columns.to_parquet())
    if holes is not None:
        columns = taken(columns, holes.is_left(columns.rows))
    return list(sums_of(columns))


def batch_columns(ledger: Ledger, node: BatchNode, holes: Holes | None = None) -> Summed | None:
    """The summed columns of a batch, one row for each ordinal; None where an input has none yet.

    The rows of `holes` hold nothing.

    Cost: 4 bytes a row and text column, 8 a row and number, of the batch and of one map's inputs.
    """
    rows = node.rows or 0
    columns = _recorded(ledger, node, rows)
    for part in node.maps:
        if part.role in (Role.DUPLICATE_OF, Role.LABELLED):
            continue
        gathered = _gathered(ledger, part, rows)
        if gathered is None:
            return None
        if part.role == Role.SYNTHESISED_FROM:
            gathered = _entering(gathered, node.dataset_id.hex())
        columns = filled(columns, gathered)
    return columns if holes is None else blanked(columns, holes.ordinals())


def _recorded(ledger: Ledger, node: BatchNode, rows: int) -> Summed:
    """What was recorded at entry; a batch's own licence stands for rows that have none."""
    texts = {name: TextBuilder(rows) for name in TEXTS}
    numbers: dict[str, npt.NDArray[np.int64]] = {}
    if node.license is not None:
        texts["license"].put(slice(0, rows), pa.repeat(node.license, rows))
    if _enters(node):
        texts[SOURCE].put(slice(0, rows), pa.repeat(node.dataset_id.hex(), rows))
    domains: dict[str | None, str | None] = {}
    for part in ledger.index.scan_batch(node.number, ["address", *_RECORDED]):
        _, ordinals = unpack(part.column("address").combine_chunks().to_numpy())
        inside = ordinals < rows
        if not inside.all():
            part, ordinals = part.filter(pa.array(inside)), ordinals[inside]
        for name in _COLUMNS:
            for piece, at in _pieces(part, name, ordinals, domains):
                texts[name].put(at, piece)
        for name in NUMBERS:
            column = part.column(_MADE_OF.get(name, name))
            if column.null_count < len(column):
                known = numbers.setdefault(name, np.full(rows, ABSENT))
                known[ordinals] = _whole(name, column)
    done = {name: builder.done() for name, builder in texts.items()}
    return Summed(rows, {n: text for n, text in done.items() if text is not None}, numbers)


def _enters(node: BatchNode) -> bool:
    """Whether the examples of a batch were in no other before, as far as is known (rule 5)."""
    made_from = (part for part in node.maps if part.role not in (Role.DUPLICATE_OF, Role.LABELLED))
    return not node.owes and next(made_from, None) is None


def _entering(gathered: Summed, source: str) -> Summed:
    """What was synthesised from these rows, which enters with a source of its own (rule 5)."""
    text = gathered.texts.get(SOURCE)
    if text is None:
        return gathered
    codes = np.where(text.codes < 0, text.codes, 0).astype(np.int32)
    return replace(gathered, texts={**gathered.texts, SOURCE: Texts(codes, (source,))})


def _pieces(
    part: pa.Table,
    name: str,
    ordinals: npt.NDArray[np.uint32],
    domains: dict[str | None, str | None],
) -> Iterator[tuple[pa.Array, npt.NDArray[np.uint32]]]:
    """A text column of rows that were read, and where they stand; nulls are left out."""
    column = part.column(_MADE_OF.get(name, name)).combine_chunks()
    if column.null_count == len(column):
        return
    if column.null_count:
        is_known = pc.is_valid(column)
        column, ordinals = column.filter(is_known), ordinals[is_known.to_numpy(False)]
    if name == "pii":
        column = _renamed(pc.binary_join(column, ",").dictionary_encode(), _kinds)
    elif name == "source_domain":
        column = _renamed(column.dictionary_encode(), lambda uri: _domain(uri, domains))
    elif name == "collected_month":
        column = _months(column)
    yield column, ordinals


def _renamed(column: pa.DictionaryArray, rename: Callable[[str], str | None]) -> pa.DictionaryArray:
    names = pa.array([rename(text) for text in column.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(column.indices, names)


def _whole(name: str, column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """A recorded number of each row as int64; seconds as whole milliseconds."""
    if name != "milliseconds":
        found: npt.NDArray[np.int64] = column.fill_null(ABSENT).to_numpy()
        return found
    seconds = column.to_numpy()
    is_known = np.isfinite(seconds) & (np.abs(seconds) < _LONGEST_SECONDS)
    return np.where(is_known, np.rint(np.where(is_known, seconds, 0) * 1_000), ABSENT).astype(
        np.int64
    )


def _months(moments: pa.Array) -> pa.DictionaryArray:
    """The months of moments, as `2026-03`; there are few, however many rows."""
    months = moments.to_numpy(False).astype("datetime64[M]").astype(np.int64)
    first = int(months.min())
    names = np.arange(first, int(months.max()) + 1).astype("datetime64[M]").astype(str)
    places = pa.array((months - first).astype(np.int32))
    return pa.DictionaryArray.from_arrays(places, pa.array(names.tolist(), pa.string()))


def _kinds(joined: str) -> str:
    return ",".join(sorted(set(joined.split(",")))) or "none"


def _domain(uri: str, known: dict[str | None, str | None]) -> str | None:
    if uri not in known:
        try:
            known[uri] = urlsplit(uri).hostname
        except ValueError:
            known[uri] = None
    return known[uri]


def _gathered(ledger: Ledger, part: MapNode, rows: int) -> Summed | None:
    """The columns of a map's parents, in the order of the outputs."""
    try:
        sources = [ledger.objects.open(columns_name(number)) for number, _, _ in part.inputs]
    except NotFoundError:
        return None
    return through_map(read_together(sources), ledger.graph.open_map(part).chunks(), rows)


def sums_of(columns: Summed) -> Iterator[Sum]:
    """The sums of a batch's columns: all of them, and by each value of each dimension."""
    whole = Texts(np.full(columns.rows, -1, np.int32), ())
    total = next(_counted("total", whole, columns), Sum("total", "", 0, 0, 0, 0))
    yield total
    for name in TEXTS:
        text = columns.texts.get(name)
        if text is not None:
            yield from _limited(_counted(name, text, columns))
        elif columns.rows:
            yield replace(total, dimension=name, value=NOT_RECORDED)
    for first, second in PAIRS:
        pair = _paired(columns.texts.get(first), columns.texts.get(second), columns.rows)
        if pair is not None:
            yield from _limited(_counted(f"{first}{PAIR}{second}", pair, columns))


def _paired(first: Texts | None, second: Texts | None, rows: int) -> Texts | None:
    """Two columns as one, with a value for each pair that there is; None for two of nothing."""
    if first is None and second is None:
        return None
    nothing = Texts(np.full(rows, -1, np.int32), ())
    one, other = first or nothing, second or nothing
    width = len(other.values) + 1
    codes = (one.codes.astype(np.int64) + 1) * width + other.codes + 1
    there, places = np.unique(codes, return_inverse=True)
    lefts, rights = (NOT_RECORDED, *one.values), (NOT_RECORDED, *other.values)
    values = [f"{lefts[code // width]}{PAIR}{rights[code % width]}" for code in there.tolist()]
    return Texts(places.astype(np.int32), tuple(values))


def _counted(name: str, text: Texts, columns: Summed) -> Iterator[Sum]:
    """One sum for each value that has examples, and one for what is not recorded."""
    places, values = text.codes + 1, (NOT_RECORDED, *text.values)
    counts = np.bincount(places, minlength=len(values))
    added = {n: _added(places, columns.numbers.get(n), counts) for n in NUMBERS}
    for place in np.flatnonzero(counts).tolist():
        yield Sum(name, values[place], int(counts[place]), *(added[n][place] for n in NUMBERS))


def _added(
    places: npt.NDArray[np.int32],
    numbers: npt.NDArray[np.int64] | None,
    counts: npt.NDArray[np.int64],
) -> list[int | None]:
    """The numbers of each place together; None where one of them is not recorded."""
    if numbers is None:
        return [None] * counts.size
    is_known = numbers != ABSENT
    # Whole numbers below 2^53 add up exactly as doubles; numpy has no other weights.
    sums = np.bincount(places, np.where(is_known, numbers, 0), counts.size)
    known = np.bincount(places, is_known, counts.size)
    return [
        int(total) if n == count else None
        for total, n, count in zip(sums.tolist(), known.tolist(), counts.tolist(), strict=True)
    ]


def _limited(counted: Iterable[Sum]) -> Iterator[Sum]:
    """The largest values of a dimension, and the rest together as `(others)`."""
    sums = sorted(counted, key=lambda each: (-each.examples, each.value))
    if not sums:
        return
    dimension = sums[0].dimension
    limit = DOMAINS_LIMIT if dimension.endswith("source_domain") else VALUES_LIMIT
    yield from sums[:limit]
    rest = sums[limit:]
    if rest:
        numbers = (_together([getattr(each, name) for each in rest]) for name in NUMBERS)
        yield Sum(dimension, OTHERS, sum(each.examples for each in rest), *numbers)


def _together(numbers: Sequence[int | None]) -> int | None:
    """Numbers added up; None where one of them is not recorded."""
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


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
                "milliseconds": item.milliseconds,
            }
            for item in sums
        ],
    )
