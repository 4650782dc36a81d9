"""Routes that read lineage: of datasets and jobs, of fields, and of runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BeforeValidator
from sqlmodel import Session
from starlette.responses import Response

from registry.api.answers import encoded_answer, json_answer, parse_moment, problems
from registry.api.column_answers import column_answer
from registry.api.graph_answers import lineage_json, upstream_answer
from registry.catalog import flows
from registry.catalog.ancestry import upstream_runs
from registry.catalog.columns import walk_columns
from registry.catalog.flows import Past
from registry.catalog.graph import (
    DEFAULT_DEPTH,
    DEFAULT_SIZE,
    MAX_DEPTH,
    MAX_SIZE,
    Start,
    Way,
    walk_graph,
)
from registry.catalog.lookup import Node, resolve_node
from registry.catalog.names import NodeKind, parse_node, parse_uuid
from registry.catalog.runs import find_run
from registry.catalog.versions import find_version
from registry.errors import InvalidInputError
from registry.request import CatalogSession
from registry.wire.lineage import ColumnLineageAnswer, LineageAnswer, UpstreamAnswer

router = APIRouter(prefix="/api/v1", tags=["lineage"])


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


NodeText = Annotated[
    str,
    Query(
        alias="nodeId",
        description="`dataset:NAMESPACE:NAME`, `job:NAMESPACE:NAME`, `datasetField:…:FIELD` or "
        "`run:UUID`; `#UUID` behind a dataset picks a version.",
    ),
]
Depth = Annotated[int, Query(ge=0, le=MAX_DEPTH, description="How many jobs far.")]
Size = Annotated[
    int, Query(ge=1, le=MAX_SIZE, description="Ours: how many nodes at most; see `truncated`.")
]
InNamespace = Annotated[
    str | None,
    Query(description="Ours: the namespace, where the node id can be read in more than one way."),
]


@router.get(
    "/lineage",
    summary="Read the lineage of a node",
    response_model=LineageAnswer,
    responses=problems(404),
)
def get_lineage(
    session: CatalogSession,
    node_id: NodeText,
    depth: Depth = DEFAULT_DEPTH,
    direction: Annotated[
        Way, BeforeValidator(_lower), Query(description="Ours: which way to look.")
    ] = Way.BOTH,
    as_of: Annotated[
        str | None,
        Query(alias="asOf", max_length=64, description="Ours: as it was then (RFC 3339)."),
    ] = None,
    size: Size = DEFAULT_SIZE,
    namespace: InNamespace = None,
) -> Response:
    """What flowed into a dataset or job, and what it flowed into.

    Upstream of a version or a run is read as things were when it was complete.
    """
    node = _node(session, node_id, namespace)
    asked = parse_moment(as_of, path="asOf")
    if node.kind is NodeKind.DATASET_FIELD:
        raise InvalidInputError(
            f"{node_id[:200]!r} is a field.",
            remedy="Ask GET /api/v1/column-lineage for the lineage of fields.",
            path="nodeId",
        )
    start = Start(job=node.thing.id, run=node.run_id)
    if node.kind is NodeKind.DATASET:
        start = Start(dataset=node.thing.id)
    shape = walk_graph(
        session,
        start,
        way=direction,
        depth=depth,
        size=size,
        past=_past(session, node, asked),
        past_downstream=Past(asked) if asked else None,
    )
    return encoded_answer(lineage_json(session, shape, depth=depth, size=size))


def _node(session: Session, text: str, namespace: str | None) -> Node:
    return resolve_node(session, parse_node(text), namespace=namespace or None)


def _past(session: Session, node: Node, as_of: datetime | None) -> Past | None:
    """When to look at the catalog: as asked, else when the version or run was complete."""
    if as_of is not None:
        return Past(as_of)
    if node.version is not None:
        return Past(find_version(session, node.thing, node.version).completed_at)
    if node.run_id is not None:
        run = find_run(session, node.run_id)
        return Past(run.ended_at or run.updated_at)
    return None


@router.get(
    "/column-lineage",
    summary="Read the lineage of fields",
    response_model=ColumnLineageAnswer,
    responses=problems(404),
)
def get_column_lineage(
    session: CatalogSession,
    node_id: NodeText,
    depth: Depth = DEFAULT_DEPTH,
    downstream: Annotated[
        bool, Query(alias="withDownstream", description="Also what the fields went into.")
    ] = False,
    size: Size = DEFAULT_SIZE,
    namespace: InNamespace = None,
) -> Response:
    """What a field, every field of a dataset, or every field that a job wrote came from."""
    node = _node(session, node_id, namespace)
    if node.version is not None and downstream:
        raise InvalidInputError(
            "What came of a version cannot be read from field to field.",
            remedy="Leave out the version, or withDownstream.",
            path="withDownstream",
        )
    past = _past(session, node, None)
    datasets = [node.thing.id]
    if node.kind in (NodeKind.JOB, NodeKind.RUN):
        written = flows.outputs_of(session, [node.thing.id], past, unstated_only=False)
        datasets = sorted({target for target, _, _ in written if target is not None})
    shape = walk_columns(
        session,
        datasets=datasets,
        field=node.field,
        depth=depth,
        downstream=downstream,
        size=size,
        past=past,
    )
    return json_answer(column_answer(session, shape, depth=depth, size=size))


@router.get(
    "/runlineage/upstream",
    summary="Read the runs that led to a run",
    response_model=UpstreamAnswer,
    responses=problems(404),
)
def get_upstream_runs(
    session: CatalogSession,
    run_id: Annotated[str, Query(alias="runId", max_length=64, description="The run's UUID.")],
    depth: Annotated[int, Query(ge=0, le=MAX_DEPTH, description="How many runs far.")] = (
        DEFAULT_DEPTH
    ),
    size: Annotated[int, Query(ge=1, le=MAX_SIZE, description="Ours: how many runs at most.")] = (
        DEFAULT_SIZE
    ),
) -> Response:
    """The runs that made the versions that a run read, and so on upwards."""
    ancestry = upstream_runs(session, parse_uuid(run_id, path="runId"), depth=depth, size=size)
    return json_answer(upstream_answer(ancestry, depth=depth, size=size))
