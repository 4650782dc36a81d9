"""Writes audit entries in the transaction of the change they tell of.

Rules:
1. An entry and its change are kept together or not at all: same session, no commit here.
2. `leaf_data` = SHA-256(salt ‖ document), 32 random bytes of salt, so that a payload can be erased
   and the log still verifies; the document holds who, when, what kind, and the payload.
3. A payload is canonical JSON (RFC 8785) of at most 65,535 bytes and holds pseudonyms, digests and
   counts, never the content of an example or an identifier of a person.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from registry.audit.documents import document, leaf_data
from registry.audit.events import EntryKind
from registry.audit.tables import AuditEntry
from registry.canonical import canonical_json
from registry.errors import InvalidInputError
from registry.moments import to_micros
from registry.storage.bulk import insert_rows
from registry.storage.columns import table_of

PAYLOAD_LIMIT_BYTES = 65_535
SALT_BYTES = 32
_COLUMNS = ("at", "kind", "actor", "leaf_data", "salt", "payload")
_entry = table_of(AuditEntry)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be recorded: a kind, who did it (an account id), and the facts."""

    kind: EntryKind
    actor: str
    payload: Mapping[str, object]


def append_entries(session: Session, entries: Iterable[Entry], *, at: datetime) -> None:
    """Append entries. Effects: one row each; does not commit.

    Raises InvalidInputError for a payload over 65,535 bytes: name a large set by its digest.
    """
    append_encoded(session, ((e.kind, e.actor, canonical_json(e.payload)) for e in entries), at=at)


def append_encoded(
    session: Session, entries: Iterable[tuple[EntryKind, str, bytes]], *, at: datetime
) -> None:
    """As `append_entries`, for payloads that are canonical JSON bytes already."""
    rows = []
    moment = to_micros(at)
    for kind, actor, payload in entries:
        if len(payload) > PAYLOAD_LIMIT_BYTES:
            raise InvalidInputError(
                f"An audit payload of {len(payload)} bytes is over {PAYLOAD_LIMIT_BYTES}.",
                remedy="Record the digest of the large part instead.",
            )
        salt = secrets.token_bytes(SALT_BYTES)
        data = leaf_data(salt, document(actor, moment, payload, kind.value))
        rows.append((moment, kind.value, actor, data, salt, payload))
    insert_rows(session, _entry, _COLUMNS, rows)
