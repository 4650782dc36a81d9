"""The page about formats has every property, and what each becomes when it is read."""

from __future__ import annotations

from registry.cards.croissant.terms import CORE_PROPERTIES, OWN_PROPERTIES, RAI_PROPERTIES
from registry.cards.huggingface.vocabulary import FILE
from registry.cards.importing.croissant import _KINDS as PROPERTIES
from registry.cards.importing.files import LIMIT_BYTES
from registry.cards.importing.huggingface import _KINDS as SECTIONS
from registry.cards.importing.huggingface import FRONT_LIMIT_BYTES
from registry.cards.importing.imported import TEXT_LIMIT
from registry.cards.known import ROWS_HERE
from tests.house.tree import ROOT

PAGE = (ROOT / "docs/card-formats.md").read_text("utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("|")]


def row(first: str) -> str:
    """The rows that begin with a cell."""
    found = [line for line in ROWS if line.split("|")[1].strip() == first]
    assert found, first
    return "\n".join(found)


def test_every_property_of_rai_has_its_row_with_statements_and_facts() -> None:
    for each in RAI_PROPERTIES:
        told = row(f"`{each.name}`")
        assert f"| {'many' if each.is_many else 'one'} |" in told
        for name in (*each.statements, *each.facts):
            assert f"`{name}`" in told, (each.name, name)


def test_every_other_property_has_its_row_with_its_facts() -> None:
    for terms in (CORE_PROPERTIES, OWN_PROPERTIES):
        for fact, properties in terms.items():
            for each in properties.split():
                assert f"`{fact}`" in row(f"`{each}`")


def test_everything_that_is_read_has_its_row_with_what_it_becomes() -> None:
    for name, kind in PROPERTIES.items():
        assert f"| `{kind}` |" in row(f"`{name}`")
    for heading, kind in SECTIONS.items():
        assert any(heading.capitalize() in line and f"| `{kind}` |" in line for line in ROWS), (
            heading
        )


def test_the_limits_are_those_of_the_program() -> None:
    for text in (
        f"at most {ROWS_HERE:,} rows",
        f"over {TEXT_LIMIT:,} characters",
        f"At most {LIMIT_BYTES >> 20} MiB",
        f"front matter {FRONT_LIMIT_BYTES >> 10} KiB",
        f"`policies/{FILE}`",
    ):
        assert text in PAGE, text
