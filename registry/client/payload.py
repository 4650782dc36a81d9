"""Bytes on their way to the registry, with their digest; small ones in memory, large ones not."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from types import TracebackType
from typing import Any, BinaryIO, Self

CHUNK_BYTES = 1 << 20
IN_MEMORY_BYTES = 64 << 20
# So that the registry reads an object with the memory of a few row groups.
GROUP_ROWS = 65_536

PARQUET = "application/vnd.apache.parquet"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Payload:
    """Some bytes: a seekable file of `size` bytes whose SHA-256 is `digest` (32 bytes).

    Use it as a context manager: it is gone afterwards.
    """

    file: BinaryIO
    size: int
    digest: bytes
    content_type: str

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()

    def chunks(self) -> Iterator[bytes]:
        """The bytes from the start, a mebibyte at a time; may be asked for again."""
        self.file.seek(0)
        while chunk := self.file.read(CHUNK_BYTES):
            yield chunk


def payload_of(content: bytes, content_type: str) -> Payload:
    """A payload of bytes at hand."""
    digest = hashlib.sha256(content).digest()
    return Payload(io.BytesIO(content), len(content), digest, content_type)


def parquet_payload(tables: Iterable[Any]) -> Payload:
    """Tables of one schema, at least one, as Parquet: the same ones give the same bytes.

    Cost: about 100 MB a second; beyond 64 MiB it lies in a nameless temporary file.
    """
    import pyarrow.parquet as pq

    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115
    sink = _Hashing(file)
    waiting = iter(tables)
    first = next(waiting)
    try:
        with pq.ParquetWriter(sink, first.schema, compression="zstd") as writer:
            for table in chain((first,), waiting):
                writer.write_table(table, row_group_size=GROUP_ROWS)
    except BaseException:
        file.close()
        raise
    return Payload(file, sink.size, sink.hasher.digest(), PARQUET)  # type: ignore[arg-type]


class _Hashing(io.RawIOBase):
    """A sink that hashes what goes through it."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.hasher = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self._file.write(view)
        self.hasher.update(view)
        self.size += view.nbytes
        return view.nbytes
