"""Cuts long lists into pages by key, so that each item comes exactly once. Pure.

Rules:
1. A page ends with a cursor: the sort key of its last item, with the name of the list it belongs
   to. Items that come or go between two pages shift nothing.
2. `offset` is for clients of Marquez; it skips items after the cursor, and costs what it skips.
3. A cursor is opaque to clients and checked like any input: it may come from anywhere.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from registry.errors import InvalidInputError
from registry.moments import from_micros

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_OFFSET = 1 << 53
_INT64 = 1 << 63

T = TypeVar("T")
Row = TypeVar("Row")
Key = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """Which part of a list is wanted: at most `limit` items after `cursor`, less `offset`."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list; `total` counts the whole list, `next` is None at its end."""

    items: tuple[T, ...]
    total: int
    next: str | None

    def map(self, items: Sequence[Row]) -> Page[Row]:
        """The same page of other items."""
        return Page(tuple(items), self.total, self.next)


def encode_cursor(listing: str, key: Key) -> str:
    """The cursor that stands behind the item with this sort key."""
    packed = msgspec.json.encode([listing, *key])
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode("ascii")


def decode_cursor(listing: str, cursor: str, shape: Sequence[type], *, path: str = "after") -> Key:
    """The sort key in a cursor of that list. Raises InvalidInputError for anything else."""
    try:
        packed = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        name, *key = msgspec.json.decode(packed, type=list[str | int])
    except (ValueError, msgspec.MsgspecError) as error:
        raise _no_cursor(path) from error
    fits = len(key) == len(shape) and all(map(_fits, key, shape))
    if name != listing or not fits:
        raise _no_cursor(path)
    return tuple(key)


def cursor_moment(value: str | int, *, path: str = "after") -> datetime:
    """The moment that a cursor holds as microseconds. Raises InvalidInputError beyond year 9999."""
    try:
        return from_micros(int(value))
    except (OverflowError, ValueError) as error:
        raise _no_cursor(path) from error


def _fits(value: str | int, kind: type) -> bool:
    if isinstance(value, str):
        return kind is str and "\x00" not in value
    return kind is int and -_INT64 <= value < _INT64


def _no_cursor(path: str) -> InvalidInputError:
    return InvalidInputError(
        "The cursor is none that this list gave.",
        remedy="Take it from `next` of the page before, with the same filters.",
        path=path,
    )


def page_of(
    rows: Sequence[Row], cut: Cut, total: int, listing: str, key: Callable[[Row], Key]
) -> Page[Row]:
    """A page from rows of which one more than `cut.limit` was asked, if there are as many."""
    kept = rows[: cut.limit]
    more = len(rows) > cut.limit
    return Page(tuple(kept), total, encode_cursor(listing, key(kept[-1])) if more else None)
