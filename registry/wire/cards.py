"""What travels about cards: gaps, published revisions, and what changed between two."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from registry.wire.rights import Name, StrictBody, Word
from registry.wire.statements import StatementShown, Version


class PublishBody(StrictBody):
    """Which card is published; without a version that of the current one."""

    namespace: Name
    name: Name
    version: Version | None = None
    kind: Word = Field(default="dataset", description="dataset, article-10 or training-summary.")
    publish: Literal[True] = Field(description="A card is published here; GET renders it.")


class MissingShown(BaseModel):
    """A fact that a question lacks."""

    fact: str
    title: str
    state: str
    words: str
    supplied_by: str = Field(description="The event, facet, command or statement that gives it.")


class GapShown(BaseModel):
    """A question that is not answered, and who can close it."""

    id: str
    question: str
    clause: str
    applies_to: str
    applies_from: str
    absence: str
    blocks: bool = Field(description="Whether the card is not published while it is open.")
    missing: list[MissingShown]


class GapsShown(BaseModel):
    """What is missing on a card."""

    namespace: str
    name: str
    version: int
    kind: str
    facts_digest: str
    as_of: datetime
    asked: int
    answered: int
    blocking: int
    gaps: list[GapShown]


class CardRevisionShown(BaseModel):
    """A published card."""

    id: str
    namespace: str
    name: str
    version: int
    kind: str
    revision: int
    digest: str
    previous: str | None
    published_by: str
    published_at: datetime
    keep_until: date | None = Field(description="Null: the clock of no system has begun.")
    is_latest: bool
    overtaken: bool = Field(description="Whether facts have changed since.")
    audit_index: int | None


class CardRevisionList(BaseModel):
    """The published cards of a dataset, the last first."""

    revisions: list[CardRevisionShown]


class FactChangeShown(BaseModel):
    """A fact that two cards have differently, as the JSON of cards has facts."""

    name: str
    title: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class CardDiffShown(BaseModel):
    """What changed from one card to another. `before` and `after`: revisions, null for now."""

    before: int | None
    after: int | None
    changes: list[str] = Field(description="In sentences.")
    facts: list[FactChangeShown]


class LeftOutShown(BaseModel):
    """A part of a file that was not taken."""

    place: str
    reason: str


class CardImportShown(BaseModel):
    """What came of a file from elsewhere."""

    id: str
    form: str = Field(description="croissant or huggingface.")
    file: str = Field(description="Its digest.")
    statements: list[StatementShown]
    kept: list[str] = Field(description="Places of what became no statement, and is kept.")
    left_out: list[LeftOutShown] = Field(description="What holds an identifier of a person.")
