"""Why an example is in a scope: the shortest chain of reasons from the person's own example to it.

Rules:
1. Of an example that is erased, the chain goes over exact paths alone.
2. Of one that is reviewed, it may go over anything that made somebody look at it; an unknown step
   is named with its run and job, not guessed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from registry.erasure.rules import Effect, ErasureRules
from registry.erasure.scope.reach import Reached, Reason
from registry.erasure.scope.sets import Marks, Ordinals, Sets, holds
from registry.erasure.scope.world import Output, World
from registry.errors import NotFoundError
from registry.ledger.batches import MapNode
from registry.ledger.closure import children, parents
from registry.ledger.rowmap import Role

Address = tuple[int, int]
# Of the parents of one example, so many are followed.
_FOLLOWED = 1_000


class Way(StrEnum):
    """How one thing led to the next."""

    MADE = "made"
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    SAME_ROW = "same_row"
    ORIGIN = "origin"
    UNKNOWN_STEP = "unknown_step"


@dataclass(frozen=True, slots=True)
class Link:
    """One step of a chain, from an example (or an output without batches) to the next.

    `role`: of the map; `score` and `method`: of a near duplicate; `job` and `run_id`: of the step.
    """

    way: Way
    source: Address | Output
    to: Address | Output
    role: str | None = None
    score: float | None = None
    method: str | None = None
    run_id: bytes | None = None
    job: str | None = None


def explain(
    world: World, found: Reached, rules: ErasureRules, number: int, ordinal: int
) -> tuple[Link, ...]:
    """The chain from an own example to this one; empty for an own example. One that may name the
    person begins a chain too, but none of what is erased.

    Raises NotFoundError for an example that is in neither set. Cost: in proportion to the examples
    between them; one pass over the maps on the way where they are not sorted.
    """
    address = (number, ordinal)
    erased = holds(found.erase, number, ordinal)
    if not erased and not any(holds(marks, *address) for marks in found.review.values()):
        raise NotFoundError(
            f"Example {ordinal} of batch {number} is not in the scope.",
            remedy="Name an example of its erase or review set.",
            path="address",
        )
    why = _Why(world, found, rules, exact=erased)
    starts = [found.own] if erased else [found.own, found.candidates]
    led_by: dict[Address | Output, Link | None] = {address: None}
    waiting: deque[Address | Output] = deque([address])
    while waiting:
        at = waiting.popleft()
        if not isinstance(at, Output) and any(holds(marks, *at) for marks in starts):
            return _chain(at, led_by)
        for link in why.before(at):
            if link.source not in led_by:
                led_by[link.source] = link
                waiting.append(link.source)
    raise AssertionError(f"nothing leads to {address}")


def _chain(
    start: Address | Output, led_by: dict[Address | Output, Link | None]
) -> tuple[Link, ...]:
    chain = []
    link = led_by[start]
    while link is not None:
        chain.append(link)
        link = led_by[link.to]
    return tuple(chain)


class _Why:
    """What may have led to an example; `exact`: by the rules of the erase set alone."""

    def __init__(self, world: World, found: Reached, rules: ErasureRules, *, exact: bool) -> None:
        self._world = world
        self._found = found
        self._exact = exact
        self._erased = {role for role in Role if rules.roles[role] is Effect.ERASE}

    def before(self, at: Address | Output) -> Iterator[Link]:
        if isinstance(at, Output):
            yield from self._unknown(at, None, at)
            return
        yield from self._made(at)
        yield from self._duplicate(at)
        if not self._exact and not holds(self._found.erase, *at):
            yield from self._after(at)
            if at[0] in self._found.review.get(Reason.UNKNOWN_STEP, {}):
                yield from self._unknown(None, at[0], at)

    def _made(self, at: Address) -> Iterator[Link]:
        """The maps that lead to an example."""
        erased = holds(self._found.erase, *at)
        for part in self._parts(at[0]):
            role = Role(part.role)
            is_near = role is Role.DUPLICATE_OF and role not in self._erased
            if (erased or self._exact) and role not in self._erased:
                continue
            for source, rows in parents(self._world, part, _one(at[1])):
                inside = _inside(self._found.erase, source, rows)
                if not inside.size and not erased and not is_near:
                    inside = self._reviewed(source, rows)
                way = Way.NEAR_DUPLICATE if is_near else Way.MADE
                yield from (
                    self._link(way, (source, row), at, part) for row in inside[:_FOLLOWED].tolist()
                )

    def _duplicate(self, at: Address) -> Iterator[Link]:
        address = np.uint64(at[0] << 32 | at[1])
        for copies, of in self._found.duplicates:
            for source in of[copies == address].tolist():
                yield Link(Way.EXACT_DUPLICATE, (source >> 32, source & 0xFFFFFFFF), at)

    def _after(self, at: Address) -> Iterator[Link]:
        """What an example led to: survivors, the same row further on, and own examples."""
        found = self._found
        asked: Sets = {at[0]: _one(at[1])}
        near = found.review.get(Reason.NEAR_DUPLICATE, {})
        origin = found.review.get(Reason.ORIGIN, {})
        targets = [t for each in self._world.outputs(asked).values() for t in each]
        for target in sorted(self._world.batches(targets)):
            for part in self._parts(target):
                role = Role(part.role)
                rows = children(self._world, part, asked)
                ways: list[tuple[Way, Marks | Sets]] = []
                if role is Role.DUPLICATE_OF:
                    ways = [(Way.NEAR_DUPLICATE, found.erase)]
                elif role in self._erased and holds(origin, *at):
                    ways = [(Way.ORIGIN, each) for each in (found.own, found.erase, origin)]
                if role is Role.KEPT and holds(near, *at):
                    ways += [(Way.SAME_ROW, each) for each in (found.erase, near)]
                for way, marks in ways:
                    inside = _inside(marks, target, rows)[:_FOLLOWED]
                    yield from (self._link(way, (target, r), at, part) for r in inside.tolist())

    def _unknown(
        self, output: Output | None, target: int | None, to: Address | Output
    ) -> Iterator[Link]:
        """The steps without a map that wrote a batch, or an output without one."""
        for step in self._found.steps:
            if target is not None and step.target != target:
                continue
            if output is not None and (step.target is not None or step.output != output):
                continue
            sources: list[Address | Output] = [*self._members(step.batches), *step.outputs]
            for source in sources:
                yield Link(Way.UNKNOWN_STEP, source, to, run_id=step.run_id, job=step.job)

    def _members(self, numbers: tuple[int, ...]) -> list[Address]:
        """One example of each batch, of the erase set where it has any."""
        found = []
        for number in numbers:
            some = self._found.erase.get(number)
            if some is not None and some.size:
                found.append((number, int(some[0])))
                continue
            for marks in self._found.review.values():
                if number in marks:
                    rows = marks[number]
                    found.append((number, 0 if rows is None else int(rows[0])))
        return found

    def _reviewed(self, number: int, rows: Ordinals) -> Ordinals:
        some = [_inside(marks, number, rows) for marks in self._found.review.values()]
        return np.unique(np.concatenate(some)) if some else rows[:0]

    def _parts(self, number: int) -> tuple[MapNode, ...]:
        seen = self._world.batches([number]).get(number)
        return () if seen is None else seen.maps

    def _link(self, way: Way, source: Address, to: Address, part: MapNode) -> Link:
        near = way is Way.NEAR_DUPLICATE
        score, method = (part.score, part.method) if near else (None, None)
        return Link(way, source, to, part.role, score, method)


def _one(ordinal: int) -> Ordinals:
    return np.array([ordinal], np.uint32)


def _inside(marks: Marks | Sets, number: int, rows: Ordinals) -> Ordinals:
    """Those of some ordinals of a batch that are marked."""
    if number not in marks:
        return rows[:0]
    known = marks[number]
    return rows if known is None else np.intersect1d(rows, known, assume_unique=True)
