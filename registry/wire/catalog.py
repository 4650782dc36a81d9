"""What the catalog's reads answer over HTTP: Marquez's shapes, and what we add to them.

Rules:
1. Names are Marquez's (camelCase), so that its clients read them; what is ours says so. A member
   that we cannot know is null, never invented.
2. Dictionaries with known members, not models: thousands of them are written in one answer.
3. Times are RFC 3339 in UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import Field
from typing_extensions import TypedDict

#: Facets by name, each with the JSON that was received.
Facets: TypeAlias = dict[str, object]
Total = Annotated[int, Field(description="How many there are in all, over every page.")]
Next = Annotated[
    str | None, Field(description="Ours: the cursor of the next page; null on the last one.")
]
Evidence = Annotated[
    dict[str, str],
    Field(description="Ours: the event (`sha256:…`) that each facet was taken from."),
]


class EntityId(TypedDict):
    """A dataset or job by name."""

    namespace: str
    name: str


class VersionId(TypedDict):
    """A version by name and UUID; both UUID and number are null where no version is known."""

    namespace: str
    name: str
    version: str | None
    number: Annotated[int | None, Field(description="Ours: 1 for the first; null for jobs.")]


class NamespaceAnswer(TypedDict):
    """A namespace. Nobody tells us who owns it, so `ownerName` is empty."""

    name: str
    createdAt: datetime
    updatedAt: datetime
    ownerName: str
    description: str | None
    isHidden: bool


class NamespaceList(TypedDict):
    """A page of namespaces."""

    namespaces: list[NamespaceAnswer]
    totalCount: Total
    next: Next


class FieldAnswer(TypedDict):
    """A top-level field of a dataset."""

    name: str
    type: str | None
    tags: list[str]
    description: str | None


class ColumnSource(TypedDict):
    """A field that another was made from."""

    namespace: str
    dataset: str
    field: str
    transformationDescription: str | None
    transformationType: str | None


class ColumnLineageEntry(TypedDict):
    """What a field was made from."""

    name: str
    inputFields: list[ColumnSource]
    transformationDescription: str | None
    transformationType: str | None


class DatasetBase(TypedDict):
    """What a dataset in a list and one in a graph have in common."""

    id: EntityId
    type: Literal["DB_TABLE", "STREAM"]
    name: str
    physicalName: str
    createdAt: datetime
    updatedAt: datetime
    namespace: str
    sourceName: str
    fields: list[FieldAnswer]
    tags: list[str]
    lastModifiedAt: datetime | None
    description: str | None
    lastLifecycleState: str | None
    datasetType: Annotated[
        str | None, Field(description="Ours: the producer's own word, such as TABLE or MODEL.")
    ]


class DatasetAnswer(DatasetBase):
    """A dataset."""

    currentVersion: str | None
    columnLineage: list[ColumnLineageEntry]
    facets: Facets
    deleted: bool
    currentVersionNumber: Annotated[int | None, Field(description="Ours: 1 for the first.")]
    aliases: Annotated[list[EntityId], Field(description="Ours: its other names (symlinks).")]
    evidence: Evidence


class DatasetList(TypedDict):
    """A page of datasets."""

    datasets: list[DatasetAnswer]
    totalCount: Total
    next: Next


class InRun(TypedDict):
    """A version of a dataset as a run read or wrote it, with what the run said of it."""

    datasetVersionId: VersionId
    facets: Facets


class ParentRun(TypedDict):
    """The run that a run was part of."""

    runId: str
    namespace: str | None
    name: str | None


class RunBase(TypedDict):
    """What a run in a list and one in a graph have in common."""

    id: str
    createdAt: datetime
    updatedAt: datetime
    nominalStartTime: datetime | None
    nominalEndTime: datetime | None
    state: Literal["NEW", "RUNNING", "COMPLETED", "FAILED", "ABORTED"]
    startedAt: datetime | None
    endedAt: datetime | None
    durationMs: int | None
    args: dict[str, str]
    jobVersion: VersionId
    inputDatasetVersions: list[InRun]
    outputDatasetVersions: list[InRun]
    facets: Facets


class RunAnswer(RunBase):
    """A run of a job."""

    producerRunId: Annotated[
        str | None, Field(description="Ours: the producer's run id, where it is no UUID.")
    ]
    parentRun: Annotated[ParentRun | None, Field(description="Ours: the run it was part of.")]
    rootRun: Annotated[ParentRun | None, Field(description="Ours: the first of its parents.")]
    evidence: Evidence


class RunList(TypedDict):
    """A page of runs, the newest first."""

    runs: list[RunAnswer]
    totalCount: Total
    next: Next


class RunFacetsAnswer(TypedDict):
    """The facets of a run, or of its job."""

    runId: str
    facets: Facets


class JobBase(TypedDict):
    """What a job in a list and one in a graph have in common."""

    id: EntityId
    type: Literal["BATCH", "STREAM", "SERVICE"]
    name: str
    simpleName: str
    parentJobName: str | None
    parentJobUuid: str | None
    createdAt: datetime
    updatedAt: datetime
    namespace: str
    inputs: list[EntityId]
    outputs: list[EntityId]
    location: str | None
    description: str | None
    tags: list[str]
    labels: list[str]


class JobInGraph(JobBase):
    """A job in a graph, with what is known of its latest run at a glance."""

    latestRun: RunBase | None


class JobAnswer(JobBase):
    """A job. We keep one version of a job, so `currentVersion` is the job's own UUID."""

    currentVersion: str
    latestRun: RunAnswer | None
    latestRuns: list[RunAnswer]
    facets: Facets
    evidence: Evidence


class JobList(TypedDict):
    """A page of jobs."""

    jobs: list[JobAnswer]
    totalCount: Total
    next: Next


class VersionAnswer(TypedDict):
    """A version of a dataset. Schema and facets are kept for the current one alone."""

    id: VersionId
    type: Literal["DB_TABLE", "STREAM"]
    name: str
    physicalName: str
    createdAt: datetime
    version: str
    namespace: str
    sourceName: str
    fields: list[FieldAnswer]
    tags: list[str]
    lifecycleState: str | None
    description: str | None
    createdByRun: RunAnswer | None
    facets: Facets
    number: Annotated[int, Field(description="Ours: 1 for the first.")]
    mode: Annotated[Literal["append", "overwrite", "replace_partition"], Field(description="Ours.")]
    base: Annotated[int | None, Field(description="Ours: the version it follows.")]
    externalId: Annotated[str | None, Field(description="Ours: its id in the dataset's own store.")]
    completedAt: Annotated[datetime, Field(description="Ours: when it was complete.")]
    allottedAt: Annotated[datetime, Field(description="Ours: since when we know of it.")]
    late: Annotated[bool, Field(description="Ours: a batch that came late made it.")]
    addedBatches: Annotated[list[int], Field(description="Ours: numbers of the batches it added.")]
    removedBatches: Annotated[list[int], Field(description="Ours: and of those it removed.")]


class VersionDetail(VersionAnswer):
    """One version of a dataset."""

    batchCount: Annotated[int, Field(description="Ours: how many batches it holds.")]


class VersionList(TypedDict):
    """A page of versions, the newest first."""

    versions: list[VersionAnswer]
    totalCount: Total
    next: Next


class FileAnswer(TypedDict):
    """A file in which rows of a batch lie."""

    uri: str
    sha256: str | None
    rows: int | None
    firstOrdinal: int | None


class OriginAnswer(TypedDict):
    """Where the examples of a batch were collected."""

    kind: str | None
    uri: str | None
    description: str | None
    collectedFrom: datetime | None
    collectedUntil: datetime | None


class LedgerAnswer(TypedDict):
    """Where a batch stands with the ledger: `pending`, `bound` or `failed`, and why."""

    state: str
    rows: int | None
    detail: str | None
    waitsFor: list[str]


class BatchAnswer(TypedDict):
    """The examples that one run wrote to a dataset. Null is what the producer did not say."""

    number: int
    name: str
    runId: str
    effectiveAt: datetime
    mode: str | None
    partition: str | None
    origin: OriginAnswer
    license: str | None
    legalBasis: str | None
    specialCategoryCondition: str | None
    purposes: list[str] | None
    region: str | None
    classification: str | None
    personalData: str | None
    exampleCount: int | None
    examplesObject: str | None
    examplesUrl: str | None
    subjectCoverage: dict[str, object] | None
    files: list[FileAnswer]
    evidence: str
    ledger: LedgerAnswer | None


class BatchList(TypedDict):
    """A page of batches."""

    batches: list[BatchAnswer]
    totalCount: Total
    next: Next


class EventList(TypedDict):
    """A page of OpenLineage events, each as it was received."""

    events: list[dict[str, object]]
    totalCount: Total
    next: Next


class SearchResult(TypedDict):
    """A dataset or job that was found."""

    type: Literal["DATASET", "JOB"]
    name: str
    updatedAt: datetime
    namespace: str
    nodeId: str


class SearchResults(TypedDict):
    """A page of what was found."""

    results: list[SearchResult]
    totalCount: Total
    next: Next


class TagUse(TypedDict):
    """How many things of each kind carry a tag."""

    datasets: int
    fields: int
    jobs: int
    runs: int


class TagAnswer(TypedDict):
    """A tag; facets carry no description of tags."""

    name: str
    description: str | None
    usedBy: Annotated[TagUse, Field(description="Ours.")]


class TagList(TypedDict):
    """A page of tags, in alphabetical order."""

    tags: list[TagAnswer]
    totalCount: Total
    next: Next
