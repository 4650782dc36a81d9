"""What a file is held by while it is read and written anew, wherever it lies.

Rules:
1. A held file is read whole and written whole: `swap` replaces it in one step, and only if it is
   still the file that was opened.
2. What an erasure that broke off left beside it is found and removed by the next one.
3. Older versions that a store keeps of it count as the file: they are removed after the swap, read
   by the proof, and a store that must keep one says until when.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import BinaryIO, Protocol

from registry.erasure.connectors.trouble import Reason, StoppedError

CHUNK_BYTES = 4 << 20
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ETXTBSY)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class HeldFile(Protocol):
    """A file that is held (rules 1 to 3)."""

    source: BinaryIO
    size: int

    def remember(self, digest: bytes) -> None:
        """What the SHA-256 of its bytes was when they were checked."""

    def leftovers(self) -> list[str]:
        """What an erasure that broke off left beside it, by name."""

    def clear_leftovers(self) -> None:
        """Remove that."""

    def writing(self) -> AbstractContextManager[BinaryIO]:
        """A new file to write into; gone again unless it is swapped in."""

    def require_writable(self) -> None:
        """Raise StoppedError for a file that may not be replaced."""

    def seal(self) -> None:
        """Make what was written durable, ready to be swapped in."""

    def swap(self) -> None:
        """Put what was written in the place of the file. Raises StoppedError (rule 1)."""

    def settle(self) -> int:
        """After a swap: make it durable, remove older versions; how many those were."""

    def older(self) -> Iterator[tuple[str, BinaryIO]]:
        """The older versions that can still be read, by name."""

    def kept_until(self) -> datetime | None:
        """Until when the store keeps the last of them; None where it keeps none for certain, the
        last year there is where nobody knows the end.
        """


class Place(Protocol):
    """Where files lie."""

    def hold(self, uri: str) -> AbstractContextManager[HeldFile]:
        """Hold a file. Raises StoppedError where it is not there or may not be touched."""

    def names(self, folder: str) -> list[str]:
        """The names of the files in a folder, sorted. Raises StoppedError."""

    def folders(self, folder: str) -> list[str]:
        """The names of the folders in a folder, sorted. Raises StoppedError."""

    def remove(self, uri: str) -> None:
        """Remove a file, and every version of it; nothing happens where there is none."""


def digest_of(source: BinaryIO, tell: Callable[[int], None]) -> bytes:
    """SHA-256 of a file from its beginning; `tell` gets the bytes so far."""
    hasher, done = hashlib.sha256(), 0
    source.seek(0)
    while part := source.read(CHUNK_BYTES):
        hasher.update(part)
        done += len(part)
        tell(done)
    return hasher.digest()


def replace_content(place: Place, uri: str, content: bytes) -> bool:
    """Give a file other content in one step; False where it has that already.

    Raises StoppedError.
    """
    with place.hold(uri) as held:
        held.source.seek(0)
        before = held.source.read()
        held.remember(hashlib.sha256(before).digest())
        held.clear_leftovers()
        if before == content:
            return False
        with held.writing() as sink:
            sink.write(content)
            held.seal()
            held.swap()
        held.settle()
    return True


class DigestedSink:
    """A file that is written, with the SHA-256 of what was written to it."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hasher = hashlib.sha256()
        self.size = 0

    def write(self, content: bytes) -> int:
        """Write all of it."""
        self._hasher.update(content)
        self.size += len(content)
        return self._file.write(content)

    def digest(self) -> bytes:
        """Of everything so far."""
        return self._hasher.digest()

    def tell(self) -> int:
        """How many bytes were written."""
        return self.size

    def writable(self) -> bool:
        """Yes."""
        return True

    def readable(self) -> bool:
        """No."""
        return False

    def seekable(self) -> bool:
        """No."""
        return False

    def flush(self) -> None:
        """Of the file."""
        self._file.flush()

    def close(self) -> None:
        """The file stays open: it is somebody else's."""
        self.closed = True


@contextmanager
def telling(uri: str) -> Iterator[None]:
    """Turn what the system says of a file into StoppedError, by its meaning."""
    try:
        yield
    except OSError as error:
        raise stopped_by(uri, error) from error


def stopped_by(uri: str, error: OSError) -> StoppedError:
    """What an error of the system means for an erasure."""
    said = error.strerror or str(error).strip().partition("\n")[0][:200] or type(error).__name__
    detail = f"{uri}: {said}."
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR):
        return StoppedError(Reason.GONE, f"There is no file {uri}.")
    if error.errno == errno.ELOOP:
        return StoppedError(Reason.OUTSIDE_ROOTS, f"{uri} leads through a symlink.")
    if error.errno in _NOT_ALLOWED:
        return StoppedError(Reason.READ_ONLY, detail)
    if error.errno in _FULL:
        return StoppedError(Reason.NO_SPACE, detail)
    return StoppedError(Reason.OUT_OF_REACH, detail)
