"""Keyed digests of people's names, subjects and addresses: equal stays equal, nothing is readable.

HMAC-SHA-256 under a key derived from the key `digest`, which never rotates. Whoever has the rows
and not the master key cannot try names against them.
"""

from __future__ import annotations

from registry.keys.hashing import KeyedHash
from registry.keys.keyring import Keyring
from registry.keys.tables import Purpose

_PREFIX = b"registry/person/"


class Pseudonyms:
    """Makes keyed digests. Thread-safe; made from a keyring."""

    def __init__(self, keyring: Keyring) -> None:
        secret = keyring.active(Purpose.DIGEST).require_secret()
        self._hash = KeyedHash(secret, _PREFIX)

    def of(self, kind: str, *parts: str) -> bytes:
        """The 32 bytes for a thing of that kind; parts are told apart."""
        encoded = [part.encode("utf-8", "surrogatepass") for part in (kind, *parts)]
        message = b"".join(b"%d:" % len(part) + part for part in encoded)
        return self._hash.digests([message])[0]
