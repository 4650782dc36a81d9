"""How the rows of a file are written, told by its name: format and packing. Pure.

Rules:
1. The extension says it, as where files are adopted: `.jsonl.gz` is JSON Lines, packed by gzip.
2. A binding may say it instead, in the same words (`form`): `jsonl.gz`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote, urlsplit

from registry.erasure.connectors.trouble import Reason, StoppedError


class Format(StrEnum):
    """How rows are written."""

    PARQUET = "parquet"
    ARROW = "arrow"  # IPC, file or stream
    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    TEXT = "txt"


class Packing(StrEnum):
    """How the bytes of a file are packed."""

    NONE = ""
    GZIP = "gzip"
    ZSTD = "zstd"


_FORMATS = {
    "parquet": Format.PARQUET,
    "arrow": Format.ARROW,
    "feather": Format.ARROW,
    "ipc": Format.ARROW,
    "jsonl": Format.JSONL,
    "ndjson": Format.JSONL,
    "csv": Format.CSV,
    "tsv": Format.TSV,
    "txt": Format.TEXT,
}
_PACKINGS = {"gz": Packing.GZIP, "zst": Packing.ZSTD, "zstd": Packing.ZSTD}
KNOWN_FORMS = tuple(
    f"{name}{packed}" for name in _FORMATS for packed in ("", *(f".{each}" for each in _PACKINGS))
)


@dataclass(frozen=True, slots=True)
class Form:
    """A format and its packing."""

    format: Format
    packing: Packing = Packing.NONE


def form_of(uri: str, said: str | None = None) -> Form:
    """The form of a file by what a binding says or by its name (rules 1 and 2).

    Raises StoppedError for one that is not known.
    """
    name = said if said is not None else unquote(urlsplit(uri).path).rpartition("/")[2]
    parts = name.lower().split(".")
    packing = _PACKINGS.get(parts[-1], Packing.NONE)
    if packing:
        parts.pop()
    kind = _FORMATS.get(parts[-1]) if parts else None
    if kind is None or (said is None and len(parts) < 2):
        raise StoppedError(
            Reason.UNKNOWN_FORMAT, f"Nothing here reads {uri} as {said or 'its name says'}."
        )
    return Form(kind, packing)
