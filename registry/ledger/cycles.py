"""Finds batches that wait for each other, and so would wait for ever.

Rules:
1. A batch is bound after all that its maps name, so the bound ones never form a cycle; what would
   be one is found among the waits.
2. Whoever closes the ring fails and names it. The others wait on, and are bound when one of them
   is said again without the ring.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from registry.catalog.version_tables import Batch
from registry.ledger.tables import BatchWait
from registry.storage.columns import table_of

_batch, _wait = table_of(Batch), table_of(BatchWait)
_SHOWN = 10


def find_cycle(session: Session, number: int, awaited: Iterable[str]) -> list[str] | None:
    """The names of the batches from this one back to itself, or None where there is no such way.

    `awaited` is what the batch itself waits for, which is not noted yet.
    Cost: a query or two for each batch that waits on the way.
    """
    came_from: dict[int, int] = {}
    following = [(number, each) for each in _waited_for(session, awaited)]
    while following:
        before, found = following.pop()
        if found in came_from:
            continue
        came_from[found] = before
        if found == number:
            return _names(session, number, came_from)
        waits = session.execute(select(_wait.c.awaited).where(_wait.c.number == found))
        following += [(found, each) for each in _waited_for(session, waits.scalars().all())]
    return None


def _waited_for(session: Session, awaited: Iterable[str]) -> list[int]:
    """The batches that are meant; objects and versions are none, nor is what is not there."""
    found: list[int] = []
    for text in awaited:
        kind, _, rest = text.partition(":")
        if kind == "batch":
            found.append(int(rest))
        elif kind == "name":
            dataset, _, name = rest.partition(":")
            query = select(_batch.c.number).where(
                _batch.c.dataset_id == bytes.fromhex(dataset), _batch.c.name == name
            )
            found += session.execute(query).scalars().all()
    return found


def _names(session: Session, number: int, came_from: dict[int, int]) -> list[str]:
    ring = [number]
    while (before := came_from[ring[-1]]) != number:
        ring.append(before)
    ring.append(number)
    ring = ring[::-1]
    rows: list[Any] = list(
        session.execute(
            select(_batch.c.number, _batch.c.name).where(_batch.c.number.in_(ring[:_SHOWN]))
        )
    )
    names = {row.number: str(row.name) for row in rows}
    return [names.get(each, str(each)) for each in ring[:_SHOWN]]
