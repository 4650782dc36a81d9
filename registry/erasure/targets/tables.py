"""The rows of copies: where they lie, what their files are after erasures, and what others say.

Rules:
1. None of these is a projection: a rebuild of the catalog leaves them.
2. A binding names its credential and never holds it. It is ended and not deleted, so that a case
   can say by whom it was erased.
3. A set of ordinals is a serialised Roaring bitmap (portable format).
4. `next_sha256` is kept before a file is swapped: a file with that digest is the registry's own.
   `next_holes` are the ordinals that it will lack besides: they may be those of another request.
5. A copy of a dataset whose rows are found by key has a row of `file_state` for each batch whose
   rows left it, without digests. Its `uri` names the table too, after a `#`, which no URI holds.
6. What another system answered is kept as it was signed, sealed under the key of the request.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Text
from sqlmodel import Field, SQLModel

from registry.storage.columns import Id16, Moment, Sha256


class TargetBinding(SQLModel, table=True):
    """A copy of a dataset: where it lies, who erases in it, and how its rows are known."""

    __tablename__ = "target_binding"
    __table_args__ = (Index(None, "dataset_id", "ended_at"),)
    id: str = Field(sa_column=Column(Text, primary_key=True))
    project_id: str = Field(sa_column=Column(Text, nullable=False))
    dataset_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    uri: str = Field(sa_column=Column(Text, nullable=False))
    executor: str = Field(sa_column=Column(Text, nullable=False))
    form: str | None = Field(sa_column=Column(Text))
    table_name: str | None = Field(sa_column=Column(Text))
    key_column: str | None = Field(sa_column=Column(Text))
    content_column: str | None = Field(sa_column=Column(Text))
    by_key: int = Field(sa_column=Column(Integer, nullable=False))
    credential: str | None = Field(sa_column=Column(Text))
    made_by: str = Field(sa_column=Column(Text, nullable=False))
    made_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    ended_by: str | None = Field(sa_column=Column(Text))
    ended_at: datetime | None = Field(sa_column=Column(Moment))


class FileState(SQLModel, table=True):
    """A file of a batch after erasures: its digest now, and the ordinals that it lacks."""

    __tablename__ = "file_state"
    dataset_id: bytes = Field(sa_column=Column(Id16, primary_key=True))
    batch_number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    uri: str = Field(sa_column=Column(Text, primary_key=True))
    sha256: bytes | None = Field(sa_column=Column(Sha256))
    next_sha256: bytes | None = Field(sa_column=Column(Sha256))
    next_holes: bytes | None = Field(sa_column=Column(LargeBinary))
    holes: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    rows: int | None = Field(sa_column=Column(BigInteger))
    changed_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class SystemAnswer(SQLModel, table=True):
    """What another system answered to a notice. `digest`: SHA-256 of its `webhook-id`."""

    __tablename__ = "system_answer"
    __table_args__ = (Index(None, "task_id"),)
    digest: bytes = Field(sa_column=Column(Sha256, primary_key=True))
    task_id: str = Field(sa_column=Column(Text, ForeignKey("erasure_task.id"), nullable=False))
    outcome: str = Field(sa_column=Column(Text, nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    received_at: datetime = Field(sa_column=Column(Moment, nullable=False))
