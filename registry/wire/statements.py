"""What travels about statements, and about AI systems and models."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field

from registry.wire.rights import ListPage, Name, Passage, StrictBody, Word, Words

Version = Annotated[int, Field(ge=1, lt=2**63)]


class StatementBody(StrictBody):
    """What a person states of a dataset or model, or of one version of it."""

    namespace: Name
    name: Name
    version: Version | None = Field(default=None, description="Of the dataset, where left out.")
    kind: Word = Field(description="What is spoken of; a wrong one is answered with the list.")
    text: Passage = ""
    value: bool | None = Field(default=None, description="Yes or no, of the kinds that end in it.")
    expires_at: AwareDatetime | None = None
    attachment_sha256: Word | None = Field(
        default=None, description="Digest of a document that says more; it is not kept here."
    )
    supersedes: Word | None = Field(
        default=None, description="The statement of somebody else that this one replaces."
    )


class WithdrawalBody(StrictBody):
    """Why a statement does not hold."""

    reason: Passage


class StatementShown(BaseModel):
    """A statement, signed."""

    id: str
    kind: str
    namespace: str
    name: str
    version: int | None
    text: str
    value: bool | None
    author: str
    stated_at: datetime
    expires_at: datetime | None
    attachment_sha256: str | None
    supersedes: str | None
    superseded_by: str | None
    withdraws: bool = Field(description="Whether it only takes back the one it supersedes.")
    in_force: bool
    signature: str = Field(description="Ed25519 over the statement (DSSE), in base64.")
    audit_index: int | None


class StatementList(ListPage):
    """A page of statements, the last stated first."""

    statements: list[StatementShown]


class BaseModelBody(StrictBody):
    """A model that another was made from."""

    name: Word
    uri: Name | None = Field(default=None, description="Where it, or its summary, is documented.")


class AiSystemBody(StrictBody):
    """What changes of an AI system or model; what is left out stays, null takes it back."""

    name: Word | None = None
    version: Word | None = None
    provider: Words | None = None
    contact: Words | None = Field(default=None, description="How to reach the provider.")
    representative: Words | None = Field(
        default=None, description="In the Union, of a provider outside it, and how to reach it."
    )
    size_class: Word | None = Field(default=None, description="sme, small_mid_cap or other.")
    code_of_practice: bool | None = None
    copyright_policy: Words | None = None
    intended_purpose: Passage | None = None
    setting: Passage | None = None
    market_dates: list[date] | None = Field(
        default=None,
        max_length=100,
        description="When it was placed on the Union market; an empty list: it is not.",
    )
    base_models: list[BaseModelBody] | None = Field(
        default=None, max_length=100, description="An empty list: it was made from none."
    )
    continuous_training: bool | None = None
    is_open: bool | None = Field(default=None, description="Under a free and open licence.")
    retired: bool | None = None


class SystemUseBody(StrictBody):
    """A dataset or model that a system uses."""

    namespace: Name
    name: Name
    version: Version | None = Field(default=None, description="Any version, where left out.")
    role: Word = Field(description="train, validation, test, input, or model: it is its model.")
    ended: bool = Field(default=False, description="Takes a use back that was recorded wrongly.")


class SystemUseShown(BaseModel):
    """A dataset or model that a system uses."""

    namespace: str
    name: str
    version: int | None
    role: str


class AiSystemShown(BaseModel):
    """An AI system or model as its newest revision has it."""

    id: str
    revision: int
    name: str
    version: str | None
    provider: str | None
    contact: str | None
    representative: str | None
    size_class: str | None
    code_of_practice: bool | None
    copyright_policy: str | None
    intended_purpose: str | None
    setting: str | None
    market_dates: list[date] | None
    base_models: list[BaseModelBody] | None
    continuous_training: bool | None
    is_open: bool | None
    retired: bool
    keep_until: date | None = Field(
        description="Ten years from the last day it came on the market; null: not begun."
    )
    uses: list[SystemUseShown]
    beyond_scope: bool = Field(description="Whether it uses something out of your sight.")
    changed_by: str
    changed_at: datetime
    audit_index: int | None


class AiSystemList(BaseModel):
    """Every AI system and model, by id."""

    systems: list[AiSystemShown]
