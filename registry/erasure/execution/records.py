"""What is kept of an erasure beside the ledger, so that a restore can do it again. Pure.

Rules (the governance page, cases 8 and 15):
1. A record says which rows, entries and keys went, by numbers, keyed digests and pseudonyms; it
   holds no identifier of a person and no content.
2. A batch is named by its number and by a digest of what it is (`batch_mark`): after a restore a
   number may mean another batch, and then the record is not about it.
3. It is canonical JSON (RFC 8785) in an envelope `{"payload", "kind", "key", "signature"}`: Ed25519
   over `lineage-registry/KIND`, a newline, and the payload, by the registry's signing key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from registry.canonical import canonical_json
from registry.errors import NotVerifiedError
from registry.moments import from_micros, to_micros

RECORD, DESTROYED_KEY, LIST_HEAD = "erasure-record", "destroyed-key", "erasure-list"


@dataclass(frozen=True, slots=True)
class ErasedBatch:
    """Which rows of a batch went; `ordinals`: portable Roaring bytes; `mark`: 32 hex digits."""

    number: int
    mark: str
    ordinals: bytes


@dataclass(frozen=True, slots=True)
class SuppressedRow:
    """An entry of the suppression list; `key_id` is the row of the subject key's version."""

    id: str
    kind: str
    subject_key: bytes | None
    key_version: int | None
    key_id: str | None
    digest: bytes | None
    regime: str
    basis: str
    case_id: str | None
    until: datetime | None
    recorded_by: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class RestrictedRow:
    """A restriction, as its table has it; `mark` is that of the batch, where it is about one."""

    id: str
    kind: str
    batch_number: int | None
    mark: str | None
    ordinals: bytes | None
    subject_key: bytes | None
    key_version: int | None
    key_id: str | None
    reason: str
    case_id: str | None
    recorded_by: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class RedactedPart:
    """A part of a kept event that was replaced; `event`: the event's 32-byte digest."""

    event: bytes
    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class FileLeft:
    """A file of a batch as erasures left it; `uri_digest`: 32 bytes instead of its URI, which may
    name somebody; `sha256`: of its bytes; `holes`: portable Roaring bytes of what it lacks.
    """

    number: int
    mark: str
    uri_digest: bytes
    sha256: bytes | None
    holes: bytes
    rows: int | None


@dataclass(frozen=True, slots=True)
class ErasureRecord:
    """What one step of an erasure did, whole; `plan` is the digest of the plan that was executed.

    `record_keys`: the record keys that were destroyed with it; `entries`: 32 bytes of leaf data of
    each entry of the journal whose payload was redacted.
    """

    id: str
    request_id: str
    at: datetime
    plan: str
    batches: tuple[ErasedBatch, ...] = ()
    suppressions: tuple[SuppressedRow, ...] = ()
    restrictions: tuple[RestrictedRow, ...] = ()
    redactions: tuple[RedactedPart, ...] = ()
    record_keys: tuple[str, ...] = ()
    entries: tuple[bytes, ...] = ()
    files: tuple[FileLeft, ...] = ()

    def key_ids(self) -> set[str]:
        """The versions of the subject key that its rows are under."""
        ids = {row.key_id for row in self.suppressions}
        ids |= {row.key_id for row in self.restrictions}
        return {each for each in ids if each is not None}


@dataclass(frozen=True, slots=True)
class KeyEnd:
    """A key that was destroyed; `name` is `purpose/version` or `record/id`, `key_id` its row."""

    name: str
    key_id: str
    destroyed_at: datetime


@dataclass(frozen=True, slots=True)
class Signer:
    """The key that signs; `secret`: 32 bytes."""

    secret: bytes = field(repr=False)


def batch_mark(dataset_id: bytes, run_id: bytes, name: str) -> str:
    """What names a batch whatever its number: 32 hex digits (rule 2)."""
    hashed = hashlib.sha256(b"registry/batch-mark\x00" + dataset_id + run_id + name.encode())
    return hashed.hexdigest()[:32]


def newer_than(records: Iterable[ErasureRecord], moment: datetime) -> list[ErasureRecord]:
    """The records of what happened after a moment, the oldest first."""
    return sorted((r for r in records if r.at > moment), key=lambda r: (r.at, r.id))


def sign_payload(kind: str, payload: Mapping[str, Any], signer: Signer) -> dict[str, Any]:
    """The envelope of a payload (rule 3). Raises InvalidInputError for what JSON cannot carry."""
    private = Ed25519PrivateKey.from_private_bytes(signer.secret)
    signature = private.sign(_signed_bytes(kind, payload))
    return {
        "kind": kind,
        "payload": payload,
        "key": private.public_key().public_bytes_raw().hex(),
        "signature": base64.b64encode(signature).decode(),
    }


def open_payload(
    envelope: Mapping[str, Any], kind: str, keys: Collection[bytes], *, name: str
) -> dict[str, Any]:
    """The payload of an envelope of that kind that one of `keys` (32 bytes each) signed.

    Raises NotVerifiedError, which calls it `name`.
    """
    try:
        public, payload = bytes.fromhex(envelope["key"]), envelope["payload"]
        signature = base64.b64decode(envelope["signature"], validate=True)
        if envelope["kind"] != kind or not isinstance(payload, dict):
            raise _not_verified(name, f"it is no {kind}")
        if public not in keys:
            raise _not_verified(name, f"its key {public.hex()[:16]} is none of this registry's")
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _signed_bytes(kind, payload))
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise _not_verified(name, "it cannot be read") from error
    except InvalidSignature as error:
        raise _not_verified(name, "its signature is wrong") from error
    return payload


def record_json(record: ErasureRecord) -> dict[str, Any]:
    """A record as JSON: moments in microseconds, bytes in base64."""
    shown: dict[str, Any] = _plain(record)
    return shown


def read_record(shown: Mapping[str, Any], *, name: str) -> ErasureRecord:
    """The inverse of `record_json`. Raises NotVerifiedError for another shape."""
    try:
        return ErasureRecord(
            id=shown["id"],
            request_id=shown["request_id"],
            at=from_micros(shown["at"]),
            plan=shown["plan"],
            batches=tuple(ErasedBatch(**_meant(each)) for each in shown["batches"]),
            suppressions=tuple(SuppressedRow(**_meant(each)) for each in shown["suppressions"]),
            restrictions=tuple(RestrictedRow(**_meant(each)) for each in shown["restrictions"]),
            redactions=tuple(RedactedPart(**_meant(each)) for each in shown["redactions"]),
            record_keys=tuple(shown["record_keys"]),
            entries=tuple(_decoded(each) for each in shown.get("entries", ())),
            files=tuple(FileLeft(**_meant(each)) for each in shown.get("files", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _not_verified(name, "it has another shape; a newer program wrote it") from error


_BYTES = frozenset({"ordinals", "subject_key", "digest", "event", "sha256", "holes", "uri_digest"})
_MOMENTS = frozenset({"until", "recorded_at"})


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case datetime():
            return to_micros(value)
        case tuple():
            return [_plain(each) for each in value]
        case _ if hasattr(value, "__dataclass_fields__"):
            return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
        case _:
            return value


def _meant(shown: Mapping[str, Any]) -> dict[str, Any]:
    meant = dict(shown)
    for name in _BYTES & meant.keys():
        if meant[name] is not None:
            meant[name] = _decoded(meant[name])
    for name in _MOMENTS & meant.keys():
        if meant[name] is not None:
            meant[name] = from_micros(meant[name])
    return meant


def _decoded(shown: str) -> bytes:
    return base64.b64decode(shown, validate=True)


def _signed_bytes(kind: str, payload: Mapping[str, Any]) -> bytes:
    return f"lineage-registry/{kind}\n".encode() + canonical_json(payload)


def _not_verified(name: str, why: str) -> NotVerifiedError:
    return NotVerifiedError(
        f"{name} is not verified: {why}.",
        remedy="Get the original; keys that were made later come with a newer key file.",
    )
