"""What was known of examples before they were wiped, sealed until it is proven that they are gone.

Rules:
1. Looking for what is left needs values to look for, and after a wipe nothing else knows them. They
   rest under the request's record key, in one object that is removed with the proof.
2. Bound copies call their rows by the ids of the examples, and may hold their contents. Ids and
   keyed digests rest in an object of their own, until the last copy of the case is done with.
3. An example without an id of its own goes by that of the one example of a source that it still is
   (`trace.same_at_source`), as it does where people ask for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from sqlmodel import Session

from registry.erasure.case.cases import Case
from registry.erasure.scope.sets import Sets, as_addresses, sets_of
from registry.errors import NotFoundError
from registry.keys.envelope import read_record_key
from registry.ledger.addresses import unpack
from registry.ledger.opened import Ledger
from registry.ledger.remainders import Known
from registry.ledger.trace import same_at_source
from registry.storage.objects import Objects

#: Of batches, by number, the ids of ordinals.
Names = Mapping[int, Mapping[int, str]]
#: Of batches, by number, the keyed digests of the contents of ordinals.
Digests = Mapping[int, Mapping[int, bytes]]


class _Kept(msgspec.Struct, array_like=True):
    ids: list[str]
    digests: list[bytes]


class _Row(msgspec.Struct, array_like=True):
    batch: int
    ordinals: list[int]
    ids: list[str]
    digests: dict[int, bytes] = {}


def remember(session: Session, ledger: Ledger, case: Case, known: Known) -> Known:
    """Keep what is known, together with what was kept before; all of it.

    Effects: one object, written anew. Raises KeyDestroyedError, StorageUnavailableError.
    """
    before = recall(session, ledger, case)
    whole = Known(before.example_ids | known.example_ids, before.digests | known.digests)
    packed = msgspec.msgpack.encode(_Kept(sorted(whole.example_ids), sorted(whole.digests)))
    sealer = read_record_key(session, ledger.keyring, case.record_key)
    ledger.objects.put(_name(case), sealer.seal(packed, context=_name(case)))
    return whole


def recall(session: Session, ledger: Ledger, case: Case) -> Known:
    """What was kept; nothing where there is none."""
    try:
        sealed = ledger.objects.get(_name(case))
    except NotFoundError:
        return Known()
    sealer = read_record_key(session, ledger.keyring, case.record_key)
    kept = msgspec.msgpack.decode(sealer.open(sealed, context=_name(case)), type=_Kept)
    return Known(frozenset(kept.ids), frozenset(kept.digests))


def forget(objects: Objects, case: Case) -> None:
    """Remove what was kept. Effects: one object; removing it twice is success."""
    objects.delete(_name(case))


def _name(case: Case) -> str:
    return f"erasures/known/{case.id}"


def remember_names(session: Session, ledger: Ledger, case: Case, sets: Sets) -> None:
    """Keep what examples are called, beside what was kept before (rules 2 and 3).

    Effects: one object, written anew where the ledger still knows more. Raises as `remember`.
    """
    found = {number: dict(each) for number, each in recall_names(session, ledger, case).items()}
    contents = {n: dict(each) for n, each in recall_digests(session, ledger, case).items()}
    before = _count(found) + _count(contents)
    for (number, ordinal), digest in _values_at(ledger, sets, "digest").items():
        contents.setdefault(number, {})[ordinal] = digest
    own = _values_at(ledger, sets, "example_id")
    for (number, ordinal), name in own.items():
        found.setdefault(number, {})[ordinal] = name
    unnamed = {
        number: ordinals[~np.isin(ordinals, np.array(list(found.get(number, {})), np.uint32))]
        for number, ordinals in sets.items()
    }
    at_source = same_at_source(session, ledger.graph, unnamed)
    ids = _values_at(ledger, sets_of(at_source.values()), "example_id")
    for (number, ordinal), source in at_source.items():
        if source in ids:
            found.setdefault(number, {})[ordinal] = ids[source]
    if _count(found) + _count(contents) == before:
        return
    kept = []
    for number in sorted(found.keys() | contents.keys()):
        names = found.get(number, {})
        row = _Row(number, list(names), list(names.values()), contents.get(number, {}))
        kept.append(row)
    sealer = read_record_key(session, ledger.keyring, case.record_key)
    name = _names_of(case)
    ledger.objects.put(name, sealer.seal(msgspec.msgpack.encode(kept), context=name))


def _count(rows: Mapping[int, Mapping[int, object]]) -> int:
    return sum(len(each) for each in rows.values())


def _values_at(ledger: Ledger, sets: Sets, column: str) -> dict[tuple[int, int], Any]:
    """What the index has in a column, by (batch, ordinal), as far as it has anything."""
    rows = ledger.index.rows(as_addresses(sets), [column])
    numbers, ordinals = unpack(rows.column("address").to_numpy())
    values = rows.column(column).to_pylist()
    places = zip(numbers.tolist(), ordinals.tolist(), strict=True)
    return {place: value for place, value in zip(places, values, strict=True) if value is not None}


def recall_names(session: Session, ledger: Ledger, case: Case) -> Names:
    """What rows of copies are called, as far as it was kept. Raises KeyDestroyedError."""
    kept = _rows_kept(session, ledger, case)
    return {each.batch: dict(zip(each.ordinals, each.ids, strict=True)) for each in kept}


def recall_digests(session: Session, ledger: Ledger, case: Case) -> Digests:
    """The digests of the contents of rows, as far as they were kept. Raises KeyDestroyedError."""
    return {each.batch: each.digests for each in _rows_kept(session, ledger, case)}


def _rows_kept(session: Session, ledger: Ledger, case: Case) -> list[_Row]:
    name = _names_of(case)
    try:
        sealed = ledger.objects.get(name)
    except NotFoundError:
        return []
    sealer = read_record_key(session, ledger.keyring, case.record_key)
    return msgspec.msgpack.decode(sealer.open(sealed, context=name), type=list[_Row])


def forget_names(objects: Objects, case: Case) -> None:
    """Remove what rows of copies are called. Effects: one object; twice is success."""
    objects.delete(_names_of(case))


def _names_of(case: Case) -> str:
    return f"erasures/names/{case.id}"
