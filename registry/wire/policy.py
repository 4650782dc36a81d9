"""What travels about decisions and manifests."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from registry.wire.ledger import DatasetAsked

Outcome = Literal["allow", "deny", "cannot_tell"]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DecisionAsked(_Asked):
    """May this version be used for this purpose? Without a version the current one is meant."""

    dataset: DatasetAsked
    version: int | None = Field(default=None, ge=1)
    purpose: str = Field(max_length=200)
    region: str | None = Field(default=None, max_length=200, description="Where it will be used.")
    recipient: str | None = Field(default=None, max_length=500)
    as_of: datetime | None = Field(default=None, description="By what held then; now if left out.")


class ManifestAsked(_Asked):
    """Which examples of this version may be used for this purpose?"""

    dataset: DatasetAsked
    version: int | None = Field(default=None, ge=1)
    purpose: str = Field(max_length=200)
    region: str | None = Field(default=None, max_length=200, description="Where it will be used.")
    with_ids: bool = Field(default=False, description="A column `example_id`, where it has one.")


class ReasonShown(BaseModel):
    """What one rule says, the fact it rests on, and of how many examples."""

    rule: str
    outcome: Outcome
    fact: str
    count: int


class DecisionShown(BaseModel):
    """A decision. `judged`: what the rules say; `decision`: what the project's mode makes of it."""

    id: str
    decision: Outcome
    judged: Outcome
    mode: Literal["observe", "warn", "enforce"]
    reasons: list[ReasonShown]
    policy: str
    namespace: str
    name: str
    version: int
    examples: int


class BatchExplained(BaseModel):
    """What is said of one batch of a version."""

    batch: int
    rows: int | None
    outcome: Outcome
    reasons: list[ReasonShown]


class Explained(BaseModel):
    """Why, batch by batch; the decision is that of the whole version."""

    decision: DecisionShown
    batches: list[BatchExplained]


class ManifestBatch(BaseModel):
    """A batch of a manifest: how many examples it has, and how many of them are allowed."""

    batch: int
    rows: int
    allowed: int


class ManifestShown(BaseModel):
    """A manifest. `withheld` by rule, each example once; `observed`: what enforcement would
    withhold too, and this project's mode does not; `erased`: examples that are there no more.
    """

    manifest: str
    allowed: int
    withheld: dict[str, int]
    observed: dict[str, int]
    erased: int
    mode: Literal["observe", "warn", "enforce"]
    policy: str
    namespace: str
    name: str
    version: int
    purpose: str
    region: str | None
    batches: list[ManifestBatch]


class PolicyShown(BaseModel):
    """The policies in force."""

    policy: str
    purposes: list[str]
    rules: list[str]


class VetAsked(_Asked):
    """Is this version fit to be trained on? Without a version the current one is meant."""

    dataset: DatasetAsked
    version: int | None = Field(default=None, ge=1)
    purpose: str = Field(default="model_training", max_length=200)


class FindingShown(BaseModel):
    """A question with its answer and the facts that it rests on."""

    question: Literal["clear_rights", "represents_population", "traceable"]
    answer: Literal["yes", "no", "cannot_tell"]
    evidence: list[str]


class VetShown(BaseModel):
    """The three questions for a version; `decision` is the id of the decision on its rights."""

    namespace: str
    name: str
    version: int
    decision: str
    policy: str
    findings: list[FindingShown]


class DueShown(BaseModel):
    """A batch that a retention rule wants gone; `held`: a hold or an open case keeps it."""

    dataset: str
    batch: int
    rows: int | None
    rule: str
    action: str
    legal_basis: str
    due_at: datetime
    state: Literal["eligible", "held"]


class DueListShown(BaseModel):
    """Everything that is due, and the rules that are about no batch at all."""

    policy: str
    due: list[DueShown]
    idle_rules: list[str]


class JudgedShown(BaseModel):
    """What a round of judging found: events looked at, violations that are new or open again."""

    events: int
    raised: list[str]
