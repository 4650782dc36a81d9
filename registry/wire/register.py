"""What travels about the register: processing activities, recipients and shares."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from registry.wire.rights import Name, Word, Words


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ActivityBody(_Asked):
    """What changes of a processing activity (GDPR Art. 30); what is left out stays."""

    name: Word | None = None
    controller: Words | None = None
    legal_basis: Word | None = None
    purposes: list[Word] | None = Field(default=None, max_length=100)
    subject_categories: list[Word] | None = Field(default=None, max_length=100)
    data_categories: list[Word] | None = Field(default=None, max_length=100)
    recipients: list[Word] | None = Field(default=None, max_length=1_000)
    transfers: list[Words] | None = Field(default=None, max_length=100)
    time_limits: Words | None = None
    security: Words | None = None
    dpia: Words | None = Field(default=None, description="Where the impact assessment is.")
    balancing_test: Words | None = Field(
        default=None, description="Where the test for legitimate interests is."
    )
    retired: bool | None = None


class RecipientBody(_Asked):
    """What changes of a recipient; what is left out stays."""

    name: Word | None = None
    kind: Word | None = Field(
        default=None, description="recipient, processor, controller, annotator or vendor."
    )
    country: Word | None = None
    region: Word | None = None
    contact: Words | None = None
    agreement: Words | None = None
    guideline: Words | None = Field(
        default=None, description="Version of an annotator's guideline."
    )
    retired: bool | None = None


class _Revision(BaseModel):
    id: str
    revision: int
    retired: bool
    changed_by: str
    changed_at: datetime


class ActivityShown(_Revision):
    """A processing activity as its newest revision has it."""

    name: str
    controller: str | None
    legal_basis: str | None
    purposes: list[str]
    subject_categories: list[str]
    data_categories: list[str]
    recipients: list[str]
    transfers: list[str]
    time_limits: str | None
    security: str | None
    dpia: str | None
    balancing_test: str | None


class ActivityList(BaseModel):
    """Every processing activity, by id."""

    activities: list[ActivityShown]


class RecipientShown(_Revision):
    """A recipient as its newest revision has it."""

    name: str
    kind: str
    country: str | None
    region: str | None
    contact: str | None
    agreement: str | None
    guideline: str | None


class RecipientList(BaseModel):
    """Every recipient, by id."""

    recipients: list[RecipientShown]


class ShareBody(_Asked):
    """A version of a dataset that went to a recipient."""

    namespace: Name
    name: Name
    version: int = Field(ge=1, lt=2**63)
    recipient: Word
    shared_at: AwareDatetime | None = Field(default=None, description="Now, where left out.")
    activity: Word | None = None
    purpose: Word | None = None
    terms: Words | None = None
    terms_sha256: Word | None = None


class ShareShown(BaseModel):
    """A share."""

    id: str
    namespace: str | None
    name: str | None
    version: int
    recipient: str
    recipient_name: str | None
    activity: str | None
    purpose: str | None
    terms: str | None
    terms_sha256: str | None
    shared_at: datetime
    recorded_by: str
    recorded_at: datetime


class ShareMade(BaseModel):
    """The id of a share that was recorded."""

    id: str


class ShareList(BaseModel):
    """A page of shares, the last recorded first."""

    shares: list[ShareShown]
    total: int = Field(serialization_alias="totalCount")
    next: str | None
