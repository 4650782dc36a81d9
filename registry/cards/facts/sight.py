"""What of the things behind a version somebody may see, while the counts are of everything.

Rules (DESIGN §1.11):
1. Facts are computed over the whole graph. What names something beyond the reader's scope is put
   together into one unnamed row, with its counts, or is withheld where nothing else is left.
2. A dataset or job that nobody owns is beyond every scope but that of everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlmodel import Session

from registry.catalog.scope import Scope
from registry.storage.bulk import select_by_ids

BEYOND = "(beyond your scope)"
_OWNERS = """
SELECT w.id, o.project_id FROM {ids} AS w JOIN name_owner o ON o.entity_id = w.id
"""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is in sight of these datasets and jobs. `hidden`: those of them that are not."""

    hidden: frozenset[bytes]

    def shows(self, entity_id: bytes) -> bool:
        """Whether the thing may be named."""
        return entity_id not in self.hidden


def read_sight(session: Session, ids: Iterable[bytes], scope: Scope) -> Sight:
    """What of these datasets and jobs is in scope. Cost: at most one query."""
    wanted = {bytes(each) for each in ids}
    if scope.is_everything:
        return Sight(frozenset())
    rows = select_by_ids(session, _OWNERS, sorted(wanted))
    seen = {bytes(key) for key, project in rows if scope.covers(project)}
    return Sight(frozenset(wanted - seen - scope.entities))
