"""Which example is where: from an id, a digest or a subject key to addresses, and back to rows.

Rules:
1. One row for each example that enters with an identity of its own, and one for each subject of an
   example (`columns`). What the index says is honoured only for batches that the catalog binds, so
   a batch is cleared, appended and bound in this order (DESIGN §2), and a retry starts at the top.
2. Rows are found from the moment their append returns, indexed or not; after 64 appends or a
   million rows the append indexes them itself, and `optimise` is the worker's larger round.
3. Rows are erased by address, never by identifier (`lance_table` rule 4). Erased rows are out of
   every answer at once, and out of the files after `purge` and `discard` (`upkeep` rules 4, 5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import lance
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from registry.errors import InvalidInputError, StorageUnavailableError
from registry.ledger import columns as shape
from registry.ledger import upkeep
from registry.ledger.addresses import Addresses, as_addresses, batch_range
from registry.ledger.lance_table import LanceTable
from registry.ledger.positions import ranges

_INDEX_CACHE_BYTES = 256 << 20
_METADATA_CACHE_BYTES = 64 << 20
_NUMBERS_AT_ONCE = 10_000
_TEXTS_AT_ONCE = 1_000
_ORDINALS_AT_ONCE = 1 << 20
# A run of addresses this long is cheaper as a range than one by one.
_LONG_RUN = 8
_RANGES_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Hits:
    """What was found: n pairs, sorted by the question, then by the address.

    `which`: n int64, the place of the question in the list that was asked; `addresses`: n uint64.
    """

    which: npt.NDArray[np.int64]
    addresses: Addresses

    def __len__(self) -> int:
        return int(self.addresses.size)


class ExampleIndex:
    """The example index under one URL: a folder, or `s3://…`, `gs://…`, `az://…`."""

    def __init__(
        self,
        base_url: str,
        storage_options: Mapping[str, str] | None = None,
        *,
        index_cache_bytes: int = _INDEX_CACHE_BYTES,
        metadata_cache_bytes: int = _METADATA_CACHE_BYTES,
    ) -> None:
        """Opens nothing yet. `storage_options`: as object_store names them (`aws_endpoint`, …)."""
        session = lance.Session(
            index_cache_size_bytes=index_cache_bytes,
            metadata_cache_size_bytes=metadata_cache_bytes,
        )
        base = base_url.rstrip("/")
        self.examples = LanceTable(
            f"{base}/examples.lance",
            shape.STORED_EXAMPLES,
            shape.EXAMPLE_INDICES,
            session=session,
            storage_options=storage_options,
        )
        self.subjects = LanceTable(
            f"{base}/subjects.lance",
            shape.STORED_SUBJECTS,
            shape.SUBJECT_INDICES,
            session=session,
            storage_options=storage_options,
        )

    def append(self, rows: pa.Table | pa.RecordBatchReader) -> int:
        """Adds examples, `columns.EXAMPLES` with any optional column left out; how many.

        A reader is read once, a batch at a time. Raises InvalidInputError for columns or values
        that do not fit; StorageUnavailableError. In both cases nothing was added.
        """
        return _append(self.examples, rows, shape.EXAMPLES)

    def append_subjects(self, rows: pa.Table | pa.RecordBatchReader) -> int:
        """Adds subject keys of examples (`columns.SUBJECTS`); how many. Raises as `append`."""
        return _append(self.subjects, rows, shape.SUBJECTS)

    def clear_batch(self, batch: int) -> int:
        """Deletes all rows of a batch from both tables; how many. Nothing there, nothing written.

        For a batch about to be bound: `append` what it has after this.
        """
        predicate = _between(*batch_range(batch))
        return self.subjects.delete(predicate) + self.examples.delete(predicate)

    def erase(self, addresses: object) -> int:
        """Deletes the rows at `addresses` (n, any order) from both tables; how many rows.

        Raises InvalidInputError for anything but addresses, StorageUnavailableError when only some
        of them are gone; erase again then. Cost: one commit for each 10,000 scattered addresses.
        """
        wanted = as_addresses(addresses)
        return sum(
            table.delete(predicate)
            for table in (self.subjects, self.examples)
            for predicate in _predicates(wanted)
        )

    def drop_subject_keys(self, key_version: int, batch: int | None = None) -> int:
        """Deletes the subject keys made under one key version, of all batches or of one.

        How many. For rotation: append the keys under the new version, then drop the old ones.
        """
        predicate = f"key_version = {int(key_version)}"
        if batch is not None:
            predicate += f" AND {_between(*batch_range(batch))}"
        return self.subjects.delete(predicate)

    def find_ids(self, example_ids: Sequence[str]) -> Hits:
        """The addresses with exactly these example ids; one id may be in many batches."""
        asked = pa.array(example_ids, pa.string())
        wanted = asked.unique()
        found = [
            self.examples.read(["address", "example_id"], pc.field("example_id").isin(some))
            for some in _pieces(wanted, _TEXTS_AT_ONCE)
        ]
        return _hits(asked, wanted, found, "example_id")

    def find_digests(self, digests: Sequence[bytes]) -> Hits:
        """The addresses whose content has these keyed digests (32 bytes each)."""
        return self._find_uniform(self.examples, "digest", digests, shape.DIGEST_BYTES)

    def find_subjects(self, subject_keys: Sequence[bytes]) -> Hits:
        """The addresses of these subjects (16 bytes each; ask with the keys of all versions)."""
        return self._find_uniform(
            self.subjects, "subject_key", subject_keys, shape.SUBJECT_KEY_BYTES
        )

    def _find_uniform(
        self, table: LanceTable, name: str, values: Sequence[bytes], width: int
    ) -> Hits:
        if any(len(value) != width for value in values):
            raise InvalidInputError(
                f"A {name} has {width} bytes, and one that was asked for has not.",
                remedy=f"Ask with {width} bytes each.",
            )
        asked = pa.array(values, pa.binary(width))
        wanted = asked.unique()
        high_name = shape.stored_names([name])[0]
        high = shape.split(wanted)[0].unique()
        found = [
            shape.shown(
                table.read(
                    shape.stored_names(["address", name]), _any_of(high_name, some.to_numpy())
                ),
                ["address", name],
            )
            for some in _pieces(high, _NUMBERS_AT_ONCE)
        ]
        return _hits(asked, wanted, found, name)

    def rows(self, addresses: object, columns: Sequence[str] | None = None) -> pa.Table:
        """The examples at `addresses` (n, any order), sorted by address; those not there are left
        out. `columns`: names of `columns.EXAMPLES`, `address` always among them.
        """
        names = _names(shape.EXAMPLES, columns)
        return self._at(self.examples, shape.EXAMPLES, names, as_addresses(addresses))

    def subjects_of(self, addresses: object) -> pa.Table:
        """The subject keys of the examples at `addresses`, sorted by address (`SUBJECTS`)."""
        names = _names(shape.SUBJECTS, None)
        return self._at(self.subjects, shape.SUBJECTS, names, as_addresses(addresses))

    def _at(
        self, table: LanceTable, outer: pa.Schema, names: list[str], wanted: Addresses
    ) -> pa.Table:
        stored = shape.stored_names(names)
        found = [table.read(stored, predicate) for predicate in _predicates(wanted)]
        return _sorted(found, outer, names)

    def scan_batch(self, batch: int, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """All examples of a batch, sorted by ordinal, at most 2^20 in a table; empty ones left out.

        Each table is read at a moment of its own, so what is erased meanwhile may be missing.
        """
        return self._scan(self.examples, shape.EXAMPLES, _names(shape.EXAMPLES, columns), batch)

    def scan_window(
        self, batch: int, first: int, rows: int, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """The examples of a batch from ordinal `first` on, at most `rows` ordinals of them."""
        start, last = batch_range(batch)
        names = _names(shape.EXAMPLES, columns)
        stop = min(start + first + rows - 1, last)
        found = self.examples.read(shape.stored_names(names), _between(start + first, stop))
        return _sorted([found], shape.EXAMPLES, names)

    def scan_subjects(self, batch: int) -> Iterator[pa.Table]:
        """All subject keys of a batch, as `scan_batch`."""
        return self._scan(self.subjects, shape.SUBJECTS, _names(shape.SUBJECTS, None), batch)

    def _scan(
        self, table: LanceTable, outer: pa.Schema, names: list[str], batch: int
    ) -> Iterator[pa.Table]:
        first, last = batch_range(batch)
        stored = shape.stored_names(names)
        for start in range(first, last, _ORDINALS_AT_ONCE):
            stop = start + _ORDINALS_AT_ONCE - 1
            rows = table.read(stored, _between(start, stop))
            if rows.num_rows:
                yield _sorted([rows], outer, names)
            elif not table.count(_between(start, last)):
                return

    def count(self, batch: int | None = None) -> int:
        """How many examples there are, in all or in one batch."""
        return self.examples.count(None if batch is None else _between(*batch_range(batch)))

    def optimise(self) -> None:
        """The worker's round: compacts, indexes and drops old versions (`upkeep.optimise`)."""
        for table in (self.examples, self.subjects):
            upkeep.optimise(table)

    def purge(self, now: datetime) -> tuple[upkeep.Leftovers, upkeep.Leftovers]:
        """Makes erased rows gone from the files, and lists what `discard` must remove later.

        Raises StorageUnavailableError when other writers kept it from finishing.
        """
        return upkeep.purge(self.examples, now), upkeep.purge(self.subjects, now)

    def discard(self, leftovers: tuple[upkeep.Leftovers, upkeep.Leftovers], now: datetime) -> int:
        """Removes files that `purge` found unnamed and that still are; how many.

        Raises ConflictError earlier than an hour after that purge.
        """
        examples, subjects = leftovers
        return upkeep.discard(self.examples, examples, now) + upkeep.discard(
            self.subjects, subjects, now
        )

    def residue(self) -> tuple[upkeep.Residue, upkeep.Residue]:
        """What may still hold erased rows, of examples and of subjects, looked up now."""
        return upkeep.residue(self.examples), upkeep.residue(self.subjects)


def _append(table: LanceTable, rows: pa.Table | pa.RecordBatchReader, outer: pa.Schema) -> int:
    count = table.append(shape.store(rows, outer, table.schema))
    if upkeep.is_due(table):
        # The rows are kept already; what upkeep could not do now, the next append or worker does.
        with suppress(StorageUnavailableError):
            upkeep.tend(table, most_rows_joined=upkeep.ROWS_JOINED_BY_APPEND)
    return count


def _names(outer: pa.Schema, columns: Sequence[str] | None) -> list[str]:
    names = list(dict.fromkeys(["address", *(columns if columns is not None else outer.names)]))
    unknown = [name for name in names if name not in outer.names]
    if unknown:
        raise InvalidInputError(
            f"There is no column {unknown[0]!r}.", remedy=f"Choose of {', '.join(outer.names)}."
        )
    return names


def _between(first: int, last: int) -> str:
    return f"(address >= {first} AND address <= {last})"


def _any_of(name: str, numbers: npt.NDArray[np.uint64]) -> str:
    return f"{name} IN ({','.join(map(str, numbers.tolist()))})"


def _predicates(wanted: Addresses) -> Iterator[str]:
    """Conditions that together name exactly these addresses: long runs as ranges, others listed."""
    if not wanted.size:
        return
    breaks = np.flatnonzero(wanted[1:] - wanted[:-1] != 1)
    first = np.concatenate(([0], breaks + 1))
    length = np.diff(np.append(first, wanted.size))
    is_long = length >= _LONG_RUN
    starts, lengths = wanted[first[is_long]].tolist(), length[is_long].tolist()
    spans = [
        _between(start, start + count - 1) for start, count in zip(starts, lengths, strict=True)
    ]
    for at in range(0, len(spans), _RANGES_AT_ONCE):
        yield " OR ".join(spans[at : at + _RANGES_AT_ONCE])
    single = wanted[ranges(first[~is_long], length[~is_long])]
    for at in range(0, single.size, _NUMBERS_AT_ONCE):
        yield _any_of("address", single[at : at + _NUMBERS_AT_ONCE])


def _pieces(values: pa.Array, at_once: int) -> Iterator[pa.Array]:
    for at in range(0, len(values), at_once):
        yield values.slice(at, at_once)


def _hits(asked: pa.Array, wanted: pa.Array, found: list[pa.Table], name: str) -> Hits:
    """Pairs each found row with every place in `asked` that has its value."""
    places = pc.index_in(asked, wanted).to_numpy(zero_copy_only=False).astype(np.int64)
    order = np.argsort(places, kind="stable")
    which: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)]
    addresses: list[Addresses] = [np.empty(0, np.uint64)]
    for rows in found:
        value = pc.index_in(rows.column(name), wanted)
        rows = rows.filter(pc.is_valid(value))
        codes = value.drop_null().to_numpy().astype(np.int64)
        first = np.searchsorted(places[order], codes, side="left")
        counts = np.searchsorted(places[order], codes, side="right") - first
        which.append(order[ranges(first, counts)])
        addresses.append(np.repeat(rows.column("address").to_numpy(), counts))
    asked_at, at = np.concatenate(which), np.concatenate(addresses)
    sort = np.lexsort((at, asked_at))
    return Hits(asked_at[sort], at[sort])


def _sorted(found: list[pa.Table], outer: pa.Schema, names: list[str]) -> pa.Table:
    kept = pa.schema([outer.field(name) for name in names])
    if not found:
        return kept.empty_table()
    rows = shape.shown(pa.concat_tables(found), names)
    addresses = rows.column("address").to_numpy()
    if addresses.size > 1 and not bool(np.all(addresses[1:] >= addresses[:-1])):
        rows = rows.take(np.argsort(addresses, kind="stable"))
    return rows.cast(kept)
