"""Checkpoints: what the log said of itself, signed (C2SP tlog-checkpoint).

Rules (c2sp.org/tlog-checkpoint):
1. The text is the origin, the size in decimal without leading zeros, and the root hash in base64,
   a line each. Further lines are somebody's extensions: they are kept, and mean nothing here.
2. The note's signer has the origin as its name. A log that cannot show that it grew out of what it
   signed before must not sign under the same origin again (`registry.audit.signing`).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

from registry.audit.merkle import HASH_BYTES
from registry.audit.notes import VerifierKey, read_note, sign_note, verify_note
from registry.errors import InvalidInputError, NotVerifiedError


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: which log, how many entries, and the root over them (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text that is signed (rule 1)."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def sign_checkpoint(checkpoint: Checkpoint, secret: bytes) -> str:
    """The signed note of a checkpoint, as its origin. `secret`: the private key, 32 bytes."""
    return sign_note(checkpoint.text(), checkpoint.origin, secret)


def read_checkpoint(note: str) -> Checkpoint:
    """What a signed note says; its signatures are not checked. Raises InvalidInputError."""
    origin, size, root = ([*read_note(note).text.split("\n"), "", ""])[:3]
    if not origin or not size.isascii() or not size.isdigit() or str(int(size[:20])) != size:
        raise _no_checkpoint()
    try:
        decoded = base64.b64decode(root, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _no_checkpoint() from error
    if len(decoded) != HASH_BYTES:
        raise _no_checkpoint()
    return Checkpoint(origin, int(size), decoded)


def open_checkpoint(note: str, keys: Iterable[VerifierKey]) -> Checkpoint:
    """What a signed note says, once a signature of its origin was checked (rule 2).

    Raises InvalidInputError for what is no checkpoint, NotVerifiedError.
    """
    checkpoint = read_checkpoint(note)
    taken = read_note(note)
    if not any(each.name == checkpoint.origin for each in taken.signatures):
        raise NotVerifiedError(
            f"The checkpoint of {checkpoint.origin} carries no signature of that name.",
            remedy="Get the checkpoint from its log.",
        )
    verify_note(taken, (key for key in keys if key.is_of(checkpoint.origin)))
    return checkpoint


def _no_checkpoint() -> InvalidInputError:
    return InvalidInputError(
        "This note is no checkpoint: an origin, a size and a root hash are needed, a line each.",
        remedy="Give a checkpoint as the registry gave it (GET /api/v1/audit/checkpoint).",
    )
