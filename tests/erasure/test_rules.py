"""The rules of erasure are read from a file, and a file that is wrong is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.erasure.rules import FILE, Effect, load_rules, parse_rules
from registry.errors import PolicyError
from registry.files import shipped
from registry.ledger.rowmap import Role

TEXT = (shipped("policies") / FILE).read_text("utf-8")


def test_the_shipped_rules_say_what_each_role_leads_to() -> None:
    rules = load_rules()
    assert rules.roles == {
        Role.KEPT: Effect.ERASE,
        Role.TRANSFORMED: Effect.ERASE,
        Role.AUGMENTED: Effect.ERASE,
        Role.LABELLED: Effect.ERASE,
        Role.DUPLICATE_OF: Effect.REVIEW,
        Role.AGGREGATED: Effect.REVIEW,
        Role.SYNTHESISED_FROM: Effect.ASSESS,
    }
    assert rules.said.duplicates.minimum_bytes == 64
    assert (rules.said.shared.example, rules.said.shared.packed) == ("review", "erase")
    assert rules.said.regimes["gdpr"].suppression.period == "P3Y"
    assert rules.said.regimes["ccpa"].suppression.period is None
    assert rules.said.regimes["ccpa"].record_kept == "P24M"


def test_an_operators_file_goes_before_the_shipped_one(tmp_path: Path) -> None:
    assert load_rules(tmp_path).digest == load_rules().digest
    (tmp_path / FILE).write_text(TEXT.replace("minimum_bytes: 64", "minimum_bytes: 128"))
    mine = load_rules(tmp_path)
    assert mine.said.duplicates.minimum_bytes == 128
    assert mine.digest != load_rules().digest


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("kept: erase", "kept: burn", "line 6: Invalid enum value 'burn'"),
        ("kept: erase", "borrowed: erase", "line 5: Invalid enum value 'borrowed'"),
        ("  kept: erase\n", "", "roles lacks kept"),
        ("duplicate_of: review", "duplicate_of: assess", "is no derivation"),
        ("minimum_bytes: 64", "minimum_bytes: -1", "line 17"),
        ("minimum_bytes: 64", "least: 64", "unknown field `least`"),
        ("period: P3Y", "period: 3 years", "regimes.gdpr.suppression.period"),
        ("  ccpa:", "  cpra:", "cpra"),
        ("roles:", "roles: &a", "anchors"),
    ],
)
def test_rules_that_are_wrong_are_refused(old: str, new: str, complaint: str) -> None:
    assert TEXT.count(old) >= 1
    with pytest.raises(PolicyError) as caught:
        parse_rules(TEXT.replace(old, new, 1))
    assert complaint in str(caught.value)
    assert FILE in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyError, match="cannot be read"):
        load_rules(tmp_path)
