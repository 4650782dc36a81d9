"""Facts that only people state: statements in force, each with its author and date.

Rules:
1. A statement is an answer while it is in force: neither superseded nor expired.
2. Statements in force that say different things contradict each other, and none of them is taken.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlmodel import Session

from registry.cards.catalogue import CATALOGUE
from registry.cards.fact_kinds import STATEMENTS
from registry.cards.facts.making import not_recorded
from registry.cards.facts.world import World
from registry.cards.values import Fact


def declared_facts(session: Session, world: World) -> Iterator[Fact]:  # noqa: ARG001 - see the seam
    """The facts named `statement.…`, and those of the system behind the data."""
    for kind in STATEMENTS:
        yield not_recorded(kind.name)
    for name in CATALOGUE:
        if name.startswith(("provider.", "system.")) and name != "system.training_runs":
            yield not_recorded(name)
