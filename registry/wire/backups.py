"""What travels about backups."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field

from registry.wire.actors import Body


class BackupWritten(Body):
    """Says that a backup was written; how long it is kept is a setting of the server."""

    id: str = Field(min_length=1, max_length=80)
    kind: Literal["data", "keys"]
    label: str | None = Field(default=None, max_length=200)
    made_at: AwareDatetime
    digest: str = Field(description="sha256:… of the file.")
    size_bytes: int = Field(ge=0)


class BackupShown(BaseModel):
    """A backup; what was erased after `made_at` may be in it until `expires_at`."""

    id: str
    kind: str
    label: str | None
    made_at: datetime
    expires_at: datetime
    digest: str
    size_bytes: int


class BackupList(BaseModel):
    """Every backup, the newest first."""

    backups: list[BackupShown]
