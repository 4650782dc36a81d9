"""Routes that find things: by name, and by tag."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BeforeValidator
from starlette.responses import Response

from registry.api.answers import Cursor, Limit, Offset, json_answer, problems, wanted_page
from registry.catalog.names import dataset_node, job_node
from registry.catalog.paging import Cut
from registry.catalog.search import Found, SearchSort, Wanted, search
from registry.catalog.tags import list_tags
from registry.request import CatalogSession
from registry.wire.catalog import SearchResult, SearchResults, TagList

router = APIRouter(prefix="/api/v1", tags=["search"])


class SearchFilter(StrEnum):
    """What is looked for."""

    DATASET = "dataset"
    JOB = "job"
    ALL = "all"


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _sort_word(value: object) -> object:
    """Marquez's own page asks for UPDATE_AT."""
    lower = _lower(value)
    return "updated_at" if lower == "update_at" else lower


def _day(value: object) -> object:
    return value or None


Day = Annotated[date | None, BeforeValidator(_day)]


@router.get(
    "/search",
    summary="Find datasets and jobs by name",
    response_model=SearchResults,
    responses=problems(),
)
def get_search(
    session: CatalogSession,
    q: Annotated[
        str, Query(description="Part of a name; `%` stands for any characters, `_` for one.")
    ],
    kind: Annotated[
        SearchFilter,
        BeforeValidator(_lower),
        Query(alias="filter", description="Only datasets, or only jobs."),
    ] = SearchFilter.ALL,
    sort: Annotated[
        SearchSort, BeforeValidator(_sort_word), Query(description="By name, or newest first.")
    ] = SearchSort.NAME,
    limit: Limit = 10,
    offset: Offset = 0,
    namespace: Annotated[str | None, Query(description="Only in this namespace.")] = None,
    before: Annotated[Day, Query(description="Updated before this day (UTC).")] = None,
    after: Annotated[Day, Query(description="Updated after this day began (UTC).")] = None,
    cursor: Cursor = None,
) -> Response:
    """Datasets and jobs whose name holds the pattern; case does not count."""
    only = None if kind is SearchFilter.ALL else kind.value.upper()
    wanted = Wanted(q, only, namespace or None, before, after, sort)
    page = search(session, wanted, Cut(limit, cursor or None, offset))
    answer: SearchResults = {
        "results": [_result(found) for found in page.items],
        "totalCount": page.total,
        "next": page.next,
    }
    return json_answer(answer)


def _result(found: Found) -> SearchResult:
    node = dataset_node if found.type == "DATASET" else job_node
    return {
        "type": "DATASET" if found.type == "DATASET" else "JOB",
        "name": found.name,
        "updatedAt": found.updated_at,
        "namespace": found.namespace,
        "nodeId": node(found.namespace, found.name),
    }


@router.get("/tags", summary="List the tags", response_model=TagList, responses=problems())
def get_tags(session: CatalogSession, cut: Annotated[Cut, Depends(wanted_page)]) -> Response:
    """Every tag on a dataset, field, job or run, and how many carry it."""
    page = list_tags(session, cut)
    answer: TagList = {
        "tags": [
            {
                "name": tag.name,
                "description": None,
                "usedBy": {
                    "datasets": tag.datasets,
                    "fields": tag.fields,
                    "jobs": tag.jobs,
                    "runs": tag.runs,
                },
            }
            for tag in page.items
        ],
        "totalCount": page.total,
        "next": page.next,
    }
    return json_answer(answer)
