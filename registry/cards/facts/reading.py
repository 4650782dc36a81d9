"""Reads every fact of a version, once and in one transaction: what all cards are made of.

Rules:
1. Every name of the catalogue has a fact: a value with its grade and evidence, or the state that
   says why there is none.
2. The session sees everything, because facts are computed as the system over the whole graph; what
   of it is shown follows from `scope` (DESIGN §1.11).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlmodel import Session

from registry.cards.catalogue import CATALOGUE
from registry.cards.facts.declared import declared_facts
from registry.cards.facts.identity import identity_facts
from registry.cards.facts.making import not_recorded
from registry.cards.facts.quantity import quantity_facts
from registry.cards.facts.rights import rights_facts
from registry.cards.facts.rollup import roll_up
from registry.cards.facts.world import Parts, World, read_world
from registry.cards.values import About, CardFacts, Fact
from registry.catalog.scope import EVERYTHING, Scope


def read_facts(
    session: Session,
    parts: Parts,
    dataset_id: bytes,
    number: int,
    *,
    now: datetime,
    scope: Scope = EVERYTHING,  # noqa: ARG001 - nothing is named yet that may be out of sight
) -> CardFacts:
    """Every fact of a version of a dataset, or of everything behind a version of a model.

    `session`: one that nobody confined (rule 2). Raises NotFoundError for a dataset or version that
    is not there. Effects: none. Cost: in proportion to the batches of the version and of what it
    was made of, in a fixed number of queries for each level.
    """
    world = read_world(session, parts, dataset_id, number, now=now)
    facts = {fact.name: fact for fact in _facts(session, world)}
    for name in CATALOGUE:
        if name not in facts:
            facts[name] = not_recorded(name)
    dataset = world.dataset
    about = About(world.kind, dataset.namespace, dataset.name, number, world.content_digest)
    return CardFacts(about, {name: facts[name] for name in CATALOGUE}, now)


def _facts(session: Session, world: World) -> Iterator[Fact]:
    rollup = roll_up(session, world.members)
    yield from identity_facts(session, world)
    yield from quantity_facts(world, rollup)
    yield from rights_facts(world, rollup)
    yield from declared_facts()
