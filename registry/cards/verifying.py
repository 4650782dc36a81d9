"""Verifies, from a file and public keys alone, whatever this registry signs about cards. Pure.

A file is a bundle (a zip), or an envelope (DSSE) of a published card or of a statement; which it is
follows from its first bytes and from the type in the envelope, which the signature covers.
"""

from __future__ import annotations

from collections.abc import Sequence

from registry.audit.dsse import read_envelope
from registry.audit.notes import VerifierKey
from registry.cards import revisions
from registry.cards.bundle.document import verify_bundle
from registry.cards.declared import stating
from registry.errors import NotVerifiedError
from registry.moments import rfc3339

_ZIP = b"PK\x03\x04"


def verify_file(data: bytes, keys: Sequence[VerifierKey]) -> dict[str, object]:
    """What a file is and says, in short. Raises NotVerifiedError with the first thing wrong."""
    if data.startswith(_ZIP):
        return _bundle(data, keys)
    kind = read_envelope(data).payload_type
    if kind == revisions.PAYLOAD_TYPE:
        return _card(data, keys)
    if kind == stating.PAYLOAD_TYPE:
        return _statement(data, keys)
    raise NotVerifiedError(
        f"The envelope holds {kind[:80]!r}, which is nothing about a card.",
        remedy="A certificate of erasure is for: registry certificate verify.",
    )


def _bundle(data: bytes, keys: Sequence[VerifierKey]) -> dict[str, object]:
    found = verify_bundle(data, keys)
    return {
        "what": "bundle",
        "about": f"{found.about.namespace} {found.about.name} version {found.about.version}",
        "revision": found.revision,
        "facts_digest": found.facts_digest,
        "registry": found.origin,
        "made_at": rfc3339(found.made_at),
        "members": list(found.members),
    }


def _card(data: bytes, keys: Sequence[VerifierKey]) -> dict[str, object]:
    card = revisions.verify_card(data, keys)
    assert card.revision is not None
    return {
        "what": "card",
        "kind": card.kind.value,
        "about": f"{card.about.namespace} {card.about.name} version {card.about.version}",
        "revision": card.revision.number,
        "digest": card.revision.digest,
        "published_at": rfc3339(card.revision.published_at),
        "published_by": card.revision.published_by,
    }


def _statement(data: bytes, keys: Sequence[VerifierKey]) -> dict[str, object]:
    said = stating.verify_statement(data, keys)
    about = said["about"]
    version = f" version {about['version']}" if "version" in about else ""
    return {
        "what": "statement",
        "id": said["id"],
        "kind": said["kind"],
        "about": f"{about['namespace']} {about['name']}{version}",
        "text": said["text"],
        "author": said["author"],
        "stated_at": said["statedAt"],
        "withdraws": said.get("withdraws", False),
    }
