"""Letters say what the law asks for, and nothing that they should not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from registry.erasure.case.letters import (
    WIDTH,
    Acknowledgement,
    Authority,
    Completion,
    ExtensionLetter,
    Head,
    Kept,
    Letter,
    ModelNote,
    Refusal,
    Sender,
    render_letter,
)
from registry.erasure.certificate.facts import Disposition, Outcome, Regime, Right
from registry.errors import InvalidInputError
from registry.render import text_environment

HEAD = Head(
    Sender("Example Corpora", "privacy@corpora.example", "dpo@corpora.example"),
    "ER-2026-17",
    date(2026, 3, 3),
    date(2026, 3, 1),
    Right.ERASURE,
    Regime.GDPR,
)
CCPA = replace(HEAD, regime=Regime.CCPA, sender=replace(HEAD.sender, officer=None))
AUTHORITY = Authority("the Data Protection Authority", "https://authority.example")
LETTERS: dict[str, Letter] = {
    "acknowledgement": Acknowledgement(HEAD, date(2026, 4, 1), None),
    "identity": Acknowledgement(HEAD, date(2026, 4, 1), "from which address do you write?"),
    "extension": ExtensionLetter(
        HEAD, date(2026, 4, 1), date(2026, 6, 1), ("Many sources had to be searched.",)
    ),
    "refusal": Refusal(HEAD, "A17-3-e", ("It is needed for a claim.",), False, AUTHORITY),
    "refusal-in-part": Refusal(HEAD, "A17-3-e", ("It is needed for a claim.",), True, AUTHORITY),
    "completion": Completion(
        HEAD, Outcome.FULFILLED, 18, 12, 3, (), 0, 0, None, 1, 0,
        (ModelNote(1, Disposition.RETRAIN, date(2026, 7, 1)),),
        "Article 17 GDPR, until you take the request back", None,
    ),
    "completion-in-part": Completion(
        HEAD, Outcome.PARTIALLY_FULFILLED, 17, 1, 1, (Kept(2, "legal claims"),), 3, 1,
        date(2026, 5, 28), 2, 1,
        (
            ModelNote(2, Disposition.ANONYMITY_ASSESSMENT, None),
            ModelNote(1, Disposition.NONE, None),
            ModelNote(1, Disposition.FILTER, None),
        ),
        "for as long as the data could come back", AUTHORITY,
    ),
}  # fmt: skip


def under(letter: Letter, head: Head) -> Letter:
    return replace(letter, head=head)


@pytest.mark.parametrize("name", LETTERS)
def test_the_letter_is_the_one_that_was_agreed(
    name: str, golden: Callable[[str, str], None]
) -> None:
    golden(f"letters/{name}-gdpr.txt", render_letter(LETTERS[name]))
    golden(f"letters/{name}-ccpa.txt", render_letter(under(LETTERS[name], CCPA)))


@pytest.mark.parametrize("name", LETTERS)
@pytest.mark.parametrize("regime", Regime)
@pytest.mark.parametrize("right", Right)
def test_every_letter_can_be_written_under_every_regime(
    name: str, regime: Regime, right: Right
) -> None:
    text = render_letter(under(LETTERS[name], replace(HEAD, regime=regime, right=right)))
    other = {Regime.GDPR: r"CCR|Civ\. Code|California", Regime.CCPA: "GDPR,|Article 12|Article 77"}
    basis = LETTERS[name].suppression_basis if isinstance(LETTERS[name], Completion) else None  # type: ignore[union-attr]
    if not basis:
        assert not re.search(other[regime], text)
    assert max(len(line) for line in text.splitlines()) <= WIDTH
    assert "\n\n\n" not in text
    assert not re.search(r"[{}]|None|Undefined|[ \t]\n", text)
    assert HEAD.reference in text
    assert HEAD.sender.name in text


def test_what_the_law_asks_for_is_in_each() -> None:
    said = {name: " ".join(render_letter(letter).split()) for name, letter in LETTERS.items()}
    told = {n: " ".join(render_letter(under(x, CCPA)).split()) for n, x in LETTERS.items()}
    assert "by 1 April 2026 (Article 12(3) GDPR)" in said["acknowledgement"]
    assert "45 days after your request arrived" in told["acknowledgement"]
    assert "Article 12(6) GDPR" in said["identity"]
    assert "does not prolong the term" in told["identity"]
    assert "by 1 June 2026 at the latest" in said["extension"]
    assert "* Many sources had to be searched." in said["extension"]
    assert "Article 12(4) GDPR" in said["refusal"]
    assert "lodge a complaint with a supervisory authority" in said["refusal"]
    assert "judicial remedy" in said["refusal"]
    assert "For the rest of it we do what you asked for" in said["refusal-in-part"]
    assert "11 CCR §7022(f)" in told["refusal"]
    assert "Attorney General" in told["refusal"]
    assert "12 records in 3 datasets" in said["completion"]
    assert "we name the recipients (Article 19 GDPR)" in said["completion"]
    for left in (
        "done in part",
        "2 records are kept: legal claims",
        "3 places are not finished",
        "1 part of our data could not be searched",
        "until 28 May 2026",
        "1 could not be told",
        "lodge a complaint",
    ):
        assert left in said["completion-in-part"]
    assert "11 CCR §7022(e)" in told["completion-in-part"]
    assert "11 CCR §7022(d)" in told["completion-in-part"]
    assert "left" not in said["completion"]


def test_before_identity_nothing_hints_at_whether_data_exists() -> None:
    # There is nowhere to put it: what the letter is made of says nothing about data.
    assert {each.name for each in fields(Acknowledgement)} == {
        "head",
        "due_on",
        "identity_question",
    }
    for head in (HEAD, CCPA):
        text = render_letter(under(LETTERS["identity"], head))
        assert not re.search(r"\d+ (records|examples|datasets)|found|your records", text)
        assert "cannot tell anybody whether we hold data about you" in " ".join(text.split())


@pytest.mark.parametrize(
    ("letter", "why"),
    [
        (replace(LETTERS["extension"], reasons=()), "no reason"),
        (replace(LETTERS["extension"], reasons=(" ",)), "no reason"),
        (replace(LETTERS["extension"], until=date(2026, 4, 1)), "is none"),
        (replace(LETTERS["extension"], due_on=date(2026, 3, 2)), "is told by 2026-03-02"),
        (replace(LETTERS["refusal"], reasons=()), "no reason"),
        (replace(LETTERS["completion"], outcome=Outcome.DENIED), "write a refusal"),
        (replace(LETTERS["completion"], not_searched=1), "something is left"),
        (replace(LETTERS["completion"], backups_until=date(2026, 5, 1)), "something is left"),
        (replace(LETTERS["completion"], kept=(Kept(1, "x"),)), "something is left"),
        (replace(LETTERS["completion-in-part"], authority=None), "no authority"),
    ],
)
def test_a_letter_that_the_law_does_not_allow_is_not_written(letter: Letter, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why):
        render_letter(letter)


@pytest.mark.parametrize("name", LETTERS)
def test_a_letter_with_a_gap_is_an_error(name: str) -> None:
    letter = LETTERS[name]
    template = text_environment().get_template(letter.template)
    whole = {each.name: getattr(letter, each.name) for each in fields(letter)}
    assert template.render(whole, right="erasure")
    with pytest.raises(UndefinedError):
        template.render({key: value for key, value in whole.items() if key != "head"}, right="x")
    with pytest.raises(UndefinedError):
        template.render(whole)


@given(st.text(max_size=300))
def test_whatever_a_reason_holds_a_letter_is_written(reason: str) -> None:
    letter = replace(LETTERS["refusal"], reasons=(f"It is {reason}",))
    text = render_letter(letter)
    assert text.endswith("Example Corpora\n")
    assert "".join(reason.split()) in "".join(text.split())
