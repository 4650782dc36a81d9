"""Lets go of objects that no batch was bound to in time.

Rules (DESIGN §5):
1. An object that is bound never expires. Its row goes first, in a transaction that sees that it is
   still unbound; a batch that is bound at that moment finds the object gone and waits for it again.
2. What lies in the store without a row is the rest of an upload or of this work that was broken
   off; it goes when it is as old as an object that expires.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.ledger.opened import Ledger
from registry.ledger.tables import LedgerObject
from registry.moments import from_micros
from registry.storage.columns import changed_rows, table_of
from registry.storage.database import Database

EXPIRES_AFTER = timedelta(days=7)
_OBJECTS_AT_ONCE = 500
FOLDER = "objects"
_object = table_of(LedgerObject)


def object_name(object_id: str, part: str) -> str:
    """Where a part (`examples`, `subjects`, `row_map`, `parents`) of an object lies."""
    return f"{FOLDER}/{object_id}/{part}.parquet"


def expire_objects(
    ledger: Ledger,
    database: Database,
    *,
    now: datetime,
    report: Callable[[str], None] = lambda _progress: None,
) -> int:
    """Drop objects that nothing bound in time, and parts without a row; how many objects.

    Effects: commits, some hundred objects and one entry at a time; `report` is called in between.
    """
    gone = 0
    while ids := database.transact(lambda session: _drop_rows(session, now)):
        for object_id in ids:
            _drop_parts(ledger, ledger.objects.names(f"{FOLDER}/{object_id}"))
        gone += len(ids)
        report(f"{gone} objects expired")
    return gone + _drop_orphans(ledger, database, now, report)


def _drop_rows(session: Session, now: datetime) -> list[str]:
    unbound = (_object.c.expires_at.is_not(None)) & (_object.c.expires_at < now)
    found = session.execute(select(_object.c.id).where(unbound).limit(_OBJECTS_AT_ONCE))
    ids = [
        object_id
        for object_id in found.scalars().all()
        # One that was bound since it was found stays.
        if changed_rows(session, delete(_object).where(_object.c.id == object_id, unbound))
    ]
    if ids:
        entry = Entry(EntryKind.OBJECTS_EXPIRED, SYSTEM, {"objects": ids})
        append_entries(session, [entry], at=now)
    return ids


def _drop_orphans(
    ledger: Ledger, database: Database, now: datetime, report: Callable[[str], None]
) -> int:
    """Rule 2. Cost: a listing of all objects."""
    parts: dict[str, list[str]] = {}
    for name in ledger.objects.names(FOLDER):
        object_id = name.removeprefix(f"{FOLDER}/").partition("/")[0]
        if _made_at(object_id) < now - EXPIRES_AFTER:
            parts.setdefault(object_id, []).append(name)
    for name in list(ledger.objects.broken_off(FOLDER)):
        if _made_at(name.removeprefix(f"{FOLDER}/").partition("/")[0]) < now - EXPIRES_AFTER:
            ledger.objects.drop_broken_off(name)
    ids = sorted(parts)
    gone = 0
    for start in range(0, len(ids), _OBJECTS_AT_ONCE):
        some = ids[start : start + _OBJECTS_AT_ONCE]
        with database.read() as session:
            query = select(_object.c.id).where(_object.c.id.in_(some))
            kept = set(session.execute(query).scalars())
        for object_id in some:
            if object_id not in kept:
                _drop_parts(ledger, parts[object_id])
                gone += 1
        report(f"{start + len(some)} of {len(ids)} objects looked at")
    return gone


def _made_at(object_id: str) -> datetime:
    """When a UUIDv7 was made (RFC 9562 §5.7); long after now for what is none."""
    try:
        value = uuid.UUID(object_id)
    except ValueError:
        value = uuid.UUID(int=1 << 127)
    return from_micros(min((value.int >> 80) * 1_000, 253_402_300_799_000_000))


def _drop_parts(ledger: Ledger, names: Iterable[str]) -> None:
    for name in list(names):
        ledger.objects.delete(name)
