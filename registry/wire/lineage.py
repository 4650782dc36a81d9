"""What lineage is answered over HTTP: Marquez's graphs, with a word on whether they are whole."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from registry.wire.catalog import DatasetBase, JobInGraph


class EdgeAnswer(TypedDict):
    """An edge, by node ids."""

    origin: str
    destination: str


class BareNode(TypedDict):
    """A dataset or job of a graph, without its edges."""

    id: str
    type: Literal["DATASET", "JOB"]
    data: DatasetBase | JobInGraph


class NodeAnswer(BareNode):
    """A dataset or job, with its edges inside the answer."""

    inEdges: list[EdgeAnswer]
    outEdges: list[EdgeAnswer]


class Truncation(TypedDict):
    """What cut the graph, and at which limit."""

    by: Literal["depth", "size"]
    limit: int


Truncated = Annotated[
    Truncation | None,
    Field(description="Ours: what cut the graph short; null where it is whole."),
]

BeyondScope = Annotated[
    bool, Field(description="Ours: whether something on the way is not yours to see.")
]


class LineageAnswer(TypedDict):
    """The lineage of a node, sorted by node id."""

    graph: list[NodeAnswer]
    truncated: Truncated
    beyondScope: BeyondScope


class ColumnInput(TypedDict):
    """A field that flows into another."""

    namespace: str
    dataset: str
    datasetVersion: str | None
    field: str
    transformationDescription: str | None
    transformationType: str | None


class ColumnData(TypedDict):
    """A field in a graph; `field` is empty where only the dataset is known."""

    namespace: str
    dataset: str
    datasetVersion: str | None
    field: str
    fieldType: str | None
    transformationDescription: str | None
    transformationType: str | None
    inputFields: list[ColumnInput]


class ColumnNodeAnswer(TypedDict):
    """A field, with its edges.

    As in Marquez, both kinds of edges begin at the node itself: the destination of one of `inEdges`
    is the field it came from.
    """

    id: str
    type: Literal["DATASET_FIELD", "DATASET"]
    data: ColumnData
    inEdges: list[EdgeAnswer]
    outEdges: list[EdgeAnswer]


class ColumnLineageAnswer(TypedDict):
    """The lineage of fields, sorted by node id."""

    graph: list[ColumnNodeAnswer]
    truncated: Truncated
    beyondScope: BeyondScope


class UpstreamJob(TypedDict):
    """The job of an upstream run."""

    namespace: str
    name: str
    version: str


class UpstreamRunState(TypedDict):
    """An upstream run."""

    id: str
    start: datetime | None
    end: datetime | None
    status: str


class UpstreamInput(TypedDict):
    """A dataset that a run read, at the version it read; null where we do not know which."""

    namespace: str
    name: str
    version: str | None
    producedByRunId: str | None


class UpstreamRun(TypedDict):
    """A run, its job and what it read."""

    job: UpstreamJob
    run: UpstreamRunState
    inputs: list[UpstreamInput]


class UpstreamAnswer(TypedDict):
    """The runs that led to a run, nearest first; the run itself is the first."""

    runs: list[UpstreamRun]
    truncated: Truncated
    beyondScope: BeyondScope
