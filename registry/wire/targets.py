"""What travels about targets of erasure: where copies of datasets lie, and who erases in them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from registry.wire.rights import Name, Word


class NewTargetBody(BaseModel):
    """A copy of a dataset."""

    model_config = ConfigDict(extra="forbid")

    namespace: Name
    name: Name
    uri: Name = Field(description="A folder, file, bucket or table; sql://NAME; https://… ; words.")
    executor: Word = Field(description="files, huggingface, lance, sql, webhook or manual.")
    form: Word | None = Field(default=None, description="Extension, where names do not say it.")
    table: Word | None = Field(default=None, description="Table of a database, SCHEMA.TABLE.")
    key_column: Word | None = Field(default=None, description="Column with the example ids.")
    content_column: Word | None = Field(default=None, description="Column with the contents.")
    by_key: bool = Field(default=False, description="Rows have an order of their own.")
    credential: Word | None = Field(default=None, description="Name of a credential.")


class TargetShown(BaseModel):
    """A bound copy."""

    id: str
    namespace: str
    name: str
    uri: str
    executor: str
    form: str | None
    table: str | None
    key_column: str | None
    content_column: str | None
    by_key: bool
    credential: str | None
    made_by: str
    made_at: datetime
    ended_at: datetime | None


class TargetList(BaseModel):
    """A page of targets."""

    targets: list[TargetShown]
    total: int = Field(serialization_alias="totalCount")
    next: str | None


class TargetChecked(BaseModel):
    """Whether a target can be erased in; `reason` null: nothing stands in the way."""

    id: str
    reachable: bool
    state: str | None
    reason: str | None
    detail: str | None
    remedy: str | None
