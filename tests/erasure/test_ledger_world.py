"""The closure over a real ledger equals brute force, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from registry.erasure.rules import load_rules
from registry.erasure.scope.ledger_world import LedgerWorld
from registry.erasure.scope.reach import reach
from registry.erasure.scope.until import until_now
from tests.erasure.naive import Naive
from tests.erasure.telling import RECEIVED_MINUTE, Telling, keys_of
from tests.erasure.worlds import Address, Story, story_of
from tests.ledger.pipelines import Pipeline
from tests.live import LiveServer

RULES = load_rules().said
RECEIVED = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(minutes=RECEIVED_MINUTE)
STORIES = 14


def worth_telling(seed: int) -> bool:
    """A story in which something is erased, and something reviewed for more than one reason."""
    found = Naive(story_of(seed), asked_of(seed), RULES)
    return len(found.erase) > 3 and len(found.review) > 2


def asked_of(seed: int) -> frozenset[int]:
    return frozenset({seed % 5, 1} if seed % 3 == 0 else {seed % 5})


@pytest.fixture(scope="module")
def told(shared_server: LiveServer) -> Iterator[list[Telling]]:
    seeds = [seed for seed in range(2_000) if worth_telling(seed)][:STORIES]
    with shared_server.client() as client:
        pipeline = Pipeline(shared_server, client)
        tellings = [Telling(pipeline, seed, story_of(seed)) for seed in seeds]
        for telling in tellings:
            telling.tell()
        pipeline.settle()
        yield tellings


def test_the_closure_in_the_ledger_equals_brute_force(
    told: list[Telling], shared_server: LiveServer
) -> None:
    house = shared_server.registry.house
    assert len(told) == STORIES
    with house.database.read() as session:
        for telling in told:
            asked = asked_of(telling.seed)
            numbers = telling.numbers(session)
            limit = numbers[telling.story.limit]
            until = until_now(session, received_at=RECEIVED, up_to=limit)
            keys = keys_of(house.ledger.keyring, telling.seed, asked)
            world = LedgerWorld(session, house.ledger, keys, until)
            found = reach(world, world.own(), RULES)
            naive = Naive(telling.story, asked, RULES)
            back = {number: told for told, number in numbers.items()}
            assert _told(found.own, back, telling.story) == naive.own, telling.seed
            assert _told(found.erase, back, telling.story) == naive.erase, telling.seed
            reviewed = {
                reason: marks
                for reason, some in found.review.items()
                if (marks := _told(some, back, telling.story) - naive.erase)
            }
            expected = {r: left for r, m in naive.review.items() if (left := m - naive.erase)}
            assert reviewed == expected, telling.seed


def _told(marks: dict, back: dict[int, int], story: Story) -> set[Address]:  # type: ignore[type-arg]
    return {
        (back[number], row)
        for number, rows in marks.items()
        for row in (range(story.batches[back[number]].rows) if rows is None else rows.tolist())
    }
