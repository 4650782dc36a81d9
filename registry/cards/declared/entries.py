"""Writes an entry of the journal, and tells its row, so that what it is about can name its place.

An entry has no place in the log yet when it is written; the place is read through its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.audit.tables import ENTRY
from registry.canonical import canonical_json


def write_entry(
    session: Session, kind: EntryKind, facts: Mapping[str, object], *, actor: str, now: datetime
) -> int:
    """Append one entry; the id of its row. `facts` must be those of no other entry.

    Effects: one row; does not commit.
    """
    append_entries(session, [Entry(kind, actor, facts)], at=now)
    # It has no place yet, so the index of those that wait leads to it.
    waiting = (ENTRY.c.leaf_index.is_(None)) & (ENTRY.c.payload == canonical_json(facts))
    return int(session.execute(select(func.max(ENTRY.c.id)).where(waiting)).scalar_one())
