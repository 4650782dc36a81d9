"""Takes a person's identifiers and the ids of erased examples out of the kept events.

Rules (DESIGN §1.1, §6):
1. A body changes only by a recorded redaction; its digest stays that of what was received, so the
   same event sent again is still the same. The journal names the events, never what was in them.
2. What the events mean is made anew in the same transaction, so no facet of the catalog keeps what
   its event lost. Names stay (`sought` rule 2) and are told: what hangs on them is moved by people.
3. It may be done twice, and be cut off anywhere: a second time it finds less to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.canonical import digest_text, exact_json
from registry.catalog import tables as catalog_tables
from registry.catalog import version_tables
from registry.errors import MalformedEventError
from registry.lineage.events import Event, decode_json, interpret, require_object
from registry.lineage.facets import read_other_names
from registry.lineage.ingest import decode_warnings, encode_warnings
from registry.lineage.reproject import project_again
from registry.lineage.sought import Sought
from registry.lineage.tables import EventRedaction, EventState, LineageEvent
from registry.lineage.values import Warn
from registry.storage.bulk import lock_ids
from registry.storage.columns import table_of
from registry.storage.database import Database
from registry.storage.residue import scrub_residue

KIND = "erased"
_event, _redaction = table_of(LineageEvent), table_of(EventRedaction)
_ROWS_A_PAGE = 1_000
_GROUP_BYTES = 16 << 20
_EVENTS_A_TRANSACTION = 100
_KEPT_LIMIT = 1_000
_LONGEST_PATH = 1_000
# Where parts of bodies stand in SQL: the log, and what is projected from it.
EVENT_TABLES = (
    _event,
    *map(table_of, catalog_tables.PROJECTED),
    *map(table_of, version_tables.PROJECTED),
)


@dataclass(frozen=True, slots=True)
class KeptName:
    """A name in a kept event that holds what is sought: the event's digest, and the JSON path."""

    event: str
    path: str


@dataclass(frozen=True, slots=True)
class EventsErased:
    """`events`: in how many of those `looked_at` something was found; `parts`: how many parts were
    (or would be) replaced; `kept`: names that hold what is sought and stay, the first thousand.
    """

    looked_at: int
    events: int
    parts: int
    kept: tuple[KeptName, ...]


def find_in_events(
    database: Database,
    sought: Sought,
    *,
    report: Callable[[str], None] = lambda _progress: None,
) -> EventsErased:
    """Where something sought is still in the log; changes nothing. Cost: reads all of the log."""
    looked_at = events = parts = 0
    kept: list[KeptName] = []
    for rows in _groups(database, sought):
        looked_at += rows.looked_at
        for row in rows.candidates:
            change = _changed(row, sought)
            events += change.is_found
            parts += len(change.paths)
            kept += change.kept
        report(f"{looked_at} events looked at, something found in {events}")
    return EventsErased(looked_at, events, parts, tuple(kept[:_KEPT_LIMIT]))


def erase_events(
    database: Database,
    sought: Sought,
    *,
    under: str,
    actor: str,
    now: datetime,
    report: Callable[[str], None] = lambda _progress: None,
) -> EventsErased:
    """Take what is sought out of every kept event, and out of the catalog (rules 1 and 2).

    `under`: what demands it, such as the id of a request. Whoever is done calls `scrub_events`.
    Effects: rows, and one entry in the journal for some events each; commits. Cost: reads all of
    the log, and projects the history of every name that a changed event speaks of.
    """
    looked_at = events = parts = 0
    kept: list[KeptName] = []
    for rows in _groups(database, sought):
        looked_at += rows.looked_at
        ids = [row.id for row in rows.candidates]
        for start in range(0, len(ids), _EVENTS_A_TRANSACTION):
            some = ids[start : start + _EVENTS_A_TRANSACTION]

            def work(session: Session, some: Sequence[int] = some) -> list[_Change]:
                return _redact(session, some, sought, under=under, actor=actor, now=now)

            for change in database.transact(work):
                events += change.is_found
                parts += len(change.paths)
                kept += change.kept
        report(f"{looked_at} events looked at, something found in {events}")
    return EventsErased(looked_at, events, parts, tuple(kept[:_KEPT_LIMIT]))


def scrub_events(database: Database) -> bool:
    """Leave no trace of replaced bodies and facets in the database's files (`storage.residue`).

    False where others kept it from that: call it again.
    """
    return scrub_residue(database, EVENT_TABLES)


@dataclass(frozen=True, slots=True)
class _Group:
    """Some events of the log: how many, and those that may hold something."""

    looked_at: int
    candidates: list[Any]


def _groups(database: Database, sought: Sought) -> Iterator[_Group]:
    """The whole log in the order of arrival, a bounded number of bytes at a time."""
    last = 0
    while sought:
        with database.read() as session:
            sizes = session.execute(
                select(_event.c.id, func.length(_event.c.body))
                .where(_event.c.id > last)
                .order_by(_event.c.id)
                .limit(_ROWS_A_PAGE)
            ).all()
        if not sizes:
            return
        for ids in _by_weight(sizes):
            query = select(_event).where(_event.c.id.in_(ids)).order_by(_event.c.id)
            with database.read() as session:
                rows = session.execute(query).all()
            yield _Group(len(ids), [row for row in rows if _may_hold(row, sought)])
        last = sizes[-1][0]


def _by_weight(sizes: Sequence[Any]) -> Iterator[list[int]]:
    ids: list[int] = []
    weight = 0
    for event_id, size in sizes:
        if ids and weight + size > _GROUP_BYTES:
            yield ids
            ids, weight = [], 0
        ids.append(event_id)
        weight += size
    yield ids


def _may_hold(row: Any, sought: Sought) -> bool:
    beside = f"{row.warnings or ''}{row.detail or ''}".encode()
    return sought.may_be_in(bytes(row.body)) or (bool(beside) and sought.may_be_in(beside))


@dataclass(frozen=True, slots=True)
class _Change:
    """What becomes of one event: its new values (None: they stay), and what was found."""

    id: int
    event: Event
    state: str
    values: dict[str, Any] | None
    paths: list[str]
    kept: list[KeptName]

    @property
    def is_found(self) -> bool:
        return self.values is not None or bool(self.kept)


def _changed(row: Any, sought: Sought) -> _Change:
    """What becomes of an event. Pure. An event that would mean other names stays as it is."""
    digest = bytes(row.digest)
    before = interpret(decode_json(bytes(row.body)), bytes(row.body), digest)
    content = require_object(decode_json(bytes(row.body)))
    outcome = sought.take_out(content)
    named = digest_text(digest)
    kept = [KeptName(named, path) for path in map(sought.without, outcome.kept)]
    values: dict[str, Any] = {}
    event, paths = before, [sought.without(path) for path in outcome.replaced]
    if outcome.replaced:
        body = exact_json(content)
        after = read_again(content, body, digest)
        if after is None or names_of(after) != names_of(before):
            kept += [KeptName(named, path) for path in paths]
            paths = []
        else:
            values["body"], event = body, after
    warnings = encode_warnings(
        [
            Warn(each.code, sought.without(each.path), sought.without(each.detail))
            for each in decode_warnings(row.warnings)
        ]
    )
    if warnings != row.warnings:
        values["warnings"] = warnings
    if row.detail is not None and sought.without(row.detail) != row.detail:
        values["detail"] = sought.without(row.detail)
    return _Change(row.id, event, row.state, values or None, paths, kept)


def read_again(content: dict[str, Any], body: bytes, digest: bytes) -> Event | None:
    """The event that a changed body means; None where it means none any more."""
    try:
        return interpret(content, body, digest)
    except MalformedEventError:
        return None


def names_of(event: Event) -> list[object]:
    """All that other rows hang on."""
    others = sorted((other.kind, other.named.id) for other in read_other_names(event))
    return [
        event.kind,
        event.event_time,
        event.scope_id,
        event.named.id,
        [ref.named.id for ref in event.inputs],
        [ref.named.id for ref in event.outputs],
        others,
    ]


def _redact(
    session: Session, ids: Sequence[int], sought: Sought, *, under: str, actor: str, now: datetime
) -> list[_Change]:
    """Change these events and what is projected from them. Does not commit."""
    scopes = select(_event.c.scope_id).where(_event.c.id.in_(ids))
    # As whoever takes in events of a run does, so that one sees what the other wrote.
    lock_ids(session, sorted({bytes(each) for each in session.execute(scopes).scalars()}))
    query = select(_event).where(_event.c.id.in_(ids)).order_by(_event.c.id).with_for_update()
    changes = [_changed(row, sought) for row in session.execute(query).all()]
    changed = [change for change in changes if change.values is not None]
    for change in changed:
        statement = update(_event).where(_event.c.id == change.id).values(change.values or {})
        session.execute(statement)
    redactions = [
        {
            "event_id": change.id,
            "path": path[:_LONGEST_PATH],
            "kind": KIND,
            "at": now,
        }
        for change in changed
        for path in change.paths
    ]
    if redactions:
        session.execute(insert(_redaction), redactions)
    if changed:
        facts = {
            "under": under,
            "events": [digest_text(change.event.digest) for change in changed],
            "parts": len(redactions),
        }
        append_entries(session, [Entry(EntryKind.LINEAGE_EVENTS_REDACTED, actor, facts)], at=now)
    project_events(session, [c.event for c in changed if c.state == EventState.PROJECTED.value])
    return changes


def project_events(session: Session, events: Sequence[Event]) -> None:
    """Make anew what these events mean."""
    runs: set[bytes] = set()
    names: dict[str, set[bytes]] = {"job": set(), "dataset": set()}
    for event in events:
        if event.has_run:
            runs.add(event.scope_id)
        kind = "dataset" if event.kind.value == "dataset" else "job"
        names[kind].add(event.named.id)
        names["dataset"].update(ref.named.id for ref in event.datasets())
        for other in read_other_names(event):
            names[other.kind].add(other.named.id)
    if events:
        project_again(session, runs=runs, jobs=names["job"], datasets=names["dataset"])
