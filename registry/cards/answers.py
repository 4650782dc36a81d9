"""Answers the questions of a card from facts, and finds its gaps. Pure.

Rules:
1. A question whose condition does not hold is not asked, and says why. A condition whose fact is
   not recorded holds, unless its test says otherwise: what is not known may be so.
2. Each fact of a question is a cell. A question is a gap while a fact that it needs, or each of
   those of which one suffices, is no answer.
3. Facts under `summary.` are computed from the others (`registry.cards.summary.rules`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime

from registry.cards.card import (
    Answer,
    AnswerState,
    Card,
    Cell,
    Gap,
    Kind,
    Missing,
    Revision,
    Section,
)
from registry.cards.questions.forms import Condition, FactTest, Unknown
from registry.cards.questions.reading import Question, Questions
from registry.cards.questions.summary_names import kind_of
from registry.cards.summary.rules import compute
from registry.cards.values import CardFacts, Fact, State, Table
from registry.cards.wording import words_of


def build_card(
    kind: Kind, facts: CardFacts, questions: Questions, revision: Revision | None = None
) -> Card:
    """The card of this kind. `revision`: what was published, None for a draft."""
    every = dict(facts.facts)
    if kind is Kind.TRAINING_SUMMARY:
        every |= compute(facts, questions.template, revision)
    sheet = questions.sheets[kind]
    sections = tuple(
        Section(
            section.number,
            section.title,
            tuple(_answer(question, every) for question in section.questions),
            section.is_annex,
        )
        for section in sheet.sections
    )
    gaps = [_gap(answer) for each in sections for answer in each.answers if answer.state.is_gap]
    return Card(kind, sheet.title, sheet.intro, facts, sections, tuple(gaps), revision)


def holds(condition: Condition, facts: Mapping[str, Fact]) -> bool:
    """Whether any test of a condition holds (rule 1)."""
    return any(_test(test, facts[test.fact]) for test in condition.any)


def _answer(question: Question, facts: Mapping[str, Fact]) -> Answer:
    if question.when is not None and not holds(question.when, facts):
        return _of(question, AnswerState.NOT_ASKED, (), question.when.otherwise)
    is_met = any(facts[name].state.is_answer for name in question.one_of)
    needed = {*question.needs, *(() if is_met else question.one_of)}
    cells = tuple(_cell(name, facts[name], name in needed) for name in question.names)
    state = _state(cells, is_optional=question.is_optional, is_met=is_met)
    blocks = question.blocks
    if isinstance(blocks, Condition):
        blocks = holds(blocks, facts)
    return _of(question, state, cells, None, blocks=blocks and state.is_gap)


def _of(
    question: Question,
    state: AnswerState,
    cells: tuple[Cell, ...],
    note: str | None,
    *,
    blocks: bool = False,
) -> Answer:
    return Answer(
        id=question.id,
        question=question.ask,
        clause=question.clause,
        state=state,
        cells=cells,
        absence=question.absent,
        asks=question.asks,
        note=note,
        is_red=question.is_red,
        is_optional=question.is_optional,
        blocks=blocks,
        field=question.field,
    )


def _cell(name: str, fact: Fact, is_needed: bool) -> Cell:
    kind = kind_of(name)
    assert kind is not None, f"{name} was checked when the questions were read."
    return Cell(kind, fact, words_of(fact, kind), is_needed)


def _state(cells: Iterable[Cell], *, is_optional: bool, is_met: bool) -> AnswerState:
    every = list(cells)
    needed = [cell for cell in every if cell.is_needed]
    missing = [cell for cell in needed if cell.is_missing]
    if is_optional:
        some = any(not cell.is_missing for cell in every)
        return AnswerState.LEFT_OUT if missing or not some else AnswerState.ANSWERED
    if not missing:
        return AnswerState.ANSWERED
    is_open = len(missing) == len(needed) and not is_met
    return AnswerState.OPEN if is_open else AnswerState.PARTLY


def _gap(answer: Answer) -> Gap:
    missing = [
        Missing(
            cell.kind.name,
            cell.kind.title,
            cell.fact.state,
            cell.words,
            cell.kind.supplied_by,
        )
        for cell in answer.cells
        if cell.is_needed and cell.is_missing
    ]
    return Gap(
        answer.id,
        answer.question,
        answer.clause,
        answer.absence,
        tuple(missing),
        answer.is_red,
        answer.blocks,
    )


def _test(test: FactTest, fact: Fact) -> bool:
    if not fact.state.is_answer:
        return test.unknown is Unknown.ASK
    if test.is_value is not None:
        # A flag whose statement says "none" is true: that there are no labels, for example.
        stated = fact.state is State.DECLARED_NONE or fact.value is True
        return fact.state is not State.NOT_APPLICABLE and stated == test.is_value
    if fact.state is not State.KNOWN:
        return False
    if test.has_rows is not None:
        count = fact.value.count if isinstance(fact.value, Table) else len(_texts(fact))
        return bool(count) == test.has_rows
    if test.before is not None:
        return _day(fact) is not None and str(_day(fact)) < test.before
    return bool(set(test.among or ()) & set(_texts(fact, test.column)))


def _texts(fact: Fact, column: str | None = None) -> tuple[str, ...]:
    value = fact.value
    if isinstance(value, Table):
        at = value.columns.index(column or "")
        return tuple(str(row[at]) for row in value.rows)
    return value if isinstance(value, tuple) else (str(value),)


def _day(fact: Fact) -> date | None:
    value = fact.value
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else None
