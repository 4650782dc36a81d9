"""Identifiers: of named things (derived), of runs (given), of rows (fresh), and of tokens (secret).

Rules:
1. The id of a named thing is a function of its kind and name alone: SHA-256 cut to a UUID of
   version 8 (RFC 9562 §5.8). So a projection needs no look-up to write, and a rebuild gives the
   same rows whatever order the events arrived in.
2. A run id that is no UUID becomes UUIDv5 of (job namespace, job name, text) under `RUN_SPACE`. So
   does a UUIDv8, or whoever knows a job's name could send a run under the very id of the job.
3. A secret token carries 256 random bits; only its SHA-256 is ever stored.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
import uuid

RUN_SPACE = uuid.UUID("6f9d2f0c-9a57-5d11-8f0e-7c1f2a3b4c5d")
TOKEN_PREFIX = "reg_"  # noqa: S105 - a prefix, no secret
_UUID = re.compile(
    "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-79a-fA-F][0-9a-fA-F]{3}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
)
_VERSION_8 = 8 << 76
_VARIANT = 0b10 << 62
_KEEP = ((1 << 128) - 1) ^ (0xF << 76) ^ (0b11 << 62)


def named_id(kind: str, *parts: str) -> bytes:
    """The 16-byte id (UUIDv8) of the thing of that kind with that name.

    Parts are length-prefixed, so ("a", "bc") and ("ab", "c") differ.
    """
    hasher = hashlib.sha256(kind.encode())
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        hasher.update(b"\x00%d\x00" % len(encoded))
        hasher.update(encoded)
    value = int.from_bytes(hasher.digest()[:16], "big")
    return ((value & _KEEP) | _VERSION_8 | _VARIANT).to_bytes(16, "big")


def run_id(text: str, job_namespace: str, job_name: str) -> tuple[bytes, bool]:
    """The 16-byte run id for what a producer sent, and whether it was a UUID already.

    Only the 36-character form with hyphens (RFC 9562 §4) of a version other than 8 counts as a
    UUID; anything else is hashed (rule 2).
    """
    if _UUID.fullmatch(text):
        return bytes.fromhex(text.replace("-", "")), True
    name = "\x00".join((job_namespace, job_name, text))
    return uuid.uuid5(RUN_SPACE, name).bytes, False


def uuid_text(value: bytes) -> str:
    """The canonical 36-character form of 16 bytes."""
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def fresh_id() -> str:
    """A new UUIDv7 (RFC 9562 §5.7) as text: sortable by creation time in milliseconds."""
    millis = time.time_ns() // 1_000_000
    value = (millis << 80) | secrets.randbits(80)
    value = (value & ~(0xF << 76)) | (7 << 76)
    value = (value & ~(0b11 << 62)) | _VARIANT
    return str(uuid.UUID(int=value))


def new_token() -> str:
    """A bearer token with 256 random bits: `reg_` and 43 characters of base64url."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def token_digest(token: str) -> bytes:
    """The 32 bytes under which a token is stored and looked up."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
