"""Writes answers, and says in OpenAPI what they look like.

Answers are dictionaries of `registry.wire` that are encoded at once: to validate thousands of our
own nodes a second time would take longer than to read them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from fastapi import Path, Query
from starlette.responses import Response

from registry.catalog.paging import DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET, Cut
from registry.errors import InvalidInputError
from registry.wire.problems import Problem

JSON = "application/json"


def json_answer(value: object) -> Response:
    """A 200 with the value as JSON; `msgspec.Raw` goes in as it is."""
    return encoded_answer(msgspec.json.encode(value))


def encoded_answer(body: bytes) -> Response:
    """A 200 with JSON that is encoded already."""
    return Response(body, media_type=JSON)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer with, for OpenAPI; 401, 422 and 503 always."""
    what = {
        400: "The request is malformed.",
        401: "No bearer token, or none that is valid.",
        404: "There is no such thing.",
        422: "A parameter cannot be taken.",
        503: "The database is not to be had just now; try again.",
    }
    return {
        status: {"model": Problem, "description": what[status]}
        for status in sorted({401, 422, 503, *statuses})
    }


RowId = Annotated[
    str,
    Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", description="A UUID, as listed."),
]
OneLine = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items at most.")]
Offset = Annotated[
    int, Query(ge=0, le=MAX_OFFSET, description="How many items to skip; `after` is faster.")
]
After = Annotated[
    str | None, Query(max_length=4096, description="The `next` of the page before, to go on there.")
]
Cursor = Annotated[
    str | None, Query(max_length=4096, description="The `next` of the page before, to go on there.")
]


def wanted_page(limit: Limit = DEFAULT_LIMIT, offset: Offset = 0, after: After = None) -> Cut:
    """The page that a request asks for."""
    return Cut(limit, after or None, offset)


def parse_moment(text: str | None, *, path: str) -> datetime | None:
    """An RFC 3339 time as a moment in UTC; a time without offset is taken as UTC.

    None for None and for empty text. Raises InvalidInputError.
    """
    if not text:
        return None
    try:
        # In a query string an unescaped + means a space: `2026-01-01T00:00:00+02:00` arrives so.
        moment = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(
            f"{text[:80]!r} is no time.",
            remedy="Write it as RFC 3339 has it: 2026-03-01T09:30:00Z.",
            path=path,
        ) from error
