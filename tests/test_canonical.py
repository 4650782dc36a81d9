"""Canonical JSON is that of RFC 8785: its published vectors, and doubles by a slow reading."""

from __future__ import annotations

import json
import math
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.canonical import MAX_SAFE_INTEGER, canonical_json
from registry.errors import InvalidInputError

# RFC 8785, appendix B: the bits of a double, and how it is written.
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}
texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    texts,
    st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER),
    st.floats(allow_nan=False, allow_infinity=False),
)
values = st.recursive(
    scalars, lambda each: st.one_of(st.lists(each), st.dictionaries(texts, each)), max_leaves=20
)


@pytest.mark.parametrize(("bits", "written"), NUMBERS.items())
def test_numbers_are_written_as_the_standard_lists_them(bits: str, written: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical_json(number) == written.encode()


def _slowly(number: float) -> str:
    """ECMAScript's form of a double by its digits and its exponent, one rule after the other."""
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits))
    point = len(text) + exponent
    if number == 0:
        return "0"
    if len(text) <= point <= 21:
        body = text.ljust(point, "0")
    elif 0 < point <= 21:
        body = f"{text[:point]}.{text[point:]}"
    elif -6 < point <= 0:
        body = f"0.{'0' * -point}{text}"
    else:
        fraction = f".{text[1:]}" if len(text) > 1 else ""
        body = f"{text[0]}{fraction}e{point - 1:+d}"
    return ("-" if sign else "") + body


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_is_written_as_ecmascript_does(number: float) -> None:
    assert canonical_json(number).decode() == _slowly(number)


@given(values)
def test_what_is_written_reads_back_as_the_same_value(value: object) -> None:
    def number(text: str) -> float:
        return int(text) if abs(int(text)) <= MAX_SAFE_INTEGER else float(text)

    written = canonical_json(value)
    assert canonical_json(json.loads(written, parse_int=number)) == written


def test_keys_are_sorted_by_their_utf_16_code_units() -> None:
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    found = json.loads(canonical_json(dict.fromkeys(keys)), object_pairs_hook=list)
    ordered = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert [key for key, _ in found] == ordered


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, math.nan]}, "$.a[1]"),
        ({"a": {"b": MAX_SAFE_INTEGER + 1}}, "$.a.b"),
        ([["\ud800"]], "$[0][0]"),
        ({"a": b"bytes"}, "$.a"),
        ([{1: 2}], "$[0]"),
    ],
)
def test_what_the_standard_cannot_carry_is_refused_by_its_path(value: object, path: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        canonical_json(value)
    assert refused.value.path == path
