"""Checks that the rows at some positions are the ones that are meant, by key and by digest.

Rules:
1. The key at each position must be the one that was recorded; a key that other rows have too says
   nothing, and stops the erasure.
2. The digest of the content at each position must be the one that was recorded.
3. Afterwards no row may have one of the keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from registry.erasure.connectors.arrow_types import plain_type
from registry.erasure.connectors.columns import WHOLE_LINE
from registry.erasure.connectors.positions import Lying
from registry.erasure.connectors.protocol import Ordinals, Target
from registry.erasure.connectors.trouble import Reason, StoppedError


def wanted_columns(target: Target, lying: Lying) -> list[str]:
    """The columns that must be read to check these rows."""
    ordinals = set(lying.ordinals.tolist())
    named = []
    if target.key_column is not None and ordinals & set(target.keys):
        named.append(target.key_column)
    if target.content_column is not None and ordinals & set(target.digests):
        named.append(target.content_column)
    return list(dict.fromkeys(named))


def check_rows(tables: Iterable[pa.Table], target: Target, lying: Lying) -> int:
    """Check the rows of a file (rules 1 and 2); how many rows it has.

    `tables` hold `wanted_columns`. Raises StoppedError at the first contradiction.
    """
    columns = wanted_columns(target, lying)
    keys = _Keys(target, lying) if target.key_column in columns else None
    first = 0
    for table in tables:
        if keys is not None and target.key_column is not None:
            keys.see(first, table.column(target.key_column))
        if target.content_column is not None and target.content_column in columns:
            _check_digests(first, table.column(target.content_column), target, lying)
        first += table.num_rows
    if keys is not None:
        keys.finish()
    return first


def locate_by_key(tables: Iterable[pa.Table], target: Target, rows: Ordinals) -> Lying:
    """Where rows lie in a copy with an order of its own, by the key of each.

    `tables` hold the key column. Raises StoppedError where a key is not recorded, is there twice,
    or where none is there though no erasure had begun.
    """
    asked = target.holes.present(rows)
    by_key = {target.keys[o]: o for o in asked.tolist() if o in target.keys}
    if len(by_key) < asked.size or target.key_column is None:
        raise StoppedError(
            Reason.NOT_RECORDED, f"Nobody recorded a key for each row in {target.uri}."
        )
    wanted = pa.array(sorted(by_key), pa.string())
    found: dict[str, int] = {}
    first = 0
    has_keys = False
    for table in tables:
        texts = texts_of(table.column(target.key_column))
        has_keys = has_keys or texts.null_count < len(texts)
        hits = pc.indices_nonzero(pc.is_in(texts, value_set=wanted))
        for hit, key in zip(hits.to_pylist(), texts.take(hits).to_pylist(), strict=True):
            if key in found:
                raise StoppedError(
                    Reason.DUPLICATE_KEYS, f"The rows {found[key]} and {first + hit} have one key."
                )
            found[key] = first + hit
        first += table.num_rows
    if asked.size and not found and not target.may_lack:
        if first and not has_keys:  # as in JSON Lines, which have no list of columns
            raise StoppedError(
                Reason.KEY_COLUMN_MISSING,
                f"None of the {first} rows of {target.uri} has a value for {target.key_column!r}.",
            )
        raise StoppedError(
            Reason.NOTHING_FOUND, f"None of the {asked.size} rows is in {target.uri}."
        )
    numbers = np.array(list(found.values()), np.int64)
    ordinals = np.array([by_key[key] for key in found], np.uint32)
    return Lying(ordinals, numbers, int(rows.size - numbers.size), None)


def count_keys(tables: Iterable[pa.Table], column: str, keys: Sequence[str]) -> tuple[int, int]:
    """How many rows have one of the keys (rule 3), and how many rows there are."""
    wanted = pa.array(sorted(set(keys)), pa.string())
    found = rows = 0
    for table in tables:
        rows += table.num_rows
        found += pc.sum(pc.is_in(texts_of(table.column(column)), value_set=wanted)).as_py() or 0
    return found, rows


def texts_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column's values as texts, as keys are given. Raises StoppedError where they have none."""
    try:
        return column.cast(plain_type(column.type)).cast(pa.string())
    except (pa.ArrowException, ValueError) as error:
        raise StoppedError(
            Reason.SCHEMA_CHANGED, f"The key column has the type {column.type}, which is no text."
        ) from error


class _Keys:
    """The keys of a file as they come by."""

    def __init__(self, target: Target, lying: Lying) -> None:
        pairs = zip(lying.numbers.tolist(), lying.ordinals.tolist(), strict=True)
        self._expected = {row: target.keys[o] for row, o in pairs if o in target.keys}
        self._wanted = pa.array(sorted(set(self._expected.values())), pa.string())
        self._rows = set(lying.numbers.tolist())
        self._right = 0
        self._elsewhere: int | None = None

    def see(self, first: int, column: pa.ChunkedArray) -> None:
        texts = texts_of(column)
        hits = pc.indices_nonzero(pc.is_in(texts, value_set=self._wanted))
        for hit, value in zip(hits.to_pylist(), texts.take(hits).to_pylist(), strict=True):
            row = first + hit
            if self._expected.get(row) == value:
                self._right += 1
            elif row not in self._rows:
                self._elsewhere = row

    def finish(self) -> None:
        wrong = len(self._expected) - self._right
        if wrong:
            raise StoppedError(
                Reason.KEYS_DIFFER,
                f"{wrong} of {len(self._expected)} rows do not have the key that was recorded.",
            )
        if self._elsewhere is not None:
            raise StoppedError(
                Reason.DUPLICATE_KEYS,
                f"Row {self._elsewhere}, which stays, has the key of a row to be erased.",
            )


def _check_digests(first: int, column: pa.ChunkedArray, target: Target, lying: Lying) -> None:
    begin, end = np.searchsorted(lying.numbers, (first, first + len(column)))
    ordinals = lying.ordinals[begin:end].tolist()
    known = [
        (row - first, target.digests[ordinal])
        for row, ordinal in zip(lying.numbers[begin:end].tolist(), ordinals, strict=True)
        if ordinal in target.digests
    ]
    if not known:
        return
    values = column.take(pa.array([row for row, _ in known])).to_pylist()
    for (row, digest), value in zip(known, values, strict=True):
        content = value.encode() if isinstance(value, str) else value
        if not isinstance(content, bytes) or _digest(target.digest_of, content) != digest:
            what = "the line" if target.content_column == WHOLE_LINE else target.content_column
            raise StoppedError(
                Reason.CONTENT_DIFFERS,
                f"In row {first + row}, {what} is not the content that was recorded.",
            )


def _digest(digest_of: Callable[[bytes], bytes], content: bytes) -> bytes:
    return digest_of(hashlib.sha256(content).digest())
