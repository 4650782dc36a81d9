"""Applies the retention of audit payloads: what old entries say goes, and the log still verifies.

Rules (DESIGN §1.9; the governance page, cases 4 and 17):
1. Who, when and what kind stay; salt and facts go, which is an entry of its own.
2. What tells of keys, of the log's origins, of holds, evidence, disposals and redactions stays
   whole: without it nobody could check what was done under which duty.
3. So does, until that is over, what speaks of an open case, of a hold that is in force, or of
   something that either of them needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.redaction import redact_payloads
from registry.audit.tables import ENTRY
from registry.canonical import parse_digest
from registry.errors import InvalidInputError
from registry.rights.evidence import Evidence
from registry.storage.bulk import select_by_ids

ENTRIES_AT_ONCE = 500
#: Kinds whose facts stay for good (rule 2).
LASTING = frozenset(
    (
        EntryKind.KEY_CREATED,
        EntryKind.KEY_ROTATED,
        EntryKind.KEY_DESTROYED,
        EntryKind.KEY_USES_MOVED,
        EntryKind.ORIGIN_OPENED,
        EntryKind.PAYLOAD_REDACTED,
        EntryKind.LINEAGE_EVENTS_REDACTED,
        EntryKind.HOLD_PLACED,
        EntryKind.HOLD_LIFT_ASKED,
        EntryKind.HOLD_LIFT_REFUSED,
        EntryKind.HOLD_LIFTED,
        EntryKind.EVIDENCE_PROTECTED,
        EntryKind.EVIDENCE_RELEASED,
        EntryKind.DISPOSAL_OPENED,
        EntryKind.DISPOSAL_CHANGED,
        EntryKind.DISPOSALS_OPENED,
    )
)
_EVENT_NAMES = """
SELECT e.digest, e.scope_id, n.entity_id FROM {ids} AS t JOIN lineage_event e ON e.digest = t.id
LEFT JOIN event_name n ON n.event_id = e.id
"""


@dataclass(frozen=True, slots=True)
class Redacted:
    """How many entries lost their facts, and the row ids of those that are needed."""

    redacted: int
    kept: tuple[int, ...]


def redact_old_payloads(
    session: Session,
    entry_ids: Sequence[int],
    evidence: Evidence,
    *,
    under: str,
    actor: str,
    now: datetime,
) -> Redacted:
    """Take the facts of these entries (row ids, at most `ENTRIES_AT_ONCE`).

    Effects: rows, and an entry where something went; does not commit. Whoever commits calls
    `registry.storage.residue.scrub_residue` with the table of entries.
    """
    wanted = ENTRY.c.id.in_(list(entry_ids)) & ENTRY.c.payload.is_not(None)
    query = select(ENTRY.c.id, ENTRY.c.payload).where(wanted, ENTRY.c.kind.not_in(sorted(LASTING)))
    said = {row.id: _decoded(row.payload) for row in session.execute(query)}
    kept = _needed(session, said, evidence) if evidence else set()
    going = sorted(set(said) - kept)
    count = redact_payloads(session, going, under=under, actor=actor, at=now)
    return Redacted(count, tuple(sorted(kept)))


def _decoded(payload: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(payload)
    except msgspec.MsgspecError:
        return {}
    return found if isinstance(found, dict) else {}


def _needed(session: Session, said: dict[int, dict[str, Any]], evidence: Evidence) -> set[int]:
    """The entries that speak of what is needed (rule 3)."""
    events = {row_id: _event(facts) for row_id, facts in said.items()}
    held = _held_events(session, {e for e in events.values() if e is not None}, evidence)
    return {
        row_id
        for row_id, facts in said.items()
        if events[row_id] in held or _speaks_of(facts, evidence)
    }


def _speaks_of(facts: dict[str, Any], evidence: Evidence) -> bool:
    batches = [facts.get("batch"), *_listed(facts.get("batches"))]
    return (
        str(facts.get("case")) in evidence.cases
        or str(facts.get("hold")) in evidence.holds
        or any(isinstance(each, int) and each in evidence.batches for each in batches)
        or _uuid(facts.get("dataset")) in evidence.datasets
    )


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _uuid(value: object) -> bytes:
    try:
        return UUID(str(value)).bytes
    except ValueError:
        return b""


def _event(facts: dict[str, Any]) -> bytes | None:
    said = facts.get("event")
    try:
        return parse_digest(said) if isinstance(said, str) else None
    except InvalidInputError:
        return None


def _held_events(session: Session, digests: set[bytes], evidence: Evidence) -> set[bytes]:
    """Those of these events that name a dataset which is needed."""
    if not digests or not evidence.datasets:
        return set()
    return {
        bytes(digest)
        for digest, scope, named in select_by_ids(session, _EVENT_NAMES, sorted(digests))
        if bytes(scope) in evidence.datasets
        or (named is not None and bytes(named) in evidence.datasets)
    }
