"""Hashes the content of examples where it is, so that it need not travel.

Rules (CONTRACTS, "Ledger object columns"):
1. The digest of one column is SHA-256 of its bytes, a text's as UTF-8; so whoever has the text can
   ask for the example.
2. The digest of several columns is SHA-256 of the RFC 8785 JSON of {column: value}.
3. A missing value has no digest; nor has a row in which every column of rule 2 is missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from registry.canonical import canonical_json
from registry.errors import InvalidInputError

DIGEST_BYTES = 32
_text = msgspec.json.Encoder()


def hash_content(table: pa.Table, columns: Sequence[str]) -> tuple[Any, Any]:
    """The digest (binary(32)) and the length in bytes (int64) of each row's content; nulls alike.

    Both are pyarrow arrays. Raises InvalidInputError for a column whose values are no content.
    Cost: about 1 µs a row and 1 ns a byte; several columns that are not all texts take ten times
    as long.
    """
    if len(columns) == 1:
        parts = list(_single(table.column(columns[0]), columns[0]))
    else:
        parts = [_several(table, sorted(columns, key=lambda name: name.encode("utf-16-be")))]
    digests = pa.py_buffer(b"".join([part.digests for part in parts]))
    lengths = np.concatenate([part.lengths for part in parts] or [np.empty(0, np.int64)])
    absent = np.concatenate([part.absent for part in parts] or [np.empty(0, np.bool)])
    valid = pa.array(~absent).buffers()[1] if absent.any() else None
    found = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(DIGEST_BYTES), lengths.size, [valid, digests]
    )
    return found, pa.array(lengths, mask=absent)


@dataclass(frozen=True, slots=True)
class _Hashed:
    """Some rows: 32 bytes for each, their lengths, and which have no content."""

    digests: bytes
    lengths: npt.NDArray[np.int64]
    absent: npt.NDArray[np.bool]


def _single(column: pa.ChunkedArray, name: str) -> Iterator[_Hashed]:
    """The values of one column, hashed where they lie."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not (_is_text(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise InvalidInputError(
            f"The column {name} of type {column.type} is no text and no bytes.",
            remedy="Name a column of texts as content, or several columns of any kind.",
        )
    sha256 = hashlib.sha256
    for chunk in column.cast(pa.large_binary()).chunks:
        _, offsets, data = chunk.buffers()
        ends = np.frombuffer(offsets, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
        whole = memoryview(data) if data is not None else memoryview(b"")
        bounds = ends.tolist()
        digests = [sha256(whole[start:end]).digest() for start, end in pairwise(bounds)]
        absent = chunk.is_null().to_numpy(zero_copy_only=False)
        yield _Hashed(b"".join(digests), np.diff(ends), absent)


def _several(table: pa.Table, columns: Sequence[str]) -> _Hashed:
    contents = list(_objects(table, columns))
    sha256 = hashlib.sha256
    return _Hashed(
        b"".join([sha256(content or b"").digest() for content in contents]),
        np.array([len(content or b"") for content in contents], np.int64),
        np.array([content is None for content in contents], np.bool),
    )


def _objects(table: pa.Table, columns: Sequence[str]) -> Iterator[bytes | None]:
    chosen = table.select(columns)
    only_texts = all(_is_text(field.type) for field in chosen.schema)
    keys = [canonical_json(name) + b":" for name in columns]
    for batch in chosen.to_batches(max_chunksize=10_000):
        values = [column.to_pylist() for column in batch.columns]
        for row in zip(*values, strict=True):
            if all(value is None for value in row):
                yield None
            elif only_texts:
                yield _object(keys, map(_text.encode, row))
            else:
                yield canonical_json(dict(zip(columns, map(_plain, row), strict=True)))


def _object(keys: Iterable[bytes], values: Iterable[bytes]) -> bytes:
    """An object of texts: for these msgspec writes what RFC 8785 demands, and is quick."""
    return b"{" + b",".join(map(bytes.__add__, keys, values)) + b"}"


def _plain(value: Any) -> Any:
    """A value as JSON has it; bytes as hex, moments as ISO 8601."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value.isoformat() if hasattr(value, "isoformat") else value


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )
