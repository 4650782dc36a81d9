"""Every example of a scope has a chain of reasons that begins with the person's own example."""

from __future__ import annotations

import itertools

import pytest

from registry.erasure.rules import Effect, load_rules
from registry.erasure.scope.explain import Address, Link, Way, explain
from registry.erasure.scope.reach import Reached, reach
from registry.erasure.scope.world import Output
from registry.errors import NotFoundError
from registry.ledger.rowmap import Role
from tests.erasure.naive import Naive
from tests.erasure.test_reach import as_set
from tests.erasure.worlds import StoryWorld, story_of

RULES = load_rules().said
STORIES = 250


def test_a_chain_leads_from_an_own_example_to_each_example_of_the_scope() -> None:
    ways: set[Way] = set()
    for seed in range(STORIES):
        story = story_of(seed)
        asked = frozenset({seed % 5})
        world = StoryWorld(story, asked)
        found = reach(world, world.own(), RULES)
        naive = Naive(story, asked, RULES)
        everything = as_set(dict(found.erase), story)
        for marks in found.review.values():
            everything |= as_set(marks, story)
        for address in sorted(everything):
            chain = explain(world, found, RULES, *address)
            check(chain, address, naive, found)
            ways |= {link.way for link in chain}
    assert ways == set(Way)


def check(chain: tuple[Link, ...], address: Address, naive: Naive, found: Reached) -> None:
    if not chain:
        assert address in naive.own
        return
    assert chain[0].source in naive.own
    assert chain[-1].to == address
    for link, following in itertools.pairwise(chain):
        assert link.to == following.source
    for link in chain:
        assert is_true(link, naive, found), link
    if address in naive.erase:
        assert {link.source for link in chain} <= naive.erase
        assert {link.way for link in chain} <= {Way.MADE, Way.EXACT_DUPLICATE}
        roles = {Role(link.role) for link in chain if link.role is not None}
        assert all(RULES.roles[role] is Effect.ERASE for role in roles)


def is_true(link: Link, naive: Naive, found: Reached) -> bool:
    """Whether the story says so."""
    if link.way is Way.UNKNOWN_STEP:
        return link.run_id is not None and link.job is not None
    assert not isinstance(link.source, Output)
    assert not isinstance(link.to, Output)
    up = [role for role, parent in naive.parents.get(link.to, ()) if parent == link.source]
    down = [role for role, parent in naive.parents.get(link.source, ()) if parent == link.to]
    match link.way:
        case Way.MADE:
            return link.role in up and link.role != Role.DUPLICATE_OF
        case Way.NEAR_DUPLICATE:
            assert (link.score, link.method) == (0.9, "minhash")
            return Role.DUPLICATE_OF in up + down
        case Way.SAME_ROW:
            return Role.KEPT in down
        case Way.ORIGIN:
            return link.role in down
        case Way.EXACT_DUPLICATE:
            return naive.digest(link.source) == naive.digest(link.to) is not None


def test_an_example_outside_the_scope_is_refused() -> None:
    story = story_of(3)
    world = StoryWorld(story, frozenset({3}))
    found = reach(world, world.own(), RULES)
    with pytest.raises(NotFoundError, match="not in the scope"):
        explain(world, found, RULES, 1, 4_000)
