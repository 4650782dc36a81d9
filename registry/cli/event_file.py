"""Reads a file of OpenLineage events one by one, and remembers how far an import got.

Rules:
1. A file is NDJSON (one event a line, empty lines ignored), one JSON array, or events that each
   spread over several lines, such as one pretty-printed event; `.gz` is unpacked. Its first line
   says which.
2. The bytes of an event go on as they stand in the file, so that numbers stay exact.
3. How far an import got is kept in `FILE.import-state`, bound to the file's size and first bytes
   and to the registry; another file or registry begins anew. When all is sent it goes away.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from registry.errors import InvalidInputError

_FINGERPRINT_BYTES = 65_536
_SPACE = b" \t\r\n"
_STRING = re.compile(rb'"(?:\\.|[^"\\])*"')
_EVENT_LIMIT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Item:
    """An event of the file: its number (first line, or place in the array, from 1), its bytes."""

    number: int
    body: bytes


class EventFile:
    """An open file of events; iterate once. `position` counts the bytes read from the disk."""

    def __init__(self, path: Path, raw: BinaryIO, unpacked: BinaryIO) -> None:
        self.path = path
        self.size = path.stat().st_size
        self._raw = raw
        self._unpacked = unpacked

    @property
    def position(self) -> int:
        """How many bytes of the file were read so far, packed as they are."""
        return self._raw.tell()

    def __iter__(self) -> Iterator[Item]:
        """Every event in order. Raises InvalidInputError where the file cannot be read at all."""
        try:
            yield from self._items()
        except (gzip.BadGzipFile, EOFError) as error:
            raise InvalidInputError(
                f"{self.path} cannot be unpacked: {error}.",
                remedy="See that the file is whole, and gzip if its name ends with .gz.",
            ) from error

    def _items(self) -> Iterator[Item]:
        number, first = 0, b""
        for line in self._unpacked:
            number += 1
            first = line.strip(_SPACE)
            if number == 1:
                first = first.removeprefix(b"\xef\xbb\xbf")
            if first:
                break
        if first.startswith(b"["):
            yield from self._array(first)
            return
        if _goes_on(first):
            number = yield from self._spread(number, first)
        elif first:
            yield Item(number, first)
        for line in self._unpacked:
            number += 1
            body = line.strip(_SPACE)
            if body:
                yield Item(number, body)

    def _spread(self, number: int, first: bytes) -> Generator[Item, None, int]:
        """Events over several lines each; gives the number of the last line that was read.

        A line that is an event by itself ends it: then only the first line was cut short.
        """
        begin, lines, depth, size = number, [first, b"\n"], _depth(first), len(first)
        for line in self._unpacked:
            number += 1
            if lines and line.startswith(b"{") and _is_whole(line):
                yield Item(begin, b"".join(lines).strip(_SPACE))
                yield Item(number, line.strip(_SPACE))
                return number
            if not lines:
                begin = number
            lines.append(line)
            size += len(line)
            depth += _depth(line)
            if depth <= 0:
                body = b"".join(lines).strip(_SPACE)
                if body:
                    yield Item(begin, body)
                lines, depth, size = [], 0, 0
            if size > _EVENT_LIMIT_BYTES:
                raise InvalidInputError(
                    f"{self.path}: the event of line {begin} does not end within 64 MiB.",
                    remedy="Send one event a line (NDJSON), or mend the file.",
                )
        if lines:
            yield Item(begin, b"".join(lines).strip(_SPACE))
        return number

    def _array(self, first: bytes) -> Iterator[Item]:
        try:
            items = msgspec.json.decode(
                first + b"\n" + self._unpacked.read(), type=list[msgspec.Raw]
            )
        except msgspec.DecodeError as error:
            raise InvalidInputError(
                f"{self.path} begins with '[' and is no JSON array: {error}.",
                remedy="Send one event a line instead (NDJSON), or mend the file.",
            ) from error
        for number, item in enumerate(items, start=1):
            yield Item(number, bytes(item))


def _depth(line: bytes) -> int:
    """How many more brackets the line opens than it closes; a JSON string ends with its line."""
    bare = _STRING.sub(b"", line)
    return sum(map(bare.count, (b"{", b"["))) - sum(map(bare.count, (b"}", b"]")))


def _goes_on(line: bytes) -> bool:
    """Whether the line is the beginning of a JSON object that later lines may end."""
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except msgspec.MsgspecError as error:
        return line.startswith(b"{") and "truncated" in str(error) and _depth(line) > 0
    except RecursionError:
        return False
    return False


def _is_whole(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


@contextmanager
def open_events(path: Path) -> Iterator[EventFile]:
    """The file of events. Raises OSError where it cannot be opened."""
    with path.open("rb") as raw:
        if path.suffix != ".gz":
            yield EventFile(path, raw, raw)
            return
        with gzip.open(raw, "rb") as unpacked:
            yield EventFile(path, raw, cast("BinaryIO", unpacked))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import got: all items up to `done` were answered."""

    fingerprint: str
    target: str
    done: int
    taken: int
    rejected: int


class ImportState:
    """The file that remembers how far an import got; silent where it cannot be written."""

    def __init__(self, path: Path, target: str) -> None:
        self._path = path.with_name(path.name + ".import-state")
        with path.open("rb") as file:
            head = hashlib.sha256(file.read(_FINGERPRINT_BYTES)).hexdigest()
        self._fingerprint = f"{path.stat().st_size}:{head}"
        self._target = target

    def read(self) -> Progress | None:
        """What is left of an earlier import of this file to this registry, if anything is."""
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=Progress)
        except (OSError, msgspec.DecodeError):
            return None
        same = found.fingerprint == self._fingerprint and found.target == self._target
        return found if same else None

    def write(self, done: int, taken: int, rejected: int) -> bool:
        """Remember; False where the folder does not let us, so that nothing can be resumed."""
        progress = Progress(self._fingerprint, self._target, done, taken, rejected)
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            fresh.write_bytes(msgspec.json.encode(asdict(progress)))
            fresh.replace(self._path)
        except OSError:
            return False
        return True

    def clear(self) -> None:
        """Forget: everything was sent."""
        self._path.unlink(missing_ok=True)
