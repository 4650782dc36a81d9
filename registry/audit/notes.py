"""Signed notes: a text, and under it the Ed25519 signatures of those who say it (C2SP signed-note).

Rules (c2sp.org/signed-note):
1. A note is a text that ends in a newline, an empty line, and lines `— NAME BASE64`, where BASE64
   is a key's 4-byte id and its signature over the text.
2. A key's id is SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key)[:4]; 0x01 stands for Ed25519.
3. A verifier key is `NAME+ID+BASE64(0x01 ‖ public key)`, ID in hex. Names hold no space and no `+`.
4. Signatures by keys that the reader does not hold are passed over; one by a key that it holds must
   be right, and at least one of those must be there.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from registry.errors import InvalidInputError, NotVerifiedError

NOTE_LIMIT_BYTES = 1_000_000
_ED25519 = b"\x01"
_NAME = re.compile(r"[^\s+]+")
_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.S)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half of a signer's key. `name` None: a bare key, good for notes of any name."""

    name: str | None
    public_key: bytes

    def key_id(self, name: str) -> bytes:
        """The 4 bytes by which a note of that signer names this key (rule 2)."""
        return key_id(name, self.public_key)

    def is_of(self, name: str) -> bool:
        """Whether signatures under that name can be this key's."""
        return self.name in (None, name)


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who, which key, and 64 bytes."""

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and its signatures; nothing is checked yet."""

    text: str
    signatures: tuple[Signature, ...]


def key_id(name: str, public_key: bytes) -> bytes:
    """The id of an Ed25519 key of 32 bytes under a name (rule 2)."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:4]


def vkey_line(name: str, public_key: bytes) -> str:
    """A verifier key as one line (rule 3)."""
    encoded = base64.b64encode(_ED25519 + public_key).decode()
    return f"{name}+{key_id(name, public_key).hex()}+{encoded}"


def pem_block(public_key: bytes) -> str:
    """A public key of 32 bytes as PEM (SubjectPublicKeyInfo), ending in a newline."""
    key = Ed25519PublicKey.from_public_bytes(public_key)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def sign_note(text: str, name: str, secret: bytes) -> str:
    """The note of a text under one signature. `secret`: the 32 bytes of the private key."""
    private = Ed25519PrivateKey.from_private_bytes(secret)
    public = private.public_key().public_bytes_raw()
    signed = base64.b64encode(key_id(name, public) + private.sign(text.encode())).decode()
    return f"{text}\n— {name} {signed}\n"


def read_note(note: str) -> Note:
    """Take a note apart (rule 1). Raises InvalidInputError for what is none."""
    if len(note) > NOTE_LIMIT_BYTES or any(ord(c) < 32 and c != "\n" for c in note):
        raise _no_note("it is too long, or holds control characters")
    text, gap, below = note.rpartition("\n\n")
    if not gap or not below.endswith("\n"):
        raise _no_note("a text, an empty line and signature lines are needed")
    return Note(text + "\n", tuple(_read_signature(line) for line in below[:-1].split("\n")))


def verify_note(note: Note, keys: Iterable[VerifierKey]) -> VerifierKey:
    """Hold a note to keys; gives the one that signed it. Raises NotVerifiedError (rule 4)."""
    held = list(keys)
    good: VerifierKey | None = None
    for signature in note.signatures:
        for key in held:
            name = signature.name
            if not key.is_of(name) or key.key_id(name) != signature.key_id:
                continue
            try:
                public = Ed25519PublicKey.from_public_bytes(key.public_key)
                public.verify(signature.value, note.text.encode())
            except InvalidSignature as error:
                raise NotVerifiedError(
                    f"The signature of {name} on the note is wrong.",
                    remedy="The text or the signature was changed: get the note from its origin.",
                ) from error
            good = good or key
    if good is None:
        by = ", ".join(f"{one.name} ({one.key_id.hex()})" for one in note.signatures)
        raise NotVerifiedError(
            f"None of the {len(held)} keys given signed the note; it was signed by {by}.",
            remedy="Get the log's public keys: registry keys export-public.",
        )
    return good


def read_keys(text: str) -> list[VerifierKey]:
    """The keys of a file: PEM blocks, verifier key lines, or both; lines with `#` are passed over.

    Raises InvalidInputError where there is none, or one that is no Ed25519 key.
    """
    found = [VerifierKey(None, _read_pem(block)) for block in _PEM.findall(text)]
    lines: Sequence[str] = _PEM.sub("", text).splitlines()
    found += [_read_vkey(line.strip()) for line in lines if line.strip() and line[:1] != "#"]
    if not found:
        raise _no_key("it holds none")
    return found


def _read_signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    value = _decoded(encoded)
    if dash != "—" or not _NAME.fullmatch(name) or value is None or len(value) != 68:
        raise _no_note("a signature line is `— NAME BASE64` of an id and an Ed25519 signature")
    return Signature(name, value[:4], value[4:])


def _read_vkey(line: str) -> VerifierKey:
    # Base64 may hold `+`; names may not.
    name, _, rest = line.partition("+")
    identity, _, encoded = rest.partition("+")
    value = _decoded(encoded)
    if not _NAME.fullmatch(name) or value is None or len(value) != 33 or value[:1] != _ED25519:
        raise _no_key(f"{line[:60]!r} is no verifier key of Ed25519")
    if key_id(name, value[1:]).hex() != identity:
        raise _no_key(f"the id {identity[:16]!r} is not that of the key of {name}")
    return VerifierKey(name, value[1:])


def _read_pem(block: str) -> bytes:
    try:
        key = load_pem_public_key(block.encode())
    except ValueError as error:
        raise _no_key("a PEM block cannot be decoded") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key("a PEM block holds a key of another kind than Ed25519")
    return key.public_bytes_raw()


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _no_note(why: str) -> InvalidInputError:
    return InvalidInputError(
        f"This is no signed note: {why}.", remedy="Give it as the registry gave it, byte for byte."
    )


def _no_key(why: str) -> InvalidInputError:
    return InvalidInputError(
        f"This is no file of public keys: {why}.",
        remedy="Give PEM (SubjectPublicKeyInfo) or a verifier key: registry keys export-public.",
    )
