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

from registry.audit.signing import current_origin
from registry.cards.catalogue import CATALOGUE
from registry.cards.facts.declared import declared_facts
from registry.cards.facts.duties import duty_facts, policy_fact, retention_facts
from registry.cards.facts.erasures import erasure_facts
from registry.cards.facts.identity import identity_facts
from registry.cards.facts.keeping import Ground, GroundKeeper
from registry.cards.facts.lineage import lineage_facts
from registry.cards.facts.log import log_facts, placed
from registry.cards.facts.origin import origin_facts
from registry.cards.facts.people import people_facts
from registry.cards.facts.personal import consent_facts, personal_facts
from registry.cards.facts.preparation import (
    crawl_fact,
    preparation_facts,
    synthetic_facts,
)
from registry.cards.facts.quality import quality_facts
from registry.cards.facts.quantity import quantity_facts
from registry.cards.facts.rights import rights_facts
from registry.cards.facts.sight import Sight
from registry.cards.facts.world import Parts, World, find_target, read_facets
from registry.cards.values import About, CardFacts, Evidence, EvidenceKind, Fact
from registry.catalog.scope import EVERYTHING, Scope


def read_facts(
    session: Session,
    parts: Parts,
    dataset_id: bytes,
    number: int,
    *,
    now: datetime,
    scope: Scope = EVERYTHING,
    keeper: GroundKeeper | None = None,
) -> CardFacts:
    """Every fact of a version of a dataset, or of everything behind a version of a model.

    `session`: one that nobody confined (rule 2). Raises NotFoundError for a dataset or version that
    is not there. Effects: none. Cost: in proportion to the batches of the version and of what it
    was made of, in a fixed number of queries for each level.
    """
    target = find_target(session, dataset_id, number)
    ground = (keeper or GroundKeeper()).read(session, parts, target)
    world = ground.world
    sight = Sight(session, scope)
    sight.learn(node.dataset_id for node in world.steps.nodes.values())
    read = _facts(session, parts, ground, sight, now)
    made = placed(session, sight.cut(read, _things(world, scope)))
    facts = {fact.name: fact for fact in (*made, *log_facts(session, made))}
    origin = current_origin(session)
    dataset, kind = target.dataset, "model" if target.is_model else "dataset"
    about = About(kind, dataset.namespace, dataset.name, number, world.content_digest)
    ordered = {name: facts[name] for name in CATALOGUE}
    return CardFacts(about, ordered, now, "" if origin is None else origin.name)


def _things(world: World, scope: Scope) -> dict[Evidence, bytes]:
    """Which dataset the batches and their events are about, for a reader who does not see all."""
    found: dict[Evidence, bytes] = {}
    for row in () if scope.is_everything else world.everything:
        key = bytes(row.dataset_id)
        for kind in (EvidenceKind.BATCH, EvidenceKind.SUMS):
            found[Evidence(kind, row.key)] = key
        found[Evidence(EvidenceKind.EVENT, row.event)] = key
    return found


def _facts(
    session: Session, parts: Parts, ground: Ground, sight: Sight, now: datetime
) -> Iterator[Fact]:
    """Every fact but those of the log itself."""
    policies = parts.policies
    world, rollup, sources = ground.world, ground.rollup, ground.sources
    generated = ground.generated
    facets = read_facets(session, world)
    yield from identity_facts(session, world, facets)
    yield from quantity_facts(world, rollup)
    yield from origin_facts(world, sources, sight)
    yield crawl_fact(session, world, sight)
    yield from rights_facts(session, world, facets, policies.licenses, sources, sight)
    yield from duty_facts(session, world, now)
    yield from retention_facts(session, world, policies, now)
    yield policy_fact(policies)
    yield from people_facts(session, world, policies.purposes, now)
    yield from preparation_facts(session, world, sight)
    yield from synthetic_facts(world, sources, generated, sight)
    yield from quality_facts(session, world, facets, rollup, sight)
    yield from personal_facts(world, sources)
    yield from consent_facts(session, world, parts.ledger, policies.purposes, now)
    yield from erasure_facts(session, world, sight)
    yield from lineage_facts(session, world, generated, sight)
    yield from declared_facts(session, world.target, now)
