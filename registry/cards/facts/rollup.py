"""Adds up the sums that the worker made of batches, and turns them into facts.

Rules (DESIGN §2, "Sums"):
1. Sums are made by the worker, batch by batch; examples are never read here. While one of the
   batches is not summed, the answer is *computing*.
2. What nobody recorded is counted under a value of its own and is never left out. Where nothing at
   all was recorded of a dimension, the fact is *not recorded*.
3. Bytes and tokens of a value are given where they are recorded of all of its examples.
4. A batch of which only its producer's count is known counts under what is not recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlmodel import Session

from registry.cards.fact_kinds import NOT_RECORDED
from registry.cards.facts.batch_rows import BatchRow
from registry.cards.facts.making import Basis, Row, missing, not_recorded, table
from registry.cards.values import Fact, Grade, State
from registry.ledger.sums import NOT_RECORDED as UNSAID
from registry.storage.bulk import TypedColumn, select_by_rows

_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)
_SUMS = """
SELECT s.dimension, s.value, sum(s.examples), sum(s.bytes), count(s.bytes), sum(s.tokens),
  count(s.tokens), sum(s.milliseconds), count(s.milliseconds), count(*)
FROM {rows} AS w JOIN batch_sum s ON s.number = w.number GROUP BY s.dimension, s.value
"""
TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Share:
    """What has one value: examples, and their numbers with how many batches each is known of.

    `batches`: how many batches have the value at all.
    """

    examples: int
    bytes: int
    of_bytes: int
    tokens: int
    of_tokens: int
    milliseconds: int
    of_milliseconds: int
    batches: int

    @property
    def cells(self) -> tuple[int, int | None, int | None]:
        """Examples, bytes and tokens as a table has them (rule 3)."""
        whole_bytes = self.bytes if self.of_bytes == self.batches else None
        whole_tokens = self.tokens if self.of_tokens == self.batches else None
        return self.examples, whole_bytes, whole_tokens

    def __add__(self, other: Share) -> Share:
        """Both together."""
        mine, theirs = _numbers(self), _numbers(other)
        return Share(*(a + b for a, b in zip(mine, theirs, strict=True)))


def _numbers(share: Share) -> tuple[int, ...]:
    return (
        share.examples,
        share.bytes,
        share.of_bytes,
        share.tokens,
        share.of_tokens,
        share.milliseconds,
        share.of_milliseconds,
        share.batches,
    )


NO_SHARE = Share(0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Rollup:
    """The sums of some batches by dimension and value.

    `pending`: how many batches the worker has still to sum up; `uncounted`: the batches that only
    their producer's word is known of, and `unknown`: how many nobody said the examples of.
    """

    shares: Mapping[str, Mapping[str, Share]]
    batches: int
    pending: int
    uncounted: tuple[BatchRow, ...]
    unknown: int

    def of(self, dimension: str) -> dict[str, Share]:
        """The shares of a dimension by value; what is not recorded under `UNSAID` (rule 4)."""
        found = dict(self.shares.get(dimension, {}))
        unsaid = sum(row.example_count or 0 for row in self.uncounted)
        if unsaid:
            more = replace(NO_SHARE, examples=unsaid, batches=len(self.uncounted))
            found[UNSAID] = found.get(UNSAID, NO_SHARE) + more
        return found

    @property
    def total(self) -> Share:
        """All examples together."""
        return self.shares.get(TOTAL, {}).get(TOTAL, NO_SHARE)


def roll_up(session: Session, rows: Sequence[BatchRow]) -> Rollup:
    """Add up the sums of these batches. Cost: one query over their sums."""
    counted = [(row.number,) for row in rows if row.is_counted]
    shares: dict[str, dict[str, Share]] = {}
    for dimension, value, *numbers in select_by_rows(session, _SUMS, _NUMBER, counted):
        # PostgreSQL adds up whole numbers as decimals; nothing at all adds up to NULL.
        share = Share(*(int(number or 0) for number in numbers))
        shares.setdefault(dimension, {})[TOTAL if dimension == TOTAL else value] = share
    summed = shares.get(TOTAL, {}).get(TOTAL, NO_SHARE).batches
    uncounted = tuple(row for row in rows if not row.is_counted)
    return Rollup(
        shares,
        len(rows),
        len(counted) - summed,
        uncounted,
        sum(row.example_count is None for row in uncounted),
    )


def is_open(name: str, rollup: Rollup, on: Basis) -> Fact | None:
    """Why nothing can be said by sums yet, as a fact (rule 1); None where something can."""
    if not rollup.batches:
        return not_recorded(name, "No batch of it is recorded.", on)
    if rollup.pending:
        note = f"{rollup.pending} of {rollup.batches} batches are being summed up."
        return missing(name, State.COMPUTING, note, on)
    return None


def shares_fact(name: str, rollup: Rollup, dimension: str, on: Basis) -> Fact:
    """The shares of a dimension as a fact (rules 1 to 4), the largest first."""
    return shares_of(name, rollup, rollup.of(dimension), on)


def shares_of(
    name: str,
    rollup: Rollup,
    shares: Mapping[str, Share],
    on: Basis,
    grade: Grade = Grade.ASSERTED,
) -> Fact:
    """Shares by value as a fact; what is not recorded stands last."""
    waiting = is_open(name, rollup, on)
    if waiting is not None:
        return waiting
    said = {value: share for value, share in shares.items() if share.examples}
    if not said and rollup.unknown:
        return not_recorded(name, "Nobody said how many examples its batches hold.", on)
    if set(said) == {UNSAID}:
        return not_recorded(name, None, on)
    note = None
    if rollup.unknown:
        note = (
            f"{rollup.unknown} of {rollup.batches} batches do not say how many examples they hold."
        )
    return table(name, share_rows(said), grade, on, note=note)


def share_rows(shares: Mapping[str, Share]) -> list[Row]:
    """Rows under `SHARES`, the largest first, what is not recorded last."""
    order = sorted(shares, key=lambda value: (value == UNSAID, -shares[value].examples, value))
    return [(value if value != UNSAID else NOT_RECORDED, *shares[value].cells) for value in order]


def added(shares: Iterable[tuple[str, Share]]) -> dict[str, Share]:
    """Shares that may name a value several times, by value."""
    found: dict[str, Share] = {}
    for value, share in shares:
        found[value] = found.get(value, NO_SHARE) + share
    return found
