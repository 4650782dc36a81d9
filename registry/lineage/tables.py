"""The event log: every OpenLineage event as received, its digest, and what became of it.

Rules:
1. `body` is what was received, but for recorded redactions; `digest` is the identity of what was
   received and never changes.
2. `effective_at`, `project_id` and `denied` are allotted at the first sight of the event, and a
   rebuild reads them.
3. `target_project_id` is the project that owns the name which an event outside its own project
   would have written; NULL for every other event.
4. `scope_id` is the run, or the job or dataset where the event has no run.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from registry.storage.columns import Counter, Id16, Moment, Sha256


class EventState(StrEnum):
    """What became of an event."""

    PROJECTED = "projected"
    QUARANTINED = "quarantined"
    REJECTED = "rejected"


class QuarantineReason(StrEnum):
    """Why an event is durable and not projected."""

    OUTSIDE_PROJECT = "outside_project"
    RUN_OF_ANOTHER_JOB = "run_of_another_job"
    PROJECTION_FAILED = "projection_failed"


class LineageEvent(SQLModel, table=True):
    """One OpenLineage event."""

    __tablename__ = "lineage_event"
    __table_args__ = (
        UniqueConstraint("digest"),
        Index(None, "scope_id"),
        Index(None, "effective_at", "id"),
        Index(
            "ix_lineage_event_not_projected",
            "state",
            "id",
            sqlite_where=Column("state", Text) != "projected",
            postgresql_where=Column("state", Text) != "projected",
        ),
    )
    id: int | None = Field(
        default=None, sa_column=Column(Counter, primary_key=True, autoincrement=True)
    )
    digest: bytes = Field(sa_column=Column(Sha256, nullable=False))
    received_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    event_time: datetime = Field(sa_column=Column(Moment, nullable=False))
    effective_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    event_type: str | None = Field(sa_column=Column(Text))
    scope_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    namespace: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    account_id: str = Field(sa_column=Column(Text, nullable=False))
    project_id: str = Field(sa_column=Column(Text, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    reason: str | None = Field(sa_column=Column(Text))
    detail: str | None = Field(sa_column=Column(Text))
    target_project_id: str | None = Field(sa_column=Column(Text))
    denied: str | None = Field(sa_column=Column(Text))
    warnings: str | None = Field(sa_column=Column(Text))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class EventName(SQLModel, table=True):
    """Which events name a dataset, or a job that is not theirs, in whatever place.

    With it a part of the catalog can be projected again.
    """

    __tablename__ = "event_name"
    __table_args__ = {"sqlite_with_rowid": False}
    entity_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    event_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))


class EventRedaction(SQLModel, table=True):
    """A part of a kept body that was replaced, and why: the only change a body ever sees."""

    __tablename__ = "event_redaction"
    __table_args__ = (Index(None, "event_id"),)
    id: int | None = Field(
        default=None, sa_column=Column(Counter, primary_key=True, autoincrement=True)
    )
    event_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    path: str = Field(sa_column=Column(Text, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=Column(Moment, nullable=False))
