"""How far the batches where examples entered could be searched for a person (DESIGN §1.10).

Rules (the governance page, "Erasure request"):
1. A batch was searched where its examples came with people's identifiers, where it was scanned
   for every kind of identifier that the request names, or was read for these very people.
2. What is merely said of a batch finds nobody: one that is not bound, or of which no example is in
   the index, was not searched.
3. A batch that says it holds no personal data was not searched; the rules say what it counts for.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from sqlmodel import Session

from registry.erasure.rules import ErasureRules
from registry.erasure.scope.until import Until, collected_in_time
from registry.storage.bulk import TypedColumn, select_by_rows

_LIMIT: tuple[TypedColumn, ...] = (("number", "int"),)
# Batches where examples entered: no map leads to them, and they are no model's files.
_ENTERED = """
SELECT b.number, b.name, d.namespace, d.name, b.subject_coverage, b.personal_data,
  k.indexed
FROM {rows} AS w
JOIN batch b ON b.number <= w.number
JOIN dataset d ON d.id = b.dataset_id
LEFT JOIN batch_binding k ON k.number = b.number
WHERE NOT EXISTS (SELECT 1 FROM map_binding m WHERE m.number = b.number)
AND NOT EXISTS (
  SELECT 1 FROM dataset_facet t
  WHERE t.dataset_id = b.dataset_id AND t.name = 'datasetType' AND t.payload LIKE '%"MODEL"%'
)
ORDER BY b.number
"""


class Search(StrEnum):
    """How a batch was searched, or why it was not."""

    KEYED = "keyed"
    SCANNED = "scanned"
    NO_COVERAGE = "no_coverage"
    OTHER_IDENTIFIERS = "other_identifiers"
    NO_EXAMPLES = "no_examples"
    NOT_BOUND = "not_bound"
    DECLARED_NONE = "declared_none"


SEARCHED = frozenset({Search.KEYED, Search.SCANNED})


@dataclass(frozen=True, slots=True)
class Searched:
    """A batch of entry. `counts`: whether it counts as searched."""

    batch: int
    name: str
    namespace: str
    dataset: str
    search: Search
    counts: bool


def search_coverage(
    session: Session,
    until: Until,
    *,
    found: Collection[int],
    schemes: Collection[str],
    rules: ErasureRules,
    scanned: Collection[int] = (),
) -> list[Searched]:
    """Every batch where examples entered that the request may be about, by number.

    `found`: batches where the person was found; `schemes`: the kinds of the request's identifiers;
    `scanned`: batches that were read for everybody who asks.
    Cost: one query over all batches.
    """
    rows = select_by_rows(session, _ENTERED, _LIMIT, [(until.batch_number,)])
    timely = collected_in_time(session, (row[0] for row in rows), until)
    covered: list[Searched] = []
    row: Any
    for row in rows:
        if row[0] not in timely:
            continue
        search = _search(row, frozenset(schemes))
        if row[0] in until.unbound:
            search = Search.NOT_BOUND
        elif row[0] in scanned:
            search = Search.SCANNED
        elif row[0] in found:
            search = Search.KEYED
        counts = search in SEARCHED or (
            search is Search.DECLARED_NONE and rules.search.declared_none == "accepted"
        )
        covered.append(Searched(row[0], row[1], row[2], row[3], search, counts))
    return covered


def _search(row: Any, schemes: frozenset[str]) -> Search:
    coverage, personal_data, indexed = row[4:7]
    said: dict[str, Any] = msgspec.json.decode(coverage) if coverage else {}
    scanned = frozenset(said.get("scannedFor") or ())
    if schemes and schemes <= scanned:
        return Search.SCANNED
    if said.get("keyedBy"):
        return Search.KEYED if indexed else Search.NO_EXAMPLES
    if scanned:
        return Search.OTHER_IDENTIFIERS
    return Search.DECLARED_NONE if personal_data == "none" else Search.NO_COVERAGE
