"""The one form that a bundle's file has: a zip that is only stored, and reads back to itself. Pure.

Rules:
1. Members are stored, not compressed, with fixed times and no extra fields, in the order given: the
   same members give the same bytes on every machine, and none unpacks to more than it is.
2. A name is a relative path of plain ASCII names; none stands twice, and none leads outside.
3. Whatever this would not have written is refused: a file is read member by member from its first
   byte, written again, and must be the same bytes. So no comment, gap, hidden or doubled entry, and
   no difference between what a zip's directory says and what its members are.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from registry.errors import InvalidInputError, NotVerifiedError

LIMIT_BYTES: Final = 256 * 2**20
LIMIT_MEMBERS: Final = 4_096
Member: TypeAlias = tuple[str, bytes]

_NAME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,99}/){0,4}[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
# Version 2.0, no flags, stored, at midnight of 1 January 1980: the first moment that a zip can say.
_HEAD = (20, 0, 0, 0, 0x21)
_UNIX = 3 << 8 | 20
_MODE = 0o100644 << 16


def pack(members: Sequence[Member]) -> bytes:
    """The file of these members (rule 1). Raises InvalidInputError for what rule 2 forbids."""
    names = [name for name, _ in members]
    for name in names:
        if not _NAME.fullmatch(name):
            raise _no_member(f"{name[:100]!r} is no name of a member", "Use a-z, 0-9, . _ - and /.")
    if len({name.lower() for name in names}) != len(names):
        raise _no_member("two members have one name", "Give each a name of its own.")
    total = sum(len(data) for _, data in members)
    if len(names) > LIMIT_MEMBERS or total > LIMIT_BYTES:
        raise _no_member(
            f"{len(names)} members of {total} bytes are more than {LIMIT_MEMBERS} of {LIMIT_BYTES}",
            "Leave attachments out.",
        )
    return b"".join(_written(members))


def unpack(data: bytes) -> list[Member]:
    """The members of a file, in order. Raises NotVerifiedError for another form (rule 3).

    Cost: in proportion to the file, whatever it claims.
    """
    if len(data) > LIMIT_BYTES * 2:
        raise refused(f"it has {len(data)} bytes, and {LIMIT_BYTES} are the most")
    try:
        members = list(_members(data))
        same = pack(members) == data
    except (struct.error, UnicodeDecodeError, InvalidInputError) as error:
        raise refused("it is no zip of the form that bundles have") from error
    if not same:
        raise refused("its file was written anew, cut, or changed in a byte")
    return members


def refused(why: str) -> NotVerifiedError:
    """The error about a bundle that does not hold."""
    return NotVerifiedError(
        f"The bundle does not hold: {why}.",
        remedy="Get the file again from who issued it, byte for byte; keep this one beside it.",
    )


def _members(data: bytes) -> Iterator[Member]:
    at, count = 0, 0
    while data[at : at + 4] == _LOCAL_MARK:
        head = _LOCAL.unpack_from(data, at)
        size, name_length = head[8], head[9]
        begin = at + _LOCAL.size
        name = data[begin : begin + name_length].decode("ascii")
        at = begin + name_length + size
        count += 1
        if at > len(data) or count > LIMIT_MEMBERS:
            raise refused("its members claim more than it holds")
        yield name, data[at - size : at]


def _written(members: Iterable[Member]) -> Iterator[bytes]:
    directory, at = [], 0
    for name, data in members:
        encoded, crc = name.encode("ascii"), zlib.crc32(data)
        sizes = (crc, len(data), len(data), len(encoded), 0)
        yield _LOCAL.pack(_LOCAL_MARK, *_HEAD, *sizes) + encoded
        yield data
        entry = _CENTRAL.pack(_CENTRAL_MARK, _UNIX, *_HEAD, *sizes, 0, 0, 0, _MODE, at)
        directory.append(entry + encoded)
        at += _LOCAL.size + len(encoded) + len(data)
    whole = b"".join(directory)
    yield whole
    yield _END.pack(_END_MARK, 0, 0, len(directory), len(directory), len(whole), at, 0)


def _no_member(why: str, remedy: str) -> InvalidInputError:
    return InvalidInputError(f"The bundle cannot be made: {why}.", remedy=remedy)
