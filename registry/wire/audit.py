"""What travels about the audit log; hashes are in base64, as C2SP has them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel


class EntryShown(BaseModel):
    """An entry with its place in the log.

    `leaf_data` is SHA-256(salt ‖ document), `leaf_hash` SHA-256(0x00 ‖ leaf_data). `payload` is the
    facts within the document; salt, document and payload are null where they were redacted.
    """

    index: int
    at: datetime
    kind: str
    actor: str
    payload: dict[str, Any] | None
    document: str | None
    salt: str | None
    leaf_data: str
    leaf_hash: str


class EntryList(BaseModel):
    """Entries in the order of the log; `size` is how many of it have a place now."""

    entries: list[EntryShown]
    size: int


class InclusionProof(BaseModel):
    """That the leaf is in the tree of `size` (RFC 9162 §2.1.3)."""

    leaf_hash: str
    index: int
    size: int
    hashes: list[str]
    root: str


class ConsistencyProof(BaseModel):
    """That the tree of `second` grew out of that of `first` (RFC 9162 §2.1.4)."""

    first: int
    second: int
    hashes: list[str]
    first_root: str
    second_root: str
