"""Takes the payload of entries away and leaves the log whole: a leaf commits to a salted digest.

Rules:
1. Salt and payload go together: the digest alone cannot be tried against what it may have held.
2. Every redaction is an entry that names the leaves and under what it was done. A payload that is
   gone without such an entry is what `registry audit verify` calls a divergence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.audit.tables import ENTRY
from registry.canonical import digest_text

# So many digests as text fit a payload with room to spare.
_AT_ONCE = 500


def redact_payloads(
    session: Session, entry_ids: Sequence[int], *, under: str, actor: str, at: datetime
) -> int:
    """Erase salt and payload of these entries (row ids); how many still had them.

    `under`: what demands it, such as the id of an erasure request. Effects: rows, and one
    `audit.payload.redacted` entry for each 500; does not commit. Whoever commits calls
    `registry.storage.residue.scrub_residue`.
    """
    redacted = 0
    for some in _chunks(sorted(set(entry_ids))):
        mine = ENTRY.c.id.in_(some) & ENTRY.c.payload.is_not(None)
        query = select(ENTRY.c.leaf_data).where(mine).order_by(ENTRY.c.id).with_for_update()
        leaves = [digest_text(data) for data in session.execute(query).scalars()]
        if not leaves:
            continue
        session.execute(update(ENTRY).where(mine).values(salt=None, payload=None))
        facts = {"under": under, "leaves": leaves}
        append_entries(session, [Entry(EntryKind.PAYLOAD_REDACTED, actor, facts)], at=at)
        redacted += len(leaves)
    return redacted


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[at : at + _AT_ONCE] for at in range(0, len(ids), _AT_ONCE))
