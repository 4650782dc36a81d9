"""Bytes that mean the same to everybody: canonical JSON, and the identity of an event.

Rules:
1. What we sign or hash for others is RFC 8785 (JCS): keys sorted by UTF-16 code units, numbers as
   ECMAScript writes them, no white space, UTF-8.
2. RFC 8785 carries IEEE 754 doubles only, so integers beyond ±(2^53 - 1), NaN, infinities and lone
   surrogates are refused (RFC 8785 §3.2.2.2, RFC 7493 §2).
3. An event's identity is SHA-256 over its JSON with sorted keys and *exact* numbers, because events
   carry 64-bit snapshot ids that rule 2 cannot.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from json.encoder import encode_basestring
from typing import TypeAlias

import msgspec

from registry.errors import InvalidInputError

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | Decimal | bool | None"

MAX_SAFE_INTEGER = 2**53 - 1
_exact = msgspec.json.Encoder(order="sorted", decimal_format="number")
_plain = msgspec.json.Encoder(decimal_format="number")


def canonical_json(value: object) -> bytes:
    """RFC 8785 bytes of a value of dicts with string keys, sequences, str, int, float, bool, None.

    Raises InvalidInputError, with the JSON path, for what RFC 8785 cannot carry.
    """
    return _canonical(value, None).encode("utf-8")


# The way to a value: that to what it lies in, and its key or place there. None is the whole.
_Path: TypeAlias = "tuple[_Path, str | int] | None"


def _canonical(value: object, path: _Path) -> str:
    match value:
        case str():
            return _string(value, path)
        case None:
            return "null"
        case True:
            return "true"
        case False:
            return "false"
        case int():
            if abs(value) > MAX_SAFE_INTEGER:
                raise _refused(f"The integer {value} does not fit a double exactly.", path)
            return str(value)
        case float():
            return _double(value, path)
        case list() | tuple():
            return f"[{','.join([_canonical(each, (path, i)) for i, each in enumerate(value)])}]"
        case Mapping():
            for key in value:
                if not isinstance(key, str):
                    raise _refused(f"The key {key!r} is not a string.", path)
            members = (
                f"{_string(key, path)}:{_canonical(value[key], (path, key))}"
                for key in sorted(value, key=_utf16)
            )
            return "{" + ",".join(members) + "}"
        case Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            return _canonical(list(value), path)
        case _:
            raise _refused(f"A {type(value).__name__} is no JSON value.", path)


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")


def _string(text: str, path: _Path) -> str:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise _refused("The string holds a lone surrogate.", path) from error
    return encode_basestring(text)


def _double(number: float, path: _Path) -> str:
    """ECMAScript's Number::toString (ECMA-262 §6.1.6.1.20), as RFC 8785 §3.2.2.3 demands."""
    if not math.isfinite(number):
        raise _refused(f"{number} is no JSON number.", path)
    if number == 0:
        return "0"
    shortest = repr(number)
    if "e" not in shortest:
        # Python writes these as ECMAScript does, but for the fraction of whole numbers.
        return shortest.removesuffix(".0")
    sign = "-" if number < 0 else ""
    mantissa, _, exponent_text = format(Decimal(repr(abs(number))).normalize(), "e").partition("e")
    digits = mantissa.replace(".", "")
    point = int(exponent_text) + 1
    if len(digits) <= point <= 21:
        body = digits + "0" * (point - len(digits))
    elif 0 < point <= 21:
        body = digits[:point] + "." + digits[point:]
    elif -6 < point <= 0:
        body = "0." + "0" * -point + digits
    else:
        tail = "." + digits[1:] if len(digits) > 1 else ""
        body = f"{digits[0]}{tail}e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return sign + body


def _refused(detail: str, path: _Path) -> InvalidInputError:
    return InvalidInputError(
        detail,
        remedy="Send it as a string, or leave it out (RFC 8785 section 3).",
        path=_path_text(path),
    )


def _path_text(path: _Path) -> str:
    """The way to a value as a JSON path."""
    if path is None:
        return "$"
    around, part = path
    step = f"[{part}]" if isinstance(part, int) else f".{part}"
    return _path_text(around) + step


def event_digest(event: Mapping[str, Json]) -> bytes:
    """The 32-byte identity of a decoded event (rule 3); equal for any order of keys and spacing."""
    return hashlib.sha256(_exact.encode(event)).digest()


def exact_json(value: object) -> bytes:
    """JSON bytes with numbers exactly as they were received; keys keep their order."""
    return _plain.encode(value)


def digest_text(digest: bytes) -> str:
    """A SHA-256 as the contracts write it: `sha256:` and 64 lower-case hex digits."""
    return "sha256:" + digest.hex()


def parse_digest(text: str, *, path: str | None = None) -> bytes:
    """The 32 bytes of `sha256:…`. Raises InvalidInputError for anything else."""
    prefix, _, hexadecimal = text.partition(":")
    if prefix == "sha256" and len(hexadecimal) == 64 and hexadecimal == hexadecimal.lower():
        try:
            return bytes.fromhex(hexadecimal)
        except ValueError:
            pass
    raise InvalidInputError(
        f"{text[:80]!r} is no SHA-256 digest.",
        remedy='Write "sha256:" and 64 lower-case hex digits.',
        path=path,
    )
