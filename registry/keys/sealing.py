"""Seals bytes under a key and opens them again: AES-256-GCM with a random nonce (NIST SP 800-38D).

Rules:
1. A nonce is 96 random bits, new for every seal, and travels in front of the ciphertext. One key
   seals far fewer than 2^32 values (SP 800-38D §8.3), because every record has a key of its own.
2. What is sealed is bound to its place by additional data: sealed bytes that are moved to another
   row, purpose or version do not open.
"""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16


class SealBrokenError(Exception):
    """The bytes do not open under this key at this place; the caller says what that means."""


def seal(key: bytes, plaintext: bytes, place: bytes) -> bytes:
    """`nonce ‖ ciphertext ‖ tag`: 28 bytes more than the plaintext. `key`: 32 bytes."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, place)


def unseal(key: bytes, sealed: bytes, place: bytes) -> bytes:
    """The plaintext of `seal` with the same key and place. Raises SealBrokenError."""
    if len(sealed) < NONCE_BYTES + TAG_BYTES:
        raise SealBrokenError(f"{len(sealed)} bytes are too few")
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
    except InvalidTag as error:
        raise SealBrokenError("the tag does not match") from error
