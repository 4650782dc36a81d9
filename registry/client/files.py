"""Says where the rows of a batch lie: files with their digest and their number of rows.

Rules:
1. A local file is read once for its SHA-256 and named by its `file:` URI. Rows are counted from
   Parquet's and Arrow's own metadata, and line by line in JSON Lines, CSV and TSV, packed or not.
2. A URL of another kind is recorded as it is, and not read; what is known of it can be said.
3. Of a format that is not known, the rows are not known: None.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias
from urllib.parse import unquote, urlsplit

from registry.errors import InvalidInputError

CHUNK_BYTES = 1 << 20
_PACKED = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd", ".bz2": "bz2"}
_LINES = (".jsonl", ".ndjson")
_CSV = (".csv", ".tsv")


@dataclass(frozen=True, slots=True)
class FileAt:
    """A file of a batch, as `registry_batch.files` has it; `sha256` is `sha256:…`."""

    uri: str
    sha256: str | None = None
    rows: int | None = None

    def as_entry(self) -> dict[str, Any]:
        """The facet's element; what is not known is left out."""
        entry = {"uri": self.uri, "sha256": self.sha256, "rows": self.rows}
        return {key: value for key, value in entry.items() if value is not None}


FileLike: TypeAlias = "str | os.PathLike[str] | FileAt | Mapping[str, Any]"


def describe_files(files: FileLike | Iterable[FileLike]) -> list[FileAt]:
    """Each file with what can be known of it, in the order given.

    Raises InvalidInputError, naming the file, for one that is missing or cannot be read. Cost: one
    reading of every local file.
    """
    if isinstance(files, str | os.PathLike | FileAt | Mapping):
        files = [files]
    return [_describe(item) for item in files]


def _describe(item: FileLike) -> FileAt:
    if isinstance(item, FileAt):
        return item
    if isinstance(item, Mapping):
        unknown = sorted(set(item) - {"uri", "sha256", "rows"})
        if unknown or not isinstance(item.get("uri"), str):
            raise InvalidInputError(
                f"A file is given as {dict(item)!r}.",
                remedy="Give uri, and what is known of sha256 and rows.",
            )
        return FileAt(item["uri"], item.get("sha256"), item.get("rows"))
    path = local_path(item)
    if path is None:
        return FileAt(str(item))
    with reading(path):
        return FileAt(path.resolve().as_uri(), file_digest(path), count_rows(path))


def local_path(item: str | os.PathLike[str]) -> Path | None:
    """The path of a local file or folder, also given as a `file:` URI; None for another URL."""
    text = os.fspath(item)
    scheme = urlsplit(text).scheme
    if scheme == "file":
        return Path(unquote(urlsplit(text).path))
    return Path(text) if len(scheme) < 2 else None


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what goes wrong while a file is read into InvalidInputError, naming it."""
    try:
        yield
    except (OSError, ValueError, csv.Error) as error:
        said = getattr(error, "strerror", None) or str(error).partition("\n")[0].rstrip(".")
        raise InvalidInputError(
            f"The file {path} cannot be read: {said}.",
            remedy="Correct the path, its rights, or what is in it.",
        ) from error


def file_digest(path: Path) -> str:
    """`sha256:…` of a file's bytes. Cost: one reading."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def formats(path: Path) -> tuple[str, str | None]:
    """The extension that says what a file holds, and how it is packed: (".jsonl", "gzip")."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = _PACKED.get(suffixes[-1]) if suffixes else None
    if packed is not None:
        suffixes.pop()
    return (suffixes[-1] if suffixes else ""), packed


@contextmanager
def unpacked(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked if its name says that they are packed."""
    import pyarrow as pa

    packed = formats(path)[1]
    with path.open("rb", buffering=CHUNK_BYTES) as file:
        if packed is None:
            yield file
            return
        with pa.CompressedInputStream(pa.PythonFile(file, mode="r"), packed) as stream:
            yield stream


def count_rows(path: Path) -> int | None:
    """The rows of a file, None where its format is not known (rules 1 and 3)."""
    extension, packed = formats(path)
    if extension in _LINES:
        return sum(1 for _ in lines_of(path))
    if extension in _CSV:
        return _count_csv(path)
    if packed is not None:
        return None
    if extension == ".parquet":
        import pyarrow.parquet as pq

        return int(pq.read_metadata(path).num_rows)
    if extension in (".arrow", ".feather"):
        return _count_arrow(path)
    return None


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a JSON Lines file that are not blank, without their ends."""
    with unpacked(path) as file:
        rest = b""
        while chunk := file.read(CHUNK_BYTES):
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            yield from filter(bytes.strip, lines)
        if rest.strip():
            yield rest


def _count_csv(path: Path) -> int:
    """Records below the heading; a quoted field may hold line ends (RFC 4180)."""
    with unpacked(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
        delimiter = "\t" if formats(path)[0] == ".tsv" else ","
        return max(0, sum(1 for row in csv.reader(text, delimiter=delimiter) if row) - 1)


def _count_arrow(path: Path) -> int:
    """Rows of an Arrow IPC file or stream; no column is decoded."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        try:
            file = pa.ipc.open_file(source)
            return sum(file.get_batch(at).num_rows for at in range(file.num_record_batches))
        except pa.ArrowInvalid:
            source.seek(0)
            return sum(batch.num_rows for batch in pa.ipc.open_stream(source))
