"""Routes that give OpenLineage events back as they were received."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BeforeValidator
from sqlmodel import Session
from starlette.responses import Response

from registry.api.answers import Cursor, Limit, Offset, json_answer, parse_moment, problems
from registry.api.shapes import raw
from registry.catalog.paging import DEFAULT_LIMIT, Cut
from registry.lineage.event_reads import EventsWanted, list_events
from registry.request import CatalogSession
from registry.wire.catalog import EventList

router = APIRouter(prefix="/api/v1", tags=["events"])


class SortDirection(StrEnum):
    """Which end of time comes first."""

    ASC = "asc"
    DESC = "desc"


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Before = Annotated[str | None, Query(max_length=64, description="Events before this time.")]
After = Annotated[str | None, Query(max_length=64, description="Events from this time on.")]
Sort = Annotated[
    SortDirection,
    BeforeValidator(_lower),
    Query(alias="sortDirection", description="Newest (desc) or oldest (asc) first."),
]


@router.get(
    "/events/lineage", summary="List the events", response_model=EventList, responses=problems()
)
@router.get("/events", summary="List the events", response_model=EventList, responses=problems())
def get_events(
    session: CatalogSession,
    before: Before = None,
    after: After = None,
    sort: Sort = SortDirection.DESC,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
    namespace: Annotated[
        str | None, Query(description="Ours: of the jobs and datasets of this namespace.")
    ] = None,
    cursor: Cursor = None,
) -> Response:
    """Every OpenLineage event of the catalog, as it was received."""
    cut = Cut(limit, cursor or None, offset)
    return _answer(session, before, after, sort, namespace or None, cut)


@router.get(
    "/events/{namespace:path}",
    summary="List the events of a namespace",
    response_model=EventList,
    responses=problems(),
)
def get_namespace_events(
    session: CatalogSession,
    namespace: Annotated[str, Path(description="A namespace; everything after `events/`.")],
    before: Before = None,
    after: After = None,
    sort: Sort = SortDirection.DESC,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
    cursor: Cursor = None,
) -> Response:
    """As marquez-python asks. For a namespace called `lineage` use `/events?namespace=lineage`."""
    cut = Cut(limit, cursor or None, offset)
    return _answer(session, before, after, sort, namespace, cut)


def _answer(
    session: Session,
    before: str | None,
    after: str | None,
    sort: SortDirection,
    namespace: str | None,
    cut: Cut,
) -> Response:
    wanted = EventsWanted(
        parse_moment(after, path="after"),
        parse_moment(before, path="before"),
        namespace,
        sort is SortDirection.DESC,
    )
    page = list_events(session, wanted, cut)
    answer: EventList = {
        "events": [raw(body) for body in page.items],
        "totalCount": page.total,
        "next": page.next,
    }
    return json_answer(answer)
