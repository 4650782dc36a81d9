"""A column of texts in any of its containers gives what each text alone gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidInputError
from registry.pii.columns import scan_column
from registry.pii.identifiers import IdentifierKind, find_identifiers

TEXTS = [
    "nothing here",
    "mail a@example.org or b@example.org, a@example.org again",
    None,
    "",
    "card 4111 1111 1111 1111, from 192.0.2.1",
    "tel 020 7946 0958",
]
PIECES = st.sampled_from(
    [
        "a@example.org", "4111111111111111", "DE89370400440532013000", "+49 30 1234567",
        "192.0.2.1", "12345678Z", "tel ", "BSN ", "111222333", " ", ".", "-", "1", "é", "\u0142",
        "\n", "ſ",
    ]
)  # fmt: skip


class Series:
    """What a series of polars or a column of another library looks like from here."""

    def __init__(self, values: list[str | None]) -> None:
        self._values = values

    def to_arrow(self) -> Any:
        return pa.array(self._values, pa.string_view())


@pytest.mark.parametrize(
    "column",
    [
        TEXTS,
        iter(TEXTS),
        tuple(TEXTS),
        np.array(TEXTS, dtype=object),
        pa.array(TEXTS),
        pa.array(TEXTS, pa.large_string()),
        pa.array(["cut off", *TEXTS]).slice(1),
        pa.array(TEXTS).dictionary_encode(),
        pa.chunked_array([TEXTS[:2], [], TEXTS[2:]]),
        Series(TEXTS),
    ],
    ids=["list", "iterator", "tuple", "numpy", "arrow", "large", "slice", "dictionary", "chunks",
         "series"],
)  # fmt: skip
def test_every_container_gives_the_same(column: object) -> None:
    scan = scan_column(column)
    assert scan.size == 6
    assert scan.kinds() == [[], ["email"], [], [], ["ip_address", "payment_card"], ["phone"]]
    assert scan.subjects() == [
        [],
        [("email", "a@example.org"), ("email", "b@example.org")],
        [],
        [],
        [("account", "card/4111111111111111")],
        [],
    ]
    assert scan.counts() == {
        IdentifierKind.EMAIL: 1,
        IdentifierKind.IP_ADDRESS: 1,
        IdentifierKind.PAYMENT_CARD: 1,
        IdentifierKind.PHONE: 1,
    }


@pytest.mark.parametrize("column", [[], pa.array([], pa.string()), pa.array([None, None])])
def test_a_column_without_texts_has_nothing(column: Any) -> None:
    assert scan_column(column).size == len(column)
    assert scan_column(column).found == {}


def test_whole_numbers_are_read_as_they_are_written() -> None:
    assert scan_column(pa.array([4111111111111111, 5])).kinds() == [["payment_card"], []]


def test_a_lone_surrogate_moves_nothing() -> None:
    text = "\ud800 a@example.org"
    assert scan_column([text]).found == {0: find_identifiers(text)}


@pytest.mark.parametrize(
    "column",
    [
        pa.array([["a@example.org"]]),
        pa.array([1.5]),
        pa.array([b"a@example.org"]),
        ["a@example.org", 5],
        [["a@example.org"], 5],
        "a@example.org",
        {"a@example.org": 1},
        5,
    ],
)
def test_a_column_of_other_things_is_refused_and_not_passed_as_clean(column: object) -> None:
    with pytest.raises(InvalidInputError, match="scan"):
        scan_column(column)


@given(st.lists(st.lists(PIECES, max_size=6).map("".join) | st.text(), max_size=6))
def test_a_column_gives_what_each_text_gives(texts: list[str]) -> None:
    scan = scan_column(texts)
    assert scan.size == len(texts)
    assert [scan.found.get(row, []) for row in range(len(texts))] == [
        find_identifiers(text) for text in texts
    ]
