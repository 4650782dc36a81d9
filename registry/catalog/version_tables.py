"""The rows of batches and versions: what was written, and what a dataset held when.

The rules on projected and allotted tables in `registry.catalog.tables` hold here too.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from registry.storage.columns import Counter, Id16, Moment, Wins


class VersionMode(StrEnum):
    """How a version follows from its base."""

    APPEND = "append"
    OVERWRITE = "overwrite"
    REPLACE_PARTITION = "replace_partition"


_WITHOUT_ROWID = {"sqlite_with_rowid": False}


class ExternalVersion(SQLModel, table=True):
    """Projected: the version id of the dataset's own store (Delta, Iceberg, DVC …) in a scope."""

    __tablename__ = "external_version"
    __table_args__ = (Index(None, "dataset_id", "external_id"), _WITHOUT_ROWID)
    scope_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    direction: str = Field(sa_column=Column(Text, primary_key=True))
    dataset_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    wins: bytes = Field(sa_column=Column(Wins, nullable=False))
    external_id: str = Field(sa_column=Column(Text, nullable=False))


class Batch(SQLModel, table=True):
    """Projected: what `registry_batch` said of the examples that a run wrote to a dataset."""

    __tablename__ = "batch"
    __table_args__ = (
        UniqueConstraint("number"),
        Index(None, "run_id"),
        Index(None, "dataset_id", "partition"),
        Index(None, "examples_object"),
        _WITHOUT_ROWID,
    )
    dataset_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    run_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    name: str = Field(sa_column=Column(Text, primary_key=True))
    wins: bytes = Field(sa_column=Column(Wins, nullable=False))
    number: int = Field(sa_column=Column(BigInteger, nullable=False))
    effective_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    mode: str | None = Field(sa_column=Column(Text))
    partition: str | None = Field(sa_column=Column(Text))
    origin_kind: str | None = Field(sa_column=Column(Text))
    origin_uri: str | None = Field(sa_column=Column(Text))
    origin_description: str | None = Field(sa_column=Column(Text))
    collected_from: datetime | None = Field(sa_column=Column(Moment))
    collected_until: datetime | None = Field(sa_column=Column(Moment))
    license: str | None = Field(sa_column=Column(Text))
    legal_basis: str | None = Field(sa_column=Column(Text))
    special_category_condition: str | None = Field(sa_column=Column(Text))
    purposes: str | None = Field(sa_column=Column(Text))
    region: str | None = Field(sa_column=Column(Text))
    classification: str | None = Field(sa_column=Column(Text))
    personal_data: str | None = Field(sa_column=Column(Text))
    example_count: int | None = Field(sa_column=Column(BigInteger))
    examples_object: str | None = Field(sa_column=Column(Text))
    examples_url: str | None = Field(sa_column=Column(Text))
    subject_coverage: str | None = Field(sa_column=Column(Text))


class BatchFile(SQLModel, table=True):
    """Projected: where the rows of a batch lie, in order; `first_ordinal` counts them through."""

    __tablename__ = "batch_file"
    __table_args__ = _WITHOUT_ROWID
    dataset_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    run_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    batch_name: str = Field(sa_column=Column(Text, primary_key=True))
    wins: bytes = Field(sa_column=Column(Wins, primary_key=True))
    position: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    uri: str = Field(sa_column=Column(Text, nullable=False))
    sha256: str | None = Field(sa_column=Column(Text))
    rows: int | None = Field(sa_column=Column(BigInteger))
    first_ordinal: int | None = Field(sa_column=Column(BigInteger))


class BatchMapSet(SQLModel, table=True):
    """Projected: the last `registry_rowMaps` that was said of a batch; older maps are gone."""

    __tablename__ = "batch_map_set"
    __table_args__ = _WITHOUT_ROWID
    dataset_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    run_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    batch_name: str = Field(sa_column=Column(Text, primary_key=True))
    wins: bytes = Field(sa_column=Column(Wins, nullable=False))


class BatchMap(SQLModel, table=True):
    """Projected: one row map of a batch as it was said: inputs (JSON), and its object or itself."""

    __tablename__ = "batch_map"
    __table_args__ = (Index(None, "map_object"), _WITHOUT_ROWID)
    dataset_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    run_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    batch_name: str = Field(sa_column=Column(Text, primary_key=True))
    wins: bytes = Field(sa_column=Column(Wins, primary_key=True))
    position: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    role: str = Field(sa_column=Column(Text, nullable=False))
    score: float | None = Field(sa_column=Column(Float))
    method: str | None = Field(sa_column=Column(Text))
    inputs: str = Field(sa_column=Column(Text, nullable=False))
    map_object: str | None = Field(sa_column=Column(Text))
    inline: str | None = Field(sa_column=Column(Text))


class BatchNumber(SQLModel, table=True):
    """Allotted: the number of a batch, at its first sight; the upper half of an address."""

    __tablename__ = "batch_number"
    __table_args__ = (
        UniqueConstraint("run_id", "dataset_id", "name"),
        CheckConstraint("number > 0 AND number < 4294967296", name="fits_uint32"),
        {"sqlite_autoincrement": True},
    )
    number: int | None = Field(
        default=None, sa_column=Column(Counter, primary_key=True, autoincrement=True)
    )
    dataset_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    run_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))


class DatasetVersion(SQLModel, table=True):
    """Allotted: a version, when its run was first seen complete, or when a late batch came.

    `line` is the number of the version that began the line it stands in: the first version or an
    overwrite; its membership is what the versions of its line, up to it, added less what they
    removed, in order of number. `base` is the version it follows within its line, else None.
    `completed_at` orders versions in time and never falls within a line; `allotted_at` says since
    when we know. `late`: it came after a version that completed later, or after its own run's.
    """

    __tablename__ = "dataset_version"
    __table_args__ = (
        Index(None, "scope_id"),
        Index(None, "dataset_id", "completed_at", "number"),
        Index(None, "dataset_id", "line", "number"),
        Index(
            "ix_dataset_version_line_heads",
            "dataset_id",
            "completed_at",
            "number",
            sqlite_where=text("number = line"),
            postgresql_where=text("number = line"),
        ),
        _WITHOUT_ROWID,
    )
    dataset_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    line: int = Field(sa_column=Column(BigInteger, nullable=False))
    base: int | None = Field(sa_column=Column(BigInteger))
    mode: str = Field(sa_column=Column(Text, nullable=False))
    scope_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    completed_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    allotted_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    late: int = Field(sa_column=Column(Integer, nullable=False))


class VersionBatch(SQLModel, table=True):
    """Allotted: a batch that a version adds to its base, or removes from it."""

    __tablename__ = "version_batch"
    __table_args__ = (
        Index(None, "batch_number"),
        CheckConstraint("change IN ('added', 'removed')", name="change"),
        _WITHOUT_ROWID,
    )
    dataset_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    batch_number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    change: str = Field(sa_column=Column(Text, nullable=False))


class RunRead(SQLModel, table=True):
    """Allotted: which version of an input a run read, at first sight; NULL where none was known."""

    __tablename__ = "run_read"
    __table_args__ = (Index(None, "dataset_id", "number"), _WITHOUT_ROWID)
    run_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    dataset_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    number: int | None = Field(sa_column=Column(BigInteger))
    read_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    allotted_at: datetime = Field(sa_column=Column(Moment, nullable=False))


PROJECTED: tuple[type[SQLModel], ...] = (
    ExternalVersion,
    Batch,
    BatchFile,
    BatchMapSet,
    BatchMap,
)
ALLOTTED: tuple[type[SQLModel], ...] = (BatchNumber, DatasetVersion, VersionBatch, RunRead)
