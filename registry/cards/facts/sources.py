"""Which share of a version entered where: its sums by the dataset in which each example entered.

Rules: see `registry.cards.facts.origin`, 1 and 2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlmodel import Session

from registry.cards.facts.batch_rows import BatchRow
from registry.cards.facts.making import Basis, missing
from registry.cards.facts.rollup import NO_SHARE, TOTAL, Rollup, Share, added, is_open, roll_up
from registry.cards.facts.world import World
from registry.cards.values import Fact, State
from registry.ledger.sums import NOT_RECORDED as UNSAID
from registry.ledger.sums import PAIR, SOURCE
from registry.storage.bulk import TypedColumn, select_by_rows

SEVERAL = "(several)"
MODALITY_SOURCE = f"modality{PAIR}{SOURCE}"
MODALITY_DOMAIN = f"modality{PAIR}source_domain"
_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)
_TOTALS = """
SELECT s.number, s.examples, s.bytes, s.tokens FROM {rows} AS w
JOIN batch_sum s ON s.number = w.number AND s.dimension = 'total'
"""
_EACH = """
SELECT s.number, s.value, s.examples, s.bytes, s.tokens FROM {rows} AS w
JOIN batch_sum s ON s.number = w.number AND s.dimension = 'source'
"""


@dataclass(frozen=True)
class Sources:
    """`rollup`: of all members; `derived`: of those that were made of other batches. `own`: the
    examples of each member where examples entered; `each`: those of the others by the dataset where
    they entered, read only where some of these batches say something themselves. `of_dataset`: the
    batches where examples entered, by dataset, the members' and those behind them.
    """

    rollup: Rollup
    derived: Rollup
    own: tuple[tuple[BatchRow, Share], ...]
    each: tuple[tuple[BatchRow, str, Share], ...]
    of_dataset: Mapping[bytes, tuple[BatchRow, ...]]

    def by(self, said: Callable[[BatchRow], str | None]) -> dict[str, Share]:
        """The examples by what is said of their batch, else of the batches where they entered.

        UNSAID: nobody said it.
        """
        pairs = [(said(row) or UNSAID, share) for row, share in self.own]
        if any(said(row) for row, _, _ in self.each):
            for row, value, share in self.each:
                pairs.append((said(row) or self._agreed(value, said), share))
        else:
            for value, share in self.derived.of(SOURCE).items():
                pairs.append((self._agreed(value, said), share))
        return added(pairs)

    def waiting(self, name: str, on: Basis) -> Fact | None:
        """Why nothing can be said of sources yet, as a fact; None where something can."""
        found = is_open(name, self.rollup, on)
        if found is None and self._counted(SOURCE) < self._counted(TOTAL):
            note = "Its batches are being summed up anew, by where their examples entered."
            return missing(name, State.COMPUTING, note, on)
        return found

    def _counted(self, dimension: str) -> int:
        return sum(share.examples for share in self.rollup.shares.get(dimension, {}).values())

    def _agreed(self, source: str, said: Callable[[BatchRow], str | None]) -> str:
        rows = self.of_dataset.get(dataset_of(source), ())
        values = {said(row) or UNSAID for row in rows}
        return SEVERAL if len(values) > 1 else next(iter(values), UNSAID)


def read_sources(session: Session, world: World, rollup: Rollup) -> Sources:
    """Where the examples of the members entered. Cost: two queries over their sums."""
    entered = [row for row in world.members if world.is_entry(row)]
    derived = [row for row in world.members if not world.is_entry(row)]
    totals = {
        number: _share(*numbers)
        for number, *numbers in select_by_rows(
            session, _TOTALS, _NUMBER, [(row.number,) for row in entered if row.is_counted]
        )
    }
    of_dataset: dict[bytes, list[BatchRow]] = {}
    for row in world.entries:
        of_dataset.setdefault(bytes(row.dataset_id), []).append(row)
    return Sources(
        rollup,
        roll_up(session, derived) if entered else rollup,
        tuple((row, totals.get(row.number) or _told(row)) for row in entered),
        _each(session, derived),
        {key: tuple(rows) for key, rows in of_dataset.items()},
    )


def _each(session: Session, derived: Sequence[BatchRow]) -> tuple[tuple[BatchRow, str, Share], ...]:
    if not any(row.origin_kind or row.legal_basis or row.personal_data for row in derived):
        return ()
    by_number = {row.number: row for row in derived}
    counted = [(row.number,) for row in derived if row.is_counted]
    rows = select_by_rows(session, _EACH, _NUMBER, counted)
    told = [(row, UNSAID, _told(row)) for row in derived if not row.is_counted]
    return (*((by_number[n], value, _share(*sums)) for n, value, *sums in rows), *told)


def _share(examples: int, bytes_: int | None, tokens: int | None) -> Share:
    return Share(
        examples,
        bytes_ or 0,
        int(bytes_ is not None),
        tokens or 0,
        int(tokens is not None),
        0,
        0,
        1,
    )


def _told(row: BatchRow) -> Share:
    return replace(NO_SHARE, examples=row.example_count or 0, batches=1)


def dataset_of(source: str) -> bytes:
    """The dataset that a value of the dimension `source` means; nothing for none."""
    try:
        return bytes.fromhex(source)
    except ValueError:
        return b""
