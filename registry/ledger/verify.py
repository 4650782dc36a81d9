"""Reads the files and maps of a version again, and says whether they are still what was recorded.

Rules:
1. A file is identical when its SHA-256 is the recorded one, or the one an erasure left; files
   outside the allowed roots, or recorded without a digest, are said to be unread, never taken for
   identical.
2. A map is whole when every row group decodes and its parents lie within its inputs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlmodel import Session

from registry.errors import InvalidInputError, NotFoundError
from registry.ledger.find import version_members
from registry.ledger.opened import Ledger
from registry.ledger.rowmap_file import RowMapFile
from registry.ledger.source_files import files_of, readable_path
from registry.ledger.sweep import Store, Sweep
from registry.storage.objects import Objects

Found = Literal["identical", "differs", "missing", "not_readable", "no_digest"]
Verdict = Literal["identical", "differs", "not_verified"]
_CHUNK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Checked:
    """One file or map of a batch, and what reading it again gave."""

    batch: int
    batch_name: str
    what: str
    found: Found
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked; `identical` only where every file and map was read and is the same."""

    verdict: Verdict
    checked: tuple[Checked, ...]
    batches: int
    unbound: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BatchParts:
    """What is read again of one batch: files (URI, digest) and maps (position, object)."""

    number: int
    name: str
    files: tuple[tuple[str, str | None], ...]
    maps: tuple[tuple[int, str], ...]
    file_roots: tuple[str, ...]


def verify_version(
    session: Session,
    ledger: Ledger,
    namespace: str,
    name: str,
    version: int | None,
    *,
    file_roots: Sequence[str],
    sweep: Sweep,
) -> Verification:
    """Check every file and map of a version (rules 1 and 2).

    Raises NotFoundError for a dataset or version that is not there. Cost: reads everything.
    """
    members = list(version_members(session, namespace, name, version))
    nodes = ledger.graph.nodes(session, members)
    files = files_of(session, members)
    parts = [
        BatchParts(
            number,
            nodes[number].name,
            tuple((file.uri, file.sha256_now) for file in files.get(number, ())),
            tuple((part.position, part.object_name) for part in nodes[number].maps),
            tuple(file_roots),
        )
        for number in members
        if number in nodes
    ]
    checked = [item for found in sweep.each(check_batch, parts) for item in found]
    unbound = tuple(n for n in members if n not in nodes or not nodes[n].is_bound)
    return Verification(_verdict(checked, unbound), tuple(checked), len(members), unbound)


def check_batch(store: Store, parts: BatchParts) -> tuple[Checked, ...]:
    """Read the files and maps of one batch again."""
    checked = [
        Checked(parts.number, parts.name, uri, _check_file(uri, sha256, parts.file_roots))
        for uri, sha256 in parts.files
    ]
    for position, object_name in parts.maps:
        found, detail = _check_map(store.objects, object_name)
        checked.append(Checked(parts.number, parts.name, f"row map {position}", found, detail))
    return tuple(checked)


def _verdict(checked: list[Checked], unbound: tuple[int, ...]) -> Verdict:
    if any(item.found in ("differs", "missing") for item in checked):
        return "differs"
    if unbound or not checked or any(item.found != "identical" for item in checked):
        return "not_verified"
    return "identical"


def _check_file(uri: str, sha256: str | None, roots: Sequence[str]) -> Found:
    path = readable_path(uri, roots)
    if path is None:
        return "not_readable"
    if sha256 is None:
        return "no_digest"
    try:
        return "identical" if f"sha256:{file_digest(path)}" == sha256 else "differs"
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "not_readable"


def file_digest(path: Path) -> str:
    """SHA-256 of a file in hex, read in parts."""
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_CHUNK_BYTES):
            hasher.update(part)
    return hasher.hexdigest()


def _check_map(objects: Objects, name: str) -> tuple[Found, str | None]:
    try:
        with RowMapFile(objects.open(name)) as opened:
            opened.check()
    except NotFoundError:
        return "missing", None
    except InvalidInputError as error:
        return "differs", error.detail
    return "identical", None
