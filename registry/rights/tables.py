"""The rows of rights: what people verified, consented to, must keep, must not use, and must mend.

Rules:
1. None of these is a projection: a rebuild of the catalog leaves them. They name datasets by their
   derived id and batches by their allotted number, which a rebuild does not change.
2. A person is a subject key with the version of its key beside it, never an identifier, and never
   part of a unique index: a rotation moves every one of them (`registry.keys.holders`).
3. Rows are added and closed, not deleted: what ended has its moment, its account and its reason.
4. A set of ordinals is a serialised Roaring bitmap (portable format); NULL stands for every
   example of the batch.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from registry.storage.columns import Counter, Id16, Moment, Sha256


class ItemKind(StrEnum):
    """What a hold, a restriction or protected evidence is about."""

    DATASET = "dataset"
    VERSION = "version"
    BATCH = "batch"
    ADDRESS = "address"
    SUBJECT = "subject"


class HoldState(StrEnum):
    """`lift_asked` still holds: only the second person's word ends it."""

    ACTIVE = "active"
    LIFT_ASKED = "lift_asked"
    LIFTED = "lifted"


class Ground(StrEnum):
    """GDPR Art. 17(3)(b) to (e): what a hold may stand on against an erasure request."""

    LEGAL_OBLIGATION = "17_3_b"
    PUBLIC_HEALTH = "17_3_c"
    ARCHIVING_RESEARCH = "17_3_d"
    LEGAL_CLAIMS = "17_3_e"


class SuppressionKind(StrEnum):
    """What must not come back: whatever belongs to a person, or one content."""

    SUBJECT = "subject"
    DIGEST = "digest"


class DisposalAction(StrEnum):
    """What a retention rule wants done."""

    ERASE = "erase"
    ANONYMISE = "anonymise"
    REVIEW = "review"


class DisposalState(StrEnum):
    """active → eligible → held | scheduled → executing → disposed | failed."""

    ACTIVE = "active"
    ELIGIBLE = "eligible"
    HELD = "held"
    SCHEDULED = "scheduled"
    EXECUTING = "executing"
    DISPOSED = "disposed"
    FAILED = "failed"


class ViolationState(StrEnum):
    """open → acknowledged → resolved | accepted."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    ACCEPTED = "accepted"


class Verification(SQLModel, table=True):
    """A person looked at a recorded fact of a batch and says what it is; the newest counts."""

    __tablename__ = "verification"
    __table_args__ = (Index(None, "batch_number"),)
    id: str = Field(sa_column=Column(Text, primary_key=True))
    batch_number: int = Field(sa_column=Column(BigInteger, nullable=False))
    fact: str = Field(sa_column=Column(Text, nullable=False))
    value: str = Field(sa_column=Column(Text, nullable=False))
    evidence: str = Field(sa_column=Column(Text, nullable=False))
    note: str | None = Field(sa_column=Column(Text))
    verified_by: str = Field(sa_column=Column(Text, nullable=False))
    verified_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class ConsentEvent(SQLModel, table=True):
    """One thing said about a person's consent to a purpose; `id` is the order of arrival."""

    __tablename__ = "consent_event"
    __table_args__ = (Index(None, "subject_key"), {"sqlite_autoincrement": True})
    id: int | None = Field(
        default=None, sa_column=Column(Counter, primary_key=True, autoincrement=True)
    )
    subject_key: bytes = Field(sa_column=Column(Id16, nullable=False))
    key_version: int = Field(sa_column=Column(Integer, nullable=False))
    purpose: str = Field(sa_column=Column(Text, nullable=False))
    status: str = Field(sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=Column(Moment, nullable=False))
    expires_at: datetime | None = Field(sa_column=Column(Moment))
    received_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    notice: str | None = Field(sa_column=Column(Text))
    evidence: str | None = Field(sa_column=Column(Text))
    jurisdiction: str | None = Field(sa_column=Column(Text))
    explicit: int | None = Field(sa_column=Column(Integer))
    controller: str | None = Field(sa_column=Column(Text))
    recorded_by: str = Field(sa_column=Column(Text, nullable=False))


class ConsentImport(SQLModel, table=True):
    """How far a file of consent events was taken; `id` is the digest of the file."""

    __tablename__ = "consent_import"
    id: str = Field(sa_column=Column(Text, primary_key=True))
    next_row: int = Field(sa_column=Column(BigInteger, nullable=False))
    accepted: int = Field(sa_column=Column(BigInteger, nullable=False))
    rejected: int = Field(sa_column=Column(BigInteger, nullable=False))
    recorded_by: str = Field(sa_column=Column(Text, nullable=False))
    started_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    updated_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class ProcessingActivity(SQLModel, table=True):
    """A revision of a record of processing (GDPR Art. 30(1)); lists are JSON arrays."""

    __tablename__ = "processing_activity"
    id: str = Field(sa_column=Column(Text, primary_key=True))
    revision: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    controller: str | None = Field(sa_column=Column(Text))
    legal_basis: str | None = Field(sa_column=Column(Text))
    purposes: str = Field(sa_column=Column(Text, nullable=False))
    subject_categories: str = Field(sa_column=Column(Text, nullable=False))
    data_categories: str = Field(sa_column=Column(Text, nullable=False))
    recipients: str = Field(sa_column=Column(Text, nullable=False))
    transfers: str = Field(sa_column=Column(Text, nullable=False))
    time_limits: str | None = Field(sa_column=Column(Text))
    security: str | None = Field(sa_column=Column(Text))
    dpia: str | None = Field(sa_column=Column(Text))
    balancing_test: str | None = Field(sa_column=Column(Text))
    retired: int = Field(sa_column=Column(Integer, nullable=False))
    changed_by: str = Field(sa_column=Column(Text, nullable=False))
    changed_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class Recipient(SQLModel, table=True):
    """A revision of somebody who is given data: a recipient, processor, annotator or vendor."""

    __tablename__ = "recipient"
    id: str = Field(sa_column=Column(Text, primary_key=True))
    revision: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    country: str | None = Field(sa_column=Column(Text))
    region: str | None = Field(sa_column=Column(Text))
    contact: str | None = Field(sa_column=Column(Text))
    agreement: str | None = Field(sa_column=Column(Text))
    guideline: str | None = Field(sa_column=Column(Text))
    retired: int = Field(sa_column=Column(Integer, nullable=False))
    changed_by: str = Field(sa_column=Column(Text, nullable=False))
    changed_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class Share(SQLModel, table=True):
    """A version of a dataset went to a recipient (GDPR Art. 19 cannot be kept without it)."""

    __tablename__ = "share"
    __table_args__ = (Index(None, "dataset_id", "number"), Index(None, "recipient_id"))
    id: str = Field(sa_column=Column(Text, primary_key=True))
    dataset_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    number: int = Field(sa_column=Column(BigInteger, nullable=False))
    recipient_id: str = Field(sa_column=Column(Text, nullable=False))
    activity_id: str | None = Field(sa_column=Column(Text))
    purpose: str | None = Field(sa_column=Column(Text))
    terms: str | None = Field(sa_column=Column(Text))
    terms_sha256: str | None = Field(sa_column=Column(Text))
    shared_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    recorded_by: str = Field(sa_column=Column(Text, nullable=False))
    recorded_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class Hold(SQLModel, table=True):
    """A duty to keep: what, for which matter, on which ground; ended by two people, or by time."""

    __tablename__ = "hold"
    __table_args__ = (
        Index(None, "state"),
        CheckConstraint("ground IN ('17_3_b', '17_3_c', '17_3_d', '17_3_e')", name="ground"),
    )
    id: str = Field(sa_column=Column(Text, primary_key=True))
    state: str = Field(sa_column=Column(Text, nullable=False))
    matter: str = Field(sa_column=Column(Text, nullable=False))
    owner: str = Field(sa_column=Column(Text, nullable=False))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    ground: str = Field(sa_column=Column(Text, nullable=False))
    until: datetime | None = Field(sa_column=Column(Moment))
    placed_by: str = Field(sa_column=Column(Text, nullable=False))
    placed_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    lift_asked_by: str | None = Field(sa_column=Column(Text))
    lift_asked_at: datetime | None = Field(sa_column=Column(Moment))
    lift_reason: str | None = Field(sa_column=Column(Text))
    lifted_by: str | None = Field(sa_column=Column(Text))
    lifted_at: datetime | None = Field(sa_column=Column(Moment))


class HoldItem(SQLModel, table=True):
    """One thing that a hold is about; which columns are filled follows from `kind`."""

    __tablename__ = "hold_item"
    __table_args__ = (
        Index(None, "batch_number"),
        Index(None, "dataset_id"),
        Index(None, "subject_key"),
    )
    hold_id: str = Field(sa_column=Column(Text, ForeignKey("hold.id"), primary_key=True))
    position: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    dataset_id: bytes | None = Field(sa_column=Column(Id16))
    number: int | None = Field(sa_column=Column(BigInteger))
    batch_number: int | None = Field(sa_column=Column(BigInteger))
    ordinal: int | None = Field(sa_column=Column(BigInteger))
    subject_key: bytes | None = Field(sa_column=Column(Id16))
    key_version: int | None = Field(sa_column=Column(Integer))


class Suppression(SQLModel, table=True):
    """What must not enter again: a subject, or a content by its keyed digest."""

    __tablename__ = "suppression"
    __table_args__ = (Index(None, "subject_key"), Index(None, "digest"))
    id: str = Field(sa_column=Column(Text, primary_key=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    subject_key: bytes | None = Field(sa_column=Column(Id16))
    key_version: int | None = Field(sa_column=Column(Integer))
    digest: bytes | None = Field(sa_column=Column(Sha256))
    regime: str = Field(sa_column=Column(Text, nullable=False))
    basis: str = Field(sa_column=Column(Text, nullable=False))
    case_id: str | None = Field(sa_column=Column(Text))
    until: datetime | None = Field(sa_column=Column(Moment))
    recorded_by: str = Field(sa_column=Column(Text, nullable=False))
    recorded_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    lifted_by: str | None = Field(sa_column=Column(Text))
    lifted_at: datetime | None = Field(sa_column=Column(Moment))
    lift_reason: str | None = Field(sa_column=Column(Text))


class Restriction(SQLModel, table=True):
    """Stored, and not used (GDPR Art. 18): examples of a batch, or all that is a subject's."""

    __tablename__ = "restriction"
    __table_args__ = (Index(None, "batch_number"), Index(None, "subject_key"))
    id: str = Field(sa_column=Column(Text, primary_key=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    batch_number: int | None = Field(sa_column=Column(BigInteger))
    ordinals: bytes | None = Field(sa_column=Column(LargeBinary))
    subject_key: bytes | None = Field(sa_column=Column(Id16))
    key_version: int | None = Field(sa_column=Column(Integer))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    case_id: str | None = Field(sa_column=Column(Text))
    recorded_by: str = Field(sa_column=Column(Text, nullable=False))
    recorded_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    lifted_by: str | None = Field(sa_column=Column(Text))
    lifted_at: datetime | None = Field(sa_column=Column(Moment))
    lift_reason: str | None = Field(sa_column=Column(Text))


class ProtectedEvidence(SQLModel, table=True):
    """What an open case needs as evidence: retention and purges leave it until the case closes."""

    __tablename__ = "protected_evidence"
    __table_args__ = (Index(None, "batch_number"), Index(None, "case_id"))
    id: str = Field(sa_column=Column(Text, primary_key=True))
    case_id: str = Field(sa_column=Column(Text, nullable=False))
    batch_number: int = Field(sa_column=Column(BigInteger, nullable=False))
    ordinals: bytes | None = Field(sa_column=Column(LargeBinary))
    recorded_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    released_at: datetime | None = Field(sa_column=Column(Moment))


class DisposalItem(SQLModel, table=True):
    """What a retention rule found due: one item for each rule and batch."""

    __tablename__ = "disposal_item"
    __table_args__ = (
        UniqueConstraint("rule", "batch_number"),
        Index(None, "state"),
        Index(None, "batch_number"),
    )
    id: str = Field(sa_column=Column(Text, primary_key=True))
    rule: str = Field(sa_column=Column(Text, nullable=False))
    policy: str = Field(sa_column=Column(Text, nullable=False))
    dataset_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    batch_number: int = Field(sa_column=Column(BigInteger, nullable=False))
    ordinals: bytes | None = Field(sa_column=Column(LargeBinary))
    action: str = Field(sa_column=Column(Text, nullable=False))
    legal_basis: str | None = Field(sa_column=Column(Text))
    state: str = Field(sa_column=Column(Text, nullable=False))
    due_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    opened_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    changed_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    case_id: str | None = Field(sa_column=Column(Text))
    detail: str | None = Field(sa_column=Column(Text))


class Violation(SQLModel, table=True):
    """Something that a policy dislikes and that happened; `sameness` names it, so it is one row."""

    __tablename__ = "violation"
    __table_args__ = (
        UniqueConstraint("sameness"),
        Index(None, "state", "kind"),
        Index(None, "project_id"),
        Index(None, "dataset_id"),
    )
    id: str = Field(sa_column=Column(Text, primary_key=True))
    sameness: str = Field(sa_column=Column(Text, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    project_id: str | None = Field(sa_column=Column(Text))
    dataset_id: bytes | None = Field(sa_column=Column(Id16))
    number: int | None = Field(sa_column=Column(BigInteger))
    batch_number: int | None = Field(sa_column=Column(BigInteger))
    run_id: bytes | None = Field(sa_column=Column(Id16))
    rule: str | None = Field(sa_column=Column(Text))
    policy: str | None = Field(sa_column=Column(Text))
    detail: str = Field(sa_column=Column(Text, nullable=False))
    facts: str = Field(sa_column=Column(Text, nullable=False))
    times: int = Field(sa_column=Column(BigInteger, nullable=False))
    raised_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    seen_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    acknowledged_by: str | None = Field(sa_column=Column(Text))
    acknowledged_at: datetime | None = Field(sa_column=Column(Moment))
    settled_by: str | None = Field(sa_column=Column(Text))
    settled_at: datetime | None = Field(sa_column=Column(Moment))
    why: str | None = Field(sa_column=Column(Text))
    until: datetime | None = Field(sa_column=Column(Moment))
