"""What the audit log says of the evidence: where its entries stand, and the head that covers them.

Rules:
1. An entry is written in the transaction of its change, at the same moment. So it is found by the
   moment and kind of what it tells of, and known by the id or digest in its payload.
2. An entry without a place yet, or whose payload was taken away, gives no index.
3. The head is that of the log up to the last entry that the facts rest on. It stays as it is while
   the log grows, and any later checkpoint can be proven to have grown out of it (RFC 6962 §2.1.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.tables import ENTRY
from registry.audit.tree import root_at
from registry.canonical import canonical_json, digest_text, parse_digest
from registry.cards.facts.making import basis, known, missing, not_recorded
from registry.cards.values import Evidence, EvidenceKind, Fact, Grade, State
from registry.errors import TamperedError
from registry.storage.bulk import TypedColumn, select_by_rows

_ENTRIES = """
SELECT w.at, a.kind, a.payload, a.leaf_index FROM {rows} AS w
JOIN audit_entry a ON a.at = w.at WHERE a.leaf_index IS NOT NULL
"""
_AT: tuple[TypedColumn, ...] = (("at", "int"),)
_ID: tuple[TypedColumn, ...] = (("id", "text"),)


@dataclass(frozen=True, slots=True)
class _Told:
    """How the entry about a kind of evidence is found: the moment of its row, and the entry's kind.

    `needle`: what of the evidence's id stands in the payload.
    """

    sql: str
    entry: EntryKind
    needle: Callable[[str], bytes] = str.encode


def _of_revision(key: str) -> bytes:
    """The part of a payload that names a revision of an entry of the register."""
    name, _, revision = key.rpartition("/")
    return b'"id":' + canonical_json(name) + f',"revision":{int(revision)}'.encode()


_SIMPLE = "SELECT w.id, t.{at} FROM {{rows}} AS w JOIN {table} t ON t.id = w.id"
_FOUND_BY: Mapping[EvidenceKind, _Told] = {
    EvidenceKind.EVENT: _Told(
        "SELECT w.id, e.received_at FROM {rows} AS w JOIN lineage_event e ON e.digest = w.digest",
        EntryKind.LINEAGE_EVENT_RECEIVED,
    ),
    EvidenceKind.DECISION: _Told(
        _SIMPLE.format(at="asked_at", table="policy_decision"), EntryKind.DECISION_MADE
    ),
    EvidenceKind.HOLD: _Told(_SIMPLE.format(at="placed_at", table="hold"), EntryKind.HOLD_PLACED),
    EvidenceKind.VIOLATION: _Told(
        _SIMPLE.format(at="raised_at", table="violation"), EntryKind.VIOLATION_RAISED
    ),
    EvidenceKind.REQUEST: _Told(
        _SIMPLE.format(at="filed_at", table="erasure_request"), EntryKind.ERASURE_FILED
    ),
    EvidenceKind.ACTIVITY: _Told(
        "SELECT w.id, t.changed_at FROM {rows} AS w "
        "JOIN processing_activity t ON t.id || '/' || t.revision = w.id",
        EntryKind.ACTIVITY_CHANGED,
        _of_revision,
    ),
}
_EVENT: tuple[TypedColumn, ...] = (("id", "text"), ("digest", "bytes"))


def placed(session: Session, facts: Iterable[Fact]) -> list[Fact]:
    """The facts with the place of each evidence's entry in the log (rules 1 and 2).

    Cost: one query for each kind of evidence, and one over the entries of their moments.
    """
    made = list(facts)
    wanted = {each for fact in made for each in fact.evidence if each.audit_index is None}
    moments = _moments(session, wanted)
    found = _indexes(session, moments)
    if not found:
        return made
    return [_with_indexes(fact, found) for fact in made]


def _with_indexes(fact: Fact, found: Mapping[tuple[EvidenceKind, str], int]) -> Fact:
    if not any((each.kind, each.id) in found for each in fact.evidence):
        return fact
    evidence = tuple(
        replace(each, audit_index=found.get((each.kind, each.id), each.audit_index))
        for each in fact.evidence
    )
    return replace(fact, evidence=evidence)


def _moments(
    session: Session, wanted: Iterable[Evidence]
) -> dict[int, list[tuple[EvidenceKind, str]]]:
    """When the entry about each of these was written, in microseconds."""
    by_kind: dict[EvidenceKind, list[str]] = {}
    for each in wanted:
        by_kind.setdefault(each.kind, []).append(each.id)
    found: dict[int, list[tuple[EvidenceKind, str]]] = {}
    for kind, ids in sorted(by_kind.items()):
        told = _FOUND_BY.get(kind)
        if told is None:
            continue
        if kind is EvidenceKind.EVENT:
            rows = [(key, parse_digest(key)) for key in sorted(ids)]
            read = select_by_rows(session, told.sql, _EVENT, rows)
        else:
            read = select_by_rows(session, told.sql, _ID, [(key,) for key in sorted(ids)])
        for key, at in read:
            found.setdefault(at, []).append((kind, key))
    return found


def _indexes(
    session: Session, moments: Mapping[int, Iterable[tuple[EvidenceKind, str]]]
) -> dict[tuple[EvidenceKind, str], int]:
    """The places of the entries that tell of these, by what their payloads name (rule 1)."""
    found: dict[tuple[EvidenceKind, str], int] = {}
    rows = select_by_rows(session, _ENTRIES, _AT, [(at,) for at in sorted(moments)])
    for at, entry, payload, index in rows:
        if payload is None:
            continue
        for kind, key in moments[at]:
            told = _FOUND_BY[kind]
            if entry == told.entry.value and told.needle(key) in bytes(payload):
                found[kind, key] = min(index, found.get((kind, key), index))
    return found


def log_facts(session: Session, facts: Iterable[Fact]) -> Iterator[Fact]:
    """The facts named `audit.…` but for `audit.controls`. `facts`: all others, with places."""
    places = sorted(
        {
            (each.audit_index, each)
            for fact in facts
            for each in fact.evidence
            if each.audit_index is not None
        }
    )
    names = ("audit.first_at", "audit.entries", "audit.head")
    if not places:
        note = "No entry about it has its place in the log yet."
        for name in names:
            yield not_recorded(name, note)
        return
    first, last = places[0], places[-1]
    yield known("audit.first_at", _at(session, first[0]), Grade.MEASURED, basis([first[1]]))
    size = last[0] + 1
    note = "Up to the last entry that this card rests on."
    yield known("audit.entries", size, Grade.MEASURED, basis([last[1]]), note)
    try:
        head = f"{size} {digest_text(root_at(session, size))}"
    except TamperedError as error:
        yield missing("audit.head", State.CONTRADICTED, error.detail)
        return
    yield known("audit.head", head, Grade.MEASURED, basis([last[1]]), note)


def _at(session: Session, index: int) -> datetime:
    """When the entry at a place was written."""
    query = select(ENTRY.c.at).where(ENTRY.c.leaf_index == index)
    found: datetime = session.execute(query).scalar_one()
    return found
