"""Pages and cursors: every item once, and no cursor that we did not give."""

from __future__ import annotations

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.catalog.paging import Cut, cursor_moment, decode_cursor, encode_cursor, page_of
from registry.errors import InvalidInputError
from registry.moments import from_micros

_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
_number = st.integers(-(1 << 63), (1 << 63) - 1)


@given(name=_text, number=_number)
def test_a_cursor_gives_its_key_back(name: str, number: int) -> None:
    cursor = encode_cursor("jobs", (name, number))
    assert decode_cursor("jobs", cursor, (str, int)) == (name, number)
    assert cursor.isascii()
    assert "=" not in cursor


def packed(value: object) -> str:
    """A cursor as somebody might make it."""
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "????",
        "ü",
        packed([]),
        packed({}),
        packed(["jobs"]),
        packed(["runs", "a", 1]),
        packed(["jobs", 1, "a"]),
        packed(["jobs", "a", 1, 2]),
        packed(["jobs", "a", 1 << 70]),
        packed(["jobs", "a", -(1 << 63) - 1]),
        packed(["jobs", "a\x00", 1]),
        packed(["jobs", "a", 1.5]),
        packed(["jobs", "a", None]),
        packed(["jobs", "a", True]),
        packed([["jobs"], "a", 1]),
    ],
)
def test_any_other_text_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        decode_cursor("jobs", cursor, (str, int), path="after")
    assert caught.value.path == "after"


def test_a_moment_beyond_the_calendar_is_refused() -> None:
    assert cursor_moment(1) == from_micros(1)
    for value in ((1 << 63) - 1, -(1 << 63), "soon"):
        with pytest.raises(InvalidInputError):
            cursor_moment(value)


@given(items=st.lists(st.integers(), unique=True, max_size=30), limit=st.integers(1, 10))
def test_following_next_gives_every_item_once(items: list[int], limit: int) -> None:
    items.sort()
    found: list[int] = []
    cut = Cut(limit)
    while True:
        last = decode_cursor("numbers", cut.cursor, (str,))[0] if cut.cursor else None
        left = [item for item in items if last is None or item > int(last)]
        page = page_of(left[: limit + 1], cut, len(items), "numbers", lambda item: (str(item),))
        assert page.total == len(items)
        assert len(page.items) <= limit
        found += page.items
        if page.next is None:
            break
        cut = Cut(limit, page.next)
    assert found == items
