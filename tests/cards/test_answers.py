"""Answers and gaps: what is missing is named, by question, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from registry.cards.answers import build_card
from registry.cards.card import AnswerState, Card, Kind
from registry.cards.catalogue import CATALOGUE
from registry.cards.questions.reading import load_questions
from registry.cards.values import CardFacts, Fact, State, Table
from registry.cards.wording import state_words
from tests.cards.samples import dataset_facts, model_facts, with_fact, with_rows, without

QUESTIONS = load_questions()
WHOLE = dataset_facts()
KINDS = pytest.mark.parametrize("kind", Kind)


def card(kind: Kind, facts: CardFacts = WHOLE) -> Card:
    return build_card(kind, facts, QUESTIONS)


def state_of(made: Card, name: str) -> AnswerState:
    return next(answer.state for answer in made.answers if answer.id == name)


@KINDS
@pytest.mark.parametrize("facts", [WHOLE, model_facts()], ids=["dataset", "model"])
def test_a_dataset_of_which_everything_is_known_has_no_gap(kind: Kind, facts: CardFacts) -> None:
    made = card(kind, facts)
    assert made.gaps == ()
    assert made.answered == made.asked > 40
    assert made == card(kind, facts)


@KINDS
def test_removing_facts_one_by_one_turns_their_cells_into_gaps_and_nothing_else(kind: Kind) -> None:
    whole = card(kind)
    sheet = {question.id: question for question in QUESTIONS.sheets[kind].questions}
    touched = set()
    for name in CATALOGUE:
        made = card(kind, without(WHOLE, name))
        before = {answer.id: answer for answer in whole.answers}
        for answer in made.answers:
            question = sheet[answer.id]
            if name not in question.rests_on:
                assert answer == before[answer.id], (name, answer.id)
                continue
            changed = {
                now.kind.name
                for was, now in zip(before[answer.id].cells, answer.cells, strict=False)
                if was != now
            }
            missing = {cell.kind.name for cell in answer.cells if cell.is_missing}
            assert missing <= changed, (name, answer.id)
            assert all(cell.words for cell in answer.cells)
            needs = missing & set(question.needs)
            gap = next((gap for gap in made.gaps if gap.id == answer.id), None)
            assert (gap is not None) == bool(needs and not answer.is_optional), (name, answer.id)
            if gap is not None:
                touched.add(name)
                assert {each.name for each in gap.missing} == needs
                assert all(each.words == "Not recorded" for each in gap.missing)
                assert all(each.supplied_by for each in gap.missing)
                assert gap.clause == question.clause
    assert len(touched) > 25


@KINDS
@pytest.mark.parametrize("state", [each for each in State if not each.is_answer])
def test_every_way_of_not_knowing_has_its_own_words(kind: Kind, state: State) -> None:
    facts = replace(WHOLE, facts={name: Fact(name, state) for name in CATALOGUE})
    made = card(kind, facts)
    assert made.answered <= 1  # the summary's own version
    said = {each.words for gap in made.gaps for each in gap.missing}
    assert said == {state_words(state)}


@KINDS
@pytest.mark.parametrize("state", [State.ZERO, State.DECLARED_NONE, State.NOT_APPLICABLE])
def test_what_was_counted_or_stated_as_none_is_no_gap(kind: Kind, state: State) -> None:
    name = "quality.assertions"
    facts = with_fact(WHOLE, Fact(name, state, note="because so"))
    assert card(kind, facts).gaps == ()


def test_of_facts_of_which_one_suffices_one_suffices() -> None:
    one = without(WHOLE, "rights.notices")
    assert state_of(card(Kind.DATASET, one), "GD-08") is AnswerState.ANSWERED
    none = without(one, "statement.notice")
    gap = next(gap for gap in card(Kind.DATASET, none).gaps if gap.id == "GD-08")
    assert {each.name for each in gap.missing} == {"rights.notices", "statement.notice"}


def test_a_question_with_some_of_its_facts_is_answered_in_part() -> None:
    made = card(Kind.ARTICLE_10, without(WHOLE, "identity.schema"))
    assert state_of(made, "HR-13") is AnswerState.PARTLY
    assert state_of(made, "HR-01") is AnswerState.ANSWERED
    none = without(without(WHOLE, "identity.schema"), "statement.assumptions")
    assert state_of(card(Kind.ARTICLE_10, none), "HR-13") is AnswerState.OPEN


def test_questions_about_persons_are_not_asked_of_data_without() -> None:
    bare = with_rows(WHOLE, "personal.classes", ("none", 100_000, None, None))
    bare = with_fact(bare, Fact("personal.pii", State.ZERO))
    bare = with_fact(bare, Fact("rights.special_conditions", State.ZERO))
    made = card(Kind.DATASET, bare)
    assert state_of(made, "GD-07") is AnswerState.NOT_ASKED
    note = next(answer.note for answer in made.answers if answer.id == "GD-07")
    assert note == "No batch is recorded to hold data of persons."
    assert state_of(card(Kind.ARTICLE_10, bare), "HR-25") is AnswerState.NOT_ASKED
    unsaid = without(bare, "personal.classes")
    assert state_of(card(Kind.DATASET, unsaid), "GD-07") is AnswerState.ANSWERED
    found = with_rows(bare, "personal.pii", ("email", 1, None, None))
    assert state_of(card(Kind.DATASET, found), "GD-07") is AnswerState.ANSWERED


def test_special_categories_block_only_once_they_are_there() -> None:
    unstated = without(WHOLE, "statement.special_category_necessity")
    assert {gap.id for gap in card(Kind.ARTICLE_10, unstated).blocking} == {"HR-25"}
    maybe = with_rows(unstated, "personal.classes", ("unknown", 100_000, None, None))
    maybe = with_fact(maybe, Fact("rights.special_conditions", State.ZERO))
    made = card(Kind.ARTICLE_10, maybe)
    assert [gap.id for gap in made.gaps] == ["HR-25"]
    assert made.blocking == ()


def test_that_there_are_no_labels_must_be_stated() -> None:
    silent = without(without(WHOLE, "annotation.guideline"), "statement.labels_none")
    assert state_of(card(Kind.ARTICLE_10, silent), "HR-10") is AnswerState.PARTLY
    for stated in (
        Fact("statement.labels_none", State.DECLARED_NONE, note="by ana"),
        Fact("statement.labels_none", State.KNOWN, True),
    ):
        made = card(Kind.ARTICLE_10, with_fact(silent, stated))
        assert state_of(made, "HR-10") is AnswerState.NOT_ASKED


def test_fields_about_crawling_are_asked_only_where_something_was_crawled() -> None:
    rows = WHOLE["origin.sources"].value
    kinds = WHOLE["origin.kinds"].value
    assert isinstance(rows, Table)
    assert isinstance(kinds, Table)
    bare = with_rows(WHOLE, "origin.sources", *(row for row in rows.rows if row[1] != "crawled"))
    bare = with_rows(bare, "origin.kinds", *(row for row in kinds.rows if row[0] != "crawled"))
    bare = without(bare, "statement.crawlers")
    made = card(Kind.TRAINING_SUMMARY, bare)
    assert made.gaps == ()
    assert state_of(made, "2.3.1") is AnswerState.ANSWERED
    assert {state_of(made, f"2.3.{at}") for at in range(2, 10)} == {AnswerState.NOT_ASKED}
    crawled = card(Kind.TRAINING_SUMMARY, without(WHOLE, "statement.crawlers"))
    assert [gap.id for gap in crawled.blocking] == ["2.3.3", "2.3.4"]


def test_small_public_datasets_are_described_only_where_there_are_any() -> None:
    row = ("crate", "public", None, "Crate", None, None, 10, 1.0, "text", 100, 100)
    small = (*row[:6], 1, 0.01, "text", 1, 1)
    silent = without(WHOLE, "statement.public_datasets")
    for rows, state in (
        ((row,), AnswerState.NOT_ASKED),
        ((row, ("tray", *small[1:])), AnswerState.PARTLY),
    ):
        facts = with_rows(silent, "origin.sources", *rows)
        assert state_of(card(Kind.TRAINING_SUMMARY, facts), "2.1.4") is state


def test_optional_questions_leave_no_gap() -> None:
    made = card(Kind.DATASET, without(WHOLE, "statement.citation"))
    assert state_of(made, "MA-02") is AnswerState.LEFT_OUT
    assert made.gaps == ()
    assert made.asked == card(Kind.DATASET).asked - 1


def test_legacy_models_must_say_what_could_not_be_had() -> None:

    silent = without(WHOLE, "statement.unavailable_information")
    assert card(Kind.TRAINING_SUMMARY, silent).gaps == ()
    for day, gaps in ((date(2025, 8, 1), ["GP-30"]), (date(2025, 8, 2), [])):
        old = with_fact(silent, replace(WHOLE["system.market_date"], value=day))
        assert [gap.id for gap in card(Kind.TRAINING_SUMMARY, old).gaps] == gaps
