"""The rows of a case: a request, its timeline, its plans, its tasks, its letters, its certificates.

Rules:
1. None of these is a projection: a rebuild of the catalog leaves them.
2. What the person gave to be found by rests sealed under the request's own record key, and beside
   it as a subject key with its version, which a rotation moves. Destroying the record key shreds
   the identifiers and the letters; the pseudonym stays for the case record.
3. Plans, steps, letters and certificates are added and never changed.
4. A set of ordinals is a serialised Roaring bitmap (portable format); NULL stands for every
   example of the batch.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from registry.storage.columns import Counter, Id16, Moment, Sha256


class ErasureRequest(SQLModel, table=True):
    """A person's request. `reference`: what the channel itself calls it; the same twice is one."""

    __tablename__ = "erasure_request"
    __table_args__ = (
        UniqueConstraint("project_id", "channel", "reference"),
        Index(None, "state", "due_on"),
        Index(None, "project_id", "received_at"),
        Index(None, "canonical_id"),
    )
    id: str = Field(sa_column=Column(Text, primary_key=True))
    project_id: str = Field(sa_column=Column(Text, nullable=False))
    right: str = Field(sa_column=Column(Text, nullable=False))
    regime: str = Field(sa_column=Column(Text, nullable=False))
    channel: str = Field(sa_column=Column(Text, nullable=False))
    reference: str | None = Field(sa_column=Column(Text))
    region: str | None = Field(sa_column=Column(Text))
    state: str = Field(sa_column=Column(Text, nullable=False))
    received_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    filed_by: str = Field(sa_column=Column(Text, nullable=False))
    filed_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    identity: str = Field(sa_column=Column(Text, nullable=False))
    verified_by: str | None = Field(sa_column=Column(Text))
    verified_at: datetime | None = Field(sa_column=Column(Moment))
    record_key: str = Field(sa_column=Column(Text, nullable=False))
    key_destroyed_at: datetime | None = Field(sa_column=Column(Moment))
    canonical_id: str | None = Field(sa_column=Column(Text))
    due_on: str = Field(sa_column=Column(Text, nullable=False))
    due_because: str = Field(sa_column=Column(Text, nullable=False))
    extended_by: str | None = Field(sa_column=Column(Text))
    extended_at: datetime | None = Field(sa_column=Column(Moment))
    extension_reason: str | None = Field(sa_column=Column(Text))
    paused_at: datetime | None = Field(sa_column=Column(Moment))
    paused_days: int = Field(sa_column=Column(Integer, nullable=False))
    plan_id: str | None = Field(sa_column=Column(Text))
    approved_by: str | None = Field(sa_column=Column(Text))
    approved_at: datetime | None = Field(sa_column=Column(Moment))
    closed_at: datetime | None = Field(sa_column=Column(Moment))
    closed_by: str | None = Field(sa_column=Column(Text))
    justification: str | None = Field(sa_column=Column(Text))
    note: str | None = Field(sa_column=Column(Text))


class ErasureIdentifier(SQLModel, table=True):
    """An identifier that the person gave: sealed, and as a subject key."""

    __tablename__ = "erasure_identifier"
    __table_args__ = (Index(None, "subject_key"),)
    request_id: str = Field(
        sa_column=Column(Text, ForeignKey("erasure_request.id"), primary_key=True)
    )
    position: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    scheme: str = Field(sa_column=Column(Text, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    subject_key: bytes = Field(sa_column=Column(Id16, nullable=False))
    key_version: int = Field(sa_column=Column(Integer, nullable=False))


class ErasureStep(SQLModel, table=True):
    """One thing that happened in a case; `detail` is JSON without identifiers."""

    __tablename__ = "erasure_step"
    __table_args__ = (Index(None, "request_id", "id"),)
    id: int | None = Field(
        default=None, sa_column=Column(Counter, primary_key=True, autoincrement=True)
    )
    request_id: str = Field(
        sa_column=Column(Text, ForeignKey("erasure_request.id"), nullable=False)
    )
    kind: str = Field(sa_column=Column(Text, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    actor: str = Field(sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=Column(Moment, nullable=False))
    detail: str = Field(sa_column=Column(Text, nullable=False))


class ErasurePlan(SQLModel, table=True):
    """A plan as it was frozen; `document` is canonical JSON, `digest` its SHA-256."""

    __tablename__ = "erasure_plan"
    __table_args__ = (UniqueConstraint("request_id", "revision"),)
    id: str = Field(sa_column=Column(Text, primary_key=True))
    request_id: str = Field(
        sa_column=Column(Text, ForeignKey("erasure_request.id"), nullable=False)
    )
    revision: int = Field(sa_column=Column(Integer, nullable=False))
    digest: bytes = Field(sa_column=Column(Sha256, nullable=False))
    document: str = Field(sa_column=Column(Text, nullable=False))
    policy: str = Field(sa_column=Column(Text, nullable=False))
    made_by: str = Field(sa_column=Column(Text, nullable=False))
    made_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class ErasurePlanBatch(SQLModel, table=True):
    """The examples of one batch in a plan: to erase; to be decided on, and for which reason; or to
    be kept, as somebody decided.
    """

    __tablename__ = "erasure_plan_batch"
    __table_args__ = (Index(None, "batch_number"),)
    plan_id: str = Field(sa_column=Column(Text, ForeignKey("erasure_plan.id"), primary_key=True))
    batch_number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    part: str = Field(sa_column=Column(Text, primary_key=True))
    reason: str = Field(sa_column=Column(Text, primary_key=True))
    ordinals: bytes | None = Field(sa_column=Column(LargeBinary))
    examples: int = Field(sa_column=Column(BigInteger, nullable=False))


class ErasureTask(SQLModel, table=True):
    """One thing to be done for a request; `target` says to what, and is its sameness."""

    __tablename__ = "erasure_task"
    __table_args__ = (
        UniqueConstraint("request_id", "kind", "target"),
        Index(None, "state", "due_on"),
        Index(None, "acknowledgement"),
    )
    id: str = Field(sa_column=Column(Text, primary_key=True))
    request_id: str = Field(
        sa_column=Column(Text, ForeignKey("erasure_request.id"), nullable=False)
    )
    plan_id: str = Field(sa_column=Column(Text, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    target: str = Field(sa_column=Column(Text, nullable=False))
    dataset_id: bytes | None = Field(sa_column=Column(Id16))
    batch_number: int | None = Field(sa_column=Column(BigInteger))
    state: str = Field(sa_column=Column(Text, nullable=False))
    expected: int | None = Field(sa_column=Column(BigInteger))
    found: int | None = Field(sa_column=Column(BigInteger))
    erased: int | None = Field(sa_column=Column(BigInteger))
    verified: int | None = Field(sa_column=Column(BigInteger))
    until: datetime | None = Field(sa_column=Column(Moment))
    owner: str | None = Field(sa_column=Column(Text))
    due_on: str | None = Field(sa_column=Column(Text))
    disposition: str | None = Field(sa_column=Column(Text))
    ground: str | None = Field(sa_column=Column(Text))
    detail: str | None = Field(sa_column=Column(Text))
    evidence: str | None = Field(sa_column=Column(Text))
    acknowledgement: bytes | None = Field(sa_column=Column(Sha256))
    attempts: int = Field(sa_column=Column(Integer, nullable=False))
    opened_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    changed_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    changed_by: str = Field(sa_column=Column(Text, nullable=False))


class ErasureCertificate(SQLModel, table=True):
    """A certificate as it was issued, counted through; `envelope` is DSSE (JSON bytes)."""

    __tablename__ = "erasure_certificate"
    __table_args__ = (Index(None, "request_id"), {"sqlite_autoincrement": True})
    number: int | None = Field(
        default=None, sa_column=Column(Counter, primary_key=True, autoincrement=True)
    )
    request_id: str = Field(
        sa_column=Column(Text, ForeignKey("erasure_request.id"), nullable=False)
    )
    outcome: str = Field(sa_column=Column(Text, nullable=False))
    digest: bytes | None = Field(sa_column=Column(Sha256))
    envelope: bytes | None = Field(sa_column=Column(LargeBinary))
    entry_id: int | None = Field(sa_column=Column(BigInteger))
    facts: str = Field(sa_column=Column(Text, nullable=False))
    issued_by: str = Field(sa_column=Column(Text, nullable=False))
    issued_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class ErasureLetter(SQLModel, table=True):
    """A letter to the person, sealed under the request's record key."""

    __tablename__ = "erasure_letter"
    __table_args__ = (Index(None, "request_id"),)
    id: str = Field(sa_column=Column(Text, primary_key=True))
    request_id: str = Field(
        sa_column=Column(Text, ForeignKey("erasure_request.id"), nullable=False)
    )
    kind: str = Field(sa_column=Column(Text, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    made_by: str = Field(sa_column=Column(Text, nullable=False))
    made_at: datetime = Field(sa_column=Column(Moment, nullable=False))
