"""Which runs are to be judged again, because a batch became known in full after they were judged.

Rules:
1. A batch is noted once it is bound and summed, in the transaction that says so. What is noted
   while a round of judging goes on is left for the next one.
2. Judged again are the run that wrote the batch, and every run that read a version with the batch,
   or read what such a run wrote, and so on. Judging twice is harmless (`rights.violations` rule 2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, insert, select
from sqlmodel import Session

from registry.policy.tables import JudgeAgain
from registry.storage.bulk import TypedColumn, select_by_ids, select_by_rows
from registry.storage.columns import table_of

BATCHES_AT_ONCE = 2_000
_again = table_of(JudgeAgain)
_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)
_WRITERS = "SELECT DISTINCT b.run_id FROM {rows} AS w JOIN batch b ON b.number = w.number"
_WRITTEN = "SELECT b.number FROM {ids} AS t JOIN batch b ON b.run_id = t.id"
# A batch that a later version of the line removed is taken to be read all the same.
_READERS = """
SELECT DISTINCT r.run_id FROM {rows} AS w
JOIN version_batch m ON m.batch_number = w.number AND m.change = 'added'
JOIN dataset_version f ON f.dataset_id = m.dataset_id AND f.number = m.number
JOIN dataset_version v ON v.dataset_id = f.dataset_id AND v.line = f.line AND v.number >= f.number
JOIN run_read r ON r.dataset_id = v.dataset_id AND r.number = v.number
"""


@dataclass(frozen=True, slots=True)
class Again:
    """Runs to judge again. `ids`: the notes that this does away with; `more`: others wait.

    `writers`: whose own batches became known; `readers`: who read of them, near or far.
    """

    ids: tuple[int, ...] = ()
    writers: frozenset[bytes] = frozenset()
    readers: frozenset[bytes] = frozenset()
    more: bool = False


def note_known(session: Session, number: int) -> None:
    """Note that a batch became known in full (rule 1). Does not commit."""
    session.execute(insert(_again).values(batch_number=number))


def runs_again(session: Session) -> Again:
    """The runs that wait to be judged again (rule 2). Cost: some queries a step of lineage."""
    query = select(_again.c.id, _again.c.batch_number).order_by(_again.c.id)
    rows = session.execute(query.limit(BATCHES_AT_ONCE)).all()
    if not rows:
        return Again()
    numbers = {int(row.batch_number) for row in rows}
    writers = _runs(session, _WRITERS, numbers)
    readers: set[bytes] = set()
    seen, frontier = set(numbers), numbers
    while frontier:
        fresh = _runs(session, _READERS, frontier) - readers
        readers |= fresh
        written = {int(row[0]) for row in select_by_ids(session, _WRITTEN, sorted(fresh))}
        frontier = written - seen
        seen |= frontier
    ids = tuple(int(row.id) for row in rows)
    return Again(ids, frozenset(writers), frozenset(readers), len(rows) == BATCHES_AT_ONCE)


def _runs(session: Session, sql: str, numbers: Iterable[int]) -> set[bytes]:
    rows = select_by_rows(session, sql, _NUMBER, [(number,) for number in sorted(numbers)])
    return {bytes(row[0]) for row in rows}


def forget(session: Session, again: Again) -> None:
    """Do away with the notes that a round saw. Does not commit."""
    if again.ids:
        session.execute(delete(_again).where(_again.c.id.in_(again.ids)))
