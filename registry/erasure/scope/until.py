"""What a request can be about: batches up to a number, collected up to a moment, bound by then.

Rules (the governance page, case 12; DESIGN §1.10):
1. Batches that were numbered after the limit arrived later and are not in it.
2. Data counts as collected when its collection began, when the first version that holds it was
   complete, or when its last event happened, whichever is known and earliest: an event that is
   repeated takes nothing out of a request.
3. A batch that is not bound when the question is asked stays unbound for the whole question, so
   that one that is bound meanwhile is called not searched, never half seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session

from registry.catalog.version_tables import BatchNumber
from registry.moments import to_micros
from registry.storage.bulk import TypedColumn, select_by_rows
from registry.storage.columns import table_of

_number = table_of(BatchNumber)
_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)
_UNBOUND = """
SELECT b.number FROM {rows} AS w JOIN batch b ON b.number <= w.number
LEFT JOIN batch_binding k ON k.number = b.number
WHERE k.state IS NULL OR k.state <> 'bound'
"""
_IN_TIME = """
SELECT b.number FROM {rows} AS w JOIN batch b ON b.number = w.number
WHERE b.effective_at <= :received OR b.collected_from <= :received OR EXISTS (
  SELECT 1 FROM version_batch m
  JOIN dataset_version v ON v.dataset_id = m.dataset_id AND v.number = m.number
  WHERE m.batch_number = b.number AND m.change = 'added' AND v.completed_at <= :received
)
"""


@dataclass(frozen=True, slots=True)
class Until:
    """What counts: batches up to a number, and of these, as the person's own, data collected up to
    a moment (None: all). `unbound`: those that are not bound (rule 3).
    """

    batch_number: int
    received_at: datetime | None = None
    unbound: frozenset[int] = frozenset()


def until_now(
    session: Session, *, received_at: datetime | None = None, up_to: int | None = None
) -> Until:
    """What can be asked about now, up to a batch (the last there is unless given).

    Cost: one query over all batches.
    """
    limit = last_batch(session) if up_to is None else up_to
    unbound = select_by_rows(session, _UNBOUND, _NUMBER, [(limit,)])
    return Until(limit, received_at, frozenset(row[0] for row in unbound))


def last_batch(session: Session) -> int:
    """The greatest number of a batch, 0 where there is none."""
    return int(session.execute(select(func.max(_number.c.number))).scalar_one() or 0)


def collected_in_time(session: Session, numbers: Iterable[int], until: Until) -> set[int]:
    """Those of these batches that were collected by the moment (rule 2)."""
    wanted = sorted(set(numbers))
    if until.received_at is None:
        return set(wanted)
    received = to_micros(until.received_at)
    rows = select_by_rows(session, _IN_TIME, _NUMBER, [(n,) for n in wanted], received=received)
    return {row[0] for row in rows}
