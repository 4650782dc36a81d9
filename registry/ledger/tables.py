"""The rows of the ledger's catalog side: objects, what is bound to a batch, and what waits.

None of these is a projection: a rebuild reads them and never rewrites them. Numbers are those of
`batch_number`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from registry.storage.columns import Id16, Moment, Sha256


class ObjectKind(StrEnum):
    """What an uploaded object holds."""

    EXAMPLES = "examples"
    ROW_MAP = "row_map"
    PARENTS = "parents"


class BindingState(StrEnum):
    """Where a batch stands: nothing of it counts before `bound`."""

    PENDING = "pending"
    BOUND = "bound"
    FAILED = "failed"


class LedgerObject(SQLModel, table=True):
    """An uploaded object, pseudonymised; `match` is the keyed digest of what was uploaded.

    `turned_away`: the examples of it that lost what they were (`registry.ledger.holes`), None where
    it is as it came.
    """

    __tablename__ = "ledger_object"
    __table_args__ = (UniqueConstraint("match", "kind", "project_id"), Index(None, "expires_at"))
    id: str = Field(sa_column=Column(Text, primary_key=True))
    match: bytes = Field(sa_column=Column(Sha256, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    account_id: str = Field(sa_column=Column(Text, nullable=False))
    project_id: str = Field(sa_column=Column(Text, nullable=False))
    rows: int = Field(sa_column=Column(BigInteger, nullable=False))
    subjects: int = Field(sa_column=Column(BigInteger, nullable=False))
    columns: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    expires_at: datetime | None = Field(sa_column=Column(Moment))
    turned_away: bytes | None = Field(sa_column=Column(LargeBinary))


class BatchBinding(SQLModel, table=True):
    """A batch and its place in the ledger; `rows` counts its ordinals, erased ones included."""

    __tablename__ = "batch_binding"
    __table_args__ = (Index(None, "state"),)
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    object_id: str | None = Field(sa_column=Column(Text))
    rows: int | None = Field(sa_column=Column(BigInteger))
    indexed: int = Field(sa_column=Column(Integer, nullable=False))
    detail: str | None = Field(sa_column=Column(Text))
    since: datetime = Field(sa_column=Column(Moment, nullable=False))


class BatchWait(SQLModel, table=True):
    """What a pending batch waits for: `object:sha256:…` or `batch:<dataset id>:<name>`."""

    __tablename__ = "batch_wait"
    __table_args__ = (Index(None, "awaited"),)
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    awaited: str = Field(sa_column=Column(Text, primary_key=True))


class MapBinding(SQLModel, table=True):
    """A bound row map of a batch: its role, its object, and how many rows it relates."""

    __tablename__ = "map_binding"
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    position: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    role: str = Field(sa_column=Column(Text, nullable=False))
    object_name: str = Field(sa_column=Column(Text, nullable=False))
    rows: int = Field(sa_column=Column(BigInteger, nullable=False))
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    score: float | None = Field(sa_column=Column(Float))
    method: str | None = Field(sa_column=Column(Text))
    unresolved: int = Field(sa_column=Column(BigInteger, nullable=False))


class MapInput(SQLModel, table=True):
    """One input batch of a bound row map: its rows are positions first … first + rows - 1."""

    __tablename__ = "map_input"
    __table_args__ = (Index(None, "input_number"),)
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    position: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    place: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    input_number: int = Field(sa_column=Column(BigInteger, nullable=False))
    first: int = Field(sa_column=Column(BigInteger, nullable=False))
    rows: int = Field(sa_column=Column(BigInteger, nullable=False))


class BatchHole(SQLModel, table=True):
    """The erased ordinals of a batch (`registry.ledger.holes`), and how many; they only grow."""

    __tablename__ = "batch_hole"
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    holes: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    erased: int = Field(sa_column=Column(BigInteger, nullable=False))
    changed_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class BatchSum(SQLModel, table=True):
    """Sums of a bound batch by dimension and value; made whole by the worker, never added to."""

    __tablename__ = "batch_sum"
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    dimension: str = Field(sa_column=Column(Text, primary_key=True))
    value: str = Field(sa_column=Column(Text, primary_key=True))
    examples: int = Field(sa_column=Column(BigInteger, nullable=False))
    bytes: int | None = Field(sa_column=Column(BigInteger))
    tokens: int | None = Field(sa_column=Column(BigInteger))
    milliseconds: int | None = Field(default=None, sa_column=Column(BigInteger))


class SubjectScan(SQLModel, table=True):
    """That a batch was read for one identifier of a request (`position` there), as a subject key.

    `whole`: 1 where every row of the batch was read; `candidates`: ordinals that may name the
    person (`registry.ledger.holes`), None where there are none. Sure ones are in the index.
    """

    __tablename__ = "subject_scan"
    __table_args__ = (Index(None, "subject_key"),)
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    request_id: str = Field(sa_column=Column(Text, primary_key=True))
    position: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    subject_key: bytes = Field(sa_column=Column(Id16, nullable=False))
    key_version: int = Field(sa_column=Column(Integer, nullable=False))
    whole: int = Field(sa_column=Column(Integer, nullable=False))
    candidates: bytes | None = Field(sa_column=Column(LargeBinary))
    scanned_at: datetime = Field(sa_column=Column(Moment, nullable=False))
