"""What the templates of a card are given: a card cut to what a page shows. Pure.

Rules:
1. A table or a statement stands once, under the first question that shows it; others point there.
2. At most so many rows stand on the page; the rest is attached, and the page says how many.
3. What was recorded comes as `Said` with `is_recorded`, so that a page can set it apart from ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from registry.cards.card import Answer, Card, Cell, Gap, Kind
from registry.cards.fact_kinds import Form
from registry.cards.pages.attachments import INLINE_ROWS, long_tables
from registry.cards.pages.charts import chart_of, timeline
from registry.cards.values import EVIDENCE_LIMIT, Evidence, Grade, Scalar, State, Table
from registry.cards.wording import (
    GRADE_MEANINGS,
    STATE_MEANINGS,
    cell_words,
    column_words,
    evidence_words,
    row_words,
    state_words,
    supplier_words,
)
from registry.render import visible

if TYPE_CHECKING:
    from markupsafe import Markup

_TIMES = (
    "origin.collected_from",
    "origin.collected_until",
    "identity.created_at",
    "system.market_date",
    "retention.expires_at",
    "system.keep_until",
)
_REFERENCES = 3
_LONG_WORD = 18


@dataclass(frozen=True, slots=True)
class Said:
    """Words on a page. `is_recorded`: they, or part of them, came from outside (rule 3)."""

    words: str
    is_recorded: bool = True

    @property
    def is_long(self) -> bool:
        """Whether it has a word that must be broken for a table to fit its page."""
        return any(len(word) > _LONG_WORD for word in self.words.split())


@dataclass(frozen=True, slots=True)
class PageColumn:
    """A column of a table; `numbers`: its cells are figures, and stand at the right."""

    name: str
    numbers: bool


@dataclass(frozen=True, slots=True)
class PageTable:
    """Rows as words. `total`: of all; `attachment`: the file that has those that are not here."""

    columns: tuple[PageColumn, ...]
    rows: tuple[tuple[Said, ...], ...]
    total: int
    attachment: str | None

    @property
    def is_cut(self) -> bool:
        """Whether not all rows are here."""
        return self.total > len(self.rows)


@dataclass(frozen=True, slots=True)
class PageCell:
    """A fact under a question. `shown_at`: the question under which it stands already (rule 1).

    `supplied`: who can supply it, in a sentence. `references`: numbers in the list of evidence;
    `more`: how many others there are.
    """

    cell: Cell
    supplied: str
    anchor: str
    said: Said
    note: str | None
    items: tuple[str, ...]
    table: PageTable | None
    shown_at: str | None
    chart: Markup | None
    references: tuple[int, ...]
    more: int


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """A question as it stands on the page: what its gap lacks, and its other facts."""

    answer: Answer
    anchor: str
    gap: Gap | None
    missing: tuple[PageCell, ...]
    cells: tuple[PageCell, ...]


@dataclass(frozen=True, slots=True)
class PageSection:
    """A section with how many gaps are in it."""

    number: str
    title: str
    anchor: str
    is_annex: bool
    answers: tuple[PageAnswer, ...]

    @property
    def gaps(self) -> int:
        """How many of its questions are gaps."""
        return sum(each.gap is not None for each in self.answers)


@dataclass(frozen=True, slots=True)
class PageEvidence:
    """Something that a fact rests on, with its number in the list."""

    number: int
    words: str
    link: str | None


@dataclass(frozen=True, slots=True)
class CardPage:
    """Everything that the templates of a card are given."""

    card: Card
    name: str
    subject: str
    sections: tuple[PageSection, ...]
    evidence: tuple[PageEvidence, ...]
    attached: tuple[tuple[str, int], ...]
    times: tuple[tuple[str, date], ...]
    timeline: Markup | None
    grades: tuple[tuple[str, str], ...]
    states: tuple[tuple[str, str], ...]
    #: How much evidence of a fact is named here, and how much is kept.
    references: int
    most_references: int


def page_of(card: Card, *, rows: int = INLINE_ROWS, base_url: str | None = None) -> CardPage:
    """What a page shows of a card. `rows`: of a table, at most (rule 2).

    `base_url`: of the registry, for links to audit entries; None for a page without links.
    """
    made = _Maker(card, rows, base_url)
    sections = tuple(made.sections())
    times = tuple(made.times())
    about = card.about
    return CardPage(
        card=card,
        name=f"{visible(about.namespace)} {visible(about.name)}",
        subject="Model" if about.kind == "model" else "Dataset",
        sections=sections,
        evidence=tuple(made.evidence()),
        attached=tuple(
            (f"{name}.csv", len(table.rows))
            for name, table in sorted(long_tables(card, over=rows).items())
        ),
        times=times,
        timeline=timeline(times, "timeline") if card.kind is not Kind.TRAINING_SUMMARY else None,
        grades=tuple((grade.value, GRADE_MEANINGS[grade]) for grade in Grade),
        states=tuple((state_words(each), STATE_MEANINGS[each]) for each in STATE_MEANINGS),
        references=_REFERENCES,
        most_references=EVIDENCE_LIMIT,
    )


class _Maker:
    """Makes the parts of a page; remembers which tables were shown and what evidence was named."""

    def __init__(self, card: Card, rows: int, base_url: str | None) -> None:
        self._card = card
        self._rows = rows
        self._base = base_url.rstrip("/") if base_url else None
        self._shown: dict[str, str] = {}
        self._numbers: dict[Evidence, int] = {}
        self._gaps: Mapping[str, Gap] = {gap.id: gap for gap in card.gaps}

    def sections(self) -> Iterator[PageSection]:
        for each in self._card.sections:
            answers = tuple(self._answer(answer) for answer in each.answers)
            anchor = f"section-{each.number.replace('.', '-')}"
            yield PageSection(each.number, each.title, anchor, each.is_annex, answers)

    def evidence(self) -> Iterator[PageEvidence]:
        for each, number in self._numbers.items():
            link = None
            if self._base and each.audit_index is not None:
                at = each.audit_index
                link = f"{self._base}/api/v1/audit/entries?start={at}&end={at + 1}"
            yield PageEvidence(number, evidence_words(each), link)

    def times(self) -> Iterator[tuple[str, date]]:
        cells = {cell.kind.name: cell for each in self._card.answers for cell in each.cells}
        for name in _TIMES:
            value = cells[name].fact.value if name in cells else None
            if isinstance(value, date):
                yield cells[name].kind.title, value

    def _answer(self, answer: Answer) -> PageAnswer:
        gap = self._gaps.get(answer.id)
        lacked = {each.name for each in gap.missing} if gap else set()
        cells = [self._cell(answer, cell) for cell in answer.cells]
        return PageAnswer(
            answer,
            _anchor(answer.id),
            gap,
            tuple(each for each in cells if each.cell.kind.name in lacked),
            tuple(each for each in cells if each.cell.kind.name not in lacked),
        )

    def _cell(self, answer: Answer, cell: Cell) -> PageCell:
        fact, name = cell.fact, cell.kind.name
        table, chart = None, None
        shown_at = None if fact.state is not State.KNOWN else self._shown.get(name)
        if isinstance(fact.value, Table) and fact.value.rows and fact.state is State.KNOWN:
            self._shown.setdefault(name, answer.id)
            if shown_at is None:
                table, chart = self._table(name, fact.value), chart_of(fact)
        elif cell.kind.statement is not None and cell.kind.form is Form.TEXT:
            self._shown.setdefault(name, answer.id)
        is_text = fact.state is State.KNOWN and cell.kind.form in (Form.TEXT, Form.LIST)
        items: tuple[str, ...] = ()
        if isinstance(fact.value, tuple) and len(fact.value) > 1:
            items = tuple(cell_words(each) for each in fact.value)
        told = fact.state in (State.DECLARED_NONE, State.NOT_APPLICABLE)
        references = tuple(self._number(each) for each in fact.evidence[:_REFERENCES])
        return PageCell(
            cell=cell,
            supplied=supplier_words(fact, cell.kind),
            anchor=f"{_anchor(answer.id)}-{name.replace('.', '-')}",
            said=Said(cell.words, is_text or told),
            note=None if told or fact.note is None else visible(fact.note),
            items=items,
            table=table,
            shown_at=shown_at,
            chart=chart,
            references=references,
            more=max(fact.evidence_total, len(fact.evidence)) - len(references),
        )

    def _number(self, evidence: Evidence) -> int:
        return self._numbers.setdefault(evidence, len(self._numbers) + 1)

    def _table(self, name: str, table: Table) -> PageTable:
        numbers = [_is_numbers(row[at] for row in table.rows) for at in range(len(table.columns))]
        columns = tuple(
            PageColumn(column_words(column), is_number)
            for column, is_number in zip(table.columns, numbers, strict=True)
        )
        rows = tuple(
            tuple(
                Said(words, isinstance(cell, str))
                for words, cell in zip(row_words(table.columns, row), row, strict=True)
            )
            for row in table.rows[: self._rows]
        )
        is_long = len(table.rows) > self._rows
        return PageTable(columns, rows, table.count, f"{name}.csv" if is_long else None)


def _anchor(question: str) -> str:
    return f"q-{question.replace('.', '-')}"


def _is_numbers(cells: Iterator[Scalar | None]) -> bool:
    some = [cell for cell in cells if cell is not None]
    return bool(some) and all(
        isinstance(cell, (int, float)) and not isinstance(cell, bool) for cell in some
    )
