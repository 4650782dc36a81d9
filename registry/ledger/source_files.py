"""Where the rows of a batch physically lie: from an ordinal to a file and its row.

Rules (DESIGN §1.5):
1. A batch has an ordered list of files whose rows are counted through; where a file does not say
   its rows, what follows has no known place. Rows that were erased from it have none, and those
   after them lie that much nearer to its beginning.
2. Only files under the allowed roots are read, never through a symlink or `..`.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow.parquet as pq
from sqlmodel import Session

from registry.canonical import digest_text
from registry.ledger.holes import Holes
from registry.storage.bulk import TypedColumn, select_by_rows

_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)
_FILES = """
SELECT b.number, f.uri, f.sha256, f.rows, f.first_ordinal, s.sha256, s.holes
FROM {rows} AS w JOIN batch b ON b.number = w.number
JOIN batch_file f ON f.dataset_id = b.dataset_id AND f.run_id = b.run_id AND f.batch_name = b.name
LEFT JOIN file_state s
  ON s.dataset_id = b.dataset_id AND s.batch_number = b.number AND s.uri = f.uri
ORDER BY b.number, f.position
"""


@dataclass(frozen=True, slots=True)
class BatchFileNode:
    """A file of a batch as it was recorded; `first` and `rows` are None where unknown.

    `holes`: the ordinals that erasures took out of it; `left`: its digest since then, None where
    nothing was taken out.
    """

    uri: str
    sha256: str | None
    rows: int | None
    first: int | None
    holes: Holes = field(default_factory=Holes)
    left: str | None = None

    @property
    def sha256_now(self) -> str | None:
        """The digest that the file must have now."""
        return self.sha256 if self.left is None else self.left


def files_of(session: Session, numbers: Iterable[int]) -> dict[int, list[BatchFileNode]]:
    """The files of batches, in order."""
    found: dict[int, list[BatchFileNode]] = {}
    wanted = [(number,) for number in sorted(set(numbers))]
    for row in select_by_rows(session, _FILES, _NUMBER, wanted):
        number, uri, sha256, rows, first, left, packed = row
        holes = Holes() if packed is None else Holes.from_bytes(bytes(packed))
        now = None if left is None else digest_text(bytes(left))
        found.setdefault(number, []).append(BatchFileNode(uri, sha256, rows, first, holes, now))
    return found


def place_of(files: Sequence[BatchFileNode], ordinal: int) -> tuple[BatchFileNode, int] | None:
    """The file and row (from 0) of an ordinal now; None where nobody said, or it was erased."""
    for file in files:
        if file.first is None:
            return None
        if ordinal >= file.first and (file.rows is None or ordinal < file.first + file.rows):
            row = file.holes.row(ordinal, file.first)
            return None if row is None else (file, row)
    return None


def readable_path(uri: str, roots: Sequence[str]) -> Path | None:
    """The local path that the server may read, there or not, or None (rule 2)."""
    parts = urlsplit(uri)
    if parts.scheme not in ("", "file"):
        return None
    path = Path(unquote(parts.path) if parts.scheme else uri)
    if not path.is_absolute() or path != Path(*path.parts):
        return None
    resolved = path.resolve()
    for root in roots:
        folder = Path(root.removeprefix("file://")).resolve()
        if resolved.is_relative_to(folder) and resolved == path.absolute():
            return path
    return None


def row_digests(path: Path, row: int) -> set[bytes] | None:
    """SHA-256 of each text or bytes value of one row, and of the whole line of a text format.

    None where the format is not read here or the row is not there. Reads Parquet (one row group),
    JSONL and text, plain or gzip.
    """
    if not path.is_file():
        return None
    suffixes = [s.lower() for s in path.suffixes]
    if ".parquet" in suffixes:
        return _parquet_row(path, row)
    if not {".jsonl", ".ndjson", ".txt"} & set(suffixes):
        return None
    opener = gzip.open if suffixes[-1] == ".gz" else open
    with opener(path, "rb") as file:
        line = next(itertools.islice(file, row, None), None)
    if line is None:
        return None
    text = line.rstrip(b"\r\n")
    found = {hashlib.sha256(text).digest()}
    if ".txt" not in suffixes:
        try:
            value = json.loads(text)
        except ValueError:
            return found
        parts = value.values() if isinstance(value, dict) else [value]
        found |= {hashlib.sha256(p.encode()).digest() for p in parts if isinstance(p, str)}
    return found


def _parquet_row(path: Path, row: int) -> set[bytes] | None:
    with pq.ParquetFile(path) as file:
        for group in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if row < rows:
                values = file.read_row_group(group).slice(row, 1).to_pylist()[0].values()
                texts = (v.encode() if isinstance(v, str) else v for v in values)
                return {hashlib.sha256(v).digest() for v in texts if isinstance(v, bytes)}
            row -= rows
    return None
