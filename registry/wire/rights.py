"""What travels about rights: consent, holds, violations, verifications, register and shares."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field


def _storable(text: str) -> str:
    """Text that every database keeps. Raises ValueError for NUL and halves of characters."""
    if "\x00" in text or any("\ud800" <= each <= "\udfff" for each in text):
        raise ValueError("the text holds a NUL or half a character")
    return text


Words = Annotated[str, Field(max_length=2_000), AfterValidator(_storable)]
Word = Annotated[str, Field(max_length=200), AfterValidator(_storable)]
Name = Annotated[str, Field(max_length=2_048), AfterValidator(_storable)]
Passage = Annotated[str, Field(max_length=20_000), AfterValidator(_storable)]
BatchGiven = Name | Annotated[int, Field(ge=1, lt=2**32)]


class StrictBody(BaseModel):
    """A body that takes no field it does not know."""

    model_config = ConfigDict(extra="forbid")


class SubjectAsked(StrictBody):
    """A person, by an identifier that becomes a pseudonym on arrival and is never kept."""

    scheme: Word
    value: Name


class NewConsent(StrictBody):
    """One thing said about a person's consent to a purpose."""

    subject: SubjectAsked
    purpose: Word
    status: Word = Field(
        description="requested, given, refused, deferred, renewed, withdrawn, revoked, expired, "
        "invalidated or objected.",
    )
    at: AwareDatetime = Field(description="When it was said; may be past or future.")
    expires_at: AwareDatetime | None = None
    notice: Words | None = Field(default=None, description="Version of the notice.")
    evidence: Words | None = Field(default=None, description="Where it is proved.")
    jurisdiction: Words | None = None
    explicit: bool | None = Field(default=None, description="Explicit in the sense of Art. 9.")
    controller: Words | None = None


class ConsentsRecorded(BaseModel):
    """How many events were kept."""

    recorded: int


class ConsentAsked(StrictBody):
    """Where consent to a purpose stands as of a moment, by what was known at another."""

    subject: SubjectAsked
    purpose: Word
    as_of: AwareDatetime | None = None
    known_at: AwareDatetime | None = None


class ConsentShown(BaseModel):
    """Where consent stands; `status` null: nothing is recorded, which permits nothing."""

    purpose: str
    status: str | None
    permits: bool
    since: datetime | None
    expires_at: datetime | None


class ReceiptAsked(StrictBody):
    """Whose receipt is asked for."""

    subject: SubjectAsked


class RefusedEvent(BaseModel):
    """A row of a chunk (from 0) that was not taken."""

    row: int
    field: str
    reason: str


class ImportShown(BaseModel):
    """How far a file of consent events was taken; `refused` of this chunk alone."""

    file: str
    next_row: int
    accepted: int
    rejected: int
    refused: list[RefusedEvent] = Field(default_factory=list)


class ItemBody(StrictBody):
    """A dataset (with at most a version, or a batch and an ordinal), or a person."""

    namespace: Name | None = None
    name: Name | None = None
    version: int | None = Field(default=None, ge=1, lt=2**63)
    batch: BatchGiven | None = Field(default=None, description="Its name or number.")
    ordinal: int | None = Field(default=None, ge=0, lt=2**32)
    subject: SubjectAsked | None = None


class NewHold(StrictBody):
    """A duty to keep."""

    items: list[ItemBody] = Field(min_length=1, max_length=10_000)
    matter: Words
    owner: Words
    reason: Words
    ground: Word = Field(description="17_3_b, 17_3_c, 17_3_d or 17_3_e of the GDPR.")
    until: AwareDatetime | None = None


class ReasonBody(StrictBody):
    """Why something is asked."""

    reason: Words


class ItemShown(BaseModel):
    """What a hold is about; a person is shown as that alone."""

    kind: str
    namespace: str | None
    name: str | None
    version: int | None
    batch: int | None
    ordinal: int | None


class HoldShown(BaseModel):
    """A hold. `holds` says whether it is in force now."""

    id: str
    state: str = Field(description="active, lift_asked or lifted.")
    holds: bool
    items: list[ItemShown]
    matter: str
    owner: str
    reason: str
    ground: str
    until: datetime | None
    placed_by: str
    placed_at: datetime
    lift_asked_by: str | None
    lift_asked_at: datetime | None
    lift_reason: str | None
    lifted_by: str | None
    lifted_at: datetime | None


class ListPage(BaseModel):
    """A page of a list: how many there are in all, and how to go on."""

    model_config = ConfigDict(populate_by_name=True)

    total: int = Field(serialization_alias="totalCount")
    next: str | None = Field(description="Give it as `after` for the page that follows.")


class HoldList(ListPage):
    """A page of holds, the newest first."""

    holds: list[HoldShown]


class ViolationShown(BaseModel):
    """Something that happened although a policy dislikes it."""

    id: str
    kind: str
    state: str = Field(description="open, acknowledged, resolved or accepted.")
    detail: str
    facts: dict[str, Any]
    project: str | None
    namespace: str | None
    dataset: str | None
    version: int | None
    batch: int | None
    run: str | None
    rule: str | None
    policy: str | None
    times: int = Field(description="How often it was seen.")
    raised_at: datetime
    seen_at: datetime
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    settled_by: str | None
    settled_at: datetime | None
    why: str | None
    until: datetime | None


class ViolationList(ListPage):
    """A page of violations, the newest first."""

    violations: list[ViolationShown]


class WhyBody(StrictBody):
    """Why a violation is settled."""

    why: Words


class AcceptBody(StrictBody):
    """Why a violation is lived with, and until when."""

    why: Words
    until: AwareDatetime


class NewVerification(StrictBody):
    """What a person found when they looked at a recorded fact of a batch."""

    namespace: Name
    name: Name
    batch: BatchGiven = Field(description="Its name or number.")
    fact: Word = Field(description="license, terms, contract, origin or legal_basis.")
    value: Words | None = Field(default=None, description="What it is; as recorded where left out.")
    evidence: Word = Field(description="sha256 of what proves it.")
    note: Words | None = None


class VerificationShown(BaseModel):
    """A fact that a person verified."""

    id: str
    batch: int
    fact: str
    value: str
    evidence: str
    note: str | None
    verified_by: str
    verified_at: datetime


class FactShown(BaseModel):
    """A recorded fact with its grade; `value` null: not recorded."""

    value: str | None
    grade: str | None = Field(description="measured, asserted, verified or declared.")
    verified_by: str | None = None
    evidence: str | None = None


class SignalShown(BaseModel):
    """An opt-out signal that was seen at a source."""

    protocol: str
    seen_at: datetime | None
    reserved: bool
    agent: str | None


class TermsShown(BaseModel):
    """What may be done: allowed, demanded, denied or unknown, each."""

    ai_training: str
    commercial_use: str
    redistribution: str
    derivatives: str
    conditions: list[str]
    verified_by: list[str]


class SourceShownInFull(BaseModel):
    """A batch's source: where it is from, when, and on what terms."""

    batch: int
    name: str
    origin_kind: str | None
    origin_uri: str | None
    collected_from: datetime | None
    collected_until: datetime | None
    facts: dict[str, FactShown]
    license: str | None = Field(description="As SPDX expression or LicenseRef.")
    is_spdx: bool | None
    terms: TermsShown
    opt_out: list[SignalShown]


class SourceList(BaseModel):
    """A page of the sources of a version, in its order."""

    version: int
    sources: list[SourceShownInFull]
    total: int = Field(serialization_alias="totalCount")
    next: str | None


class BatchTermsShown(BaseModel):
    """What a batch may be used for, by it and all it was made from."""

    batch: int
    terms: TermsShown
    licenses: dict[str, int | None] = Field(
        description="Licence texts that count, with examples where they were summed."
    )
    reserved: bool = Field(description="Whether a source reserved its rights (opt-out).")
    unknown: list[str] = Field(description="What is not known, and so allows nothing.")


class EffectiveTermsShown(BaseModel):
    """The strictest terms over all ancestors of a version, by batch."""

    namespace: str
    name: str
    version: int
    terms: TermsShown
    reserved: bool
    batches: list[BatchTermsShown]
