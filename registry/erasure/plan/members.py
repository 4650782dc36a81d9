"""The examples of a frozen plan, kept by batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from sqlalchemy import insert, select
from sqlmodel import Session

from registry.erasure.scope.sets import Marks, Ordinals, Sets
from registry.erasure.tables import ErasurePlanBatch
from registry.ledger.holes import Holes
from registry.storage.columns import table_of

_AT_ONCE = 500
_member = table_of(ErasurePlanBatch)
#: The part of what somebody decided to keep.
KEPT = "keep"
PARTS = ("erase", "review", KEPT)


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """Examples of one batch in a plan. `part`: erase, review or keep; `reason`: why they are, or
    were, reviewed; `ordinals`: sorted uint32, None for all of the batch, which are then `examples`
    as counted.
    """

    batch_number: int
    part: str
    reason: str
    ordinals: Ordinals | None
    examples: int


def keep_members(session: Session, plan_id: str, members: Iterable[Member]) -> None:
    """Keep the examples of a plan. Effects: one row a batch, part and reason; does not commit."""
    rows = [
        {
            "plan_id": plan_id,
            "batch_number": each.batch_number,
            "part": each.part,
            "reason": each.reason,
            "ordinals": None if each.ordinals is None else Holes(each.ordinals).to_bytes(),
            "examples": each.examples,
        }
        for each in members
    ]
    for start in range(0, len(rows), _AT_ONCE):
        session.execute(insert(_member), rows[start : start + _AT_ONCE])


def read_erase_set(session: Session, plan_id: str, *, batch: int | None = None) -> Sets:
    """What a plan erases: sorted ordinals of batches, or of one batch."""
    return {
        number: ordinals
        for number, ordinals in read_marks(session, plan_id, "erase", batch=batch).items()
        if ordinals is not None
    }


def ranges_of(ordinals: Ordinals) -> list[tuple[int, int]]:
    """Sorted ordinals as ranges, first and last of each."""
    if not ordinals.size:
        return []
    breaks = np.flatnonzero(np.diff(ordinals) != 1)
    first = ordinals[np.concatenate(([0], breaks + 1))]
    last = ordinals[np.concatenate((breaks, [ordinals.size - 1]))]
    return list(zip(first.tolist(), last.tolist(), strict=True))


def read_marks(session: Session, plan_id: str, part: str, *, batch: int | None = None) -> Marks:
    """The examples of one part of a plan, of one batch where it is named."""
    mine = (_member.c.plan_id == plan_id) & (_member.c.part == part)
    if batch is not None:
        mine &= _member.c.batch_number == batch
    query = select(_member.c.batch_number, _member.c.ordinals).where(mine)
    found: Marks = {}
    for number, packed in session.execute(query.order_by(_member.c.batch_number)):
        ordinals = None if packed is None else Holes.from_bytes(bytes(packed)).ordinals()
        there = found.get(number, _NOTHING)
        found[number] = None if ordinals is None or there is None else np.union1d(there, ordinals)
    return found


def read_kept(session: Session, plan_id: str) -> dict[str, Marks]:
    """What was decided to be kept, by the reason that it was reviewed for."""
    mine = (_member.c.plan_id == plan_id) & (_member.c.part == KEPT)
    query = select(_member.c.reason, _member.c.batch_number, _member.c.ordinals).where(mine)
    found: dict[str, Marks] = {}
    for reason, number, packed in session.execute(query):
        ordinals = None if packed is None else Holes.from_bytes(bytes(packed)).ordinals()
        found.setdefault(reason, {})[number] = ordinals
    return found


_NOTHING = np.empty(0, np.uint32)
