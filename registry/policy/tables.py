"""The rows of policy: decisions and manifests that were given, and how far its sweeps have come.

Rules:
1. Neither is a projection: a rebuild leaves them. They name datasets by their derived id.
2. A manifest is its digest: the same answer to the same question is the same manifest, and its
   bits lie in the ledger's objects under it.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, Text
from sqlmodel import Field, SQLModel

from registry.storage.columns import Counter, Id16, Moment


class PolicyDecision(SQLModel, table=True):
    """A decision: what was asked, what the rules said, what the project's mode made of it."""

    __tablename__ = "policy_decision"
    __table_args__ = (Index(None, "dataset_id", "number"),)
    id: str = Field(sa_column=Column(Text, primary_key=True))
    dataset_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    number: int = Field(sa_column=Column(BigInteger, nullable=False))
    purpose: str = Field(sa_column=Column(Text, nullable=False))
    region: str | None = Field(sa_column=Column(Text))
    recipient: str | None = Field(sa_column=Column(Text))
    as_of: datetime = Field(sa_column=Column(Moment, nullable=False))
    decision: str = Field(sa_column=Column(Text, nullable=False))
    judged: str = Field(sa_column=Column(Text, nullable=False))
    mode: str = Field(sa_column=Column(Text, nullable=False))
    reasons: str = Field(sa_column=Column(Text, nullable=False))
    policy: str = Field(sa_column=Column(Text, nullable=False))
    asked_by: str = Field(sa_column=Column(Text, nullable=False))
    asked_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class Manifest(SQLModel, table=True):
    """A manifest, as it was first given; `id` is its digest. `allowed` counts its examples."""

    __tablename__ = "manifest"
    __table_args__ = (Index(None, "dataset_id", "number"),)
    id: str = Field(sa_column=Column(Text, primary_key=True))
    dataset_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    number: int = Field(sa_column=Column(BigInteger, nullable=False))
    purpose: str = Field(sa_column=Column(Text, nullable=False))
    region: str | None = Field(sa_column=Column(Text))
    mode: str = Field(sa_column=Column(Text, nullable=False))
    policy: str = Field(sa_column=Column(Text, nullable=False))
    allowed: int = Field(sa_column=Column(BigInteger, nullable=False))
    withheld: str = Field(sa_column=Column(Text, nullable=False))
    asked_by: str = Field(sa_column=Column(Text, nullable=False))
    asked_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class JudgeMark(SQLModel, table=True):
    """How far the judge of lineage has come: the number of the last event it is done with."""

    __tablename__ = "judge_mark"
    judge: str = Field(sa_column=Column(Text, primary_key=True))
    event_id: int = Field(sa_column=Column(BigInteger, nullable=False))


class JudgeAgain(SQLModel, table=True):
    """A batch that became known in full (bound, summed) and may have been judged before that.

    A batch may stand here several times: what comes while it is judged is judged once more.
    """

    __tablename__ = "judge_again"
    __table_args__ = {"sqlite_autoincrement": True}
    id: int | None = Field(
        default=None, sa_column=Column(Counter, primary_key=True, autoincrement=True)
    )
    batch_number: int = Field(sa_column=Column(BigInteger, nullable=False))


class RetentionMark(SQLModel, table=True):
    """How far the retention of one of the registry's own logs has come: the last row looked at."""

    __tablename__ = "retention_mark"
    log: str = Field(sa_column=Column(Text, primary_key=True))
    row_id: int = Field(sa_column=Column(BigInteger, nullable=False))


class RetentionKept(SQLModel, table=True):
    """A row before the mark that a hold or an open case needs; it is looked at again each time."""

    __tablename__ = "retention_kept"
    log: str = Field(sa_column=Column(Text, primary_key=True))
    row_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
