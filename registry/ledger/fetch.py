"""Fetches an object that an event names by URL, if the operator lets the server read there.

Rules (DESIGN §5; issue "objects by allow-listed URL"):
1. Only what lies under one of REGISTRY_FILE_ROOTS is read: a folder, or a prefix such as
   `s3://bucket/folder` or `https://host/folder`, compared part by part. A URL with a user, a query,
   a fragment or a way up is refused.
2. A redirect is never followed. A local file is opened part by part without following a symlink, so
   that what is swapped in between leads nowhere.
3. Bytes are streamed to a file, at most the limit, and their digest must be the one in the event.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from registry.canonical import digest_text
from registry.errors import (
    BodyTooLargeError,
    InvalidInputError,
    UnavailableError,
)
from registry.ledger.source_files import readable_path
from registry.storage.objects import bucket_at
from registry.storage.temporary import writing_temporary

BUCKETS = ("s3", "gs", "az")
WEB = ("https", "http")
_CHUNK_BYTES = 4 << 20
_CONNECT_SECONDS, _READ_SECONDS = 10.0, 60.0
_HOST_PARTS = 2
_CONTROL = re.compile(r"[\x00-\x20\x7f\\]")


def fetch(
    url: str,
    target: Path,
    *,
    digest: str,
    roots: Sequence[str],
    limit_bytes: int,
    storage_options: Mapping[str, str],
) -> None:
    """Write the bytes at `url` to `target`, checked against `digest` (`sha256:…`).

    Raises InvalidInputError where it may not be read, or is not what it should be;
    BodyTooLargeError; UnavailableError where it cannot be read now.
    """
    hasher, size = hashlib.sha256(), 0
    with _opened(url, roots, storage_options) as chunks, target.open("wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > limit_bytes:
                raise BodyTooLargeError(
                    f"The object at {url} has over {limit_bytes} bytes.",
                    remedy="Split the batch, or raise REGISTRY_OBJECT_LIMIT_BYTES.",
                )
            hasher.update(chunk)
            with writing_temporary():
                file.write(chunk)
    found = digest_text(hasher.digest())
    if found != digest:
        raise InvalidInputError(
            f"The object at {url} has the digest {found}, and the event says {digest}.",
            remedy="Put the object there that the event names, or upload it.",
        )


def content_type_of(path: Path) -> str:
    """What a fetched object is, by how it begins: Parquet, an Arrow stream, else NDJSON."""
    with path.open("rb") as file:
        begin = file.read(4)
    if begin == b"PAR1":
        return "application/vnd.apache.parquet"
    if begin == b"\xff\xff\xff\xff":
        return "application/vnd.apache.arrow.stream"
    return "application/x-ndjson"


@contextmanager
def _opened(
    url: str, roots: Sequence[str], storage_options: Mapping[str, str]
) -> Iterator[Iterator[bytes]]:
    try:
        scheme = urlsplit(url).scheme
        if scheme in (*BUCKETS, *WEB) and not is_under(url, roots):
            raise _not_allowed(url)
        if scheme in BUCKETS:
            yield _from_bucket(url, storage_options)
        elif scheme in WEB:
            with _from_web(url) as chunks:
                yield chunks
        else:
            with _local(url, roots) as file:
                yield iter(lambda: file.read(_CHUNK_BYTES), b"")
    except (OSError, ValueError) as error:
        raise _out_of_reach(url, error.strerror if isinstance(error, OSError) else None) from error


def is_under(url: str, roots: Sequence[str]) -> bool:
    """Whether a URL of a bucket or a host lies under one of the roots (rule 1)."""
    wanted = _parts(url)
    if wanted is None:
        return False
    for root in roots:
        allowed = _parts(root.rstrip("/"))
        if allowed and wanted[: len(allowed)] == allowed and len(wanted) > _HOST_PARTS:
            return True
    return False


def _parts(url: str) -> tuple[str, ...] | None:
    """Scheme, host and the parts of the path; None for what could mean several places."""
    split = urlsplit(url)
    if split.scheme not in (*BUCKETS, *WEB) or not split.netloc or "@" in split.netloc:
        return None
    if split.query or split.fragment or "?" in url or "#" in url or _CONTROL.search(url):
        return None
    path = unquote(split.path) if split.scheme in WEB else split.path
    parts = path.split("/")[1:]
    if "%" in path or _CONTROL.search(path.replace(" ", "")):
        return None
    if any(part in ("", ".", "..") for part in parts):
        return None
    if unquote(split.path).count("/") != split.path.count("/"):
        return None
    return (split.scheme, split.netloc.lower(), *parts)


def _from_bucket(url: str, storage_options: Mapping[str, str]) -> Iterator[bytes]:
    import obstore

    split = urlsplit(url)
    bucket = f"{split.scheme}://{split.netloc}"
    try:
        store = bucket_at(bucket, storage_options)
        for chunk in obstore.get(store, split.path.lstrip("/")).stream(_CHUNK_BYTES):
            yield bytes(chunk)
    except (FileNotFoundError, obstore.exceptions.BaseError) as error:
        raise _out_of_reach(url, _first_line(error)) from error


@contextmanager
def _from_web(url: str) -> Iterator[Iterator[bytes]]:
    # A server needs no HTTP client before somebody names a URL.
    import httpx

    timeout = httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
    # Packed bytes would have another digest, and could be much larger than they look.
    headers = {"Accept-Encoding": "identity"}
    try:
        with (
            httpx.Client(timeout=timeout, follow_redirects=False) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            if answer.is_redirect:
                raise InvalidInputError(
                    f"{url} leads to another place (HTTP {answer.status_code}), "
                    "and redirects are not followed.",
                    remedy="Name the URL where the object lies, under one of REGISTRY_FILE_ROOTS.",
                )
            if answer.status_code != 200:
                raise _out_of_reach(url, f"HTTP {answer.status_code}")
            yield answer.iter_raw(_CHUNK_BYTES)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _out_of_reach(url, _first_line(error)) from error


@contextmanager
def _local(url: str, roots: Sequence[str]) -> Iterator[BinaryIO]:
    path = readable_path(url, roots)
    if path is None:
        raise _not_allowed(url)
    folder = os.open(path.anchor, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in path.parts[1:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        # Without waiting: whoever opens a pipe waits for somebody to write into it.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        file = os.fdopen(os.open(path.name, flags, dir_fd=folder), "rb")
    finally:
        os.close(folder)
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise _not_allowed(url)
        yield file


def _not_allowed(url: str) -> InvalidInputError:
    return InvalidInputError(
        f"The server may not read {url}.",
        remedy="Upload the object, or have its folder or prefix added to REGISTRY_FILE_ROOTS.",
    )


def _out_of_reach(url: str, reason: str | None) -> UnavailableError:
    said = f": {reason.rstrip('.')}" if reason else ""
    return UnavailableError(
        f"The object at {url} cannot be read{said}.",
        remedy="It is tried again; put it there, or upload it.",
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
