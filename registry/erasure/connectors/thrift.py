"""Reads and writes Thrift's compact protocol without knowing what the fields mean. Pure.

Rules (github.com/apache/thrift, doc/specs/thrift-compact-protocol.md):
1. A struct is its fields by number with their types, so that what is not understood is written back
   as it was.
2. Whole numbers are zigzag varints; the boolean fields of a struct are their type.
3. What is no such bytes is refused with ValueError, and never read beyond its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

TRUE, FALSE, I8, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
_DEEPEST = 64


@dataclass(slots=True)
class Field:
    """A value with its type."""

    kind: int
    value: Value


@dataclass(slots=True)
class Items:
    """A list or set: the type of its items, and these."""

    kind: int
    items: list[Value]


@dataclass(slots=True)
class Pairs:
    """A map: the types of its keys and values, and these."""

    key_kind: int
    value_kind: int
    pairs: list[tuple[Value, Value]]


Struct: TypeAlias = "dict[int, Field]"
Value: TypeAlias = "int | bool | bytes | Items | Pairs | Struct"


class _Reader:
    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def byte(self) -> int:
        try:
            value = self.data[self.at]
        except IndexError:
            raise ValueError("the bytes end in the middle") from None
        self.at += 1
        return value

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number is too long")

    def take(self, size: int) -> bytes:
        taken = self.data[self.at : self.at + size]
        if len(taken) != size:
            raise ValueError("the bytes end in the middle")
        self.at += size
        return taken

    def value(self, kind: int, depth: int) -> Value:
        if depth > _DEEPEST:
            raise ValueError("structs are nested too deep")
        if kind in (TRUE, FALSE):  # as an item: a byte of its own
            return self.byte() == TRUE
        if kind == I8:
            return self.byte()
        if kind in (I16, I32, I64):
            number = self.varint()
            return (number >> 1) ^ -(number & 1)
        if kind == DOUBLE:
            return self.take(8)
        if kind == BINARY:
            return self.take(self.varint())
        if kind in (LIST, SET):
            return self.items(depth)
        if kind == MAP:
            return self.pairs(depth)
        if kind == STRUCT:
            return self.struct(depth)
        raise ValueError(f"{kind} is no type")

    def items(self, depth: int) -> Items:
        head = self.byte()
        count = head >> 4
        if count == 15:
            count = self.varint()
        kind = head & 0x0F
        if count > len(self.data) - self.at:
            raise ValueError("a list is longer than the bytes")
        return Items(kind, [self.value(kind, depth + 1) for _ in range(count)])

    def pairs(self, depth: int) -> Pairs:
        count = self.varint()
        if not count:
            return Pairs(0, 0, [])
        if count > len(self.data) - self.at:
            raise ValueError("a map is longer than the bytes")
        head = self.byte()
        key, value = head >> 4, head & 0x0F
        each = [(self.value(key, depth + 1), self.value(value, depth + 1)) for _ in range(count)]
        return Pairs(key, value, each)

    def struct(self, depth: int = 0) -> Struct:
        fields: Struct = {}
        number = 0
        while head := self.byte():
            kind, step = head & 0x0F, head >> 4
            if step:
                number += step
            else:
                zigzag = self.varint()
                number = (zigzag >> 1) ^ -(zigzag & 1)
            if kind in (TRUE, FALSE):
                fields[number] = Field(kind, kind == TRUE)
            else:
                fields[number] = Field(kind, self.value(kind, depth + 1))
        return fields


def read_struct(data: bytes, at: int = 0) -> tuple[Struct, int]:
    """The struct that begins at `at`, and where it ends. Raises ValueError (rule 3)."""
    reader = _Reader(data, at)
    return reader.struct(), reader.at


def write_struct(fields: Struct) -> bytes:
    """The bytes of a struct, its fields in the order of their numbers."""
    made = bytearray()
    _put_struct(made, fields)
    return bytes(made)


def _put_struct(made: bytearray, fields: Struct) -> None:
    last = 0
    for number in sorted(fields):
        field = fields[number]
        kind = field.kind
        if kind in (TRUE, FALSE):
            kind = TRUE if field.value else FALSE
        if 0 < number - last <= 15:
            made.append((number - last) << 4 | kind)
        else:
            made.append(kind)
            _put_varint(made, _zigzag(number))
        last = number
        if kind not in (TRUE, FALSE):
            _put_value(made, field.kind, field.value)
    made.append(0)


def _put_value(made: bytearray, kind: int, value: Value) -> None:
    match value:
        case bool():
            made.append(TRUE if value else FALSE)
        case int():
            if kind == I8:
                made.append(value & 0xFF)
            else:
                _put_varint(made, _zigzag(value))
        case bytes():
            if kind == BINARY:
                _put_varint(made, len(value))
            made += value
        case Items():
            size = len(value.items)
            made.append(min(size, 15) << 4 | value.kind)
            if size >= 15:
                _put_varint(made, size)
            for item in value.items:
                _put_value(made, value.kind, item)
        case Pairs():
            _put_varint(made, len(value.pairs))
            if value.pairs:
                made.append(value.key_kind << 4 | value.value_kind)
            for key, each in value.pairs:
                _put_value(made, value.key_kind, key)
                _put_value(made, value.value_kind, each)
        case dict():
            _put_struct(made, value)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _put_varint(made: bytearray, value: int) -> None:
    while value >= 0x80:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
