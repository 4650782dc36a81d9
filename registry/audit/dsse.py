"""Envelopes: bytes of a stated type and their Ed25519 signature, as one JSON file (DSSE v1).

Rules (github.com/secure-systems-lab/dsse, protocol.md and envelope.md):
1. What is signed is the pre-authentication encoding of type and bytes, never the bytes alone, so
   that a signature over one type means nothing for another.
2. An envelope of ours is canonical JSON (RFC 8785) with one signature and nothing else: the file
   has one form only, and any other byte in it is refused, also one that a lenient reader would
   pass over (white space, a repeated key, other base64 of the same bytes, a second signature).
3. `keyid` is SHA-256 of the public key as SubjectPublicKeyInfo (DER). DSSE leaves it unsigned; here
   it must be that of the key which signed.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from registry.audit.notes import VerifierKey
from registry.canonical import canonical_json, digest_text
from registry.errors import InvalidInputError, NotVerifiedError

ENVELOPE_LIMIT_BYTES = 64 * 2**20
_SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope taken apart; nothing is checked but its form. `signature`: 64 bytes."""

    payload_type: str
    payload: bytes
    keyid: str
    signature: bytes


def keyid_of(public_key: bytes) -> str:
    """The id of an Ed25519 key of 32 bytes (rule 3): `sha256:…`."""
    key = Ed25519PublicKey.from_public_bytes(public_key)
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return digest_text(hashlib.sha256(der).digest())


def encoded(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding (rule 1)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_envelope(payload_type: str, payload: bytes, secret: bytes) -> bytes:
    """The envelope of a payload. `secret`: the 32 bytes of the private key."""
    private = Ed25519PrivateKey.from_private_bytes(secret)
    public = private.public_key().public_bytes_raw()
    signature = private.sign(encoded(payload_type, payload))
    return _written(Envelope(payload_type, payload, keyid_of(public), signature))


def read_envelope(data: bytes) -> Envelope:
    """Take an envelope apart. Raises NotVerifiedError where its form is another (rule 2)."""
    if len(data) > ENVELOPE_LIMIT_BYTES:
        raise _refused(f"it has {len(data)} bytes, and {ENVELOPE_LIMIT_BYTES} are the most")
    try:
        found = json.loads(data.decode("utf-8"))
        (signature,) = found["signatures"]
        envelope = Envelope(
            str(found["payloadType"]),
            base64.b64decode(found["payload"], validate=True),
            str(signature["keyid"]),
            base64.b64decode(signature["sig"], validate=True),
        )
        # Everything else that the file may hold, and every other way to write this, shows here.
        same = _written(envelope) == data
    except (KeyError, TypeError, ValueError, RecursionError, InvalidInputError) as error:
        raise _refused("it is no envelope (DSSE) with one signature") from error
    if not same:
        raise _refused(
            "somebody wrote it anew: it holds more than an envelope with one signature, other "
            "base64, or other JSON than canonical (RFC 8785)"
        )
    return envelope


def open_envelope(
    data: bytes, payload_type: str, keys: Iterable[VerifierKey]
) -> tuple[Envelope, list[VerifierKey]]:
    """The envelope, and the one of the keys that signed it, under each name that it is held by.

    Names are not looked at: whose word the payload is, the payload says, so the caller holds it to
    them. Raises NotVerifiedError for everything else.
    """
    envelope = read_envelope(data)
    if envelope.payload_type != payload_type:
        raise _refused(f"it holds {envelope.payload_type[:80]!r}, not {payload_type!r}")
    held = list(keys)
    signers = [each for each in held if keyid_of(each.public_key) == envelope.keyid]
    if not signers:
        raise NotVerifiedError(
            f"The envelope names the key {envelope.keyid[:80]}, and none of the {len(held)} keys "
            "given is that one.",
            remedy="Get the public keys of who signed: registry keys export-public.",
        )
    try:
        public = Ed25519PublicKey.from_public_bytes(signers[0].public_key)
        public.verify(envelope.signature, encoded(payload_type, envelope.payload))
    except InvalidSignature as error:
        raise _refused("the signature is not that of its payload") from error
    return envelope, signers


def _written(envelope: Envelope) -> bytes:
    return canonical_json(
        {
            "payload": base64.b64encode(envelope.payload).decode(),
            "payloadType": envelope.payload_type,
            "signatures": [
                {"keyid": envelope.keyid, "sig": base64.b64encode(envelope.signature).decode()}
            ],
        }
    )


def _refused(why: str) -> NotVerifiedError:
    return NotVerifiedError(
        f"The envelope does not hold: {why}.",
        remedy="Get the file again from who issued it, byte for byte; keep this one beside it.",
    )
