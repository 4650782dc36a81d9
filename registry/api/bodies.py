"""Reads request bodies with a limit, unpacked or not.

Rules:
1. No more than the limit is ever held, as sent or as unpacked: a 100 MB body and a gzip bomb both
   end in BodyTooLargeError.
2. gzip (RFC 1952), also in several members, and identity are read; anything else is refused.
"""

from __future__ import annotations

import zlib

from starlette.requests import Request

from registry.errors import BodyTooLargeError, InvalidInputError, UnsupportedEncodingError

_GZIP = 16 + zlib.MAX_WBITS


async def read_body(request: Request, *, limit_bytes: int) -> bytes:
    """The unpacked body of a request.

    Raises BodyTooLargeError, UnsupportedEncodingError, or InvalidInputError where gzip is broken.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", ""):
        raise UnsupportedEncodingError(
            f"The Content-Encoding {encoding[:40]!r} is not read here.",
            remedy="Send the body plain, or with Content-Encoding: gzip.",
            path="Content-Encoding",
        )
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit_bytes:
        raise too_large(limit_bytes)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit_bytes:
            raise too_large(limit_bytes)
        parts.append(part)
    body = b"".join(parts)
    return body if encoding in ("identity", "") else gunzip(body, limit_bytes=limit_bytes)


def gunzip(packed: bytes, *, limit_bytes: int) -> bytes:
    """Unpack gzip, at most `limit_bytes`. Raises as `read_body`."""
    parts: list[bytes] = []
    room = limit_bytes
    while packed:
        unpacker = zlib.decompressobj(_GZIP)
        try:
            part = unpacker.decompress(packed, room + 1)
        except zlib.error as error:
            raise _broken_gzip() from error
        if len(part) > room:
            raise too_large(limit_bytes)
        if not unpacker.eof:
            raise _broken_gzip()
        parts.append(part)
        room -= len(part)
        packed = unpacker.unused_data
    return b"".join(parts)


def too_large(limit_bytes: int) -> BodyTooLargeError:
    """The error for a body over the limit."""
    return BodyTooLargeError(
        f"The body is over {limit_bytes} bytes, as sent or as unpacked.",
        remedy="Send less at a time, or raise REGISTRY_BODY_LIMIT_BYTES.",
    )


def _broken_gzip() -> InvalidInputError:
    return InvalidInputError(
        "The body says Content-Encoding: gzip and is no whole gzip stream.",
        remedy="Send it again, complete, or without Content-Encoding.",
        path="Content-Encoding",
    )
