"""Applies the retention of the event log: old events lose their texts, and stay events.

Rules (DESIGN §1.1):
1. An event keeps its identity, and everything that the catalog is made of; what went is a recorded
   redaction. Where the catalog shows a facet of that very event, its text goes there too, in the
   same transaction, so that a rebuild from the log gives the same catalog.
2. An event of which more than a facet's text would change is left as it is, and the log says so.
3. An event that names a dataset under a hold, or of an open case, is left until that is over.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, insert, select, update
from sqlmodel import Session, SQLModel

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.canonical import digest_text, exact_json
from registry.catalog import tables as t
from registry.errors import MalformedEventError
from registry.lineage.events import decode_json, require_object
from registry.lineage.old_texts import Removal, remove_old_texts
from registry.lineage.projection import Latest, Lists, Projection
from registry.lineage.reproject import stored_denied, stored_event
from registry.lineage.tables import EventName, EventRedaction, LineageEvent
from registry.moments import to_micros
from registry.rights.evidence import Evidence
from registry.storage.columns import table_of

EVENTS_AT_ONCE = 200
_event, _name, _redaction = (table_of(m) for m in (LineageEvent, EventName, EventRedaction))
_FACETS: Mapping[str, tuple[type[SQLModel], tuple[str, ...]]] = {
    "run_facets": (t.RunFacet, ("run_id", "name")),
    "job_facets": (t.JobFacet, ("job_id", "name")),
    "dataset_facets": (t.DatasetFacet, ("dataset_id", "name")),
    "scope_facets": (t.ScopeFacet, ("scope_id", "direction", "dataset_id", "kind", "name")),
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Expired:
    """What became of some events: how many lost texts, and the row ids of those that are needed."""

    redacted: int
    kept: tuple[int, ...]


def expire_events(
    session: Session,
    event_ids: Sequence[int],
    evidence: Evidence,
    *,
    under: str,
    actor: str,
    now: datetime,
) -> Expired:
    """Take the old texts out of these events (row ids, at most `EVENTS_AT_ONCE`).

    Effects: rows of the log and of the catalog's facets, one entry where something went; does not
    commit. Whoever commits calls `registry.storage.residue.scrub_residue` with `TABLES`.
    """
    kept = needed_events(session, event_ids, evidence)
    wanted = [each for each in event_ids if each not in kept]
    masked = _masked_paths(session, wanted)
    query = select(_event).where(_event.c.id.in_(wanted)).order_by(_event.c.id).with_for_update()
    gone: list[bytes] = []
    for row in session.execute(query).all():
        if _expire(session, row, masked.get(row.id, ()), now):
            gone.append(bytes(row.digest))
    if gone:
        facts = {"under": under, "events": [digest_text(digest) for digest in gone]}
        append_entries(session, [Entry(EntryKind.LINEAGE_EVENTS_REDACTED, actor, facts)], at=now)
    return Expired(len(gone), tuple(sorted(kept)))


def needed_events(session: Session, event_ids: Sequence[int], evidence: Evidence) -> set[int]:
    """Those of these events (row ids) that name a dataset which is needed as evidence (rule 3)."""
    if not evidence.datasets or not event_ids:
        return set()
    ids = list(event_ids)
    found: set[int] = set()
    named = select(_name.c.event_id, _name.c.entity_id).where(_name.c.event_id.in_(ids))
    about = select(_event.c.id, _event.c.scope_id).where(_event.c.id.in_(ids))
    for query in (named, about):
        found.update(row[0] for row in session.execute(query) if bytes(row[1]) in evidence.datasets)
    return found


def _masked_paths(session: Session, event_ids: Sequence[int]) -> dict[int, set[str]]:
    query = select(_redaction.c.event_id, _redaction.c.path)
    mine = _redaction.c.event_id.in_(list(event_ids)) & (_redaction.c.kind != "examples")
    found: dict[int, set[str]] = {}
    for event_id, path in session.execute(query.where(mine)):
        found.setdefault(event_id, set()).add(path)
    return found


def _expire(session: Session, row: Any, masked: Iterable[str], now: datetime) -> bool:
    """Take the texts out of one event; whether there were any."""
    try:
        content = require_object(decode_json(row.body))
        removals = remove_old_texts(content, frozenset(masked))
        if not removals:
            return False
        body = exact_json(content)
        before, after = _projected(row, row.body), _projected(row, body)
    except MalformedEventError as error:
        _log.warning("event %s keeps its texts: %s", digest_text(bytes(row.digest)), error)
        return False
    if _but_facets(before) != _but_facets(after):
        _log.warning("event %s keeps its texts: more would change", digest_text(bytes(row.digest)))
        return False
    session.execute(update(_event).where(_event.c.id == row.id).values(body=body))
    session.execute(insert(_redaction), [_redacted(row.id, each, now) for each in removals])
    for name, (model, keys) in _FACETS.items():
        _mend_facets(session, table_of(model), keys, getattr(before, name), getattr(after, name))
    return True


def _redacted(event_id: int, removal: Removal, now: datetime) -> dict[str, object]:
    return {"event_id": event_id, "path": removal.path, "kind": removal.kind, "at": now}


def _projected(row: Any, body: bytes) -> Projection:
    projection = Projection()
    effective = to_micros(row.effective_at)
    event = stored_event(row.digest, body)
    projection.add(event, effective=effective, denied=stored_denied(row.denied))
    return projection


def _but_facets(projection: Projection) -> dict[str, object]:
    """Everything that is projected, but for the texts of facets."""
    found: dict[str, object] = {}
    for name, value in vars(projection).items():
        if name in _FACETS:
            found[name] = sorted(value)
        elif isinstance(value, Lists):
            found[name] = (value.headers, value.rows)
        else:
            found[name] = value
    return found


def _mend_facets(
    session: Session, table: Table, keys: tuple[str, ...], before: Latest, after: Latest
) -> None:
    """Give the catalog's facets that came of this very event their new texts (rule 1)."""
    for key, (wins, values) in after.items():
        if before[key][1] == values:
            continue
        mine = table.c.wins == wins
        for name, value in zip(keys, key, strict=True):
            mine &= table.c[name] == value
        session.execute(update(table).where(mine).values(payload=values[0]))


#: Where the texts lay.
TABLES = (_event, *(table_of(model) for model, _keys in _FACETS.values()))
