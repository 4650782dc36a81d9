"""Walks along a log entry by entry: what each leaf is, and the root over all that were passed.

Pure: rows come from a database (`registry.audit.check`) or a file (`registry.audit.bundle`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from registry.audit.documents import Bound, bound_by, document
from registry.audit.events import EntryKind
from registry.audit.merkle import EMPTY_ROOT, node_hash, root_hash
from registry.audit.tiles import WIDTH

_sha256 = hashlib.sha256
#: index (None: it has no place yet), at (microseconds), kind, actor, leaf data, salt, payload
LogRow = tuple[int | None, int, str, str, bytes, bytes | None, bytes | None]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was recorded; `index` is its place in the log, if it has one."""

    index: int | None
    detail: str


class Frontier:
    """The root over leaves that are passed one after another. Keeps one hash for 256 leaves."""

    def __init__(self) -> None:
        self.size = 0
        self.full: list[bytes] = []
        self._begun: list[bytes] = []
        self._peaks: list[tuple[int, bytes]] = []

    def add(self, leaf_hashes: Sequence[bytes]) -> None:
        """Pass leaves."""
        self.size += len(leaf_hashes)
        begun = [*self._begun, *leaf_hashes]
        whole = len(begun) - len(begun) % WIDTH
        for at in range(0, whole, WIDTH):
            self._push(root_hash(begun[at : at + WIDTH]))
        self._begun = begun[whole:]

    def root(self) -> bytes:
        """The root over what was passed."""
        roots = [root for _, root in self._peaks]
        if self._begun:
            roots.append(root_hash(self._begun))
        if not roots:
            return EMPTY_ROOT
        reached = roots.pop()
        while roots:
            reached = node_hash(roots.pop(), reached)
        return reached

    def _push(self, root: bytes) -> None:
        self.full.append(root)
        height = 0
        while self._peaks and self._peaks[-1][0] == height:
            root = node_hash(self._peaks.pop()[1], root)
            height += 1
        self._peaks.append((height, root))


@dataclass(slots=True)
class Told:
    """What entries said on the way: of origins, and of payloads that were taken away."""

    origins: list[dict[str, object]] = field(default_factory=list)
    redacted: dict[bytes, int | None] = field(default_factory=dict)
    explained: set[bytes] = field(default_factory=set)

    def note(self, kind: str, payload: bytes) -> None:
        """Take in a payload of one of those two kinds."""
        try:
            facts = json.loads(payload)
            match kind:
                case EntryKind.ORIGIN_OPENED:
                    self.origins.append(dict(facts))
                case EntryKind.PAYLOAD_REDACTED:
                    named = (str(leaf).removeprefix("sha256:") for leaf in facts["leaves"])
                    self.explained.update(map(bytes.fromhex, named))
                case _:
                    return
        except (ValueError, TypeError, KeyError):
            return

    def unexplained(self) -> list[Finding]:
        """The payloads that are gone, and no entry says under what; in the order of the log."""
        gone = [index for leaf, index in self.redacted.items() if leaf not in self.explained]
        detail = "salt and payload are gone, and no entry says under what they were redacted"
        return [Finding(index, detail) for index in gone]


TOLD_KINDS = frozenset({EntryKind.ORIGIN_OPENED.value, EntryKind.PAYLOAD_REDACTED.value})


def hash_rows(rows: Sequence[LogRow], told: Told) -> tuple[list[bytes], Finding | None]:
    """The leaf hashes of rows, up to the first that does not commit to its own columns."""
    hashes: list[bytes] = []
    try:
        for index, at, kind, actor, data, salt, payload in rows:
            if salt is None or payload is None:
                if salt is not None or payload is not None:
                    return hashes, Finding(index, "of salt and payload one is gone, not both")
                told.redacted[data] = index
            else:
                whole = document(actor, at, payload, kind)
                if _sha256(salt + whole).digest() != data:
                    bound = bound_by(data, salt, actor, at, payload, kind)
                    if bound is Bound.SOMETHING_ELSE:
                        return hashes, Finding(index, _EDITED)
                if kind in TOLD_KINDS:
                    told.note(kind, payload)
            hashes.append(_sha256(b"\x00" + data).digest())
    except TypeError:  # SQLite takes any type in any column
        return hashes, Finding(rows[len(hashes)][0], _EDITED)
    return hashes, None


_EDITED = "it was edited: payload, kind, actor, time or salt is not what was recorded"
