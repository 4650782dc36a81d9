"""What a card is made of: facts, each with its state, its grade and what it rests on. Pure.

Rules (DESIGN §1.8):
1. A fact that has a value says who vouches for it: *measured* by us, *asserted* by a producer,
   *verified* by a person, or *declared* in a statement.
2. Why a value is missing is a state of its own. *Not recorded* is never *none*, *not scanned* is
   never *none found*, and *zero* is a value that somebody counted.
3. Facts hold counts, digests, names of things and what was stated; no identifier of a person.
4. The digest covers everything that a card says, and not the moment at which it was read: two
   readings of an unchanged registry have one digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from typing import TypeAlias

from registry.canonical import canonical_json, digest_text
from registry.moments import rfc3339

Scalar: TypeAlias = str | int | float | bool | date | datetime


class Grade(StrEnum):
    """Who vouches for a value (rule 1)."""

    MEASURED = "measured"
    ASSERTED = "asserted"
    VERIFIED = "verified"
    DECLARED = "declared"


class State(StrEnum):
    """Whether a fact has a value, and else why not (rule 2)."""

    #: There is a value.
    KNOWN = "known"
    #: It was counted, and there are none.
    ZERO = "zero"
    #: Somebody answerable stated that there is none.
    DECLARED_NONE = "declared_none"
    #: Nobody recorded it.
    NOT_RECORDED = "not_recorded"
    #: The question does not arise for this version; the note says why.
    NOT_APPLICABLE = "not_applicable"
    #: The worker is still counting.
    COMPUTING = "computing"
    #: Nobody looked: that is not the same as nothing found.
    NOT_SCANNED = "not_scanned"
    #: Statements in force say different things.
    CONTRADICTED = "contradicted"
    #: It rests on something that the reader may not see.
    BEYOND_SCOPE = "beyond_scope"

    @property
    def is_answer(self) -> bool:
        """Whether a question is answered by a fact in this state."""
        return self in _ANSWERS


_ANSWERS = frozenset({State.KNOWN, State.ZERO, State.DECLARED_NONE, State.NOT_APPLICABLE})


class EvidenceKind(StrEnum):
    """What a fact may rest on. The id is what the API takes for such a thing."""

    EVENT = "event"
    RUN = "run"
    BATCH = "batch"
    VERSION = "version"
    SUMS = "sums"
    DECISION = "decision"
    POLICY = "policy"
    STATEMENT = "statement"
    SYSTEM = "ai_system"
    ACTIVITY = "processing_activity"
    HOLD = "hold"
    REQUEST = "erasure_request"
    VIOLATION = "violation"
    OBJECT = "object"
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True, order=True)
class Evidence:
    """A thing that a fact rests on; `audit_index`: its entry in the audit log, where it has one."""

    kind: EvidenceKind
    id: str
    audit_index: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns, in an order that the fact defines. A cell of None was not recorded.

    `total`: how many rows there are, where not all are here.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Scalar | None, ...], ...]
    total: int | None = None

    @property
    def count(self) -> int:
        """How many rows there are, here or not."""
        return len(self.rows) if self.total is None else self.total


Value: TypeAlias = Scalar | tuple[str, ...] | Table


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that the registry knows of a version, or why it does not (rules 1 and 2).

    `value`: None unless the state is KNOWN or ZERO. `note`: why it is in this state, in a sentence.
    `evidence`: sorted, at most `EVIDENCE_LIMIT`; `evidence_total` counts all of it.
    `as_of`: when what it rests on was recorded.
    """

    name: str
    state: State
    value: Value | None = None
    grade: Grade | None = None
    as_of: datetime | None = None
    evidence: tuple[Evidence, ...] = ()
    evidence_total: int = 0
    note: str | None = None


EVIDENCE_LIMIT = 50


@dataclass(frozen=True, slots=True)
class About:
    """The version that a card is of. `kind`: `dataset`, or `model` for everything behind one."""

    kind: str
    namespace: str
    name: str
    version: int
    content_digest: str


@dataclass(frozen=True)
class CardFacts:
    """All facts of a version, by name; every name of the catalogue is there (`names.CATALOGUE`).

    `as_of`: when they were read. `origin`: the audit log whose indexes the evidence names.
    """

    about: About
    facts: Mapping[str, Fact]
    as_of: datetime
    origin: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Fact:
        """The fact of this name; KeyError for one that is not in the catalogue."""
        return self.facts[name]

    @cached_property
    def digest(self) -> str:
        """`sha256:…` over everything but `as_of` (rule 4)."""
        return digest_text(hashlib.sha256(canonical_json(self.document())).digest())

    def document(self) -> dict[str, object]:
        """The facts as JSON values, by name in order."""
        return {
            "about": {
                "kind": self.about.kind,
                "namespace": self.about.namespace,
                "name": self.about.name,
                "version": self.about.version,
                "contentDigest": self.about.content_digest,
            },
            "origin": self.origin,
            "facts": {name: fact_document(self.facts[name]) for name in sorted(self.facts)},
            "extra": dict(sorted(self.extra.items())),
        }


def fact_document(fact: Fact) -> dict[str, object]:
    """A fact as JSON values; what is None is left out, except the cells of a table."""
    made: dict[str, object] = {"state": fact.state.value}
    if fact.value is not None:
        made["value"] = value_document(fact.value)
    if fact.grade is not None:
        made["grade"] = fact.grade.value
    if fact.as_of is not None:
        made["asOf"] = rfc3339(fact.as_of)
    if fact.evidence:
        made["evidence"] = [_evidence(each) for each in fact.evidence]
        made["evidenceTotal"] = max(fact.evidence_total, len(fact.evidence))
    if fact.note is not None:
        made["note"] = fact.note
    return made


def value_document(value: Value) -> object:
    """A value as JSON: days and moments as RFC 3339 texts, tables with their columns."""
    if isinstance(value, Table):
        rows = [[_cell(cell) for cell in row] for row in value.rows]
        return {"columns": list(value.columns), "rows": rows, "total": value.count}
    return list(value) if isinstance(value, tuple) else _cell(value)


def evidence_of(things: Sequence[Evidence]) -> tuple[tuple[Evidence, ...], int]:
    """What a fact keeps of these, and how many there were, each counted once."""
    distinct = sorted(set(things), key=lambda each: (each.kind, each.id, each.audit_index or 0))
    return tuple(distinct[:EVIDENCE_LIMIT]), len(distinct)


def _evidence(each: Evidence) -> dict[str, object]:
    made: dict[str, object] = {"kind": each.kind.value, "id": each.id}
    if each.audit_index is not None:
        made["auditIndex"] = each.audit_index
    return made


def _cell(value: Scalar | None) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    return value.isoformat() if isinstance(value, date) else value
