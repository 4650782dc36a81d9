"""That the audit log holds what a card's facts rest on: entries, their proofs, a checkpoint. Pure.

Rules:
1. Every entry that a fact names is either proved to be in the tree of the checkpoint, or is
   *pending*: younger than the checkpoint, or there is none yet. None is left out.
2. A proved entry may be closed: its leaf is shown and its text is not, because it was redacted, or
   whoever made the bundle did not open it.
3. The checkpoint is believed by the key that the reader brings.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registry.audit.checkpoint import Checkpoint, open_checkpoint
from registry.audit.documents import leaf_data
from registry.audit.merkle import HASH_BYTES, leaf_hash, verify_inclusion
from registry.audit.notes import VerifierKey
from registry.canonical import canonical_json
from registry.cards.bundle.file import refused
from registry.cards.values import CardFacts
from registry.errors import InvalidInputError, NotVerifiedError


@dataclass(frozen=True, slots=True)
class ProvedEntry:
    """An entry of the log with its way up the tree. `salt` and `document`: None where closed."""

    index: int
    leaf_data: bytes
    hashes: tuple[bytes, ...]
    salt: bytes | None = None
    document: str | None = None


@dataclass(frozen=True, slots=True)
class Proofs:
    """`checkpoint`: a signed note. `entries` and `pending`: by index, without repetition."""

    checkpoint: str | None
    entries: tuple[ProvedEntry, ...]
    pending: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Proved:
    """What held: the log's head, how many entries it was proved of, and how many are closed."""

    checkpoint: Checkpoint | None
    proved: int
    closed: int
    pending: tuple[int, ...]


def indexes_in(facts: CardFacts) -> tuple[int, ...]:
    """The places in the audit log that the evidence of these facts names, in order."""
    found = {
        each.audit_index
        for fact in facts.facts.values()
        for each in fact.evidence
        if each.audit_index is not None
    }
    return tuple(sorted(found))


def indexes_in_document(document: Mapping[str, object]) -> tuple[int, ...]:
    """The same of `CardFacts.document()`, read again. Raises NotVerifiedError for another form."""
    try:
        facts = document["facts"]
        assert isinstance(facts, dict)
        found = {
            int(each["auditIndex"])
            for fact in facts.values()
            for each in fact.get("evidence", ())
            if "auditIndex" in each
        }
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError) as error:
        raise refused("its facts have another form") from error
    return tuple(sorted(found))


def proofs_bytes(proofs: Proofs) -> bytes:
    """Proofs as they stand in a bundle: canonical JSON."""
    return canonical_json(
        {
            "checkpoint": proofs.checkpoint,
            "entries": [_entry(each) for each in proofs.entries],
            "pending": list(proofs.pending),
        }
    )


def read_proofs_bytes(data: bytes) -> Proofs:
    """The inverse. Raises NotVerifiedError for any other bytes."""
    try:
        read = json.loads(data)
        entries = tuple(_read_entry(each) for each in read["entries"])
        checkpoint, pending = read["checkpoint"], tuple(read["pending"])
        is_formed = isinstance(checkpoint, str | None) and all(map(_is_index, pending))
        if not is_formed:
            raise TypeError
        proofs = Proofs(checkpoint, entries, pending)
        same = proofs_bytes(proofs) == data
    except (
        KeyError,
        TypeError,
        ValueError,
        RecursionError,
        binascii.Error,
        InvalidInputError,
    ) as error:
        raise refused("its proofs have another form") from error
    if not same:
        raise refused("its proofs have another form")
    return proofs


def check_proofs(proofs: Proofs, needed: Sequence[int], keys: Sequence[VerifierKey]) -> Proved:
    """Hold proofs to the entries that facts name and to keys (rules 1 to 3).

    Raises NotVerifiedError with the first entry that does not hold.
    """
    held = sorted([*(each.index for each in proofs.entries), *proofs.pending])
    if held != list(needed):
        raise refused("its proofs are of other entries than its facts name")
    checkpoint = _checkpoint(proofs.checkpoint, keys)
    size = 0 if checkpoint is None else checkpoint.size
    if any(index < size for index in proofs.pending):
        raise refused("an entry that the checkpoint covers has no proof")
    for each in proofs.entries:
        if checkpoint is None:
            raise refused("it has proofs and no checkpoint")
        _check_entry(each, checkpoint)
    closed = sum(each.document is None for each in proofs.entries)
    return Proved(checkpoint, len(proofs.entries), closed, proofs.pending)


def _checkpoint(note: str | None, keys: Sequence[VerifierKey]) -> Checkpoint | None:
    if note is None:
        return None
    try:
        return open_checkpoint(note, keys)
    except (InvalidInputError, NotVerifiedError) as error:
        raise refused(f"its checkpoint is not one of the log's: {error.detail}") from error


def _check_entry(entry: ProvedEntry, checkpoint: Checkpoint) -> None:
    if (entry.salt is None) != (entry.document is None):
        raise refused(f"entry {entry.index} is half open")
    if entry.salt is not None and entry.document is not None:
        whole = entry.document.encode("utf-8", "surrogatepass")
        if leaf_data(entry.salt, whole) != entry.leaf_data:
            raise refused(f"entry {entry.index} was edited: it is not what the log's leaf is of")
    if len(entry.leaf_data) != HASH_BYTES:
        raise refused(f"the leaf of entry {entry.index} has another length")
    leaf = leaf_hash(entry.leaf_data)
    try:
        verify_inclusion(leaf, entry.index, checkpoint.size, entry.hashes, checkpoint.root)
    except NotVerifiedError as error:
        raise refused(f"the log does not hold entry {entry.index}: {error.detail}") from error


def _entry(entry: ProvedEntry) -> dict[str, object]:
    made: dict[str, object] = {
        "index": entry.index,
        "leafData": _text(entry.leaf_data),
        "hashes": [_text(each) for each in entry.hashes],
    }
    if entry.salt is not None and entry.document is not None:
        made |= {"salt": _text(entry.salt), "document": entry.document}
    return made


def _read_entry(read: Mapping[str, object]) -> ProvedEntry:
    index, hashes, document = read["index"], read["hashes"], read.get("document")
    if not isinstance(index, int) or not _is_index(index) or not isinstance(hashes, list):
        raise TypeError
    if document is not None and not isinstance(document, str):
        raise TypeError
    return ProvedEntry(
        index,
        _bytes(read["leafData"]),
        tuple(_bytes(each) for each in hashes),
        _bytes(read["salt"]) if "salt" in read else None,
        document,
    )


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError
    return base64.b64decode(text, validate=True)
