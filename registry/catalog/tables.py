"""The rows of names, runs, facets and edges: what the events said, and who owns a name.

Rules:
1. *Projected* tables hold a function of the set of kept events, whatever their order: minima,
   maxima, and rows of which the one with the greatest `wins` key stays. A rebuild empties and
   refills them.
2. *Allotted* tables hold what depends on the order of arrival (DESIGN: batch numbers, versions,
   what a run read, who owns a name). A rebuild reads and never rewrites them.
3. A *scope* is what an edge or facet belongs to: a run (its id), or the job of a JobEvent or the
   dataset of a DatasetEvent (their ids), where there is no run.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, Index, Integer, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from registry.storage.columns import Id16, Moment, Wins


class Direction(StrEnum):
    """Which way data flows between a run and a dataset."""

    INPUT = "input"
    OUTPUT = "output"


class RunState(StrEnum):
    """Marquez's names for the states of a run; NEW means that only metadata was seen."""

    NEW = "NEW"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    ABORTED = "ABORTED"


class EdgeOrigin(StrEnum):
    """Where an explicit edge was said; `lineage` supersedes `column_lineage`."""

    LINEAGE = "lineage"
    COLUMN_LINEAGE = "column_lineage"


_WITHOUT_ROWID = {"sqlite_with_rowid": False}


def _tagged(table: str, key: str) -> Index:
    """A small index of the rows that hold a `tags` facet, so that all tags can be listed."""
    tags = Column("name", Text) == "tags"
    return Index(f"ix_{table}_tags", key, sqlite_where=tags, postgresql_where=tags)


class Namespace(SQLModel, table=True):
    """Projected: a namespace that some job or dataset stands in."""

    __tablename__ = "namespace"
    __table_args__ = _WITHOUT_ROWID
    name: str = Field(sa_column=Column(Text, primary_key=True))
    created_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    updated_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class Dataset(SQLModel, table=True):
    """Projected: a dataset (or model: `datasetType` MODEL) by its OpenLineage name."""

    __tablename__ = "dataset"
    __table_args__ = (UniqueConstraint("namespace", "name"), _WITHOUT_ROWID)
    id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    namespace: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    updated_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class Job(SQLModel, table=True):
    """Projected: a job by its OpenLineage name."""

    __tablename__ = "job"
    __table_args__ = (UniqueConstraint("namespace", "name"), _WITHOUT_ROWID)
    id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    namespace: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    updated_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class Run(SQLModel, table=True):
    """Projected: a run. `state_key` is its rank, then the order key of the event that set it."""

    __tablename__ = "run"
    __table_args__ = (
        Index(None, "job_id", "created_at", "id"),
        Index(
            "ix_run_failed",
            "job_id",
            sqlite_where=text("state IN ('FAILED', 'ABORTED')"),
            postgresql_where=text("state IN ('FAILED', 'ABORTED')"),
        ),
        _WITHOUT_ROWID,
    )
    id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    job_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    owner_key: bytes = Field(sa_column=Column(Wins, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    state_key: bytes = Field(sa_column=Column(Wins, nullable=False))
    created_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    updated_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    started_at: datetime | None = Field(sa_column=Column(Moment))
    ended_at: datetime | None = Field(sa_column=Column(Moment))
    producer_run_id: str | None = Field(sa_column=Column(Text))


class RunParent(SQLModel, table=True):
    """Projected: the parent and root of a run (ParentRunFacet)."""

    __tablename__ = "run_parent"
    __table_args__ = (Index(None, "parent_run_id"), _WITHOUT_ROWID)
    run_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    wins: bytes = Field(sa_column=Column(Wins, nullable=False))
    parent_run_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    parent_namespace: str = Field(sa_column=Column(Text, nullable=False))
    parent_name: str = Field(sa_column=Column(Text, nullable=False))
    root_run_id: bytes | None = Field(sa_column=Column(Id16))
    root_namespace: str | None = Field(sa_column=Column(Text))
    root_name: str | None = Field(sa_column=Column(Text))


class RunNominal(SQLModel, table=True):
    """Projected: the nominal times of a run (NominalTimeRunFacet)."""

    __tablename__ = "run_nominal"
    __table_args__ = _WITHOUT_ROWID
    run_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    wins: bytes = Field(sa_column=Column(Wins, nullable=False))
    start_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    end_at: datetime | None = Field(sa_column=Column(Moment))


class RunFacet(SQLModel, table=True):
    """Projected: a facet of a run; `payload` is its JSON as received."""

    __tablename__ = "run_facet"
    __table_args__ = (_tagged("run_facet", "run_id"), _WITHOUT_ROWID)
    run_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    name: str = Field(sa_column=Column(Text, primary_key=True))
    wins: bytes = Field(sa_column=Column(Wins, nullable=False))
    payload: str = Field(sa_column=Column(Text, nullable=False))


class JobFacet(SQLModel, table=True):
    """Projected: a facet of a job; an empty payload means that it was deleted."""

    __tablename__ = "job_facet"
    __table_args__ = (_tagged("job_facet", "job_id"), _WITHOUT_ROWID)
    job_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    name: str = Field(sa_column=Column(Text, primary_key=True))
    wins: bytes = Field(sa_column=Column(Wins, nullable=False))
    payload: str = Field(sa_column=Column(Text, nullable=False))


class DatasetFacet(SQLModel, table=True):
    """Projected: a facet of a dataset; an empty payload means that it was deleted."""

    __tablename__ = "dataset_facet"
    __table_args__ = (_tagged("dataset_facet", "dataset_id"), _WITHOUT_ROWID)
    dataset_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    name: str = Field(sa_column=Column(Text, primary_key=True))
    wins: bytes = Field(sa_column=Column(Wins, nullable=False))
    payload: str = Field(sa_column=Column(Text, nullable=False))


class ScopeFacet(SQLModel, table=True):
    """Projected: what one scope said about one of its inputs or outputs.

    `kind` is `io` for inputFacets and outputFacets, `dataset` for dataset facets that the sender
    may not write and that therefore stay with the run.
    """

    __tablename__ = "scope_facet"
    __table_args__ = _WITHOUT_ROWID
    scope_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    direction: str = Field(sa_column=Column(Text, primary_key=True))
    dataset_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    kind: str = Field(sa_column=Column(Text, primary_key=True))
    name: str = Field(sa_column=Column(Text, primary_key=True))
    wins: bytes = Field(sa_column=Column(Wins, nullable=False))
    payload: str = Field(sa_column=Column(Text, nullable=False))


class ScopeDataset(SQLModel, table=True):
    """Projected: a scope reads or writes a dataset. `first_at` is when that was first said."""

    __tablename__ = "scope_dataset"
    __table_args__ = (Index(None, "dataset_id", "direction", "job_id", "first_at"), _WITHOUT_ROWID)
    scope_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    direction: str = Field(sa_column=Column(Text, primary_key=True))
    dataset_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    job_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    first_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    wins: bytes = Field(sa_column=Column(Wins, nullable=False))


class JobDataset(SQLModel, table=True):
    """Projected: the last scope in which a job read or wrote a dataset; what graphs walk on."""

    __tablename__ = "job_dataset"
    __table_args__ = (Index(None, "dataset_id", "direction"), _WITHOUT_ROWID)
    job_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    direction: str = Field(sa_column=Column(Text, primary_key=True))
    dataset_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    declared: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    scope_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    wins: bytes = Field(sa_column=Column(Wins, nullable=False))


class JobDeclaration(SQLModel, table=True):
    """Projected: the last JobEvent that listed a job's inputs or outputs; older lists are gone."""

    __tablename__ = "job_declaration"
    __table_args__ = _WITHOUT_ROWID
    job_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    direction: str = Field(sa_column=Column(Text, primary_key=True))
    wins: bytes = Field(sa_column=Column(Wins, nullable=False))


class EdgeSet(SQLModel, table=True):
    """Projected: the last lineage or columnLineage facet of a carrier within a scope."""

    __tablename__ = "edge_set"
    __table_args__ = _WITHOUT_ROWID
    scope_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    carrier_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    origin: str = Field(sa_column=Column(Text, primary_key=True))
    wins: bytes = Field(sa_column=Column(Wins, nullable=False))


class Edge(SQLModel, table=True):
    """Projected: one explicit edge source → target of an edge set.

    An empty `source_id` says that the target has no tracked source. Empty field names stand for
    the whole entity. `transformations` is a JSON array as received.
    """

    __tablename__ = "edge"
    __table_args__ = (
        Index(None, "scope_id", "target_id"),
        # These two let a reader hop from one job or target to the next, over all of its history.
        Index(None, "target_id", "job_id", "wins"),
        Index(None, "source_id", "job_id", "target_id"),
        _WITHOUT_ROWID,
    )
    scope_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    carrier_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    origin: str = Field(sa_column=Column(Text, primary_key=True))
    wins: bytes = Field(sa_column=Column(Wins, primary_key=True))
    position: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    job_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    target_kind: str = Field(sa_column=Column(Text, nullable=False))
    target_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    target_field: str = Field(sa_column=Column(Text, nullable=False))
    source_kind: str = Field(sa_column=Column(Text, nullable=False))
    source_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    source_field: str = Field(sa_column=Column(Text, nullable=False))
    source_scope_id: bytes | None = Field(sa_column=Column(Id16))
    transformations: str | None = Field(sa_column=Column(Text))


class Symlink(SQLModel, table=True):
    """Projected: `alias_id` is another name of `dataset_id` (SymlinksDatasetFacet)."""

    __tablename__ = "symlink"
    __table_args__ = (Index(None, "alias_id"), _WITHOUT_ROWID)
    dataset_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    alias_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    wins: bytes = Field(sa_column=Column(Wins, nullable=False))
    namespace: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    alias_type: str = Field(sa_column=Column(Text, nullable=False))


class NameOwner(SQLModel, table=True):
    """Allotted: the project that owns a job or dataset name; changed only by an edited claim."""

    __tablename__ = "name_owner"
    __table_args__ = (Index(None, "project_id"), _WITHOUT_ROWID)
    entity_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    project_id: str = Field(sa_column=Column(Text, nullable=False))


PROJECTED: tuple[type[SQLModel], ...] = (
    Namespace,
    Dataset,
    Job,
    Run,
    RunParent,
    RunNominal,
    RunFacet,
    JobFacet,
    DatasetFacet,
    ScopeFacet,
    ScopeDataset,
    JobDataset,
    JobDeclaration,
    EdgeSet,
    Edge,
    Symlink,
)
ALLOTTED: tuple[type[SQLModel], ...] = (NameOwner,)
