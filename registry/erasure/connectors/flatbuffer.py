"""Looks up how the bodies of an Arrow IPC file are packed, which the library does not say. Pure.

Rules (arrow.apache.org, format/Message.fbs; flatbuffers.dev, "Internals"):
1. A message is a length, a flatbuffer and a body; a record batch's flatbuffer names the codec.
2. What cannot be read so is told by ValueError.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

_CONTINUES = b"\xff\xff\xff\xff"
_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2
_HEADER_KIND, _HEADER, _BODY_LENGTH = 1, 2, 3
_COMPRESSION, _CODEC, _DATA = 3, 0, 1
_CODECS = ("lz4", "zstd")
_LONGEST_BYTES = 256 << 20


def body_compression(source: BinaryIO) -> str | None:
    """`lz4`, `zstd` or None: how the first record batch from here on is packed (rule 1).

    `source` stands at the beginning of a file or stream. Raises ValueError (rule 2).
    """
    if source.read(6) == b"ARROW1":
        source.read(2)
    else:
        source.seek(-6, 1)
    while True:
        head = source.read(4)
        if head == _CONTINUES:
            head = source.read(4)
        if len(head) < 4:
            return None
        (size,) = struct.unpack("<i", head)
        if size == 0:
            return None
        if not 0 < size < _LONGEST_BYTES:
            raise ValueError("a message has no sensible length")
        data = source.read(size)
        if len(data) != size:
            raise ValueError("it ends in the middle")
        try:
            found, body = _message(data)
        except (struct.error, IndexError) as error:
            raise ValueError("a message cannot be read") from error
        if found is not None:
            return found or None
        source.seek(body, 1)


def _message(data: bytes) -> tuple[str | None, int]:
    """The codec ("" for none; None where the message is no record batch), and the body's bytes."""
    root = _uint(data, 0)
    kind = _at(data, root, _HEADER_KIND)
    body = _at(data, root, _BODY_LENGTH)
    length = struct.unpack_from("<q", data, body)[0] if body else 0
    if not kind or data[kind] not in (_RECORD_BATCH, _DICTIONARY_BATCH):
        return None, length
    header = _table(data, root, _HEADER)
    if header is not None and data[kind] == _DICTIONARY_BATCH:
        header = _table(data, header, _DATA)
    if header is None:
        raise struct.error
    packed = _table(data, header, _COMPRESSION)
    if packed is None:
        return "", length
    codec = _at(data, packed, _CODEC)
    return _CODECS[data[codec] if codec else 0], length


def _uint(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])


def _at(data: bytes, table: int, field: int) -> int:
    """Where a field of a table lies; 0 where it is not there."""
    fields = table - int(struct.unpack_from("<i", data, table)[0])
    size = int(struct.unpack_from("<H", data, fields)[0])
    place = 4 + 2 * field
    if place >= size:
        return 0
    offset = int(struct.unpack_from("<H", data, fields + place)[0])
    return table + offset if offset else 0


def _table(data: bytes, table: int, field: int) -> int | None:
    at = _at(data, table, field)
    return at + _uint(data, at) if at else None
