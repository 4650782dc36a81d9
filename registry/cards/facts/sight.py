"""What of the things behind a version somebody may see, while the counts are of everything.

Rules (DESIGN §1.11):
1. Facts are computed over the whole graph. What names something beyond the reader's scope is put
   together into one unnamed row, with its counts, and is left out of the evidence.
2. A dataset or job that nobody owns is beyond every scope but that of everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from sqlmodel import Session

from registry.cards.values import Evidence, Fact
from registry.catalog.scope import Scope
from registry.storage.bulk import select_by_ids

_OWNERS = """
SELECT w.id, o.project_id FROM {ids} AS w JOIN name_owner o ON o.entity_id = w.id
"""


class Sight:
    """What of the datasets and jobs behind a version is in scope; asked once for each."""

    def __init__(self, session: Session, scope: Scope) -> None:
        """Nothing is read yet; `session` is one that nobody confined."""
        self._session, self._scope = session, scope
        self._seen: dict[bytes, bool] = {}

    @property
    def is_everything(self) -> bool:
        """Whether nothing is out of sight."""
        return self._scope.is_everything

    def learn(self, ids: Iterable[bytes]) -> None:
        """Read at once what will be asked of. Cost: at most one query."""
        if self._scope.is_everything:
            return
        wanted = {bytes(each) for each in ids} - self._seen.keys()
        rows = select_by_ids(self._session, _OWNERS, sorted(wanted))
        seen = {bytes(key) for key, project in rows if self._scope.covers(project)}
        for each in wanted:
            self._seen[each] = each in seen or each in self._scope.entities

    def cut(self, facts: Iterable[Fact], things: Mapping[Evidence, bytes]) -> Iterator[Fact]:
        """The facts without evidence that is out of sight; their totals stay.

        `things`: the dataset that each piece of evidence is about.
        """
        for fact in facts:
            seen = (e for e in fact.evidence if e not in things or self.sees(things[e]))
            yield fact if self._scope.is_everything else replace(fact, evidence=tuple(seen))

    def sees(self, entity_id: bytes) -> bool:
        """Whether the dataset or job may be named."""
        if self._scope.is_everything:
            return True
        if entity_id not in self._seen:
            self.learn([entity_id])
        return self._seen[entity_id]
