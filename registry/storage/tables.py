"""Rows of the work queue, and of what comes into it again and again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, Integer, Text
from sqlmodel import Field, SQLModel

from registry.storage.columns import Moment


class Task(SQLModel, table=True):
    """A piece of work that a worker takes under a lease, tries, and tries again.

    `dedupe_key` is empty or names the work: a second waiting task with the same key is not made.
    """

    __tablename__ = "task"
    __table_args__ = (
        Index(None, "state", "run_after"),
        Index(
            "uq_task_waiting",
            "dedupe_key",
            unique=True,
            sqlite_where=(Column("state", Text) == "waiting") & (Column("dedupe_key", Text) != ""),
            postgresql_where=(Column("state", Text) == "waiting")
            & (Column("dedupe_key", Text) != ""),
        ),
    )
    id: str = Field(sa_column=Column(Text, primary_key=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    payload: str = Field(sa_column=Column(Text, nullable=False))
    dedupe_key: str = Field(sa_column=Column(Text, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    attempts: int = Field(sa_column=Column(Integer, nullable=False))
    run_after: datetime = Field(sa_column=Column(Moment, nullable=False))
    created_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    finished_at: datetime | None = Field(sa_column=Column(Moment))
    leased_by: str | None = Field(sa_column=Column(Text))
    leased_until: datetime | None = Field(sa_column=Column(Moment))
    progress: str | None = Field(sa_column=Column(Text))
    error: str | None = Field(sa_column=Column(Text))


class Schedule(SQLModel, table=True):
    """A kind of task that comes again and again: when next, and what was counted for it since."""

    __tablename__ = "schedule"
    kind: str = Field(sa_column=Column(Text, primary_key=True))
    due_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    counted: int = Field(sa_column=Column(BigInteger, nullable=False))
