"""The footer of a Parquet file: where its column chunks lie, and the same moved elsewhere. Pure.

Rules (github.com/apache/parquet-format, parquet.thrift):
1. A row group that loses no row is copied byte by byte. Only the offsets in its metadata and its
   offset index change; whatever else the footer says of it stays, known here or not.
2. A row group that loses rows gets the metadata of what was written in its place, with the names of
   the schema that stands in the footer and its own sorting.
3. Schema, key-value metadata, column orders and writer are those of the file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from registry.erasure.connectors.thrift import (
    I64,
    Field,
    Items,
    Struct,
    Value,
    read_struct,
    write_struct,
)
from registry.erasure.connectors.trouble import NotFaithfulError

MAGIC, ENCRYPTED = b"PAR1", b"PARE"
TAIL_BYTES = 8
# FileMetaData
_ROWS, _GROUPS, _ENCRYPTION = 3, 4, 8
# RowGroup
_COLUMNS, _GROUP_ROWS, _SORTING, _FILE_OFFSET, _ORDINAL = 1, 3, 4, 5, 7
# ColumnChunk
_PATH, _CHUNK_OFFSET, _META, _OFFSETS, _OFFSETS_SIZE, _INDEX, _INDEX_SIZE, _CRYPTO, _SEALED = range(
    1, 10
)
# ColumnMetaData
_NAMES, _PACKED_SIZE, _DATA_PAGE, _INDEX_PAGE, _DICTIONARY = 3, 7, 9, 10, 11
_BLOOM, _BLOOM_SIZE = 14, 15
# OffsetIndex and PageLocation
_LOCATIONS, _PAGE_AT = 1, 1

Read = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a file."""

    start: int
    size: int


def footer_span(tail: bytes, size: int) -> Span:
    """Where the footer lies in a file of `size` bytes that ends with `tail` (8 bytes).

    Raises ValueError for what is no whole Parquet file, NotFaithfulError for an encrypted one.
    """
    if tail[4:] == ENCRYPTED:
        raise NotFaithfulError("its footer is encrypted")
    length = int.from_bytes(tail[:4], "little")
    if len(tail) != TAIL_BYTES or tail[4:] != MAGIC or length + 12 > size:
        raise ValueError("it does not end as a Parquet file does")
    return Span(size - TAIL_BYTES - length, length)


@dataclass(slots=True)
class Footer:
    """A footer's fields; what it holds may be replaced."""

    fields: Struct

    @classmethod
    def parse(cls, data: bytes) -> Footer:
        """Of its Thrift bytes. Raises ValueError, or NotFaithfulError (encryption, other files)."""
        fields, _ = read_struct(data)
        if _ENCRYPTION in fields:
            raise NotFaithfulError("it is encrypted")
        footer = cls(fields)
        for group in footer.groups:
            for chunk in columns_of(group):
                if _PATH in chunk or _CRYPTO in chunk or _SEALED in chunk or _META not in chunk:
                    raise NotFaithfulError("columns are encrypted or lie in other files")
        return footer

    @property
    def groups(self) -> list[Struct]:
        """Its row groups."""
        return cast("list[Struct]", _items(self.fields[_GROUPS].value))

    def to_bytes(self, groups: list[Struct]) -> bytes:
        """The end of a file that has these row groups instead: footer, length, magic."""
        for ordinal, group in enumerate(groups):
            if _ORDINAL in group:
                group[_ORDINAL].value = ordinal
        fields = dict(self.fields)
        fields[_ROWS] = Field(I64, sum(rows_of(group) for group in groups))
        kept = cast("Items", self.fields[_GROUPS].value)
        fields[_GROUPS] = Field(self.fields[_GROUPS].kind, Items(kept.kind, [*groups]))
        made = write_struct(fields)
        return made + len(made).to_bytes(4, "little") + MAGIC


def rows_of(group: Struct) -> int:
    """The rows of a row group."""
    return _int(group[_GROUP_ROWS])


def columns_of(group: Struct) -> list[Struct]:
    """Its column chunks."""
    return cast("list[Struct]", _items(group[_COLUMNS].value))


def names_of(chunk: Struct) -> tuple[bytes, ...]:
    """The path of a column chunk in the schema."""
    return tuple(cast("list[bytes]", _items(_meta(chunk)[_NAMES].value)))


def pages_span(chunk: Struct) -> Span:
    """Where the pages of a column chunk lie, its dictionary among them."""
    meta = _meta(chunk)
    starts = [_int(meta[_DATA_PAGE])]
    starts += [_int(meta[at]) for at in (_INDEX_PAGE, _DICTIONARY) if at in meta]
    return Span(min(start for start in starts if start > 0), _int(meta[_PACKED_SIZE]))


@dataclass(slots=True)
class Carrier:
    """Carries row groups from a file into another that is being written (rules 1 and 2).

    `at` is how many bytes the other has; `put` appends to it. Page indices come behind the row
    groups, as readers expect: `finish` writes them.
    """

    put: Callable[[bytes], None]
    at: int
    later: list[tuple[Read, Struct, int]]

    def carry(self, read: Read, group: Struct, *, like: Struct | None = None) -> Struct:
        """Append the column chunks of `group`; gives its metadata there.

        `read(start, size)` gives bytes of where it comes from. `like`: the row group that it stands
        for, whose names and sorting it gets. Cost: 8 MiB of memory, whatever the group's size.
        """
        made = _copy(group)
        start = self.at
        for chunk in columns_of(made):
            span = pages_span(chunk)
            moved = self.at - span.start
            for at in range(span.start, span.start + span.size, _PIECE_BYTES):
                self._append(read(at, min(_PIECE_BYTES, span.start + span.size - at)))
            _move(chunk, moved)
            self.later.append((read, chunk, moved))
        if like is not None:
            _take_after(made, like)
        if _FILE_OFFSET in made:
            made[_FILE_OFFSET].value = start
        return made

    def finish(self) -> None:
        """Append the bloom filters and page indices of everything that was carried."""
        for read, chunk, _ in self.later:
            meta = _meta(chunk)
            if _BLOOM in meta and _BLOOM_SIZE in meta:
                filtered = read(_int(meta[_BLOOM]), _int(meta[_BLOOM_SIZE]))
                meta[_BLOOM].value = self._append(filtered)
            else:
                # Where its size is not said, it is left out: a reader does without.
                meta.pop(_BLOOM, None)
                meta.pop(_BLOOM_SIZE, None)
        for read, chunk, _ in self.later:
            if _INDEX in chunk:
                index = read(_int(chunk[_INDEX]), _int(chunk[_INDEX_SIZE]))
                chunk[_INDEX].value = self._append(index)
        for read, chunk, moved in self.later:
            if _OFFSETS in chunk:
                offsets, _ = read_struct(read(_int(chunk[_OFFSETS]), _int(chunk[_OFFSETS_SIZE])))
                for location in cast("list[Struct]", _items(offsets[_LOCATIONS].value)):
                    location[_PAGE_AT].value = _int(location[_PAGE_AT]) + moved
                content = write_struct(offsets)
                chunk[_OFFSETS].value = self._append(content)
                chunk[_OFFSETS_SIZE].value = len(content)
        self.later.clear()

    def _append(self, content: bytes) -> int:
        at = self.at
        self.put(content)
        self.at += len(content)
        return at


_PIECE_BYTES = 8 << 20


def _move(chunk: Struct, by: int) -> None:
    meta = _meta(chunk)
    for at in (_DATA_PAGE, _INDEX_PAGE, _DICTIONARY):
        if at in meta and _int(meta[at]) > 0:
            meta[at].value = _int(meta[at]) + by
    if _CHUNK_OFFSET in chunk and _int(chunk[_CHUNK_OFFSET]) > 0:
        chunk[_CHUNK_OFFSET].value = _int(chunk[_CHUNK_OFFSET]) + by


def _take_after(group: Struct, like: Struct) -> None:
    for chunk, old in zip(columns_of(group), columns_of(like), strict=True):
        _meta(chunk)[_NAMES] = _meta(old)[_NAMES]
    for at in (_SORTING, _ORDINAL):
        group.pop(at, None)
        if at in like:
            group[at] = Field(like[at].kind, like[at].value)


def _copy(group: Struct) -> Struct:
    copied, _ = read_struct(write_struct(group))
    return copied


def _meta(chunk: Struct) -> Struct:
    return cast("Struct", chunk[_META].value)


def _items(value: Value) -> list[Value]:
    if not isinstance(value, Items):
        raise ValueError("a list is something else")
    return value.items


def _int(field: Field) -> int:
    if not isinstance(field.value, int):
        raise ValueError("a number is something else")
    return field.value
