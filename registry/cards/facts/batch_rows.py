"""The batches that facts rest on, as their producers and the ledger have them, and as evidence.

A batch is named by its run and its name, which no order of arrival changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import nsmallest
from typing import NamedTuple

from sqlmodel import Session

from registry.canonical import digest_text
from registry.cards.facts.making import Basis, sorted_basis
from registry.cards.values import EVIDENCE_LIMIT, Evidence, EvidenceKind
from registry.ids import uuid_text
from registry.ledger.tables import BindingState
from registry.moments import from_micros
from registry.storage.bulk import TypedColumn, select_by_rows
from registry.storage.columns import wins_parts

_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)
_BOUND = BindingState.BOUND.value
_BATCHES = """
SELECT b.number, b.dataset_id, b.run_id, b.name, b.wins, b.effective_at, b.mode, b.partition,
  b.origin_kind, b.origin_uri, b.origin_description, b.collected_from, b.collected_until,
  b.license, b.legal_basis, b.special_category_condition, b.purposes, b.region, b.classification,
  b.personal_data, b.example_count, b.subject_coverage, k.state, k.rows, k.since, k.indexed,
  o.subjects, h.erased, h.changed_at, d.namespace, d.name
FROM {rows} AS w JOIN batch b ON b.number = w.number
JOIN dataset d ON d.id = b.dataset_id
LEFT JOIN batch_binding k ON k.number = b.number
LEFT JOIN ledger_object o ON o.id = k.object_id
LEFT JOIN batch_hole h ON h.number = b.number
"""


class BatchRow(NamedTuple):
    """A batch as its producer and the ledger have it; moments in microseconds, None: not said."""

    number: int
    dataset_id: bytes
    run_id: bytes
    name: str
    wins: bytes
    effective_at: int
    mode: str | None
    partition: str | None
    origin_kind: str | None
    origin_uri: str | None
    origin_description: str | None
    collected_from: int | None
    collected_until: int | None
    license: str | None
    legal_basis: str | None
    special_category_condition: str | None
    purposes: str | None
    region: str | None
    classification: str | None
    personal_data: str | None
    example_count: int | None
    subject_coverage: str | None
    state: str | None
    rows: int | None
    since: int | None
    indexed: int | None
    subjects: int | None
    erased: int | None
    changed_at: int | None
    dataset_namespace: str
    dataset_name: str

    @property
    def is_bound(self) -> bool:
        """Whether the ledger has it."""
        return self.state == _BOUND

    @property
    def examples(self) -> int | None:
        """How many examples it holds now: counted where it is bound, else as its producer said."""
        if self.is_bound and self.rows is not None:
            return self.rows - (self.erased or 0)
        return self.example_count

    @property
    def is_counted(self) -> bool:
        """Whether the worker sums it up: it is bound, and somebody said how many rows it has."""
        return self.is_bound and self.rows is not None

    @property
    def key(self) -> str:
        """What it is called in evidence. A run may call a batch of each of its outputs the same."""
        run = uuid_text(bytes(self.run_id))
        return f"{run}/{self.dataset_namespace} {self.dataset_name}/{self.name}"

    @property
    def event(self) -> str:
        """The event that said of it what stands here."""
        return digest_text(wins_parts(bytes(self.wins))[1])


def read_batches(session: Session, numbers: Iterable[int]) -> dict[int, BatchRow]:
    """The rows of these batches, by number."""
    wanted = [(number,) for number in sorted(numbers)]
    rows = select_by_rows(session, _BATCHES, _NUMBER, wanted)
    return {row[0]: BatchRow(*row) for row in rows}


def batches_basis(rows: Sequence[BatchRow]) -> Basis:
    """These batches and the events that told of them, as evidence."""
    first = nsmallest(EVIDENCE_LIMIT, (row.key for row in rows))
    things = [Evidence(EvidenceKind.BATCH, key) for key in first]
    if len(rows) < EVIDENCE_LIMIT:
        things += [Evidence(EvidenceKind.EVENT, event) for event in sorted({r.event for r in rows})]
    total = len(rows) + len({bytes(row.wins) for row in rows})
    said = max((row.effective_at for row in rows), default=None)
    return sorted_basis(things, total, None if said is None else from_micros(said))


def sums_basis(rows: Sequence[BatchRow]) -> Basis:
    """What the worker counted of these batches, as evidence."""
    counted = [row for row in rows if row.is_counted]
    first = nsmallest(EVIDENCE_LIMIT, (row.key for row in counted))
    things = [Evidence(EvidenceKind.SUMS, key) for key in first]
    moments = [moment for row in counted for moment in (row.since, row.changed_at) if moment]
    return sorted_basis(things, len(counted), from_micros(max(moments)) if moments else None)
