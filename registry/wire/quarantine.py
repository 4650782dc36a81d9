"""What travels about quarantined events."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class QuarantinedShown(_Wire):
    """One event that is kept and not projected."""

    event: str = Field(description="Identity of the event: sha256 and 64 hex digits.")
    reason: str = Field(description="outside_project, run_of_another_job or projection_failed.")
    detail: str | None = Field(description="What was wrong, in words.")
    received_at: datetime
    kind: str = Field(description="run, job or dataset.")
    namespace: str = Field(description="Namespace of the job, or of the dataset of a DatasetEvent.")
    name: str
    project: str | None = Field(description="The project its sender writes in.")
    sender: str | None = Field(description="The account that sent it.")


class QuarantineList(_Wire):
    """A page of quarantined events in order of arrival."""

    events: list[QuarantinedShown]
    next: str | None = Field(description="Give it as `after` for the next page; null at the end.")
    total_count: int


class QuarantineOutcome(_Wire):
    """What became of an event."""

    event: str
    state: str = Field(description="projected, quarantined or rejected.")
