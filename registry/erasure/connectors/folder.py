"""Files in allowed folders, held while they are written anew.

Rules:
1. Only under REGISTRY_FILE_ROOTS. The way there is opened part by part without following a symlink,
   and everything is done in the folder so opened, so that what is swapped in between leads nowhere.
2. The new file is written beside the old one, made durable, and renamed over it. Mode, owner and
   extended attributes are those of the old file.
3. A file that was changed since it was opened is left as it is. Where it was changed so recently
   that its times cannot tell, its bytes are read again.
4. A file that has other names (hard links), or none may write to, is not touched.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from typing import BinaryIO
from urllib.parse import urlsplit

from registry.erasure.connectors.places import digest_of, telling
from registry.erasure.connectors.trouble import Reason, StoppedError
from registry.ledger.source_files import readable_path

LEFTOVER_PREFIX = ".erasing-"
#: Times of files move in steps; what is older than this would show a change.
_TELLING_SECONDS = 2.0


class FolderPlace:
    """Files under allowed folders (rules 1 to 4)."""

    def __init__(self, roots: Sequence[str]) -> None:
        """`roots`: as REGISTRY_FILE_ROOTS has them; those that are no folders are passed over."""
        self._roots = tuple(root for root in roots if urlsplit(root).scheme in ("", "file"))

    @contextmanager
    def hold(self, uri: str) -> Iterator[HeldLocalFile]:
        """Hold a file by its path or `file:` URI. Raises StoppedError."""
        with ExitStack() as stack:
            with telling(uri):
                folder, name = stack.enter_context(_folder_of(uri, self._roots))
                # Without waiting: whoever opens a pipe waits for somebody to write into it.
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                descriptor = os.open(name, flags, dir_fd=folder)
                if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                    os.close(descriptor)
                    raise StoppedError(Reason.GONE, f"There is no file {uri}, but a folder.")
                source = stack.enter_context(os.fdopen(descriptor, "rb"))
                held = HeldLocalFile(uri, folder, name, source)
                held.require_alone()
            stack.callback(held.remove_unfinished)
            yield held

    def names(self, folder: str) -> list[str]:
        """The names of the files in a folder, sorted, temporary ones left out."""
        with self._entries(folder) as entries:
            found = [each.name for each in entries if each.is_file(follow_symlinks=False)]
        return sorted(name for name in found if not name.startswith(LEFTOVER_PREFIX))

    def folders(self, folder: str) -> list[str]:
        """The names of the folders in a folder, sorted; symlinks are none."""
        with self._entries(folder) as entries:
            return sorted(each.name for each in entries if each.is_dir(follow_symlinks=False))

    @contextmanager
    def _entries(self, folder: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        with (
            telling(folder),
            _folder_of(f"{folder.rstrip('/')}/-", self._roots, called=folder) as (opened, _),
            os.scandir(opened) as entries,
        ):
            yield entries

    def remove(self, uri: str) -> None:
        """Remove a file; nothing happens where there is none."""
        with telling(uri), _folder_of(uri, self._roots) as (folder, name):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            os.fsync(folder)


@contextmanager
def _folder_of(
    uri: str, roots: Sequence[str], *, called: str | None = None
) -> Iterator[tuple[int, str]]:
    path = readable_path(uri, roots)
    if path is None:
        raise StoppedError(
            Reason.OUTSIDE_ROOTS,
            f"{called or uri} does not lie in an allowed folder, or leads elsewhere.",
        )
    folder = os.open(path.anchor, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in path.parts[1:-1]:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            inner = os.open(part, flags, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder, path.name
    finally:
        os.close(folder)


class HeldLocalFile:
    """A file of a folder (rules 2 to 4). Not thread-safe."""

    def __init__(self, uri: str, folder: int, name: str, source: BinaryIO) -> None:
        self.uri = uri
        self.source = source
        self._folder = folder
        self._name = name
        self._opened = os.fstat(source.fileno())
        self._opened_at = time.time()
        self._temporary = LEFTOVER_PREFIX + hashlib.sha256(name.encode()).hexdigest()[:16]
        self._is_written = False
        self._written: BinaryIO | None = None
        self._digest: bytes | None = None
        self.size = self._opened.st_size

    def require_alone(self) -> None:
        """Raise StoppedError for what is no file, or is held by another erasure."""
        if not stat.S_ISREG(self._opened.st_mode):
            raise StoppedError(Reason.OUTSIDE_ROOTS, f"{self.uri} is no file.")
        try:
            fcntl.flock(self.source, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoppedError(Reason.BUSY, f"{self.uri} is being erased in.") from None
        except OSError as error:
            # Some network file systems lock nothing; the queue's lease stands there alone.
            if error.errno not in (errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP):
                raise

    def require_writable(self) -> None:
        """Raise StoppedError for a file that may not be replaced (rule 4)."""
        if self._opened.st_nlink != 1:
            raise StoppedError(
                Reason.MORE_NAMES, f"{self.uri} has {self._opened.st_nlink} names on this disk."
            )
        if not self._opened.st_mode & 0o222:
            raise StoppedError(Reason.READ_ONLY, f"{self.uri} is marked as read-only.")

    def remember(self, digest: bytes) -> None:
        """What its bytes were when they were checked (rule 3)."""
        self._digest = digest

    def leftovers(self) -> list[str]:
        """The temporary file of an erasure that broke off, if there is one."""
        try:
            os.stat(self._temporary, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return []
        return [self._temporary]

    def clear_leftovers(self) -> None:
        """Remove it."""
        with telling(self.uri), suppress(FileNotFoundError):
            os.unlink(self._temporary, dir_fd=self._folder)
            os.fsync(self._folder)

    @contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        """A temporary file beside the old one, with its mode and owner (rule 2)."""
        self.require_writable()
        with telling(self.uri):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._temporary, flags, 0o600, dir_fd=self._folder)
        self._is_written = True
        with os.fdopen(descriptor, "wb", buffering=1 << 20) as sink:
            with telling(self.uri):
                _take_after(self.source.fileno(), descriptor, self._opened)
            self._written = sink
            yield sink

    def seal(self) -> None:
        """Flush what was written to the disk."""
        if self._written is None:
            raise ValueError("nothing was written")
        with telling(self.uri):
            self._written.flush()
            os.fsync(self._written.fileno())

    def swap(self) -> None:
        """Rename the new file over the old one, if that is what it was (rule 3)."""
        with telling(self.uri):
            self._require_unchanged()
            os.rename(self._temporary, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._is_written = False

    def settle(self) -> int:
        """Make the rename durable. A folder keeps no older versions."""
        with telling(self.uri):
            os.fsync(self._folder)
        return 0

    def older(self) -> Iterator[tuple[str, BinaryIO]]:
        """None: a folder keeps no versions. Snapshots of its disk are backups."""
        return iter(())

    def kept_until(self) -> datetime | None:
        """Nothing is kept."""
        return None

    def remove_unfinished(self) -> None:
        """Remove what was written and not swapped in."""
        if self._is_written:
            with suppress(OSError):
                os.unlink(self._temporary, dir_fd=self._folder)
            self._is_written = False

    def _require_unchanged(self) -> None:
        now = os.stat(self._name, dir_fd=self._folder, follow_symlinks=False)
        same = _identity(now) == _identity(self._opened)
        if same and self._opened_at - self._opened.st_mtime < _TELLING_SECONDS:
            same = self._digest == digest_of(self.source, lambda _: None)
        if not same:
            raise StoppedError(
                Reason.CHANGED_MEANWHILE, f"{self.uri} was changed while it was written anew."
            )


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_nlink)


def _take_after(old: int, new: int, seen: os.stat_result) -> None:
    """Give a new file mode, owner and extended attributes of an old one."""
    mine = os.fstat(new)
    if (mine.st_uid, mine.st_gid) != (seen.st_uid, seen.st_gid):
        os.fchown(new, seen.st_uid, seen.st_gid)
    if hasattr(os, "listxattr"):
        for name in os.listxattr(old):
            with suppress(OSError):
                os.setxattr(new, name, os.getxattr(old, name))
    os.fchmod(new, stat.S_IMODE(seen.st_mode))
