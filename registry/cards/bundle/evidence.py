"""Collects from the audit log the proof of what a card's facts rest on."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session

from registry.audit.reading import PlacedEntry, entries_at
from registry.audit.signing import latest_checkpoint
from registry.audit.tree import prove_inclusions
from registry.cards.bundle.proofs import Proofs, ProvedEntry


def read_proofs(session: Session, indexes: Sequence[int], *, opened: bool) -> Proofs:
    """The proofs of entries under the newest checkpoint; younger ones are pending.

    `indexes`: as `indexes_in` gives them. `opened`: whether the texts of the entries go along: for
    who may read the audit log. Raises TamperedError where the stored log is broken.
    Cost: about a millisecond an entry.
    """
    signed = latest_checkpoint(session)
    size = 0 if signed is None else signed.size
    wanted = sorted({index for index in indexes if index < size})
    proofs = {each.index: tuple(each.hashes) for each in prove_inclusions(session, wanted, size)}
    entries = tuple(
        _proved(each, proofs[each.index], opened=opened) for each in entries_at(session, wanted)
    )
    pending = tuple(sorted({index for index in indexes if index >= size}))
    return Proofs(None if signed is None else signed.note, entries, pending)


def _proved(entry: PlacedEntry, hashes: tuple[bytes, ...], *, opened: bool) -> ProvedEntry:
    if not opened or entry.salt is None or entry.document is None:
        return ProvedEntry(entry.index, entry.leaf_data, hashes)
    return ProvedEntry(entry.index, entry.leaf_data, hashes, entry.salt, entry.document)
