"""Examples and subject keys for the tests, made from their addresses alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pyarrow as pa

from registry.ledger import columns
from registry.ledger.addresses import pack
from registry.ledger.index import Hits


def address(batch: int, ordinal: int) -> int:
    return batch << 32 | ordinal


def example_id(at: int) -> str:
    """Looks random, so that it can be looked for in the bytes of a file."""
    return hashlib.sha256(b"id%d" % at).hexdigest()[:24]


def digest(at: int) -> bytes:
    return hashlib.sha256(b"content%d" % at).digest()


def subject_key(person: int) -> bytes:
    return hashlib.sha256(b"person%d" % person).digest()[: columns.SUBJECT_KEY_BYTES]


def examples(batch: int, count: int, start: int = 0) -> pa.Table:
    """`count` examples of a batch from the ordinal `start`."""
    return examples_at(pack(batch, range(start, start + count)).tolist())


def examples_at(addresses: Iterable[int]) -> pa.Table:
    places = list(addresses)
    return pa.table(
        {
            "address": pa.array(places, pa.uint64()),
            "example_id": [example_id(at) for at in places],
            "digest": pa.array([digest(at) for at in places], pa.binary()),
            "tokens": pa.array([at % 1000 for at in places], pa.int64()),
        }
    )


def subjects(pairs: Iterable[tuple[int, int]], version: int = 1) -> pa.Table:
    """One row for each (address, person)."""
    listed = list(pairs)
    return pa.table(
        {
            "address": pa.array([at for at, _ in listed], pa.uint64()),
            "subject_key": pa.array([subject_key(who) for _, who in listed], pa.binary(16)),
            "key_version": pa.array([version] * len(listed), pa.int32()),
        }
    )


def pairs(hits: Hits) -> list[tuple[int, int]]:
    """Each hit as (place of the question, address)."""
    return list(zip(hits.which.tolist(), hits.addresses.tolist(), strict=True))
