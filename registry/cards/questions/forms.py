"""The forms of the files of `policies/cards/`: what may be written of questions. Pure.

A field that is left out has the default that stands here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from registry.cards.card import FieldKind, Reading

Words = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$")]
QuestionId = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}-[0-9]{2}$")]
Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class _Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base: a field that is not known is refused."""


class Unknown(StrEnum):
    """What a test comes to whose fact is not recorded."""

    ASK = "ask"
    SKIP = "skip"


class FactTest(_Form, frozen=True):
    """Whether a fact is so. Exactly one of `among`, `has_rows`, `is` and `before` is written.

    `among`: a value of the table's `column`, or of the list, is one of these. `before`: the day is.
    """

    fact: Name
    column: Name | None = None
    among: tuple[str, ...] | None = None
    has_rows: bool | None = None
    is_value: bool | None = msgspec.field(default=None, name="is")
    before: Day | None = None
    unknown: Unknown = Unknown.ASK


class Condition(_Form, frozen=True):
    """When a question is asked: any of the tests holds. `otherwise`: why it is not."""

    any: Annotated[tuple[FactTest, ...], msgspec.Meta(min_length=1)]
    otherwise: Words


class Asking(_Form, frozen=True):
    """Which facts answer, when it is asked, and how a gap reads.

    `block`: whether a gap forbids publishing; or the condition under which it does.
    """

    needs: tuple[Name, ...] = ()
    one_of: tuple[Name, ...] = ()
    also: tuple[Name, ...] = ()
    when: Name | None = None
    absent: Words = "Not recorded."
    block: bool | Name = False
    red: bool = False
    optional: bool = False


class QuestionForm(Asking, frozen=True, kw_only=True):
    """A question of the mapping. `applies_from`: a name of the file's `dates`."""

    ask: Words
    clause: Words
    seen: Reading
    applies_to: Words
    applies_from: Name


class FieldForm(Asking, frozen=True, kw_only=True):
    """A field of the Commission's template. `asks`: the questions of the mapping that it serves."""

    title: Words
    kind: FieldKind
    asks: tuple[QuestionId, ...] = ()


class SectionForm(_Form, frozen=True):
    """A heading, and under it questions by id or fields. `annex`: beside the template."""

    number: Annotated[str, msgspec.Meta(min_length=1, max_length=10)]
    title: Words
    ask: tuple[QuestionId, ...] = ()
    fields: tuple[FieldForm, ...] = ()
    annex: bool = False


class SizeUnit(StrEnum):
    """What the size of a modality is counted in."""

    TOKENS = "tokens"
    EXAMPLES = "examples"
    HOURS = "hours"


class BandForm(_Form, frozen=True):
    """The size bands of a modality. `unit`: what is counted; `other_unit`: another will do."""

    names: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    unit: SizeUnit
    edges: tuple[int, int]
    labels: tuple[Words, Words, Words]
    other_unit: bool = False


class CategoryForm(_Form, frozen=True):
    """Which kinds of origin are reported in which section of the template, 2.1 to 2.6."""

    public: tuple[str, ...]
    licensed: tuple[str, ...]
    private: tuple[str, ...]
    crawled: tuple[str, ...]
    user_model: tuple[str, ...]
    user_service: tuple[str, ...]
    synthetic: tuple[str, ...]
    other: tuple[str, ...]


class TemplateForm(_Form, frozen=True):
    """Bands, thresholds and categories of the Commission's template."""

    bands: dict[str, BandForm]
    large_share: Share
    domain_share: Share
    sme_domain_share: Share
    sme_domain_limit: Annotated[int, msgspec.Meta(ge=1)]
    sme_sizes: tuple[str, ...]
    categories: CategoryForm
    official_languages: tuple[str, ...]
    update_months: Annotated[int, msgspec.Meta(ge=1, le=120)]


class SheetForm(_Form, frozen=True):
    """One file: the card of one kind. `unasked`: facts that no question asks, with the reason."""

    title: Words
    intro: Words
    dates: dict[str, Words]
    sections: Annotated[tuple[SectionForm, ...], msgspec.Meta(min_length=1)]
    questions: dict[QuestionId, QuestionForm]
    conditions: dict[str, Condition] = {}
    unasked: dict[str, Words] = {}
    template: TemplateForm | None = None
