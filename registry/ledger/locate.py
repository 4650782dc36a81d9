"""Where examples of a person are: by subject key, and how far that can be trusted.

Rules:
1. The identifier is normalised, keyed under every live key version, looked up and forgotten.
2. For each batch where examples entered, the answer says whether it could be searched: keyed by a
   column, scanned for that kind of identifier or for this person, or not at all (DESIGN §1.10).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from sqlmodel import Session

from registry.keys.identifiers import parse_scheme
from registry.keys.subjects import live_subject_keys
from registry.ledger.closure import Sets
from registry.ledger.find import bound_sets
from registry.ledger.opened import Ledger
from registry.ledger.scans import scanned_for_any
from registry.storage.bulk import TypedColumn, select_by_rows

Searched = Literal["keyed", "scanned", "not_searched"]
_NONE: tuple[TypedColumn, ...] = (("one", "int"),)
# Batches where examples entered: no map leads to them, and they are no model's files.
_ENTERED = """
SELECT b.number, b.subject_coverage FROM {rows} AS w
JOIN batch b ON w.one = 1
WHERE NOT EXISTS (SELECT 1 FROM map_binding m WHERE m.number = b.number)
AND NOT EXISTS (
  SELECT 1 FROM dataset_facet t
  WHERE t.dataset_id = b.dataset_id AND t.name = 'datasetType' AND t.payload LIKE '%"MODEL"%'
)
ORDER BY b.number
"""


@dataclass(frozen=True, slots=True)
class Located:
    """A person's examples by batch, and for each batch of entry how it was searched."""

    examples: Sets
    coverage: dict[int, Searched]


def locate_subject(session: Session, ledger: Ledger, scheme: str, value: str) -> Located:
    """Find a person's examples. Raises InvalidInputError for an unknown scheme or bad value."""
    known = parse_scheme(scheme, path="subject.scheme")
    keys = live_subject_keys(ledger.keyring, known, value, path="subject.value")
    hits = ledger.index.find_subjects(keys)
    examples = bound_sets(session, hits.addresses)
    scanned = scanned_for_any(session, keys)
    coverage: dict[int, Searched] = {}
    for number, text in select_by_rows(session, _ENTERED, _NONE, [(1,)]):
        if number in scanned:
            coverage[number] = "scanned"
        else:
            coverage[number] = "keyed" if number in examples else _searched(text, known.value)
    return Located(examples, coverage)


def _searched(text: str | None, scheme: str) -> Searched:
    said: dict[str, Any] = msgspec.json.decode(text) if text else {}
    keyed_by = said.get("keyedBy")
    if isinstance(keyed_by, str) and keyed_by:
        return "keyed"
    scanned = said.get("scannedFor") or []
    return "scanned" if scheme in scanned else "not_searched"
