"""The doors through which a restored registry erases again what was erased after the backup."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.clock import Clock
from registry.erasure.execution.records import RedactedPart
from registry.erasure.execution.replay import Doors
from registry.erasure.scope.sets import Sets, without
from registry.ledger.erasing import mark_erased, without_holes
from registry.ledger.opened import Ledger
from registry.ledger.tables import BatchBinding, BindingState
from registry.ledger.wiping import wipe
from registry.lineage.redact_again import redact_again
from registry.storage.alone import Turns
from registry.storage.columns import table_of
from registry.storage.database import Database

UNDER = "restore"
_binding = table_of(BatchBinding)
_AT_ONCE = 1_000


def doors_of(database: Database, ledger: Ledger, turns: Turns, clock: Clock) -> Doors:
    """How this registry erases. Rows of a batch that was not bound yet when the backup was made are
    passed over: who sends them again meets the suppressions at the door.
    """

    def mark(session: Session, sets: Sets, now: datetime) -> None:
        bound = _bound(session, sets)
        known = {number: ordinals for number, ordinals in sets.items() if number in bound}
        mark_erased(session, known, now=now, under=UNDER)

    def wipe_marked(sets: Sets) -> None:
        with database.read() as session:
            marked = without(sets, without_holes(session, sets))
        wipe(ledger, database, marked, turns=turns, now=clock())

    def redact(session: Session, parts: Sequence[RedactedPart], now: datetime) -> int:
        told = [(part.event, part.path) for part in parts]
        return redact_again(session, told, under=UNDER, actor=SYSTEM, now=now)

    return Doors(mark, wipe_marked, redact)


def _bound(session: Session, sets: Sets) -> set[int]:
    """Which of these batches are bound."""
    numbers, found = sorted(sets), set[int]()
    for start in range(0, len(numbers), _AT_ONCE):
        query = select(_binding.c.number).where(
            _binding.c.number.in_(numbers[start : start + _AT_ONCE]),
            _binding.c.state == BindingState.BOUND.value,
        )
        found |= set(session.execute(query).scalars())
    return found
