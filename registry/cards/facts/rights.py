"""Under which terms the data may be used: licences, as recorded and as verified.

Rules:
1. An example has its own licence, else its batch's, else those of what it was made of
   (`registry.ledger.sums`). What a person verified of a member stands for what was said of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from registry.cards.facts.rollup import Rollup, shares_fact
from registry.cards.facts.world import World
from registry.cards.values import Fact


def rights_facts(world: World, rollup: Rollup) -> Iterator[Fact]:
    """The facts named `rights.…`."""
    yield shares_fact("rights.licenses", rollup, "license", world.of_sums)
