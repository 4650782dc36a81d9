"""Takes the payload of entries away and leaves the log whole: a leaf commits to a salted digest.

Rules:
1. Salt and payload go together: the digest alone cannot be tried against what it may have held.
2. Every redaction is an entry that names the leaves and under what it was done. A payload that is
   gone without such an entry is what `registry audit verify` calls a divergence.
3. What an erasure wrote itself stays, or nobody could show that it was done: entries that name what
   demands it, and those of redactions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from sqlalchemy import select, update
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.audit.tables import ENTRY
from registry.canonical import canonical_json, digest_text
from registry.storage.database import Database

_T = TypeVar("_T")
# So many digests as text fit a payload with room to spare.
_AT_ONCE = 500
_PAGE = 5_000
_LONG = 16


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


def redact_leaves(
    session: Session, leaves: Sequence[bytes], *, under: str, actor: str, at: datetime
) -> int:
    """Erase salt and payload of the entries with these leaf data (32 bytes each); how many.

    Leaves that are not in the log are passed over. Effects: as `redact_payloads`. Cost: reads the
    leaf data of the whole log.
    """
    ids: list[int] = []
    for some in _chunks(sorted(set(leaves))):
        mine = ENTRY.c.leaf_data.in_(some) & ENTRY.c.payload.is_not(None)
        ids += session.execute(select(ENTRY.c.id).where(mine)).scalars()
    return redact_payloads(session, ids, under=under, actor=actor, at=at)


def redact_mentions(
    database: Database,
    texts: Collection[str],
    *,
    under: str,
    actor: str,
    now: datetime,
    report: Callable[[str], None] = lambda _progress: None,
) -> int:
    """Erase the payload of every entry that says one of `texts` (rule 3); how many.

    Effects: as `redact_payloads`; commits, 500 entries at a time. May be done twice. Cost: reads
    all payloads.
    """
    redacted = 0
    for ids in find_mentions(database, texts, under=under, report=report):
        for some in _chunks(ids):

            def work(session: Session, some: Sequence[int] = some) -> int:
                return redact_payloads(session, some, under=under, actor=actor, at=now)

            redacted += database.transact(work)
    return redacted


def find_mentions(
    database: Database,
    texts: Collection[str],
    *,
    under: str,
    report: Callable[[str], None] = lambda _progress: None,
) -> Iterator[list[int]]:
    """The row ids of entries that say one of `texts`, page by page; but for those of rule 3.

    A text of fewer than 16 characters counts as a whole value alone. Cost: reads all payloads.
    """
    wanted = {text for text in texts if text}
    hints = [canonical_json(text)[1:-1] for text in wanted]
    last, looked_at = 0, 0
    while wanted:
        query = (
            select(ENTRY.c.id, ENTRY.c.payload)
            .where(ENTRY.c.id > last, ENTRY.c.payload.is_not(None))
            .where(ENTRY.c.kind != EntryKind.PAYLOAD_REDACTED.value)
            .order_by(ENTRY.c.id)
            .limit(_PAGE)
        )
        with database.read() as session:
            rows = session.execute(query).all()
        if not rows:
            return
        yield [
            row.id
            for row in rows
            if any(hint in row.payload for hint in hints)
            and _says(msgspec.json.decode(row.payload), wanted, under)
        ]
        last, looked_at = rows[-1].id, looked_at + len(rows)
        report(f"{looked_at} entries looked at")


def _says(payload: object, wanted: set[str], under: str) -> bool:
    said = set(_texts(payload))
    if under and under in said:
        return False
    long = [text for text in wanted if len(text) >= _LONG]
    return bool(said & wanted) or any(text in each for each in said for text in long)


def _texts(value: object) -> Iterator[str]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, list):
            waiting += each


def _chunks(some: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (some[at : at + _AT_ONCE] for at in range(0, len(some), _AT_ONCE))
