"""Routes that read datasets, their versions and their batches."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from registry.api.answers import json_answer, problems, wanted_page
from registry.api.paths import NameInPath
from registry.api.shapes import batch_answer, dataset_answer, version_answer
from registry.catalog.batches import list_batches
from registry.catalog.datasets import list_datasets, view_dataset
from registry.catalog.lookup import facets_kept, find_dataset
from registry.catalog.names import parse_uuid, require_name
from registry.catalog.namespaces import find_namespace
from registry.catalog.paging import Cut
from registry.catalog.versions import (
    current_numbers,
    find_version,
    list_versions,
    membership,
    number_of,
)
from registry.ledger.standing import standings
from registry.request import CatalogSession
from registry.wire.catalog import (
    BatchList,
    DatasetAnswer,
    DatasetList,
    VersionDetail,
    VersionList,
)

router = APIRouter(prefix="/api/v1", tags=["datasets"])

WantedPage = Annotated[Cut, Depends(wanted_page)]
Version = Annotated[str, Path(description="Its number, or its UUID.", max_length=64)]


@router.get(
    "/namespaces/{namespace}/datasets",
    summary="List the datasets of a namespace",
    response_model=DatasetList,
    responses=problems(404),
)
def get_datasets(session: CatalogSession, namespace: NameInPath, cut: WantedPage) -> Response:
    """The datasets of a namespace, by name."""
    find_namespace(session, namespace)
    page = list_datasets(session, namespace, cut)
    answer: DatasetList = {
        "datasets": [dataset_answer(view) for view in page.items],
        "totalCount": page.total,
        "next": page.next,
    }
    return json_answer(answer)


@router.get(
    "/namespaces/{namespace}/datasets/{dataset}",
    summary="Read a dataset",
    response_model=DatasetAnswer,
    responses=problems(404),
)
def get_dataset(session: CatalogSession, namespace: NameInPath, dataset: NameInPath) -> Response:
    """One dataset. Another name of it (a symlink) leads to it as well."""
    found = find_dataset(session, namespace, dataset)
    return json_answer(dataset_answer(view_dataset(session, found)))


@router.get(
    "/namespaces/{namespace}/datasets/{dataset}/versions",
    summary="List the versions of a dataset",
    response_model=VersionList,
    responses=problems(404),
)
def get_versions(
    session: CatalogSession,
    namespace: NameInPath,
    dataset: NameInPath,
    cut: WantedPage,
    external_id: Annotated[
        str | None,
        Query(
            alias="externalId",
            max_length=1000,
            description="Ours: those that the dataset's own store calls so.",
        ),
    ] = None,
) -> Response:
    """The versions of a dataset, the newest first."""
    found = find_dataset(session, namespace, dataset)
    if external_id is not None:
        require_name(external_id, path="externalId")
    page = list_versions(session, found, cut, external_id=external_id)
    facets = facets_kept(session, "dataset", [found.id]).get(found.id, {})
    current = current_numbers(session, [found.id]).get(found.id)
    answer: VersionList = {
        "versions": [
            version_answer(view, facets, current=view.number == current) for view in page.items
        ],
        "totalCount": page.total,
        "next": page.next,
    }
    return json_answer(answer)


@router.get(
    "/namespaces/{namespace}/datasets/{dataset}/versions/{version}",
    summary="Read a version of a dataset",
    response_model=VersionDetail,
    responses=problems(404),
)
def get_version(
    session: CatalogSession,
    namespace: NameInPath,
    dataset: NameInPath,
    version: Version,
) -> Response:
    """One version, by its number or UUID, with how many batches it holds."""
    found = find_dataset(session, namespace, dataset)
    digits = version.isascii() and version.isdigit()
    number = number_of(found, version if digits else parse_uuid(version, path="version"))
    view = find_version(session, found, number)
    facets = facets_kept(session, "dataset", [found.id]).get(found.id, {})
    current = current_numbers(session, [found.id]).get(found.id)
    answer: VersionDetail = {
        **version_answer(view, facets, current=number == current),
        "batchCount": len(membership(session, found.id, number)),
    }
    return json_answer(answer)


@router.get(
    "/namespaces/{namespace}/datasets/{dataset}/batches",
    summary="List the batches of a dataset",
    response_model=BatchList,
    responses=problems(404),
)
def get_batches(
    session: CatalogSession,
    namespace: NameInPath,
    dataset: NameInPath,
    cut: WantedPage,
    version: Annotated[
        int | None,
        Query(ge=1, lt=1 << 62, description="The members of this version, in its order."),
    ] = None,
) -> Response:
    """The batches of a dataset by number, or those that a version holds, with their files."""
    found = find_dataset(session, namespace, dataset)
    if version is not None:
        find_version(session, found, version)
    page = list_batches(session, found, cut, version=version)
    known = standings(session, [view.number for view in page.items])
    answer: BatchList = {
        "batches": [batch_answer(view, known.get(view.number)) for view in page.items],
        "totalCount": page.total,
        "next": page.next,
    }
    return json_answer(answer)
