"""The facts that follow from batches and their sums alone, so that they can be kept with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlmodel import Session

from registry.cards.facts.duties import purposes_fact
from registry.cards.facts.identity import storage_facts
from registry.cards.facts.lineage import upstream_fact
from registry.cards.facts.origin import origin_facts
from registry.cards.facts.personal import personal_facts
from registry.cards.facts.preparation import Generated, duplicates_fact, synthetic_facts
from registry.cards.facts.quantity import quantity_facts
from registry.cards.facts.rights import counted_rights
from registry.cards.facts.rollup import Rollup
from registry.cards.facts.sight import Sight
from registry.cards.facts.sources import Sources
from registry.cards.facts.world import World
from registry.cards.values import Fact


def settled_facts(
    session: Session,
    world: World,
    rollup: Rollup,
    sources: Sources,
    generated: Sequence[Generated],
    sight: Sight,
) -> Iterator[Fact]:
    """What stays as it is while no watched row changes, for a reader who sees this much."""
    yield from quantity_facts(world, rollup)
    yield from storage_facts(session, world)
    yield from origin_facts(world, sources, sight)
    yield from synthetic_facts(world, sources, generated, sight)
    yield from counted_rights(session, world, sources)
    yield purposes_fact(world)
    yield from personal_facts(world, sources)
    yield duplicates_fact(session, world)
    yield upstream_fact(session, world, sight)
