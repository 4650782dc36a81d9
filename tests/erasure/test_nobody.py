"""A request for people of whom nothing is known has a scope too, and says what was not searched."""

from __future__ import annotations

from registry.erasure.plan.document import make_plan, members_of
from registry.erasure.rules import load_rules
from registry.erasure.scope.found import find_scope
from registry.request import House

RULES = load_rules()


def test_nothing_is_found_in_an_empty_registry(house: House) -> None:
    with house.database.read() as session:
        for keys in ([], [b"k" * 16]):
            scope = find_scope(
                session, house.ledger, keys, schemes=["email"], rules=RULES, at=house.clock()
            )
            assert (scope.erase, scope.review, scope.files, scope.models) == ({}, {}, (), ())
            assert list(members_of(scope)) == []
            document = make_plan(scope).document
            assert document["erase"] == {"examples": 0, "own": 0, "by_dataset": []}
            assert document["known_until"] == {"batch": 0, "received_at": None}
