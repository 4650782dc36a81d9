"""Facts that only people state: statements in force, each with its author and date.

Rules:
1. A statement is an answer while it is in force: neither superseded nor expired.
2. Statements in force that say different things contradict each other, and none of them is taken.
"""

from __future__ import annotations

from collections.abc import Iterator

from registry.cards.fact_kinds import STATEMENTS
from registry.cards.facts.making import not_recorded
from registry.cards.values import Fact


def declared_facts() -> Iterator[Fact]:
    """The facts named `statement.…`."""
    for kind in STATEMENTS:
        yield not_recorded(kind.name)
