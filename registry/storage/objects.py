"""Objects under one URL: a folder, or a bucket of S3, GCS or Azure, through obstore.

Rules:
1. An object is whole or not there: it is written under its name in one step (a rename, or the
   store's own commit of a multipart upload).
2. A folder's objects can be mapped into memory; a bucket's are read by ranges.
3. A store that is out of reach is StorageUnavailableError; a later call succeeds without a restart.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import urlsplit

import obstore
from obstore.store import LocalStore, ObjectStore, from_url

from registry.errors import NotFoundError, SettingsError, StorageUnavailableError

_CHUNK_BYTES = 8 << 20
# How the store calls a file until it is whole: the name of the object and a number.
_STAGED = re.compile(r"#\d+$")


class Objects:
    """The objects under a URL. Thread-safe."""

    def __init__(self, url: str, options: Mapping[str, str] | None = None) -> None:
        """`options` as object_store names them (`aws_endpoint`, …), beside the environment's."""
        self.url = url
        self.folder = local_folder(url)
        self._store: ObjectStore
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._store = LocalStore(prefix=self.folder)
        else:
            try:
                self._store = bucket_at(url, options or {})
            except (ValueError, obstore.exceptions.BaseError) as error:
                first = str(error).strip().partition("\n")[0][:200].rstrip(".")
                raise SettingsError(
                    f"The ledger cannot lie at {url}: {first}.",
                    remedy="Set REGISTRY_LEDGER_URL to a folder, or to s3://bucket/folder.",
                ) from error

    def put_file(self, name: str, source: Path) -> None:
        """Store a file's bytes under a name; in parts where the file is large."""
        with _as_unavailable(name), source.open("rb") as file:
            obstore.put(self._store, name, cast("BinaryIO", file), chunk_size=_CHUNK_BYTES)

    def put(self, name: str, content: bytes) -> None:
        """Store bytes under a name."""
        with _as_unavailable(name):
            obstore.put(self._store, name, content)

    def get(self, name: str) -> bytes:
        """All bytes of an object. Raises NotFoundError."""
        with _as_unavailable(name):
            return bytes(obstore.get(self._store, name).bytes())

    def open(self, name: str) -> str | BinaryIO:
        """A path to map into memory (folder), or a seekable file (bucket). Raises NotFoundError."""
        with _as_unavailable(name):
            if self.folder is not None:
                path = self.folder / name
                if not path.is_file():
                    raise FileNotFoundError(name)
                return str(path)
            return cast("BinaryIO", _Reader(obstore.open_reader(self._store, name)))

    def exists(self, name: str) -> bool:
        """Whether there is an object of that name."""
        try:
            with _as_unavailable(name):
                obstore.head(self._store, name)
        except NotFoundError:
            return False
        return True

    def delete(self, name: str) -> None:
        """Delete an object; nothing happens where there is none."""
        try:
            with _as_unavailable(name):
                obstore.delete(self._store, name)
        except NotFoundError:
            return

    def names(self, prefix: str, *, after: str | None = None) -> Iterator[str]:
        """The names under a prefix, in no order; only those that sort behind `after`, if given."""
        with _as_unavailable(prefix):
            for page in obstore.list(self._store, prefix=prefix, offset=after):
                for item in page:
                    yield item["path"]

    def broken_off(self, prefix: str) -> Iterator[str]:
        """Files under a prefix of a folder that are no objects: parts of a write, broken off or
        under way. A bucket shows none.
        """
        if self.folder is None:
            return
        for folder, _, files in os.walk(self.folder / prefix):
            inside = Path(folder).relative_to(self.folder).as_posix()
            yield from (f"{inside}/{file}" for file in files if _STAGED.search(file))

    def drop_broken_off(self, name: str) -> None:
        """Remove what `broken_off` named; a write that was still under way fails."""
        if self.folder is not None and _STAGED.search(name):
            with _as_unavailable(name):
                (self.folder / name).unlink(missing_ok=True)


class _Reader:
    """obstore's reader with what Arrow asks of a Python file."""

    closed = False

    def __init__(self, reader: obstore.ReadableFile) -> None:
        self._reader = reader

    def read(self, size: int = -1) -> bytes:
        return bytes(self._reader.read(None if size < 0 else size))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._reader.seek(offset, whence)

    def tell(self) -> int:
        return self._reader.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def flush(self) -> None:
        return

    def close(self) -> None:
        self._reader.close()
        self.closed = True


def bucket_at(url: str, options: Mapping[str, str]) -> ObjectStore:
    """The bucket, or the folder in it, that a URL names; credentials are the environment's.

    `options` as `Objects` takes them. Raises ValueError or obstore's errors for what is no bucket.
    """
    meant = options_for(url, options)
    config = {name: value for name, value in meant.items() if name.startswith("aws_")}
    client: dict[str, object] = {
        name: value == "true" for name, value in meant.items() if name not in config
    }
    # Client options that are given, be they none, hide those of the environment.
    return from_url(url, config=config, client_options=client or None)  # type: ignore[call-overload, no-any-return]  # keys of every store


def options_for(url: str, options: Mapping[str, str]) -> dict[str, str]:
    """The options that are meant for the kind of store that a URL names."""
    return dict(options) if urlsplit(url).scheme in ("s3", "s3a") else {}


def local_folder(url: str) -> Path | None:
    """The folder that a URL or path means, or None for a bucket."""
    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        return Path(parts.path if parts.scheme else url).absolute()
    return None


@contextmanager
def _as_unavailable(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError(
            f"The ledger has no object {name}.",
            remedy="Send it again, or restore the ledger's folder or bucket.",
        ) from error
    except (OSError, obstore.exceptions.BaseError) as error:
        first = str(error).strip().splitlines()[0][:200]
        raise StorageUnavailableError(
            f"The ledger's store did not take the work on {name}: {first}.",
            remedy="Try again; if it stays so, look at its disk, bucket and rights.",
        ) from error
