"""Restrictions (GDPR Art. 18: stored, not used) and evidence that an open case protects.

Rules:
1. A restriction is about some or all examples of a batch, or about whatever belongs to a person.
   Every manifest leaves restricted examples out, in every mode.
2. Protected evidence is about some or all examples of a batch; retention and purges leave it until
   its case is closed.
3. Erasure writes both. They are ended, never deleted.
4. Examples that were turned away at the door were never to be used: what was restricted for that
   reason counts for every moment before, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Table, insert, or_, select, update
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.errors import NotFoundError
from registry.ids import fresh_id
from registry.rights.ordinals import Ordinals, pack_ordinals, unpack_ordinals
from registry.rights.tables import ItemKind, ProtectedEvidence, Restriction
from registry.storage.columns import changed_rows, table_of

_restriction, _evidence = table_of(Restriction), table_of(ProtectedEvidence)
_AT_ONCE = 5_000
#: Restrictions that are about examples, and not about whatever belongs to a person.
EXAMPLES = frozenset({ItemKind.ADDRESS, ItemKind.BATCH})
#: The reason of rule 4.
TURNED_AWAY = "suppressed"


@dataclass(frozen=True, slots=True)
class Marked:
    """Which examples of a batch are marked: sorted ordinals, or None for all of them."""

    batch_number: int
    ordinals: Ordinals | None


@dataclass(frozen=True, slots=True)
class RestrictedSubject:
    """A person whose examples are restricted, wherever they are."""

    id: str
    subject_key: bytes
    key_version: int


def restrict_examples(
    session: Session,
    examples: Sequence[Marked],
    *,
    reason: str,
    case_id: str | None = None,
    actor: str,
    now: datetime,
) -> list[str]:
    """Restrict examples; the ids of the restrictions, one a batch.

    Effects: one entry in the journal; does not commit.
    """
    rows = [
        {
            "id": fresh_id(),
            "kind": (ItemKind.BATCH if each.ordinals is None else ItemKind.ADDRESS).value,
            "batch_number": each.batch_number,
            "ordinals": _packed(each.ordinals),
            "subject_key": None,
            "key_version": None,
            "reason": reason,
            "case_id": case_id,
            "recorded_by": actor,
            "recorded_at": now,
        }
        for each in examples
    ]
    return _restrict(session, rows, case_id, actor, now)


def restrict_subject(
    session: Session,
    subject_key: bytes,
    key_version: int,
    *,
    reason: str,
    case_id: str | None = None,
    actor: str,
    now: datetime,
) -> str:
    """Restrict whatever belongs to a person; the id. The caller holds the key's version.

    Effects: one entry in the journal; does not commit.
    """
    row = {
        "id": fresh_id(),
        "kind": ItemKind.SUBJECT.value,
        "batch_number": None,
        "ordinals": None,
        "subject_key": subject_key,
        "key_version": key_version,
        "reason": reason,
        "case_id": case_id,
        "recorded_by": actor,
        "recorded_at": now,
    }
    return _restrict(session, [row], case_id, actor, now)[0]


def _restrict(
    session: Session, rows: list[dict[str, Any]], case_id: str | None, actor: str, now: datetime
) -> list[str]:
    if not rows:
        return []
    session.execute(insert(_restriction), rows)
    facts = {"case": case_id or "", "restrictions": len(rows)}
    append_entries(session, [Entry(EntryKind.RESTRICTION_PLACED, actor, facts)], at=now)
    return [row["id"] for row in rows]


def lift_restriction(
    session: Session, restriction_id: str, *, actor: str, now: datetime, reason: str | None = None
) -> None:
    """End a restriction, and keep why. Raises NotFoundError where none is in force.

    Effects: one entry in the journal; does not commit.
    """
    mine = (_restriction.c.id == restriction_id) & _restriction.c.lifted_at.is_(None)
    values = {"lifted_at": now, "lifted_by": actor, "lift_reason": reason}
    if not changed_rows(session, update(_restriction).where(mine).values(values)):
        raise NotFoundError(
            f"No restriction {restriction_id[:80]!r} is in force.",
            remedy="See which restrictions there are.",
            path="id",
        )
    facts = {"restriction": restriction_id}
    append_entries(session, [Entry(EntryKind.RESTRICTION_LIFTED, actor, facts)], at=now)


def lift_restrictions_of(
    session: Session,
    case_id: str,
    *,
    actor: str,
    now: datetime,
    kinds: Collection[ItemKind] = tuple(ItemKind),
) -> int:
    """End every restriction of a case, or those of some `kinds`; how many were in force.

    Effects: one entry in the journal where there were any; does not commit.
    """
    mine = (_restriction.c.case_id == case_id) & _restriction.c.lifted_at.is_(None)
    mine &= _restriction.c.kind.in_([kind.value for kind in kinds])
    values = {"lifted_at": now, "lifted_by": actor}
    count = changed_rows(session, update(_restriction).where(mine).values(values))
    if count:
        facts = {"case": case_id, "restrictions": count}
        append_entries(session, [Entry(EntryKind.RESTRICTION_LIFTED, actor, facts)], at=now)
    return count


def _in_force(known_at: datetime | None) -> ColumnElement[bool]:
    """That a restriction is in force, as far as was recorded by `known_at` (None: by now)."""
    table = _restriction
    if known_at is None:
        return table.c.lifted_at.is_(None)
    placed = or_(table.c.recorded_at <= known_at, table.c.reason == TURNED_AWAY)
    return placed & or_(table.c.lifted_at.is_(None), table.c.lifted_at > known_at)


def restricted_addresses(
    session: Session, batches: Iterable[int], *, known_at: datetime | None = None
) -> dict[int, Marked]:
    """What of these batches is restricted, by batch; batches with nothing are left out.

    `known_at`: by what was recorded then (rule 4), instead of by now.
    """
    return _marked(session, _restriction, _in_force(known_at), batches)


def restricted_subjects(
    session: Session, *, known_at: datetime | None = None
) -> list[RestrictedSubject]:
    """The people whose examples are restricted; `known_at` as in `restricted_addresses`."""
    table = _restriction
    query = select(table.c.id, table.c.subject_key, table.c.key_version).where(
        _in_force(known_at), table.c.subject_key.is_not(None)
    )
    return [RestrictedSubject(*row) for row in session.execute(query.order_by(table.c.id))]


def protect_evidence(
    session: Session, examples: Sequence[Marked], *, case_id: str, actor: str, now: datetime
) -> None:
    """Keep examples for a case. Effects: one entry in the journal; does not commit."""
    if not examples:
        return
    rows = [
        {
            "id": fresh_id(),
            "case_id": case_id,
            "batch_number": each.batch_number,
            "ordinals": _packed(each.ordinals),
            "recorded_at": now,
        }
        for each in examples
    ]
    session.execute(insert(_evidence), rows)
    facts = {"case": case_id, "batches": len(rows)}
    append_entries(session, [Entry(EntryKind.EVIDENCE_PROTECTED, actor, facts)], at=now)


def release_evidence(session: Session, case_id: str, *, actor: str, now: datetime) -> int:
    """Let go of what a case kept; how many rows that were.

    Effects: one entry in the journal where there were any; does not commit.
    """
    mine = (_evidence.c.case_id == case_id) & _evidence.c.released_at.is_(None)
    count = changed_rows(session, update(_evidence).where(mine).values(released_at=now))
    if count:
        facts = {"case": case_id, "batches": count}
        append_entries(session, [Entry(EntryKind.EVIDENCE_RELEASED, actor, facts)], at=now)
    return count


def protected_addresses(session: Session, batches: Iterable[int]) -> dict[int, Marked]:
    """What of these batches an open case needs, by batch."""
    return _marked(session, _evidence, _evidence.c.released_at.is_(None), batches)


def _marked(
    session: Session, table: Table, in_force: Any, batches: Iterable[int]
) -> dict[int, Marked]:
    wanted = sorted(set(batches))
    found: dict[int, Marked] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        some = table.c.batch_number.in_(wanted[start : start + _AT_ONCE])
        query = select(table.c.batch_number, table.c.ordinals).where(in_force, some)
        for number, packed in session.execute(query):
            ordinals = None if packed is None else unpack_ordinals(packed)
            known = found.get(number)
            found[number] = Marked(number, ordinals if known is None else _both(known, ordinals))
    return found


def _both(known: Marked, ordinals: Ordinals | None) -> Ordinals | None:
    if known.ordinals is None or ordinals is None:
        return None
    return np.union1d(known.ordinals, ordinals)


def _packed(ordinals: Ordinals | None) -> bytes | None:
    return None if ordinals is None else pack_ordinals(ordinals)
