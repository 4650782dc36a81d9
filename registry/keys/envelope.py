"""Seals small values under keys of their records; destroying such a key shreds what it sealed.

Rules:
1. A value is sealed under a *record key*, a record key under a version of the key `data`, and that
   under the master key. So rotating `data` wraps record keys anew and touches no value, and a
   value is out of reach for ever once its record key is destroyed, wherever copies of it lie.
2. A sealed value names its record key, and is bound to it and to a `context` (what the value is and
   where it rests, such as `erasure-request/17/identifier/0`): moved elsewhere it does not open.
3. Form: 0x01 ‖ record key id (16 bytes) ‖ nonce (12) ‖ ciphertext ‖ tag (16); 45 bytes more than
   the value.
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from registry.errors import KeyDestroyedError, NotFoundError, TamperedError
from registry.ids import fresh_id
from registry.keys.keyring import Key, Keyring
from registry.keys.sealing import KEY_BYTES, SealBrokenError, seal, unseal
from registry.keys.tables import RECORD_KEY, Purpose
from registry.keys.versions import require_live

_FORM = b"\x01"
_HEAD_BYTES = 17


@dataclass(frozen=True, slots=True)
class RecordSealer:
    """The key of one record, opened. `id` is what the record keeps."""

    id: str
    secret: bytes = field(repr=False)

    def seal(self, value: bytes, *, context: str) -> bytes:
        """The sealed form of a value (rule 3); another one each time."""
        head = _FORM + uuid.UUID(self.id).bytes
        return head + seal(self.secret, value, _place(head, context))

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """The value. Raises TamperedError unless it was sealed with this key and context."""
        try:
            if sealed[:_HEAD_BYTES] != _FORM + uuid.UUID(self.id).bytes:
                raise SealBrokenError("it names another record key")
            return unseal(self.secret, sealed[_HEAD_BYTES:], _place(sealed[:_HEAD_BYTES], context))
        except SealBrokenError as error:
            raise TamperedError(
                f"A sealed value ({context}) does not open: {error}.",
                remedy="It was changed, or moved from another place: restore it from a copy.",
            ) from error


def make_record_key(session: Session, keyring: Keyring, *, now: datetime) -> RecordSealer:
    """A new record key under the active version of `data`. Effects: one row; does not commit.

    Raises KeyDestroyedError where that version was destroyed this very second: try again.
    """
    wrapping = keyring.active(Purpose.DATA)
    require_live(session, Purpose.DATA, wrapping.version)
    made = RecordSealer(fresh_id(), secrets.token_bytes(KEY_BYTES))
    row = {
        "id": made.id,
        "wrapped_by": wrapping.id,
        "wrapped": wrap_record_key(wrapping, made.id, made.secret),
        "created_at": now,
    }
    session.execute(RECORD_KEY.insert().values(row))
    return made


def read_record_key(session: Session, keyring: Keyring, key_id: str) -> RecordSealer:
    """The record key with this id.

    Raises KeyDestroyedError with the day it was destroyed, NotFoundError, TamperedError.
    """
    query = select(RECORD_KEY).where(RECORD_KEY.c.id == key_id)
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no record key {key_id}.",
            remedy="The value belongs to another registry, or its record was removed.",
        )
    if row.wrapped is None:
        raise KeyDestroyedError(
            f"The record key {key_id} was destroyed at {row.destroyed_at:%Y-%m-%d %H:%M} UTC.",
            remedy="What it sealed can never be read again; that was the purpose.",
        )
    secret = unwrap_record_key(keyring.with_id(row.wrapped_by), key_id, row.wrapped)
    return RecordSealer(key_id, secret)


def record_key_id(sealed: bytes) -> str:
    """The id of the record key that a sealed value names. Raises TamperedError."""
    if len(sealed) < _HEAD_BYTES or not sealed.startswith(_FORM):
        raise TamperedError(
            f"{len(sealed)} bytes that should be a sealed value do not have its form.",
            remedy="They were changed, or come from a newer program: restore them from a copy.",
        )
    return str(uuid.UUID(bytes=sealed[1:_HEAD_BYTES]))


def wrap_record_key(wrapping: Key, key_id: str, secret: bytes) -> bytes:
    """A record key as it rests in its row, bound to the row."""
    return seal(wrapping.require_secret(), secret, f"registry/record-key/{key_id}".encode())


def unwrap_record_key(wrapping: Key, key_id: str, wrapped: bytes) -> bytes:
    """The inverse of `wrap_record_key`. Raises TamperedError."""
    try:
        place = f"registry/record-key/{key_id}".encode()
        return unseal(wrapping.require_secret(), wrapped, place)
    except SealBrokenError as error:
        raise TamperedError(
            f"The record key {key_id} does not open under {wrapping.name}: {error}.",
            remedy="Restore this row of the table record_key from a copy.",
        ) from error


def _place(head: bytes, context: str) -> bytes:
    return head + context.encode()
