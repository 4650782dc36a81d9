"""What travels about the work on a request: its plan, its tasks, notices and acknowledgements."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from registry.wire.erasure import TaskShown
from registry.wire.rights import Word, Words


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DecisionBody(_Asked):
    """What a person decided about everything that is reviewed for one reason."""

    reason: Word = Field(description="As the plan's `review` names it: aggregate, origin …")
    decision: Literal["erase", "keep"]
    why: Words


class PlanBody(_Asked):
    """What was decided; what is left out becomes a task."""

    decisions: list[DecisionBody] = Field(default_factory=list, max_length=100)


class PlanMade(BaseModel):
    """A frozen plan. Sections are those of its document, which the digest is of."""

    id: str
    state: str
    plan: str = Field(description="The digest that an approval names.")
    revision: int
    erase: dict[str, Any]
    review: list[dict[str, Any]]
    near_duplicates: list[dict[str, Any]]
    unknown_steps: list[dict[str, Any]]
    files: list[dict[str, Any]]
    without_files: list[int]
    versions: list[dict[str, Any]]
    models: list[dict[str, Any]]
    recipients: list[dict[str, Any]]
    withheld: list[dict[str, Any]]
    not_searched: list[dict[str, Any]]
    decided: list[dict[str, Any]]


class AddressBody(_Asked):
    """One example."""

    batch: int = Field(ge=1, lt=2**32)
    ordinal: int = Field(ge=0, lt=2**32)


class LinkShown(BaseModel):
    """One step of a chain: from an example, or the output of a run, to the next."""

    way: str
    source: dict[str, Any]
    to: dict[str, Any]
    role: str | None = None
    score: float | None = None
    method: str | None = None
    run: str | None = None
    job: str | None = None


class ChainShown(BaseModel):
    """Why an example is in the scope, from the person's own example to it; empty for an own one."""

    batch: int
    ordinal: int
    chain: list[LinkShown]


class MembersShown(BaseModel):
    """Which rows of a batch a plan erases: pairs of first and last ordinal."""

    batch: int
    ranges: list[tuple[int, int]]


class DispositionBody(_Asked):
    """What is done about a model that saw the data, whose duty that is, and until when."""

    disposition: Literal["retrain", "filter", "anonymity_assessment", "none"]
    owner: Word
    due_on: date
    reason: Words


class RecordBody(_Asked):
    """What a person did, found or learned, with their evidence."""

    state: Literal["verified", "not_present", "acknowledged", "impossible"]
    evidence: Words
    note: Words | None = None


class NoticeMade(BaseModel):
    """A notice to a recipient (GDPR Art. 19). `secret` is shown this once: the recipient sends it
    back to acknowledge.
    """

    task: TaskShown
    secret: str
    text: str


class AcknowledgementBody(_Asked):
    """A recipient's word that they acted on a notice."""

    secret: Word
    evidence: Words


class Acknowledged(BaseModel):
    """What became of an acknowledgement."""

    task: str
    state: str
