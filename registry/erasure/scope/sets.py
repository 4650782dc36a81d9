"""Sets of examples, whole batches among them: added, taken away, counted, and hashed. Pure.

Rules:
1. `Sets` name ordinals of batches: strictly increasing uint32. `Marks` may also name a batch whole:
   None, every example of it, however many there are.
2. A set hashes to SHA-256 over its ordinals as little-endian uint32 in order, or over "whole".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from registry.canonical import digest_text

Ordinals = npt.NDArray[np.uint32]
Addresses = npt.NDArray[np.uint64]
Sets = dict[int, Ordinals]
Marks = dict[int, Ordinals | None]


def as_sets(addresses: Addresses) -> Sets:
    """Addresses in any order as ordinals of their batches."""
    unique = np.unique(addresses)
    numbers = (unique >> np.uint64(32)).astype(np.uint32)
    ordinals = unique.astype(np.uint32)
    found, first = np.unique(numbers, return_index=True)
    ends = np.append(first, unique.size)[1:]
    return {
        int(number): ordinals[start:stop]
        for number, start, stop in zip(found.tolist(), first.tolist(), ends.tolist(), strict=True)
    }


def sets_of(places: Iterable[tuple[int, int]]) -> Sets:
    """Examples, as (batch, ordinal) in any order, as ordinals of their batches."""
    found: dict[int, set[int]] = {}
    for number, ordinal in places:
        found.setdefault(number, set()).add(ordinal)
    return {number: np.array(sorted(rows), np.uint32) for number, rows in sorted(found.items())}


def as_addresses(sets: Mapping[int, Ordinals]) -> Addresses:
    """A set as sorted addresses, n uint64."""
    parts = [
        ordinals.astype(np.uint64) | np.uint64(number << 32)
        for number, ordinals in sorted(sets.items())
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def size(sets: Mapping[int, Ordinals]) -> int:
    """How many examples a set holds."""
    return sum(int(ordinals.size) for ordinals in sets.values())


def merged(sets: Iterable[Mapping[int, Ordinals]]) -> Sets:
    """All examples of some sets."""
    parts: dict[int, list[Ordinals]] = {}
    for each in sets:
        for number, ordinals in each.items():
            parts.setdefault(number, []).append(ordinals)
    return {
        number: some[0] if len(some) == 1 else np.unique(np.concatenate(some))
        for number, some in parts.items()
    }


def without(sets: Mapping[int, Ordinals], others: Mapping[int, Ordinals]) -> Sets:
    """The examples of a set that are in no other; batches with none are left out."""
    found: Sets = {}
    for number, ordinals in sets.items():
        known = others.get(number)
        left = ordinals if known is None else np.setdiff1d(ordinals, known, assume_unique=True)
        if left.size:
            found[number] = left
    return found


def common(sets: Mapping[int, Ordinals], others: Mapping[int, Ordinals]) -> Sets:
    """The examples that are in both; batches with none are left out."""
    found: Sets = {}
    for number, ordinals in sets.items():
        if number in others:
            both = np.intersect1d(ordinals, others[number], assume_unique=True)
            if both.size:
                found[number] = both
    return found


def add(known: Sets, more: Mapping[int, Ordinals]) -> Sets:
    """Put examples into a set; those that were not in it."""
    new = without(more, known)
    for number, ordinals in new.items():
        there = known.get(number)
        known[number] = ordinals if there is None else np.union1d(there, ordinals)
    return new


def add_marks(known: Marks, more: Mapping[int, Ordinals | None]) -> Marks:
    """As `add`, for marks; of a batch that becomes whole, all of it is new."""
    new: Marks = {}
    for number, ordinals in more.items():
        there = known.get(number, _NOTHING)
        if there is None:
            continue
        if ordinals is None:
            known[number] = new[number] = None
            continue
        fresh = np.setdiff1d(ordinals, there, assume_unique=True)
        if fresh.size:
            known[number] = np.union1d(there, fresh)
            new[number] = fresh
    return new


_NOTHING = np.empty(0, np.uint32)


def marks_without(marks: Mapping[int, Ordinals | None], others: Mapping[int, Ordinals]) -> Marks:
    """The marks less single examples; a batch that is marked whole stays whole."""
    named = {number: each for number, each in marks.items() if each is not None}
    whole: Marks = {number: None for number, each in marks.items() if each is None}
    return {**without(named, others), **whole}


def marks_beyond(
    marks: Mapping[int, Ordinals | None], others: Mapping[int, Ordinals | None]
) -> Marks:
    """The marks less other marks; of a batch that is whole only in the first, all of it stays."""
    named = {number: each for number, each in others.items() if each is not None}
    left = {
        number: each for number, each in marks.items() if others.get(number, _NOTHING) is not None
    }
    return marks_without(left, named)


def holds(marks: Mapping[int, Ordinals | None], number: int, ordinal: int) -> bool:
    """Whether an example is among them."""
    if number not in marks:
        return False
    ordinals = marks[number]
    if ordinals is None:
        return True
    at = int(np.searchsorted(ordinals, ordinal))
    return at < ordinals.size and int(ordinals[at]) == ordinal


def digest_of(ordinals: Ordinals | None) -> str:
    """`sha256:…` of the examples of one batch (rule 2)."""
    if ordinals is None:
        return digest_text(hashlib.sha256(b"whole").digest())
    return digest_text(hashlib.sha256(ordinals.astype("<u4").tobytes()).digest())
