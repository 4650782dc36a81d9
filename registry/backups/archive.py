"""One file that holds a backup: a tar of members under zstd, with a signed list at its end.

Rules:
1. It is written under a temporary name and gets its own when it is whole and on disk; a file that
   is there already is never replaced.
2. The last member, `manifest.json`, lists every member that counts, with its size and SHA-256, and
   is signed with the registry's key. A member that is not in it was given up while it was written.
3. A reader believes nothing before it has read the file to its end (`check_archive`): a file that
   was cut, changed, or is none of ours is named.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
import pyarrow as pa

from registry.errors import ConflictError, NotFoundError, NotVerifiedError, RegistryError

FORMAT = "lineage-registry/backup/1"
HEAD, MANIFEST = "backup.json", "manifest.json"
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Written:
    """A file as it was written; `digest`: 32 bytes of SHA-256."""

    digest: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Checked:
    """An archive that is whole. `manifest` is what was signed, not yet whose signature it is.

    `members`: size and SHA-256 by name.
    """

    path: Path
    digest: bytes
    manifest: Mapping[str, Any]
    signed: Mapping[str, Any]
    members: Mapping[str, tuple[int, str]]


class _Hashed(io.RawIOBase):
    """A file that is written once, front to back, and hashed meanwhile."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self.hash = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self.hash.update(piece)
        self.size += len(piece)
        return self._file.write(piece)


class _Sink:
    """What tarfile writes to: it asks where it is, and never goes back."""

    def __init__(self, packed: pa.CompressedOutputStream) -> None:
        self._packed = packed
        self._place = 0

    def tell(self) -> int:
        return self._place

    def write(self, data: bytes) -> int:
        self._packed.write(data)
        self._place += len(data)
        return len(data)


class ArchiveWriter:
    """Writes members one after the other; made by `new_archive`."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members: dict[str, tuple[int, str]] = {}

    def add(self, name: str, content: bytes) -> None:
        """Write a member."""
        self.add_stream(name, len(content), [content])

    def add_stream(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        """Write a member of a size that is known. Raises what reading the pieces raises."""
        hashed = hashlib.sha256()
        self._tar.addfile(_info(name, size), cast("Any", _Pieces(pieces, hashed)))
        self._members[name] = (size, hashed.hexdigest())

    def forget(self, prefix: str) -> None:
        """Let what was written under a prefix not count; it may be written again (rule 2)."""
        self._members = {n: m for n, m in self._members.items() if not n.startswith(prefix)}

    @property
    def members(self) -> dict[str, list[Any]]:
        """What counts: size and SHA-256 by name, as the manifest lists them."""
        return {name: [size, digest] for name, (size, digest) in self._members.items()}

    def close(self, signed_manifest: Mapping[str, Any]) -> None:
        """Write the signed manifest, and the end."""
        content = msgspec.json.encode(signed_manifest)
        self._tar.addfile(_info(MANIFEST, len(content)), io.BytesIO(content))
        self._tar.close()


class _Pieces:
    """Pieces of bytes as the file that tarfile reads."""

    def __init__(self, pieces: Iterable[bytes], hashed: Any) -> None:
        self._pieces = iter(pieces)
        self._hashed = hashed
        self._rest = b""

    def read(self, size: int) -> bytes:
        parts, missing = [self._rest], size - len(self._rest)
        while missing > 0 and (piece := next(self._pieces, None)) is not None:
            parts.append(piece)
            missing -= len(piece)
        joined = b"".join(parts)
        given, self._rest = joined[:size], joined[size:]
        self._hashed.update(given)
        return given


@contextmanager
def new_archive(path: Path) -> Iterator[tuple[ArchiveWriter, list[Written]]]:
    """A writer of a new file, which is there when the block ends well (rule 1).

    The list is empty until then, and holds one `Written` after. Raises ConflictError where there
    is such a file, OSError where it cannot be written.
    """
    refuse_existing(path)
    draft = path.parent / f".{path.name}.{secrets.token_hex(6)}.part"
    done: list[Written] = []
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            hashed = _Hashed(file)
            with pa.CompressedOutputStream(pa.PythonFile(hashed, "w"), "zstd") as packed:
                sink = cast("Any", _Sink(packed))
                tar = tarfile.TarFile(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT)
                yield ArchiveWriter(tar), done
            file.flush()
            os.fsync(file.fileno())
        settle(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    done.append(Written(hashed.hash.digest(), hashed.size))


def refuse_existing(path: Path) -> None:
    """Raise ConflictError where there is a file of that name."""
    if path.exists():
        raise ConflictError(
            f"There is a file {path} already, and a backup replaces none.",
            remedy="Give another name, such as one with the date.",
        )


def settle(draft: Path, path: Path) -> None:
    """Give a finished file its name, durably, unless another has it. Raises ConflictError."""
    try:
        os.link(draft, path)
    except FileExistsError:
        refuse_existing(path)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def require_archive(path: Path) -> None:
    """Hold that there is a file at all, before anything else is asked. Raises NotFoundError."""
    if not path.is_file():
        raise NotFoundError(
            f"There is no file {path}.", remedy="Name a file that `registry backup` wrote."
        )


def check_archive(path: Path) -> Checked:
    """Read a whole archive and hold it to its manifest (rule 3).

    Raises NotFoundError where there is no such file, NotVerifiedError, which names it, for one that
    is damaged, cut or none of ours. Cost: reads everything.
    """
    require_archive(path)
    found: dict[str, tuple[int, str]] = {}
    last, content = "", b""
    with reading(path):
        for place, (name, file) in enumerate(_members(path)):
            if place == 0 and name != HEAD:
                raise damaged(path, "it does not begin as one")
            kept = name in (HEAD, MANIFEST)
            hashed, size, content = hashlib.sha256(), 0, b""
            while piece := file.read(_PIECE):
                hashed.update(piece)
                size += len(piece)
                content += piece if kept else b""
            found[name], last = (size, hashed.hexdigest()), name
        if last != MANIFEST:
            raise damaged(path, "it ends before its manifest: it was cut off")
        return _held_to_manifest(path, content, found)


def _held_to_manifest(path: Path, content: bytes, found: dict[str, tuple[int, str]]) -> Checked:
    try:
        signed = msgspec.json.decode(content, type=dict[str, Any])
        manifest = signed["payload"]
        listed = {str(name): (int(of[0]), str(of[1])) for name, of in manifest["members"].items()}
        if manifest["format"] != FORMAT:
            raise damaged(path, f"its form is {manifest['format']!r}, and {FORMAT!r} is read")
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise damaged(path, "its manifest cannot be read") from error
    for name, member in listed.items():
        if found.get(name) != member:
            raise damaged(path, f"{name} is not what the manifest lists")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return Checked(path, digest, manifest, signed, listed)


def each_member(checked: Checked) -> Iterator[tuple[str, int, BinaryIO]]:
    """The members that count, in the order of the file: name, size, and the bytes to read.

    Raises NotVerifiedError where the file changed since it was checked.
    """
    with reading(checked.path):
        for name, file in _members(checked.path):
            if name in checked.members:
                yield name, checked.members[name][0], file


def _members(path: Path) -> Iterator[tuple[str, BinaryIO]]:
    with (
        path.open("rb") as raw,
        pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd") as packed,
        tarfile.open(fileobj=packed, mode="r|") as tar,
    ):
        for member in tar:
            file = tar.extractfile(member)
            if file is None:
                raise damaged(path, f"{member.name} is no file")
            yield member.name, cast("BinaryIO", file)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what unpacking says of bytes that are no archive into NotVerifiedError."""
    try:
        yield
    except RegistryError:
        raise
    except (tarfile.TarError, pa.ArrowException, OSError, EOFError) as error:
        said = str(error).partition("\n")[0][:120].rstrip(".")
        raise damaged(path, said or "it cannot be unpacked") from error


def damaged(path: Path, why: str) -> NotVerifiedError:
    """The error for an archive that is not whole."""
    return NotVerifiedError(
        f"The backup {path} is damaged, or is none: {why}.",
        remedy="Copy it again from where it is kept, or take another backup; nothing was changed.",
    )


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info
