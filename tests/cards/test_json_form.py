"""The JSON form of a card: it follows its schema, and says all that the card says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from registry.canonical import canonical_json
from registry.cards import json_form
from registry.cards.answers import build_card
from registry.cards.card import (
    Answer,
    AnswerState,
    Card,
    Cell,
    Clause,
    FieldKind,
    Gap,
    Kind,
    Missing,
    Reading,
    Revision,
    Section,
)
from registry.cards.catalogue import CATALOGUE
from registry.cards.fact_kinds import FactKind, Form
from registry.cards.json_form import ROWS_HERE, SCHEMA, SCHEMA_FILE, as_json
from registry.cards.questions.reading import load_questions
from registry.cards.values import CardFacts, EvidenceKind, Fact, Grade, State
from tests.cards.extremes import (
    HOSTILE,
    MANY,
    empty_facts,
    facts_in,
    facts_of_a_model,
    hostile_facts,
    many_facts,
    told_facts,
)

DOCUMENT = json.loads(
    (Path(json_form.__file__).parent / "schemas" / SCHEMA_FILE).read_text("utf-8")
)
Draft202012Validator.check_schema(DOCUMENT)
VALIDATOR = Draft202012Validator(DOCUMENT)
QUESTIONS = load_questions()
CLAUSE = Clause("Art. 10(2)", "HR provider", "2 December 2027", Reading.AGREED_TEXT)
MODALITIES = FactKind("summary.modalities", "Modalities", Form.LIST, supplied_by="computed")


def card_of(facts: CardFacts, revision: Revision | None = None) -> Card:
    """A card with one question for each fact, and one whose fact the card computes."""
    computed = Cell(MODALITIES, Fact("summary.modalities", State.KNOWN, ("text",)), "text")
    cells = [
        Cell(kind, facts[name], facts[name].state.value, is_needed=True)
        for name, kind in CATALOGUE.items()
    ]
    answers = [_answer(cell) for cell in [computed, *cells]]
    gaps = tuple(_gap(answer) for answer in answers if answer.state is AnswerState.OPEN)
    section = Section("1", "Everything", tuple(answers))
    return Card(Kind.DATASET, "Title", "Intro.", facts, (section,), gaps, revision)


def _answer(cell: Cell) -> Answer:
    state = AnswerState.OPEN if cell.is_missing else AnswerState.ANSWERED
    return Answer(
        f"Q-{cell.fact.name}", f"{cell.kind.title}?", CLAUSE, state, (cell,), "Not recorded.",
        asks=("HR-01",), blocks=cell.fact.name == "identity.description",
    )  # fmt: skip


def _gap(answer: Answer) -> Gap:
    missing = [
        Missing(cell.fact.name, cell.kind.title, cell.fact.state, cell.words, cell.kind.supplied_by)
        for cell in answer.cells
    ]
    return Gap(
        answer.id, answer.question, CLAUSE, answer.absence, tuple(missing), False, answer.blocks
    )


@pytest.mark.parametrize(
    "make",
    [
        told_facts,
        facts_of_a_model,
        *(partial(facts_in, state) for state in State),
        *(partial(hostile_facts, text) for text in HOSTILE.values()),
    ],
)
def test_whatever_the_facts_are_the_file_follows_the_schema(make: Callable[[], CardFacts]) -> None:
    written = as_json(card_of(make()))
    VALIDATOR.validate(json.loads(written))
    assert canonical_json(json.loads(written)) == written


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("make", [told_facts, facts_of_a_model, empty_facts])
def test_the_cards_that_are_asked_for_follow_the_schema(
    kind: Kind, make: Callable[[], CardFacts]
) -> None:
    card = build_card(kind, make(), QUESTIONS)
    document = json.loads(as_json(card))
    VALIDATOR.validate(document)
    shown = {each["fact"] for section in document["sections"] for answer in section["answers"]
             for each in answer["cells"]}  # fmt: skip
    assert shown <= {*document["facts"]}
    assert document["counts"]["gaps"] == len(card.gaps)


def test_every_fact_stands_with_state_grade_and_evidence() -> None:
    facts = told_facts()
    document = json.loads(as_json(card_of(facts)))
    assert {*document["facts"]} == {*CATALOGUE, "summary.modalities"}
    for name, fact in facts.facts.items():
        told = document["facts"][name]
        assert told["state"] == fact.state.value
        assert told.get("grade") == (fact.grade.value if fact.grade else None)
        assert [each["id"] for each in told.get("evidence", [])] == [e.id for e in fact.evidence]
        assert told["suppliedBy"] == CATALOGUE[name].supplied_by
    assert document["factsDigest"] == facts.digest


def test_every_gap_says_what_is_missing_and_who_supplies_it() -> None:
    document = json.loads(as_json(card_of(empty_facts())))
    assert document["counts"] == {
        "asked": len(CATALOGUE) + 1,
        "answered": 1,
        "gaps": len(CATALOGUE),
        "blocking": 1,
    }
    supplied = {
        each["fact"]: each["suppliedBy"] for gap in document["gaps"] for each in gap["missing"]
    }
    assert supplied == {name: kind.supplied_by for name, kind in CATALOGUE.items()}


def test_long_tables_are_cut_and_say_how_many_rows_there_are() -> None:
    document = json.loads(as_json(card_of(many_facts())))
    VALIDATOR.validate(document)
    value = document["facts"]["origin.domains"]["value"]
    assert (len(value["rows"]), value["total"]) == (ROWS_HERE, MANY)


def test_a_published_card_has_its_revision() -> None:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    revision = Revision(3, "sha256:" + "0" * 64, at, "alice", "sha256:" + "1" * 64, None, ("more",))
    document = json.loads(as_json(card_of(told_facts(), revision)))
    VALIDATOR.validate(document)
    assert document["revision"]["number"] == 3
    assert document["revision"]["publishedAt"] == "2026-11-20T00:00:00.000000Z"


def test_the_same_card_gives_the_same_bytes_and_another_fact_others() -> None:
    facts = told_facts()
    assert as_json(card_of(facts)) == as_json(card_of(replace(facts, facts=dict(facts.facts))))
    assert as_json(card_of(facts)) != as_json(card_of(facts_of_a_model()))


def test_the_schema_has_the_words_that_the_program_has() -> None:
    defined = DOCUMENT["$defs"]
    assert DOCUMENT["$id"] == SCHEMA
    fact = defined["Fact"]["properties"]
    assert fact["state"]["enum"] == [each.value for each in State]
    assert fact["grade"]["enum"] == [each.value for each in Grade]
    assert fact["form"]["enum"] == [each.value for each in Form]
    assert defined["Evidence"]["properties"]["kind"]["enum"] == [e.value for e in EvidenceKind]
    assert defined["Answer"]["properties"]["state"]["enum"] == [e.value for e in AnswerState]
    assert defined["Clause"]["properties"]["reading"]["enum"] == [e.value for e in Reading]
    fields = [each.value for each in FieldKind]
    assert defined["Answer"]["properties"]["field"]["enum"] == [*fields, None]
    assert DOCUMENT["properties"]["kind"]["enum"] == [each.value for each in Kind]
