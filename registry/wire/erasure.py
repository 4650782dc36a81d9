"""What travels about requests of people: filing, deciding and reading them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from registry.wire.rights import SubjectAsked, Word, Words

# A member may be called `date`; its type then needs another name.
Day: TypeAlias = date


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewRequest(_Asked):
    """What a person asks for, as it came in by a channel."""

    right: Literal["erasure", "restriction", "objection", "access"]
    regime: Literal["gdpr", "ccpa"]
    subjects: list[SubjectAsked] = Field(description="1 to 100 identifiers of the person.")
    channel: Word = Field(description="How it came: portal, letter, ticket …")
    reference: Word | None = Field(
        default=None, description="What the channel calls it; the same twice is one request."
    )
    identity: Literal["authenticated", "to_verify"] = "to_verify"
    received_at: AwareDatetime | None = Field(default=None, description="Now, where left out.")
    region: Word | None = Field(
        default=None, description="Whose public holidays count: DE, DE-BY, US-CA …"
    )
    purposes: list[Word] = Field(
        default_factory=list, max_length=100, description="Of an objection; empty: all of them."
    )
    project: Word | None = Field(default=None, description="The token's own, where left out.")


class TicketData(_Asked):
    """What a ticket asks for; `reference` is the ticket's own number."""

    right: Literal["erasure", "restriction", "objection", "access"]
    regime: Literal["gdpr", "ccpa"]
    subjects: list[SubjectAsked]
    reference: Word | None = None
    identity: Literal["authenticated", "to_verify"] = "to_verify"
    received_at: AwareDatetime | None = None
    region: Word | None = None
    purposes: list[Word] = Field(default_factory=list, max_length=100)


class Ticket(BaseModel):
    """A message of a ticket system, in the shape of Standard Webhooks."""

    type: Literal["erasure.requested"]
    data: TicketData


class Due(BaseModel):
    """The last day to answer on, with its calculation. `confirm_by`: CCPA alone."""

    date: Day
    because: str
    confirm_by: Day | None = None


class RequestFiled(BaseModel):
    """A request that was taken in; the same whether there is data or not."""

    id: str
    state: str
    due: Due


class MethodBody(_Asked):
    """How it was found out who asks, in words without the person's identifiers."""

    method: Words


class QuestionBody(_Asked):
    """What the person is asked."""

    question: Words


class AnswerBody(_Asked):
    """What the person answered, in words without their identifiers."""

    answer: Words


class ReasonsBody(_Asked):
    """Why, in words that the person may read."""

    reasons: Words


class DenialBody(_Asked):
    """Why a request is refused: a code of `policies/requests.yaml`, and words to the person."""

    justification: Word
    reasons: Words


class ApprovalBody(_Asked):
    """The plan that is approved, by its digest."""

    plan: Word


class ApprovalItem(_Asked):
    """One of several approvals."""

    id: Word
    plan: Word


class ApprovalShown(BaseModel):
    """What became of one of several approvals; `code` to `remedy` where it was refused."""

    id: str
    approved: bool
    state: str | None = None
    code: str | None = None
    detail: str | None = None
    remedy: str | None = None


class ApprovalsShown(BaseModel):
    """What became of each."""

    approvals: list[ApprovalShown]


class RequestShown(BaseModel):
    """A request as a list shows it."""

    id: str
    project: str
    right: str
    regime: str
    channel: str
    reference: str | None
    state: str
    identity: str
    received_at: datetime
    due: Due
    extended: bool
    overdue: bool
    paused: bool
    duplicate_of: str | None
    closed_at: datetime | None


class RequestList(BaseModel):
    """A page of requests, the last received first."""

    model_config = ConfigDict(populate_by_name=True)

    requests: list[RequestShown]
    total: int = Field(serialization_alias="totalCount")
    next: str | None = Field(description="Give it as `after` for the page that follows.")


class StepShown(BaseModel):
    """One thing that happened."""

    kind: str
    state: str
    actor: str
    at: datetime
    detail: dict[str, Any]


class PlanShown(BaseModel):
    """The newest plan: its digest, and the document that the digest is of."""

    plan: str
    revision: int
    made_by: str
    made_at: datetime
    document: dict[str, Any]


class TaskShown(BaseModel):
    """One thing to be done."""

    id: str
    kind: str
    target: str
    state: str
    expected: int | None
    found: int | None
    erased: int | None
    verified: int | None
    until: datetime | None
    owner: str | None
    due_on: str | None
    disposition: str | None
    ground: str | None
    detail: str | None
    evidence: str | None
    changed_at: datetime


class CertificateShown(BaseModel):
    """A certificate that was issued."""

    number: int
    outcome: str
    issued_at: datetime
    is_signed: bool


class LetterMade(BaseModel):
    """A letter that was made, without its text."""

    id: str
    kind: str
    made_by: str
    made_at: datetime


class RequestDetail(RequestShown):
    """A request with everything about it but the person's own data."""

    region: str | None
    filed_by: str
    filed_at: datetime
    verified_by: str | None
    verified_at: datetime | None
    extension_reason: str | None
    paused_days: int
    approved_by: str | None
    approved_at: datetime | None
    closed_by: str | None
    justification: str | None
    note: str | None
    key_destroyed_at: datetime | None
    plan: PlanShown | None
    timeline: list[StepShown]
    tasks: list[TaskShown]
    certificates: list[CertificateShown]
    letters: list[LetterMade]


class LetterShown(LetterMade):
    """A letter with its text."""

    text: str


class LetterList(BaseModel):
    """The letters of a request, in order."""

    letters: list[LetterShown]


class RequestsStanding(BaseModel):
    """Counts over the requests in sight."""

    requests: dict[str, int]
    overdue: int
    due_soon: int
    next_due: Day | None


class Shredded(BaseModel):
    """The request's key was destroyed. `proof`: how it was tried to read what it sealed.
    `scrubbed`: whether the database's own files hold no trace of it; if not, ask again.
    """

    id: str
    key_destroyed_at: datetime
    proof: str
    scrubbed: bool


class TicketTaken(RequestFiled):
    """A ticket became a request; `reference` is what the ticket system calls it."""

    reference: str
