"""Turns a person's identifier into subject keys: the only form in which the registry keeps it.

Rules (DESIGN §2, "Subject keys"):
1. subject key = AES-256(key_v, HMAC-SHA-256(root, scheme ‖ 0x1f ‖ normaliser version ‖ 0x1f ‖
   identifier)[:16]): one block, so 16 bytes. The version v rests beside it, never inside it.
2. The inner 16 bytes are as good as random, so one block of AES under a key of its own is a
   pseudonym of a pseudonym: without `key_v` two versions of it cannot be told to be one person,
   and without `root` an identifier cannot be tried against either.
3. Re-keying decrypts under one version and encrypts under another, without the person.
4. What is written takes the active version and the newest normaliser; what is looked up takes
   every live version of every normaliser.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from registry.keys.blocks import BLOCK_BYTES, decrypt_blocks, encrypt_blocks
from registry.keys.hashing import KeyedHash
from registry.keys.identifiers import Scheme, normal_forms
from registry.keys.keyring import Key, Keyring
from registry.keys.tables import Purpose

SUBJECT_KEY_BYTES = BLOCK_BYTES
_SEPARATOR = b"\x1f"

#: Re-keys n subject keys in one buffer: n x 16 bytes in, n x 16 bytes out, in the same order.
Translate = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """A subject key as it is written: 16 bytes, and the version of the key they were made under."""

    key: bytes
    version: int


def new_subject_key(
    keyring: Keyring, scheme: Scheme, value: str, *, path: str | None = None
) -> SubjectKey:
    """The key under which to write. Raises InvalidInputError for what is no such identifier.

    Whoever keeps it calls `registry.keys.versions.require_live` in the transaction that does.
    """
    active = keyring.active(Purpose.SUBJECT)
    version, form = normal_forms(scheme, value, path=path)[0]
    root = keyring.active(Purpose.ROOT).require_secret()
    made = subject_key(root, active.require_secret(), scheme, version, form)
    return SubjectKey(made, active.version)


def live_subject_keys(
    keyring: Keyring, scheme: Scheme, value: str, *, path: str | None = None
) -> list[bytes]:
    """Every key under which the person may be found now, the one that is written under first.

    Raises InvalidInputError for what is no such identifier.
    """
    root = keyring.active(Purpose.ROOT).require_secret()
    forms = normal_forms(scheme, value, path=path)
    bases = b"".join(pseudonym(root, scheme, version, form) for version, form in forms)
    found: list[bytes] = []
    for key in keyring.live(Purpose.SUBJECT):
        made = encrypt_blocks(key.require_secret(), bases)
        found += (
            made[at : at + SUBJECT_KEY_BYTES] for at in range(0, len(made), SUBJECT_KEY_BYTES)
        )
    return found


def subject_key(
    root: bytes, version_key: bytes, scheme: Scheme, normaliser_version: int, identifier: str
) -> bytes:
    """Rule 1 for one identifier in normal form."""
    return encrypt_blocks(version_key, pseudonym(root, scheme, normaliser_version, identifier))


def pseudonym(root: bytes, scheme: Scheme, normaliser_version: int, identifier: str) -> bytes:
    """The inner 16 bytes of rule 1. They never leave the process."""
    hashed = pseudonym_hash(root, scheme, normaliser_version)
    return hashed.digests([identifier.encode()])[0][:SUBJECT_KEY_BYTES]


def pseudonym_hash(root: bytes, scheme: Scheme, normaliser_version: int) -> KeyedHash:
    """The HMAC of rule 1 with all but the identifier taken in."""
    prefix = _SEPARATOR.join((scheme.value.encode(), b"%d" % normaliser_version, b""))
    return KeyedHash(root, prefix)


def translator(old: Key, new: Key) -> Translate:
    """Re-keys from one version of `subject` to another (rule 3)."""
    old_secret, new_secret = old.require_secret(), new.require_secret()

    def translate(keys: bytes) -> bytes:
        return encrypt_blocks(new_secret, decrypt_blocks(old_secret, keys))

    return translate
