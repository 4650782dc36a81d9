"""The rows behind cards: what people stated, and which systems and models use a version.

Rules:
1. None of these is a projection, and none is ever changed: what was said stays, and what is said
   instead is a row more.
2. They name datasets by their derived id, which a rebuild does not change, and an account by its
   id. They hold no identifier of a person.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from registry.storage.columns import Id16, Moment


class UseRole(StrEnum):
    """What a system does with a version of a dataset; `model`: that version is its model."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    INPUT = "input"
    MODEL = "model"


class SizeClass(StrEnum):
    """The size of a provider: a smaller one documents in a simpler form (AI Act, Art. 11(1))."""

    SME = "sme"
    SMALL_MID_CAP = "small_mid_cap"
    OTHER = "other"


class StatementRow(SQLModel, table=True):
    """What a person stated of a dataset, or of one version of it (`number`).

    `supersedes`: the statement that this one takes the place of, or with `withdraws` takes back.
    `envelope`: the signed statement (DSSE). `entry_id`: its row in the journal.
    """

    __tablename__ = "statement"
    __table_args__ = (
        UniqueConstraint("supersedes"),
        Index(None, "dataset_id", "kind"),
        CheckConstraint("flag IN (0, 1)", name="flag"),
        CheckConstraint("withdraws = 0 OR supersedes IS NOT NULL", name="withdraws"),
    )
    id: str = Field(sa_column=Column(Text, primary_key=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    dataset_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    number: int | None = Field(sa_column=Column(BigInteger))
    text: str = Field(sa_column=Column(Text, nullable=False))
    flag: int | None = Field(sa_column=Column(Integer))
    author: str = Field(sa_column=Column(Text, nullable=False))
    stated_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    expires_at: datetime | None = Field(sa_column=Column(Moment))
    attachment_sha256: str | None = Field(sa_column=Column(Text))
    supersedes: str | None = Field(sa_column=Column(Text))
    withdraws: int = Field(sa_column=Column(Integer, nullable=False))
    envelope: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    entry_id: int = Field(sa_column=Column(BigInteger, nullable=False))


class AiSystem(SQLModel, table=True):
    """A revision of an AI system or model: who provides it, what for, since when. Lists are JSON.

    What is NULL nobody recorded; `market_dates` of NULL is not the same as an empty list, which
    says that it is not on the market.
    """

    __tablename__ = "ai_system"
    id: str = Field(sa_column=Column(Text, primary_key=True))
    revision: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    version: str | None = Field(sa_column=Column(Text))
    provider: str | None = Field(sa_column=Column(Text))
    contact: str | None = Field(sa_column=Column(Text))
    representative: str | None = Field(sa_column=Column(Text))
    size_class: str | None = Field(sa_column=Column(Text))
    code_of_practice: int | None = Field(sa_column=Column(Integer))
    copyright_policy: str | None = Field(sa_column=Column(Text))
    intended_purpose: str | None = Field(sa_column=Column(Text))
    setting: str | None = Field(sa_column=Column(Text))
    market_dates: str | None = Field(sa_column=Column(Text))
    base_models: str | None = Field(sa_column=Column(Text))
    continuous_training: int | None = Field(sa_column=Column(Integer))
    is_open: int | None = Field(sa_column=Column(Integer))
    retired: int = Field(sa_column=Column(Integer, nullable=False))
    changed_by: str = Field(sa_column=Column(Text, nullable=False))
    changed_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    entry_id: int = Field(sa_column=Column(BigInteger, nullable=False))


class AiSystemUse(SQLModel, table=True):
    """A version that a revision of a system uses; NULL `number`: whichever version there is."""

    __tablename__ = "ai_system_use"
    __table_args__ = (
        ForeignKeyConstraint(["id", "revision"], ["ai_system.id", "ai_system.revision"]),
        Index(None, "dataset_id"),
    )
    id: str = Field(sa_column=Column(Text, primary_key=True))
    revision: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    position: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    dataset_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    number: int | None = Field(sa_column=Column(BigInteger))
    role: str = Field(sa_column=Column(Text, nullable=False))


class CardRevision(SQLModel, table=True):
    """A card as it was published: signed, and never changed.

    `number` is the version's, `revision` counts the cards of one kind of it. `envelope` holds the
    whole card (DSSE). `digest`: of the card. `whole_digest`: of what stood behind it, whoever may
    see it; when that changes, facts have overtaken the card.
    """

    __tablename__ = "card_revision"
    __table_args__ = (UniqueConstraint("dataset_id", "number", "kind", "revision"),)
    id: str = Field(sa_column=Column(Text, primary_key=True))
    dataset_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    number: int = Field(sa_column=Column(BigInteger, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    revision: int = Field(sa_column=Column(Integer, nullable=False))
    digest: str = Field(sa_column=Column(Text, nullable=False))
    shown_digest: str = Field(sa_column=Column(Text, nullable=False))
    whole_digest: str = Field(sa_column=Column(Text, nullable=False))
    questions: str = Field(sa_column=Column(Text, nullable=False))
    previous: str | None = Field(sa_column=Column(Text))
    published_by: str = Field(sa_column=Column(Text, nullable=False))
    published_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    keep_until: str | None = Field(sa_column=Column(Text))
    envelope: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    entry_id: int = Field(sa_column=Column(BigInteger, nullable=False))


class CardImport(SQLModel, table=True):
    """A file from elsewhere that statements were taken from. `id` follows from file and version.

    `rest`: what of it became no statement, as JSON, so that nothing of it is lost.
    """

    __tablename__ = "card_import"
    __table_args__ = (Index(None, "dataset_id"),)
    id: str = Field(sa_column=Column(Text, primary_key=True))
    dataset_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    number: int | None = Field(sa_column=Column(BigInteger))
    form: str = Field(sa_column=Column(Text, nullable=False))
    file_sha256: str = Field(sa_column=Column(Text, nullable=False))
    rest: str = Field(sa_column=Column(Text, nullable=False))
    imported_by: str = Field(sa_column=Column(Text, nullable=False))
    imported_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    entry_id: int = Field(sa_column=Column(BigInteger, nullable=False))
