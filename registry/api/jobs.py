"""Routes that read jobs and their runs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from registry.api.answers import json_answer, problems, wanted_page
from registry.api.paths import NameInPath
from registry.api.shapes import facets_of, job_answer, run_answer
from registry.catalog.jobs import JobView, list_jobs, view_job
from registry.catalog.lookup import facets_kept, find_job
from registry.catalog.names import parse_uuid
from registry.catalog.namespaces import find_namespace
from registry.catalog.paging import Cut, Page
from registry.catalog.runs import find_run, list_runs
from registry.catalog.tables import RunState
from registry.ids import uuid_text
from registry.request import CatalogSession
from registry.wire.catalog import JobAnswer, JobList, RunAnswer, RunFacetsAnswer, RunList

router = APIRouter(prefix="/api/v1", tags=["jobs"])

WantedPage = Annotated[Cut, Depends(wanted_page)]
RunId = Annotated[str, Path(description="The run's UUID.", max_length=64)]
States = Annotated[
    list[RunState], Query(alias="lastRunStates", description="Jobs whose latest run is in these.")
]


class FacetsOf(StrEnum):
    """Whose facets are asked for."""

    RUN = "run"
    JOB = "job"


@router.get("/jobs", summary="List all jobs", response_model=JobList, responses=problems())
def get_all_jobs(
    session: CatalogSession,
    cut: WantedPage,
    states: States = [],  # noqa: B006
) -> Response:
    """The jobs of every namespace, by namespace and name."""
    return _job_list(list_jobs(session, None, cut, states=states))


@router.get(
    "/namespaces/{namespace}/jobs",
    summary="List the jobs of a namespace",
    response_model=JobList,
    responses=problems(404),
)
def get_jobs(
    session: CatalogSession,
    namespace: NameInPath,
    cut: WantedPage,
    states: States = [],  # noqa: B006
) -> Response:
    """The jobs of a namespace, by name, each with its latest runs."""
    find_namespace(session, namespace)
    return _job_list(list_jobs(session, namespace, cut, states=states))


def _job_list(page: Page[JobView]) -> Response:
    answer: JobList = {
        "jobs": [job_answer(view) for view in page.items],
        "totalCount": page.total,
        "next": page.next,
    }
    return json_answer(answer)


@router.get(
    "/namespaces/{namespace}/jobs/{job}",
    summary="Read a job",
    response_model=JobAnswer,
    responses=problems(404),
)
def get_job(session: CatalogSession, namespace: NameInPath, job: NameInPath) -> Response:
    """One job, with its latest run in full."""
    return json_answer(job_answer(view_job(session, find_job(session, namespace, job))))


@router.get(
    "/namespaces/{namespace}/jobs/{job}/runs",
    summary="List the runs of a job",
    response_model=RunList,
    responses=problems(404),
)
def get_runs(
    session: CatalogSession,
    namespace: NameInPath,
    job: NameInPath,
    cut: WantedPage,
) -> Response:
    """The runs of a job, the newest first."""
    page = list_runs(session, find_job(session, namespace, job), cut)
    answer: RunList = {
        "runs": [run_answer(view) for view in page.items],
        "totalCount": page.total,
        "next": page.next,
    }
    return json_answer(answer)


@router.get(
    "/jobs/runs/{run_id}",
    summary="Read a run",
    response_model=RunAnswer,
    responses=problems(404),
)
def get_run(session: CatalogSession, run_id: RunId) -> Response:
    """One run, with the versions it read and wrote."""
    return json_answer(run_answer(find_run(session, parse_uuid(run_id, path="run_id"))))


@router.get(
    "/jobs/runs/{run_id}/facets",
    summary="Read the facets of a run or of its job",
    response_model=RunFacetsAnswer,
    responses=problems(404),
)
def get_run_facets(
    session: CatalogSession,
    run_id: RunId,
    kind: Annotated[FacetsOf, Query(alias="type", description="Whose facets.")],
) -> Response:
    """The facets of a run, or those that its job has today."""
    run = find_run(session, parse_uuid(run_id, path="run_id"))
    facets = run.facets
    if kind is FacetsOf.JOB:
        facets = facets_kept(session, "job", [run.job.id]).get(run.job.id, {})
    answer: RunFacetsAnswer = {"runId": uuid_text(run.id), "facets": facets_of(facets)}
    return json_answer(answer)
