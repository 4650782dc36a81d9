"""Verifications: a person looked at a recorded fact of a batch and says what it is.

Rules (DESIGN §1.8):
1. A verification names the fact, what it is, and the digest of what proves it. It is added, never
   changed; the newest of a fact counts.
2. Without a value of its own it confirms what is recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.canonical import parse_digest
from registry.errors import InvalidInputError
from registry.ids import fresh_id
from registry.rights.tables import Verification
from registry.storage.columns import table_of

VERIFIABLE = ("license", "terms", "contract", "origin", "legal_basis")
_table = table_of(Verification)


@dataclass(frozen=True, slots=True)
class Verified:
    """A verification as it is kept."""

    id: str
    batch_number: int
    fact: str
    value: str
    evidence: str
    note: str | None
    verified_by: str
    verified_at: datetime


def verify_fact(
    session: Session,
    batch_number: int,
    fact: str,
    *,
    recorded: str | None,
    value: str | None,
    evidence: str,
    note: str | None,
    actor: str,
    now: datetime,
) -> Verified:
    """Record what a person found. `recorded` is what the batch says of the fact today.

    Raises InvalidInputError for another fact, for evidence that is no digest, and where neither a
    value is given nor one recorded. Effects: one entry in the journal; does not commit.
    """
    if fact not in VERIFIABLE:
        raise InvalidInputError(
            f"{fact[:40]!r} is no fact that is verified.",
            remedy=f"Choose one of: {', '.join(VERIFIABLE)}.",
            path="fact",
        )
    parse_digest(evidence, path="evidence")
    found = value if value is not None and value.strip() else recorded
    if found is None:
        raise InvalidInputError(
            f"Batch {batch_number} says nothing of its {fact}, so there is nothing to confirm.",
            remedy="Say what it is with `value`.",
            path="value",
        )
    row = Verified(fresh_id(), batch_number, fact, found, evidence, note, actor, now)
    values = {name: getattr(row, name) for name in Verified.__dataclass_fields__}
    session.execute(insert(_table).values(values))
    facts = {"batch": batch_number, "fact": fact, "evidence": evidence, "verification": row.id}
    append_entries(session, [Entry(EntryKind.FACT_VERIFIED, actor, facts)], at=now)
    return row


def verified_facts(session: Session, batches: Sequence[int]) -> dict[int, dict[str, Verified]]:
    """For each of these batches, the newest verification of each fact."""
    found: dict[int, dict[str, Verified]] = {}
    columns = [_table.c[name] for name in Verified.__dataclass_fields__]
    for start in range(0, len(batches), 5_000):
        some = _table.c.batch_number.in_(batches[start : start + 5_000])
        query = select(*columns).where(some).order_by(_table.c.verified_at, _table.c.id)
        for row in session.execute(query):
            each = Verified(*row)
            found.setdefault(each.batch_number, {})[each.fact] = each
    return found
