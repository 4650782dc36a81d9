"""Checks the values that every event is made of: names, times, texts. Pure.

Each check raises MalformedEventError with the JSON path of the value. Names are at most
`NAMESPACE_LIMIT_BYTES` and `NAME_LIMIT_BYTES` of UTF-8 and hold no NUL, so that both databases can
index them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from registry.errors import MalformedEventError
from registry.ids import named_id
from registry.moments import to_micros

NAMESPACE_LIMIT_BYTES = 1024
NAME_LIMIT_BYTES = 1536
TIME_LIMIT = 64
_TOO_FINE = re.compile(r"[.,]\d{7,}")


class Warn(NamedTuple):
    """Something about an event that was accepted and should be known."""

    code: str
    path: str
    detail: str


class Named(NamedTuple):
    """A job or dataset as an event names it: its derived id, namespace and name."""

    id: bytes
    namespace: str
    name: str


def malformed(detail: str, remedy: str, path: str) -> MalformedEventError:
    """A MalformedEventError at a JSON path."""
    return MalformedEventError(detail, remedy=remedy, path=path)


def read_time(raw: object, path: str, warnings: list[Warn]) -> int:
    """Microseconds since 1970 UTC of an RFC 3339 time. Raises MalformedEventError."""
    if isinstance(raw, str) and len(raw) <= TIME_LIMIT:
        try:
            moment = datetime.fromisoformat(raw)
            is_naive = moment.tzinfo is None
            # With its offset taken off, a time may leave the years 1 to 9999: OverflowError.
            moment = moment.replace(tzinfo=UTC) if is_naive else moment.astimezone(UTC)
            if is_naive:
                warnings.append(Warn("naive_time", path, f"{raw} has no offset; taken as UTC."))
            if _TOO_FINE.search(raw):
                warnings.append(Warn("time_truncated", path, f"{raw} is kept to the microsecond."))
            return to_micros(moment)
        except (ValueError, OverflowError):
            pass
    raise malformed(
        f"{shown(raw)} is no time.", "Write RFC 3339: 2026-03-01T09:30:00.123456Z.", path
    )


def read_name(value: Mapping[str, Any], kind: Literal["job", "dataset"], path: str) -> Named:
    """The named thing of an object with `namespace` and `name`. Raises MalformedEventError."""
    # Events name the same things over and over: a check and two hashes, done once.
    given = value.get("namespace"), value.get("name")
    if isinstance(given[0], str) and isinstance(given[1], str):
        known = _usable(kind, given[0], given[1])
        if known is not None:
            return known
    namespace = read_text(given[0], "namespace", f"{path}.namespace", NAMESPACE_LIMIT_BYTES)
    name = read_text(given[1], "name", f"{path}.name", NAME_LIMIT_BYTES)
    return Named(named_id(kind, namespace, name), namespace, name)


@lru_cache(maxsize=16_384)
def _usable(kind: str, namespace: str, name: str) -> Named | None:
    try:
        read_text(namespace, "namespace", "", NAMESPACE_LIMIT_BYTES)
        read_text(name, "name", "", NAME_LIMIT_BYTES)
    except MalformedEventError:
        return None
    return Named(named_id(kind, namespace, name), namespace, name)


def read_text(value: object, what: str, path: str, limit_bytes: int) -> str:
    """A string that is not empty, has no NUL and fits. Raises MalformedEventError."""
    if not isinstance(value, str) or not value:
        found = "missing" if value is None else f"{shown(value)}"
        raise malformed(f"{what} is {found}.", f"Send {what} as a string that is not empty.", path)
    if len(value) * 4 > limit_bytes and len(value.encode("utf-8", "replace")) > limit_bytes:
        raise malformed(
            f"{what} has {len(value)} characters and is over {limit_bytes} bytes of UTF-8.",
            "Shorten the name; a registry cannot tell such names apart for people.",
            path,
        )
    if "\x00" in value:
        raise malformed(f"{what} holds a NUL character.", "Remove it from the name.", path)
    return value


def kind_of(value: object) -> str:
    """What kind of JSON a value is, with its article, for a message."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case int() | float() | Decimal():
            return "a number"
        case list():
            return "an array"
        case _:
            return "an object"


def shown(value: object) -> str:
    """A value for a message: never long, never a container's content."""
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "…")
    return repr(value)[:60] if isinstance(value, int | bool | Decimal) else kind_of(value)
