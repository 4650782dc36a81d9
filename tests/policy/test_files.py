"""Policy files that cannot be used stop the start with file, line and remedy; a reload is whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry.errors import InvalidInputError, PolicyError
from registry.policy.book import PolicyBook
from registry.policy.policy_set import load_policies, question_of

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nrules: [*b, *b]\n"
RULE = "name: r1, scope: {}, trigger: collected, legal_basis: law"


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("retention.yaml", BOMB, "retention.yaml, line 1"),
        ("retention.yaml", "rules: [", "retention.yaml, line"),
        ("retention.yaml", "rules:\n  - {}\n", "retention.yaml, line 2"),
        ("retention.yaml", f"rules:\n- {{{RULE}, duration: P1M, on: x}}", "line 2"),
        ("retention.yaml", f"rules: [{{{RULE}, duration: 1 month}}]", "'1 month'"),
        (
            "retention.yaml",
            "rules: [{name: r1, scope: {}, trigger: last_used, legal_basis: x, duration: P1Y}]",
            "every training run renews",
        ),
        (
            "retention.yaml",
            f"rules: [{{{RULE}, duration: P1M}}, {{{RULE}, duration: P1M}}]",
            "Two rules are called r1",
        ),
        ("residency.yaml", "regions: {eea: 7}", "residency.yaml, line 1"),
        (
            "residency.yaml",
            "regions: {}\nclassifications: {secret: {law: x, rest: [moon]}}",
            "'moon'",
        ),
        ("use.yaml", "bases: {}\nlicense: {rights: {conquest: []}}", "'conquest'"),
        ("use.yaml", "bases:\n  consent: {law: x, consent: maybe}\n", "use.yaml, line"),
        ("vet.yaml", "tolerance: 7", "vet.yaml, line 1"),
        ("vet.yaml", "tolerance: !!python/name:os.system x", "vet.yaml, line 1"),
        ("purposes.yaml", "purposes: {a: {label: x, implies: [a]}}", "purposes.yaml, line 1"),
        ("use.yaml", "", "use.yaml"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(
    tmp_path: Path, file: str, text: str, complaint: str
) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(PolicyError) as caught:
        load_policies(tmp_path)
    assert complaint in caught.value.detail
    assert file in caught.value.detail
    assert caught.value.remedy


def test_files_that_a_folder_lacks_are_the_shipped_ones(tmp_path: Path) -> None:
    shipped = load_policies()
    assert load_policies(tmp_path).digest == shipped.digest
    (tmp_path / "vet.yaml").write_text("tolerance: 0.2")
    own = load_policies(tmp_path)
    assert own.vet.tolerance == 0.2
    assert own.use == shipped.use
    assert own.digest != shipped.digest


def test_a_reload_swaps_the_whole_set_or_none_of_it(tmp_path: Path) -> None:
    file = tmp_path / "vet.yaml"
    file.write_text("tolerance: 0.1")
    book = PolicyBook(tmp_path)
    first = book.current()
    file.write_text("tolerance: [")
    with pytest.raises(PolicyError):
        book.reload()
    assert book.current().digest == first.digest
    file.write_text("tolerance: 0.3")
    assert book.reload().vet.tolerance == 0.3
    assert first.vet.tolerance == 0.1


def test_a_changed_file_is_seen_and_a_broken_one_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.policy.book._LOOKED_AT_MOST_EVERY_SECONDS", 0.0)
    file = tmp_path / "vet.yaml"
    file.write_text("tolerance: 0.1")
    book = PolicyBook(tmp_path)
    seen: list[float] = []
    write: Callable[[str], int] = file.write_text
    for moment, text in enumerate(("tolerance: 0.2", "tolerance: [", "tolerance: 0.25")):
        seen.append(book.current().vet.tolerance)
        write(text)
        os.utime(file, (moment + 1, moment + 1))
    seen.append(book.current().vet.tolerance)
    assert seen == [0.1, 0.2, 0.2, 0.25]


def test_a_purpose_that_nobody_defined_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        question_of(load_policies(), "conquest", datetime(2026, 1, 1, tzinfo=UTC))
