"""A card: questions in order, each with the facts that answer it, and what is missing. Pure.

Rules:
1. A question is answered when every fact that it needs is in a state that answers
   (`State.is_answer`). Facts that it only takes along are shown and leave no gap.
2. A gap names the question with its clause, each missing fact with why, and who can supply it.
3. A question whose condition does not hold is on the card with the reason, and is no gap.
4. A card is a value: the same facts, questions and revision make the same card.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from registry.cards.fact_kinds import FactKind
from registry.cards.values import About, CardFacts, Fact, State


class Kind(StrEnum):
    """What a card is for."""

    #: For people, in the order of Data Cards and Datasheets for Datasets.
    DATASET = "dataset"
    #: Article 10 and Annex IV of the AI Act, clause by clause.
    ARTICLE_10 = "article-10"
    #: The Commission's template for the public summary of training content.
    TRAINING_SUMMARY = "training-summary"


class Format(StrEnum):
    """What a card can be had as."""

    HTML = "html"
    MARKDOWN = "md"
    PDF = "pdf"
    JSON = "json"
    CROISSANT = "croissant"
    HUGGINGFACE = "huggingface"
    BUNDLE = "bundle"


class Reading(StrEnum):
    """How a clause was read by whoever wrote the question down."""

    SOURCE = "source"
    PARTLY = "partly"
    MEMORY = "memory"
    AGREED_TEXT = "agreed_text"

    @property
    def doubt(self) -> str | None:
        """What a card prints beside the clause, or None where it was read in its source."""
        return _DOUBTS[self]


_DOUBTS = {
    Reading.SOURCE: None,
    Reading.PARTLY: "citation read in part, to be confirmed",
    Reading.MEMORY: "citation from memory, to be confirmed",
    Reading.AGREED_TEXT: "agreed text, unverified",
}


@dataclass(frozen=True, slots=True)
class Clause:
    """What a question comes from. `applies_from`: dates in words, since they differ by case."""

    text: str
    applies_to: str
    applies_from: str
    reading: Reading


class FieldKind(StrEnum):
    """What a field of the Commission's template holds."""

    TEXT = "text"
    DATE = "date"
    DATE_LIST = "date_list"
    FLAG = "flag"
    LIST = "list"
    LIST_OR_FILE = "list_or_file"
    MONTH_FLAG = "month_flag"
    MULTI = "multi"
    RANGE = "range"
    SINGLE = "single"


class AnswerState(StrEnum):
    """Whether a question is answered (rules 1 and 3)."""

    ANSWERED = "answered"
    #: Some of the facts that it needs are there.
    PARTLY = "partly"
    #: None of them is.
    OPEN = "open"
    #: Optional, and not answered: no gap.
    LEFT_OUT = "left_out"
    #: Its condition does not hold.
    NOT_ASKED = "not_asked"

    @property
    def is_gap(self) -> bool:
        """Whether somebody has to supply something."""
        return self in (AnswerState.PARTLY, AnswerState.OPEN)


@dataclass(frozen=True, slots=True)
class Cell:
    """A fact as it stands under a question.

    `words`: its state and value in a sentence or figure, never empty; of a table, how many rows.
    `is_needed`: whether the question is open without it.
    """

    kind: FactKind
    fact: Fact
    words: str
    is_needed: bool = True

    @property
    def is_missing(self) -> bool:
        """Whether the fact does not answer."""
        return not self.fact.state.is_answer


@dataclass(frozen=True, slots=True)
class Answer:
    """A question with what answers it.

    `id`: of the mapping (`HR-07`), or section and place of a field of the template (`1.3.2`).
    `asks`: ids of the mapping that a field of the template serves. `absence`: how an open question
    reads. `note`: of a question that is not asked, why. `blocks`: whether a gap forbids publishing.
    `field`: what the template's field holds; None for a question.
    """

    id: str
    question: str
    clause: Clause
    state: AnswerState
    cells: tuple[Cell, ...]
    absence: str
    asks: tuple[str, ...] = ()
    note: str | None = None
    is_red: bool = False
    is_optional: bool = False
    blocks: bool = False
    field: FieldKind | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Questions under a heading. `is_annex`: beside the template, not of it."""

    number: str
    title: str
    answers: tuple[Answer, ...]
    is_annex: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """A fact that a gap lacks, why, and what supplies it (an event, a command, a statement)."""

    name: str
    title: str
    state: State
    words: str
    supplied_by: str


@dataclass(frozen=True, slots=True)
class Gap:
    """A question that is not answered (rule 2). `id` is that of its answer."""

    id: str
    question: str
    clause: Clause
    absence: str
    missing: tuple[Missing, ...]
    is_red: bool
    blocks: bool


@dataclass(frozen=True, slots=True)
class Revision:
    """A published state of a card. `previous`: digest of the one before; `changes`: in sentences.

    `is_overtaken`: whether facts have changed since. `signed_by`: the id of the key.
    """

    number: int
    digest: str
    published_at: datetime
    published_by: str
    previous: str | None = None
    signed_by: str | None = None
    changes: tuple[str, ...] = ()
    is_overtaken: bool = False


@dataclass(frozen=True)
class Card:
    """A card of a version (rule 4). `revision`: None for one that is not published."""

    kind: Kind
    title: str
    intro: str
    facts: CardFacts
    sections: tuple[Section, ...]
    gaps: tuple[Gap, ...]
    revision: Revision | None = None

    @property
    def about(self) -> About:
        """The version that it is of."""
        return self.facts.about

    @property
    def digest(self) -> str:
        """The digest of its facts."""
        return self.facts.digest

    @property
    def as_of(self) -> datetime:
        """When its facts were read."""
        return self.facts.as_of

    @property
    def answers(self) -> Iterator[Answer]:
        """Every question, in order."""
        return (answer for section in self.sections for answer in section.answers)

    @property
    def answered(self) -> int:
        """How many questions are answered."""
        return sum(answer.state is AnswerState.ANSWERED for answer in self.answers)

    @property
    def asked(self) -> int:
        """How many questions are answered or open: without optional and conditional ones."""
        return self.answered + len(self.gaps)

    @property
    def blocking(self) -> tuple[Gap, ...]:
        """The gaps that forbid publishing."""
        return tuple(gap for gap in self.gaps if gap.blocks)
