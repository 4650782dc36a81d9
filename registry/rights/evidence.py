"""What holds and open cases need as it is: retention leaves the records that speak of it.

Rules (the governance page, "Retention" and case 4):
1. A hold keeps what is recorded of its datasets, under every name of them, and of the datasets that
   its versions, batches and examples are of. An open case keeps what its protected examples are of.
2. A hold on a person keeps what is recorded of the hold; who the person is, no record says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from registry.catalog.aliases import Aliases
from registry.catalog.version_tables import BatchNumber
from registry.catalog.versions import membership
from registry.rights.holds import items_in_force
from registry.rights.tables import ItemKind, ProtectedEvidence
from registry.storage.columns import table_of

_evidence, _number = table_of(ProtectedEvidence), table_of(BatchNumber)
_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Evidence:
    """Ids of cases and holds, batch numbers, and dataset ids under every name."""

    cases: frozenset[str] = frozenset()
    holds: frozenset[str] = frozenset()
    batches: frozenset[int] = frozenset()
    datasets: frozenset[bytes] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.cases or self.holds)


def read_evidence(session: Session, *, at: datetime) -> Evidence:
    """What is needed at `at`. Cost: in proportion to the holds and cases in force."""
    holds, datasets, batches = set(), set(), set()
    for row in items_in_force(session, at=at):
        holds.add(row.hold_id)
        if row.dataset_id is not None:
            datasets.add(bytes(row.dataset_id))
        if row.batch_number is not None:
            batches.add(int(row.batch_number))
        if row.kind == ItemKind.VERSION and row.dataset_id is not None:
            batches.update(membership(session, row.dataset_id, row.number))
    query = select(_evidence.c.case_id, _evidence.c.batch_number).distinct()
    cases = session.execute(query.where(_evidence.c.released_at.is_(None))).all()
    batches.update(int(row.batch_number) for row in cases)
    datasets.update(_datasets_of(session, batches))
    aliases = Aliases(session)
    aliases.learn(datasets)
    meant = {aliases.canonical.get(each, each) for each in datasets}
    return Evidence(
        frozenset(row.case_id for row in cases),
        frozenset(holds),
        frozenset(batches),
        frozenset(aliases.members(meant)),
    )


def _datasets_of(session: Session, batches: Iterable[int]) -> set[bytes]:
    wanted = sorted(batches)
    found: set[bytes] = set()
    for start in range(0, len(wanted), _AT_ONCE):
        some = _number.c.number.in_(wanted[start : start + _AT_ONCE])
        query = select(_number.c.dataset_id).where(some)
        found.update(map(bytes, session.execute(query).scalars()))
    return found
