"""What a leaf of the log commits to: the document of an entry, and its salted digest.

Rules:
1. The document is canonical JSON (RFC 8785) `{"actor", "at", "facts", "kind"}`: who (an account
   id), when (microseconds since 1970 UTC), the payload, and the kind; so none can be changed alone.
   Leaf data is SHA-256(salt ‖ document), with 32 random bytes of salt.
2. Entries from before there was a tree commit to their payload alone. Such a payload that reads
   like a document is not believed: it could have been moved there to free the other columns.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from enum import Enum
from functools import lru_cache

_DOCUMENT_BEGINS = b'{"actor":'
_FACTS = b',"facts":'


class Bound(Enum):
    """What the leaf data of an entry turned out to commit to."""

    DOCUMENT = "document"
    PAYLOAD_ALONE = "payload_alone"
    SOMETHING_ELSE = "something_else"


def document(actor: str, at_micros: int, payload: bytes, kind: str) -> bytes:
    """The document of an entry (rule 1). `payload`: canonical JSON."""
    return b'{"actor":%b,"at":%d,"facts":%b,"kind":%b}' % (
        _json(actor),
        at_micros,
        payload,
        _json(kind),
    )


def leaf_data(salt: bytes, of: bytes) -> bytes:
    """The 32 bytes that the tree's leaf is made of."""
    return hashlib.sha256(salt + of).digest()


def bound_by(
    data: bytes, salt: bytes, actor: str, at_micros: int, payload: bytes, kind: str
) -> Bound:
    """What `data` commits to, of the entry with these columns (rule 2)."""
    if leaf_data(salt, document(actor, at_micros, payload, kind)) == data:
        return Bound.DOCUMENT
    posing = payload.startswith(_DOCUMENT_BEGINS) and _FACTS in payload
    if not posing and leaf_data(salt, payload) == data:
        return Bound.PAYLOAD_ALONE
    return Bound.SOMETHING_ELSE


def _encode(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass")


# There are few actors and few kinds, and every entry names one of each.
_json: Callable[[str], bytes] = lru_cache(maxsize=4096)(_encode)
