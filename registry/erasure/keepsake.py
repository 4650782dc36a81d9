"""What was known of examples before they were wiped, sealed until it is proven that they are gone.

Looking for what is left needs values to look for, and after a wipe nothing else knows them. They
rest under the request's record key, in one object that is removed with the proof.
"""

from __future__ import annotations

import msgspec
from sqlmodel import Session

from registry.erasure.cases import Case
from registry.errors import NotFoundError
from registry.keys.envelope import read_record_key
from registry.ledger.opened import Ledger
from registry.ledger.remainders import Known
from registry.storage.objects import Objects


class _Kept(msgspec.Struct, array_like=True):
    ids: list[str]
    digests: list[bytes]


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
