"""Routes that read namespaces."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from registry.api.answers import json_answer, problems, wanted_page
from registry.api.paths import NameInPath
from registry.api.shapes import namespace_answer
from registry.catalog.namespaces import find_namespace, list_namespaces
from registry.catalog.paging import Cut
from registry.request import CatalogSession
from registry.wire.catalog import NamespaceAnswer, NamespaceList

router = APIRouter(prefix="/api/v1", tags=["namespaces"])


@router.get(
    "/namespaces",
    summary="List the namespaces",
    response_model=NamespaceList,
    responses=problems(),
)
def get_namespaces(session: CatalogSession, cut: Annotated[Cut, Depends(wanted_page)]) -> Response:
    """Every namespace that a job or dataset stands in, by name."""
    page = list_namespaces(session, cut)
    answer: NamespaceList = {
        "namespaces": [namespace_answer(view) for view in page.items],
        "totalCount": page.total,
        "next": page.next,
    }
    return json_answer(answer)


@router.get(
    "/namespaces/{namespace}",
    summary="Read a namespace",
    response_model=NamespaceAnswer,
    responses=problems(404),
)
def get_namespace(session: CatalogSession, namespace: NameInPath) -> Response:
    """One namespace."""
    return json_answer(namespace_answer(find_namespace(session, namespace)))
