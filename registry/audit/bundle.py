"""A log in one file, which verifies with the file and a public key and nothing else.

Lines of JSON. The first is `{"bundle": "lineage-registry/audit/1", "checkpoint": NOTE}`; each other
is an entry, in the order of the log: `{"leaf_data", "salt", "document"}`, the first two in base64;
a redacted one has `leaf_data` alone.

Rules:
1. The checkpoint is believed by the key that the reader brings, never by what the file says.
2. Leaf data is SHA-256(salt ‖ document), the leaf SHA-256(0x00 ‖ leaf data), and all leaves must
   lead to the root that was signed: as many as were signed, and none beside.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.audit.checkpoint import Checkpoint, open_checkpoint
from registry.audit.documents import leaf_data
from registry.audit.merkle import HASH_BYTES, leaf_hash
from registry.audit.notes import VerifierKey
from registry.audit.walk import Frontier
from registry.errors import InvalidInputError, NotVerifiedError

FORM = "lineage-registry/audit/1"
_LEAVES_AT_ONCE = 4_096


@dataclass(frozen=True, slots=True)
class BundleReport:
    """What a bundle holds that verified."""

    checkpoint: Checkpoint
    redacted: int


def bundle_lines(note: str, entries: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The lines of a bundle, each with its newline. `entries`: as `GET audit/entries` has them."""
    yield json.dumps({"bundle": FORM, "checkpoint": note}, ensure_ascii=False) + "\n"
    for entry in entries:
        line = {"leaf_data": entry["leaf_data"]}
        if entry["document"] is not None:
            line |= {"salt": entry["salt"], "document": entry["document"]}
        yield json.dumps(line, ensure_ascii=False) + "\n"


def verify_bundle(lines: Iterable[str], keys: Sequence[VerifierKey]) -> BundleReport:
    """Check a bundle against keys that the reader trusts. Cost: about 5 µs an entry.

    Raises InvalidInputError for what is no bundle, NotVerifiedError with the first entry that does
    not fit, or with what does not fit as a whole.
    """
    rest = iter(lines)
    head = _read(next(rest, ""), 1)
    if head.get("bundle") != FORM or not isinstance(head.get("checkpoint"), str):
        raise _no_bundle(1, f'the first line says "bundle": "{FORM}", and a checkpoint')
    checkpoint = open_checkpoint(head["checkpoint"], keys)
    frontier, redacted, leaves = Frontier(), 0, list[bytes]()
    for index, line in enumerate(rest):
        entry = _read(line, index + 2)
        data = _bytes(entry, "leaf_data", index)
        if len(data) != HASH_BYTES:
            raise _no_bundle(index + 2, "leaf_data has another length")
        if "document" in entry or "salt" in entry:
            _check_entry(entry, data, index)
        else:
            redacted += 1
        leaves.append(leaf_hash(data))
        if len(leaves) == _LEAVES_AT_ONCE:
            frontier.add(leaves)
            leaves = []
    frontier.add(leaves)
    if frontier.size != checkpoint.size:
        raise _refused(
            f"it holds {frontier.size} entries, and the checkpoint was signed over "
            f"{checkpoint.size}"
        )
    if frontier.root() != checkpoint.root:
        raise _refused(
            "its entries do not lead to the root that was signed: some were replaced, moved, or "
            "put in and left out"
        )
    return BundleReport(checkpoint, redacted)


def _check_entry(entry: dict[str, Any], data: bytes, index: int) -> None:
    document = entry.get("document")
    if not isinstance(document, str):
        raise _no_bundle(index + 2, "document is no text")
    whole = document.encode("utf-8", "surrogatepass")
    if leaf_data(_bytes(entry, "salt", index), whole) != data:
        raise _refused(f"entry {index} was edited: its document is not the one that was recorded")


def _read(line: str, number: int) -> dict[str, Any]:
    try:
        read = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _no_bundle(number, "the line is no JSON") from error
    if not isinstance(read, dict):
        raise _no_bundle(number, "the line is no JSON object")
    return read


def _bytes(entry: dict[str, Any], name: str, index: int) -> bytes:
    try:
        return base64.b64decode(entry[name], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise _no_bundle(index + 2, f"{name} is no base64") from error


def _no_bundle(number: int, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"This is no bundle of an audit log: line {number}: {why}.",
        remedy="Export it again: registry audit export FILE.",
    )


def _refused(why: str) -> NotVerifiedError:
    return NotVerifiedError(
        f"The bundle does not hold: {why}.",
        remedy="Keep the file as it is, export again, and compare the two.",
    )
