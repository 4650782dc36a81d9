"""The questions of cards: complete, placed, made of facts that exist, and refused where wrong."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from registry.cards.card import Kind, Reading
from registry.cards.catalogue import CATALOGUE
from registry.cards.questions.reading import FILES, Questions, asked, load_questions
from registry.cards.questions.summary_names import BASES, COMPUTED, REFINES, kind_of
from registry.errors import PolicyError
from registry.files import shipped

#: The ids of the mapping from clauses to facts: none may be lost.
MAPPING = (
    *(f"ID-{at:02}" for at in range(1, 6)),
    *(f"HR-{at:02}" for at in range(1, 45)),
    *(f"GP-{at:02}" for at in range(1, 32)),
    *(f"GD-{at:02}" for at in range(1, 13)),
    *(f"MA-{at:02}" for at in range(1, 4)),
)
#: How many fields the Commission's template has, by section.
TEMPLATE = {
    "0": 2, "1.1": 2, "1.2": 3, "1.3": 7, "2.1": 5, "2.2.1": 2, "2.2.2": 5,
    "2.3": 9, "2.4": 5, "2.5": 5, "2.6": 3, "3.1": 3, "3.2": 1, "3.3": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def questions() -> Questions:
    return load_questions()


def test_every_question_of_the_mapping_is_placed(questions: Questions) -> None:
    assert len(MAPPING) == 95
    every = [each for sheet in questions.sheets.values() for each in sheet.questions]
    placed = {each.id for each in every} | {name for each in every for name in each.asks}
    assert {name for name in placed if re.fullmatch(r"[A-Z]{2}-\d\d", name)} == set(MAPPING)


def test_the_template_has_its_53_fields_in_order(questions: Questions) -> None:
    sections = questions.sheets[Kind.TRAINING_SUMMARY].sections
    fields = {each.number: len(each.questions) for each in sections if not each.is_annex}
    assert list(fields.items()) == list(TEMPLATE.items())
    assert sum(fields.values()) == 53
    every = [each for each in questions.sheets[Kind.TRAINING_SUMMARY].questions if each.field]
    assert [each.id for each in every][:4] == ["0.1", "0.2", "1.1.1", "1.1.2"]
    assert sum(each.is_optional for each in every) == 10


def test_every_fact_is_asked_or_left_out_on_purpose(questions: Questions) -> None:
    assert set(CATALOGUE) - asked(questions) == set(questions.unasked)
    for sheet in questions.sheets.values():
        for question in sheet.questions:
            assert all(kind_of(name) for name in question.names)


def test_everything_computed_is_computed_from_recorded_facts(questions: Questions) -> None:
    shown = {
        name for each in questions.sheets[Kind.TRAINING_SUMMARY].questions for name in each.names
    }
    assert set(COMPUTED) <= shown
    for name in COMPUTED:
        assert {*BASES[name], *REFINES.get(name, ())} <= set(CATALOGUE)
        assert COMPUTED[name].supplied_by


def test_questions_of_the_mapping_that_block_do(questions: Questions) -> None:
    blocking = {
        name
        for sheet in questions.sheets.values()
        for each in sheet.questions
        if each.blocks is not False
        for name in ((each.id,) if not each.asks else each.asks)
    }
    assert blocking == {
        *("ID-01", "ID-05", "HR-25", "HR-26", "HR-41", "GP-08", "GP-09", "GP-10", "GP-12"),
        *("GP-15", "GP-17", "GP-19", "GP-21", "GP-22", "GP-25"),
    }


def test_doubt_about_a_clause_is_said() -> None:
    assert Reading.MEMORY.doubt == "citation from memory, to be confirmed"
    assert Reading.AGREED_TEXT.doubt == "agreed text, unverified"
    assert Reading.SOURCE.doubt is None
    every = [each for sheet in load_questions().sheets.values() for each in sheet.questions]
    special = [each for each in every if "Art. 4a" in each.clause.text]
    assert len(special) == 7
    assert {each.clause.reading for each in special} == {Reading.AGREED_TEXT}
    assert Counter(each.clause.reading for each in every)[Reading.MEMORY] >= 9


WRONG = {
    "a fact that does not exist": (
        "article-10.yaml", "needs: [statement.design_choices]", "needs: [statement.designs]",
        "article-10.yaml: HR-01 names 'statement.designs', which is no fact.",
    ),
    "a field that is misspelt": (
        "article-10.yaml", "red: true\n    absent: Not examined.", "rad: true\n    absent: x",
        r"article-10.yaml, line \d+: Object contains unknown field `rad`",
    ),
    "a date that nobody wrote": (
        "dataset.yaml", "applies_from: gdpr", "applies_from: gpdr",
        "dataset.yaml: GD-01 applies from 'gpdr', and dates has none.",
    ),
    "a condition that nobody wrote": (
        "dataset.yaml", "when: persons", "when: people",
        "dataset.yaml: GD-01 names the condition 'people', and conditions has none.",
    ),
    "a question that nobody wrote": (
        "dataset.yaml", "ask: [ID-01, HR-33, MA-02]", "ask: [ID-01, HR-99, MA-02]",
        "dataset.yaml: Section 1 asks 'HR-99'",
    ),
    "a question that is asked nowhere": (
        "dataset.yaml", "ask: [ID-01, HR-33, MA-02]", "ask: [ID-01, HR-33]",
        "dataset.yaml: MA-02 is asked in no section of any card.",
    ),
    "a question that is asked twice": (
        "dataset.yaml", "ask: [ID-02, ID-05]", "ask: [ID-02, ID-01]",
        "dataset.yaml: The question ID-01 is there 2 times.",
    ),
    "a question that is written down twice": (
        "dataset.yaml", "\nquestions:\n", "\nquestions:\n  HR-01: {ask: a, clause: b, seen: "
        "source, applies_to: c, applies_from: gdpr, needs: [audit.head]}\n",
        "cards/article-10.yaml: HR-01 is written down in cards/dataset.yaml too.",
    ),
    "a question that needs nothing": (
        "dataset.yaml", "needs: [statement.social_impact]", "also: [statement.social_impact]",
        "dataset.yaml: MA-03 needs no fact",
    ),
    "a test in two ways": (
        "article-10.yaml", "column: role, among: [input]", "column: role, among: [input], is: true",
        "article-10.yaml: The condition 'deployer_input' tests system.systems by none, or by",
    ),
    "a test of a column that is none": (
        "article-10.yaml", "column: role, among: [input]", "column: part, among: [input]",
        "tests system.systems by the column 'part'",
    ),
    "a test that does not fit": (
        "article-10.yaml", "labels_none, is: false", "labels_none, has_rows: true",
        "by `has_rows`, and it is a flag",
    ),
    "edges that do not rise": (
        "training-summary.yaml", "edges: [1000000, 1000000000]", "edges: [1000000, 1000000]",
        "The edges of image, 1,000,000 and 1,000,000, do not rise.",
    ),
    "a kind of origin in two categories": (
        "training-summary.yaml", "crawled: [crawled]", "crawled: [crawled, third_party]",
        "The kind of origin third_party is there 2 times.",
    ),
    "a template without rules": (
        "training-summary.yaml", r"large_share: 0.03", "large_share: 3",
        r"training-summary.yaml, line \d+: Expected `float` <= 1.0 at \$.template.large_share",
    ),
    "how a clause was read, in a word of its own": (
        "dataset.yaml", "seen: memory", "seen: rumour",
        r"dataset.yaml, line \d+: Invalid enum value 'rumour'",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "said"), WRONG.values(), ids=WRONG.keys())
def test_a_file_that_is_wrong_is_refused(
    tmp_path: Path, file: str, old: str, new: str, said: str
) -> None:
    shutil.copytree(shipped("policies") / "cards", tmp_path / "cards")
    path = tmp_path / "cards" / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(PolicyError, match=said if "\\" in said else re.escape(said)) as caught:
        load_questions(tmp_path)
    assert caught.value.remedy


def test_a_file_that_the_folder_lacks_is_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "cards").mkdir()
    text = (shipped("policies") / FILES[Kind.DATASET]).read_text("utf-8")
    (tmp_path / "cards" / "dataset.yaml").write_text(
        text.replace("title: Dataset card", "title: Our card"), "utf-8"
    )
    ours, shipped_ones = load_questions(tmp_path), load_questions()
    assert ours.sheets[Kind.DATASET].title == "Our card"
    assert ours.sheets[Kind.ARTICLE_10] == shipped_ones.sheets[Kind.ARTICLE_10]
    assert ours.digest != shipped_ones.digest
    assert load_questions().digest == shipped_ones.digest
