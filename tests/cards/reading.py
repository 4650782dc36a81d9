"""Reads the facts of a version in a test, and says which of them two readings differ in."""

from __future__ import annotations

from registry.cards.facts.keeping import GroundKeeper
from registry.cards.facts.reading import read_facts
from registry.cards.facts.world import Parts
from registry.cards.values import CardFacts, Table, fact_document
from registry.catalog.names import dataset_id
from registry.catalog.scope import EVERYTHING, Scope
from registry.request import House
from tests.ledger.pipelines import NAMESPACE


def facts_of(
    house: House,
    name: str,
    number: int = 1,
    *,
    scope: Scope = EVERYTHING,
    keeper: GroundKeeper | None = None,
) -> CardFacts:
    """The facts of a version of a dataset of the tests."""
    parts = Parts(house.ledger, house.policies.current())
    key, now = dataset_id(NAMESPACE, name), house.clock()
    with house.database.read() as session:
        return read_facts(session, parts, key, number, now=now, scope=scope, keeper=keeper)


def rows(facts: CardFacts, name: str) -> list[tuple[object, ...]]:
    """The rows of a fact that is a table."""
    value = facts[name].value
    assert isinstance(value, Table), facts[name]
    return list(value.rows)


def changed(before: CardFacts, after: CardFacts) -> set[str]:
    """The names of the facts that are not as they were, in whatever part."""
    assert before.facts.keys() == after.facts.keys()
    return {
        name for name in before.facts if fact_document(before[name]) != fact_document(after[name])
    }
