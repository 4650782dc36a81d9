"""A manifest: exactly which examples of a version may be used, as bits, with a digest. Pure.

Rules:
1. A manifest is a line of canonical JSON (what was asked, by which policy, and the batches with
   their rows, in membership order), then for each batch its bits, first example first, each batch
   filled up to whole bytes. Its digest is the SHA-256 of all of that; time is no part of it, so
   that the same answer is the same manifest.
2. A batch whose examples nobody counted, or that is not bound, has no bits: none of it is allowed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from registry.canonical import canonical_json
from registry.errors import InvalidInputError

Bits = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a manifest answers: a version by the id of its dataset, a purpose, a region, a policy
    and a mode.
    """

    dataset: str
    version: int
    purpose: str
    region: str | None
    policy: str
    mode: str


@dataclass(frozen=True, slots=True)
class Part:
    """The examples of a batch that are allowed. `bits`: packed, of `rows` examples (rule 1)."""

    batch: int
    rows: int
    bits: Bits

    @property
    def allowed(self) -> int:
        """How many examples are allowed."""
        return int(np.bitwise_count(self.bits).sum())

    def ordinals(self) -> npt.NDArray[np.uint32]:
        """The allowed ordinals, sorted."""
        found = np.flatnonzero(np.unpackbits(self.bits, count=self.rows))
        return found.astype(np.uint32)


def part_of(batch: int, is_allowed: npt.NDArray[np.bool_]) -> Part:
    """The part of a batch from one truth value for each example."""
    return Part(batch, int(is_allowed.size), np.packbits(is_allowed))


def whole_part(batch: int, rows: int, *, allowed: bool) -> Part:
    """The part of a batch of which all examples are allowed, or none."""
    return part_of(batch, np.full(rows, allowed))


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """A manifest with its parts, in membership order."""

    asked: Asked
    parts: tuple[Part, ...]

    def to_bytes(self) -> bytes:
        """The bytes of rule 1."""
        head = {
            "dataset": self.asked.dataset,
            "version": self.asked.version,
            "purpose": self.asked.purpose,
            "region": self.asked.region,
            "policy": self.asked.policy,
            "mode": self.asked.mode,
            "batches": [{"batch": part.batch, "rows": part.rows} for part in self.parts],
        }
        return b"".join((canonical_json(head), b"\n", *(p.bits.tobytes() for p in self.parts)))

    @classmethod
    def from_bytes(cls, data: bytes) -> ManifestFile:
        """What `to_bytes` wrote. Raises InvalidInputError for anything else."""
        head_bytes, _, bits = data.partition(b"\n")
        try:
            head = msgspec.json.decode(head_bytes, type=_Head)
        except msgspec.MsgspecError as error:
            raise _refused(len(data)) from error
        parts = tuple(_parts(head, np.frombuffer(bits, np.uint8), len(data)))
        asked = Asked(head.dataset, head.version, head.purpose, head.region, head.policy, head.mode)
        return cls(asked, parts)


class _Batch(msgspec.Struct, frozen=True):
    batch: int
    rows: int


class _Head(msgspec.Struct, frozen=True):
    dataset: str
    version: int
    purpose: str
    region: str | None
    policy: str
    mode: str
    batches: tuple[_Batch, ...]


def _parts(head: _Head, bits: Bits, size: int) -> Iterator[Part]:
    at = 0
    for each in head.batches:
        end = at + (each.rows + 7) // 8
        if end > bits.size:
            raise _refused(size)
        yield Part(each.batch, each.rows, bits[at:end])
        at = end
    if at != bits.size:
        raise _refused(size)


def _refused(size: int) -> InvalidInputError:
    return InvalidInputError(
        f"{size} bytes are no manifest.", remedy="Ask for one at POST /api/v1/manifests."
    )


def digest_of(data: bytes) -> str:
    """The name of a manifest by its bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def object_name(digest: str) -> str:
    """Where the bytes of a manifest lie among the ledger's objects."""
    return f"manifests/{digest.removeprefix('sha256:')}"
