"""What travels about restrictions and suppressions: never an identifier, a key or a digest."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from registry.wire.rights import ItemBody, ListPage, StrictBody, Words


class NewRestriction(StrictBody):
    """Examples of a batch, batches and people whose data is kept and not used (GDPR Art. 18)."""

    items: list[ItemBody] = Field(min_length=1, max_length=10_000)
    reason: Words


class RestrictionShown(BaseModel):
    """A restriction. `examples` null: all of the batch, or all that is the person's."""

    id: str
    kind: str = Field(description="batch, address (examples of a batch) or subject (a person).")
    in_force: bool
    namespace: str | None
    name: str | None
    batch: int | None
    examples: int | None
    reason: str
    case: str | None
    recorded_by: str
    recorded_at: datetime
    lifted_by: str | None
    lifted_at: datetime | None
    lift_reason: str | None


class RestrictionsMade(BaseModel):
    """One restriction for each batch and person."""

    restrictions: list[RestrictionShown]


class RestrictionList(ListPage):
    """A page of restrictions, the newest first."""

    restrictions: list[RestrictionShown]


class SuppressionShown(BaseModel):
    """Something that must not come in again, without what it is."""

    id: str
    kind: str = Field(description="subject (a person) or digest (one content).")
    in_force: bool
    regime: str
    basis: str
    case: str | None
    until: datetime | None
    recorded_by: str
    recorded_at: datetime
    lifted_by: str | None
    lifted_at: datetime | None
    lift_reason: str | None


class SuppressionList(ListPage):
    """A page of the suppression list, the newest entries first."""

    suppressions: list[SuppressionShown]
