"""Bytes of a file as they were before they were packed, and packed again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import pyarrow as pa

from registry.erasure.connectors.forms import Packing


@contextmanager
def unpacking(source: BinaryIO, packing: Packing) -> Iterator[BinaryIO]:
    """The unpacked bytes of `source`, from its beginning; `source` stays open.

    Reading raises pyarrow's errors where the bytes are cut short or are not packed so.
    """
    source.seek(0)
    if packing is Packing.NONE:
        yield source
        return
    with (
        pa.PythonFile(_Kept(source), mode="r") as raw,
        pa.CompressedInputStream(raw, packing.value) as stream,
    ):
        yield stream


@contextmanager
def packing_into(sink: BinaryIO, packing: Packing) -> Iterator[BinaryIO]:
    """Somewhere to write bytes that arrive packed in `sink`, which stays open."""
    if packing is Packing.NONE:
        yield sink
        return
    with (
        pa.PythonFile(_Kept(sink), mode="w") as raw,
        pa.CompressedOutputStream(raw, packing.value) as stream,
    ):
        yield stream


class _Kept:
    """A file whose closing is somebody else's."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def write(self, content: bytes) -> int:
        return self._file.write(content)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self.closed = True
