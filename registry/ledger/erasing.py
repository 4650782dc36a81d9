"""Marks examples as erased, and tells everybody which are: the holes of batches.

Rules (DESIGN §1.5, §1.12, §6):
1. Examples are marked in the transaction that asks about holds. From its commit on nobody counts,
   lists or finds them; `wiping` then takes away what is kept of them.
2. A hole keeps its number, so row maps, files and every other example stay as they are. Marks are
   never taken back.
3. Whoever answers about examples reads the marks anew, in the transaction of the answer: another
   process may have set them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.errors import ErasedError, InvalidInputError, NotFoundError
from registry.ledger.closure import Sets
from registry.ledger.holes import Holes
from registry.ledger.tables import BatchBinding, BatchHole, BindingState
from registry.moments import to_micros
from registry.storage.bulk import Merge, TypedColumn, merge_rows, select_by_rows
from registry.storage.columns import table_of

_binding, _hole = table_of(BatchBinding), table_of(BatchHole)
_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)
_HOLES = "SELECT h.number, h.holes FROM {rows} AS w JOIN batch_hole h ON h.number = w.number"
_COLUMNS = ("number", "holes", "erased", "changed_at")
_REPLACE = Merge(tuple((name, f"new.{name}") for name in _COLUMNS[1:]))
_AT_ONCE = 5_000


def read_holes(session: Session, numbers: Iterable[int]) -> dict[int, Holes]:
    """The holes of these batches; those without any are left out. Cost: one query."""
    rows = [(number,) for number in sorted(set(numbers))]
    found = select_by_rows(session, _HOLES, _NUMBER, rows)
    return {number: Holes.from_bytes(bytes(packed)) for number, packed in found}


def without_holes(session: Session, sets: Sets) -> Sets:
    """What of these sets is still there; batches of which nothing is are left out."""
    holes = read_holes(session, sets)
    left = {n: holes[n].present(o) if n in holes else o for n, o in sets.items()}
    return {number: ordinals for number, ordinals in left.items() if ordinals.size}


def erased_error(number: int, ordinal: int | None = None) -> ErasedError:
    """The error for a question about an erased example."""
    which = f"example {ordinal}" if ordinal is not None else "example that is meant"
    return ErasedError(
        f"The {which} of batch {number} was erased.",
        remedy="Nothing brings it back; its place is kept, so that other examples keep theirs.",
    )


def mark_erased(
    session: Session, sets: Sets, *, now: datetime, under: str = "", actor: str = SYSTEM
) -> Sets:
    """Mark examples of bound batches as erased; those that were not marked before.

    The caller asks about holds in the same transaction. `under`: what demands it, such as the id
    of a request. Effects: rows, and one entry in the journal where any is new; does not commit.
    Raises NotFoundError for a batch that is not bound, InvalidInputError for an ordinal outside it.
    """
    numbers = sorted(number for number, ordinals in sets.items() if ordinals.size)
    # Who marks the same batches at this moment is waited for.
    rows = _locked_rows(session, numbers)
    known = read_holes(session, numbers)
    new: Sets = {}
    changed: list[tuple[int, bytes, int, int]] = []
    for number in numbers:
        _check(number, sets, rows)
        holes = known.get(number, Holes())
        fresh = holes.present(sets[number])
        if fresh.size:
            new[number] = fresh
            together = holes | Holes(fresh)
            changed.append((number, together.to_bytes(), len(together), to_micros(now)))
    merge_rows(session, _hole, _COLUMNS, list(changed), _REPLACE)
    if new:
        count = sum(int(ordinals.size) for ordinals in new.values())
        facts = {"under": under, "batches": len(new), "examples": count}
        append_entries(session, [Entry(EntryKind.EXAMPLES_ERASED, actor, facts)], at=now)
    return new


def _locked_rows(session: Session, numbers: Sequence[int]) -> dict[int, int | None]:
    """The rows of bound batches, which nobody else marks until this transaction ends."""
    found: dict[int, int | None] = {}
    for start in range(0, len(numbers), _AT_ONCE):
        query = (
            select(_binding.c.number, _binding.c.rows)
            .where(_binding.c.number.in_(numbers[start : start + _AT_ONCE]))
            .where(_binding.c.state == BindingState.BOUND)
            .order_by(_binding.c.number)
            .with_for_update()
        )
        found |= {row.number: row.rows for row in session.execute(query)}
    return found


def _check(number: int, sets: Sets, rows: dict[int, int | None]) -> None:
    if number not in rows:
        raise NotFoundError(
            f"There is no bound batch {number}.", remedy="Only examples of bound batches are known."
        )
    count, last = rows[number], int(sets[number].max())
    if count is not None and last >= count:
        raise InvalidInputError(
            f"The ordinal {last} is outside batch {number}, which has {count} rows.",
            remedy="Ordinals count from 0.",
        )
