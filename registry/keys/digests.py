"""Keyed content digests: what the ledger keeps of a content, so that nobody can guess it.

Rules:
1. A content digest is a SHA-256, which anybody can compute of a text they suspect. The keyed digest
   cannot be tried without the key: it is two AES-256-CMACs (NIST SP 800-38B, RFC 4493) of the 32
   bytes, under two keys derived from the key `digest`, one beside the other. A pseudorandom
   function of the digest: equal contents stay equal, nothing else shows.
2. The key never rotates. A digest that was keyed cannot be keyed anew without the content, so a
   second version would part equal contents silently; `registry.keys.versions` refuses it.
3. CMAC and not HMAC because a column costs two calls of AES over the whole buffer: 30 ns a digest,
   where HMAC-SHA-256 costs 700 (a 2-core machine), most of what recording an example may cost.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from registry.errors import InvalidInputError
from registry.keys.blocks import BLOCK_BYTES, encrypt_blocks
from registry.keys.hashing import KeyedHash
from registry.keys.keyring import Keyring
from registry.keys.tables import Purpose

DIGEST_BYTES = 32
_AT_ONCE = 1 << 16
_Rows = npt.NDArray[np.uint8]


class ContentDigests:
    """Keys content digests, one or a column at a time. Thread-safe; made from a keyring."""

    def __init__(self, keyring: Keyring) -> None:
        secret = keyring.active(Purpose.DIGEST).require_secret()
        halves = KeyedHash(secret, b"registry/content-digest/").digests([b"1", b"2"])
        self._halves = [(key, cmac_subkey(key)) for key in halves]

    def keyed(self, digest: bytes) -> bytes:
        """The keyed digest (32 bytes) of a content's SHA-256 (32 bytes)."""
        if len(digest) != DIGEST_BYTES:
            raise InvalidInputError(
                f"A content digest has {len(digest)} bytes; a SHA-256 has {DIGEST_BYTES}.",
                remedy="Send the SHA-256 of the content.",
            )
        return self._of(np.frombuffer(digest, np.uint8).reshape(1, DIGEST_BYTES)).tobytes()

    def keyed_column(self, digests: pa.Array) -> pa.FixedSizeBinaryArray:
        """As `keyed`, for n digests (fixed_size_binary(32), or binary of that length); nulls stay.

        Raises InvalidInputError for another type or length.
        """
        digests = _uniform(digests)
        start = digests.offset * DIGEST_BYTES
        held = np.frombuffer(digests.buffers()[1] or b"", np.uint8)
        rows = held[start : start + len(digests) * DIGEST_BYTES].reshape(-1, DIGEST_BYTES)
        made = self._of(rows)
        mask = None
        if digests.null_count:
            valid = digests.is_valid().to_numpy(zero_copy_only=False)
            made[~valid] = 0
            mask = pa.array(valid).buffers()[1]
        return pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(DIGEST_BYTES), len(rows), [mask, pa.py_buffer(made)]
        )

    def _of(self, rows: _Rows) -> _Rows:
        made = np.empty(rows.shape, np.uint8)
        for at in range(0, len(rows), _AT_ONCE):
            some = rows[at : at + _AT_ONCE]
            first = np.ascontiguousarray(some[:, :BLOCK_BYTES])
            last = np.ascontiguousarray(some[:, BLOCK_BYTES:])
            for half, (key, subkey) in enumerate(self._halves):
                place = slice(half * BLOCK_BYTES, (half + 1) * BLOCK_BYTES)
                made[at : at + len(some), place] = cmac_of_two_blocks(key, subkey, first, last)
        return made


def cmac_subkey(key: bytes) -> bytes:
    """K1 of AES-CMAC (RFC 4493 §2.3), for messages that end with a whole block."""
    number = int.from_bytes(encrypt_blocks(key, bytes(BLOCK_BYTES)), "big")
    doubled = (number << 1) ^ (0x87 if number >> 127 else 0)
    return (doubled & ((1 << 128) - 1)).to_bytes(BLOCK_BYTES, "big")


def cmac_of_two_blocks(key: bytes, subkey: bytes, first: _Rows, last: _Rows) -> _Rows:
    """AES-CMAC of n messages of 32 bytes, given as n x 16 and n x 16 bytes; n x 16 bytes."""
    chained = np.frombuffer(encrypt_blocks(key, first.tobytes()), np.uint8).reshape(first.shape)
    mixed = chained ^ last ^ np.frombuffer(subkey, np.uint8)
    tags = encrypt_blocks(key, mixed.tobytes())
    return np.frombuffer(tags, np.uint8).reshape(first.shape)


def _uniform(digests: pa.Array) -> pa.FixedSizeBinaryArray:
    if digests.type == pa.binary(DIGEST_BYTES):
        return digests
    try:
        return digests.cast(pa.binary(DIGEST_BYTES))
    except (pa.ArrowException, ValueError) as error:
        raise InvalidInputError(
            f"A column of content digests of the type {digests.type} does not fit SHA-256.",
            remedy=f"Send {DIGEST_BYTES} bytes each.",
        ) from error
