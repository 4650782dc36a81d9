"""How much a version holds: examples, bytes and tokens, and by split, modality and language.

Rules:
1. Examples are counted by the ledger, less what was erased. Where only producers counted, the fact
   is asserted; where somebody did not count at all, the number is not known.
2. Bytes and tokens are what producers recorded of each example, added up. Where they are recorded
   of a part only, the note says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from registry.cards.facts.making import known, not_recorded
from registry.cards.facts.rollup import Rollup, is_open, shares_fact
from registry.cards.facts.world import World
from registry.cards.values import Fact, Grade

_HOUR_MILLISECONDS = 3_600_000


def quantity_facts(world: World, rollup: Rollup) -> Iterator[Fact]:
    """The facts named `quantity.…`, but for batches and files."""
    yield _examples(world)
    yield _erased(world)
    total = rollup.total
    yield _added("quantity.bytes", world, rollup, total.bytes, total.of_bytes)
    yield _added("quantity.tokens", world, rollup, total.tokens, total.of_tokens)
    hours = round(total.milliseconds / _HOUR_MILLISECONDS, 6)
    yield _added("quantity.hours", world, rollup, hours, total.of_milliseconds)
    for dimension in ("split", "modality", "language"):
        yield shares_fact(f"quantity.by_{dimension}", rollup, dimension, world.of_sums)


def _examples(world: World) -> Fact:
    rows = world.members
    if not rows:
        return not_recorded("quantity.examples", "No batch of it is recorded.", world.of_version)
    counts = [row.examples for row in rows]
    unsaid = sum(count is None for count in counts)
    known_ones = sum(count for count in counts if count is not None)
    measured = all(world.is_measured(row) for row in rows)
    on = world.of_sums if measured else world.of_members
    if unsaid:
        note = f"{unsaid} of {len(rows)} batches do not say how many examples they hold"
        return not_recorded("quantity.examples", f"{note}; the others hold {known_ones}.", on)
    grade = Grade.MEASURED if measured else Grade.ASSERTED
    return known("quantity.examples", known_ones, grade, on)


def _erased(world: World) -> Fact:
    if not any(row.is_counted for row in world.members):
        return not_recorded("quantity.erased", "No batch of it is in the ledger.")
    erased = sum(row.erased or 0 for row in world.members)
    return known("quantity.erased", erased, Grade.MEASURED, world.of_sums)


def _added(name: str, world: World, rollup: Rollup, value: float, batches: int) -> Fact:
    """What was recorded of each example, added up (rule 2)."""
    on = world.of_sums
    waiting = is_open(name, rollup, on)
    if waiting is not None:
        return waiting
    if not batches:
        return not_recorded(name, None, on)
    note = None
    if batches < rollup.batches:
        note = f"Recorded of {batches} of {rollup.batches} batches; the rest adds to it."
    return known(name, value, Grade.ASSERTED, on, note)
