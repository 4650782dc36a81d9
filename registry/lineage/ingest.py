"""Takes a group of events into the log and the catalog, in one transaction of the caller.

Rules (DESIGN §1):
1. The same event twice is one event.
2. An event is kept, and projected or quarantined; nothing in between.
3. An event that writes what its sender's project does not own is quarantined; what it says of other
   names stays with its run (`registry.lineage.authority`).
4. Effective time is min(eventTime, received + 5 min), so a clock that is ahead wins nothing.
5. A run id used by two jobs belongs to the one with the smallest (effective time, digest); the
   other's events are quarantined, also when they came first.
6. Each event is one entry of the audit journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import insert
from sqlmodel import Session

from registry.actors.claims import Claims
from registry.audit.events import EntryKind
from registry.audit.journal import append_encoded
from registry.catalog.tables import NameOwner
from registry.ledger.bindings import ask_to_bind_batches
from registry.lineage.allot import LateBatch, allot_versions
from registry.lineage.authority import denied_names, name_outside
from registry.lineage.events import Event, EventKind, EventType
from registry.lineage.facets import OtherName, read_external_version, read_other_names
from registry.lineage.projection import Projection
from registry.lineage.reads import allot_reads
from registry.lineage.store import store_projection
from registry.lineage.tables import (
    EventName,
    EventRedaction,
    EventState,
    LineageEvent,
    QuarantineReason,
)
from registry.lineage.values import Warn
from registry.moments import from_micros
from registry.storage.bulk import KEEP_OLD, insert_rows, lock_ids, merge_rows, select_by_ids
from registry.storage.columns import table_of, wins_key
from registry.wire.facets import BATCH

AHEAD_MICROS = 5 * 60 * 1_000_000
WARNINGS_LIMIT = 100
_event = table_of(LineageEvent)


@dataclass(frozen=True, slots=True)
class Sender:
    """On whose behalf an event came: an account, writing in a project."""

    account_id: str
    project_id: str


@dataclass(slots=True)
class Arrival:
    """One event at the door, and what becomes of it.

    `redactions` are (JSON path, kind) of what was masked before the event is kept.
    """

    event: Event
    sender: Sender
    redactions: list[tuple[str, str]] = field(default_factory=list)
    effective: int = 0
    others: Sequence[OtherName] = ()
    denied: frozenset[bytes] = frozenset()
    state: EventState = EventState.PROJECTED
    reason: QuarantineReason | None = None
    detail: str | None = None
    target_project_id: str | None = None
    duplicate: bool = False
    event_id: int = 0
    door_warnings: int = -1

    def forget(self) -> None:
        """Begin anew after a try that was rolled back; what was said at the door stays."""
        if self.door_warnings < 0:
            self.door_warnings = len(self.event.warnings)
        del self.event.warnings[self.door_warnings :]
        self.duplicate, self.event_id = False, 0
        self.state, self.reason, self.detail = EventState.PROJECTED, None, None
        self.target_project_id = None

    @property
    def wins(self) -> bytes:
        """The order key: effective time, then digest."""
        return wins_key(self.effective, self.event.digest)

    def quarantine(self, reason: QuarantineReason, detail: str) -> None:
        """Keep the event without projecting it."""
        self.state, self.reason, self.detail = EventState.QUARANTINED, reason, detail


def ingest_group(
    session: Session,
    arrivals: Sequence[Arrival],
    claims: Claims,
    *,
    now: int,
    failed: str | None = None,
) -> set[bytes]:
    """Take in a group; fills in what became of each arrival.

    `failed` keeps the group quarantined with that detail, because projecting it raised an error.
    Gives the ids of runs whose events changed hands (rule 5): the caller must project them again
    (`registry.lineage.reproject`) in the same transaction. Effects: rows and entries; does not
    commit. Cost: a bounded number of statements for events without conflicts.
    """
    # Two writers that take in the same run go one after the other, or neither sees the other's job.
    lock_ids(session, sorted({a.event.scope_id for a in arrivals if a.event.has_run}))
    new, repeated = _without_duplicates(session, arrivals)
    contested: set[bytes] = set()
    if new:
        for arrival in new:
            _judge(arrival, claims, now)
            if failed is not None:
                arrival.quarantine(QuarantineReason.PROJECTION_FAILED, failed)
        contested = _settle_runs(session, new)
        _take_in(session, new, contested, claims, now)
    for arrival, first in repeated:
        arrival.state, arrival.reason, arrival.detail = first.state, first.reason, first.detail
    return contested


def _take_in(
    session: Session, new: list[Arrival], contested: set[bytes], claims: Claims, now: int
) -> None:
    projected = [a for a in new if a.state is EventState.PROJECTED]
    settled = [a for a in projected if a.event.scope_id not in contested]
    projection = project_events(settled)
    # The rows of a contested run are made by the caller, from the log; here only its warnings are.
    project_events([a for a in projected if a.event.scope_id in contested])
    _keep(session, new, now)
    store_projection(session, projection)
    allot_arrivals(session, settled, claims, now=now)


def project_events(arrivals: Sequence[Arrival]) -> Projection:
    """The catalog rows of arrivals. Pure, but for warnings that it adds to the events."""
    projection = Projection()
    for arrival in arrivals:
        projection.add(arrival.event, effective=arrival.effective, denied=arrival.denied)
    return projection


def allot_arrivals(
    session: Session, arrivals: Sequence[Arrival], claims: Claims, *, now: int
) -> None:
    """Allot owners, versions and reads of events that stand in the catalog.

    Effects: rows, and a warning on the event that brought a late batch; does not commit.
    """
    _allot_owners(session, arrivals, claims)
    late = allot_versions(session, _runs_to_version(arrivals), now=now)
    allot_reads(session, _reads(arrivals), now=now)
    _warn_of_late(session, arrivals, late)
    ask_to_bind_batches(session, _runs_with_batches(arrivals), now=from_micros(now))


def _without_duplicates(
    session: Session, arrivals: Sequence[Arrival]
) -> tuple[list[Arrival], list[tuple[Arrival, Arrival]]]:
    """The arrivals that are new, and those that repeat one of these, each with that one."""
    digests = sorted({arrival.event.digest for arrival in arrivals})
    rows = select_by_ids(
        session,
        "SELECT e.digest, e.state, e.reason, e.detail FROM {ids} AS wanted "
        "JOIN lineage_event e ON e.digest = wanted.id",
        digests,
    )
    known = {bytes(digest): rest for digest, *rest in rows}
    new: dict[bytes, Arrival] = {}
    repeated = []
    for arrival in arrivals:
        digest = arrival.event.digest
        if digest in known:
            state, reason, arrival.detail = known[digest]
            arrival.duplicate, arrival.state = True, EventState(state)
            arrival.reason = None if reason is None else QuarantineReason(reason)
        elif digest in new:
            arrival.duplicate = True
            repeated.append((arrival, new[digest]))
        else:
            new[digest] = arrival
    return list(new.values()), repeated


def _judge(arrival: Arrival, claims: Claims, now: int) -> None:
    """Rules 3 and 4: effective time, what may not be written, and whether that is too much."""
    event, sender = arrival.event, arrival.sender
    arrival.effective = event.event_time
    if event.event_time > now + AHEAD_MICROS:
        arrival.effective = now + AHEAD_MICROS
        detail = (
            f"eventTime {from_micros(event.event_time)} is ahead; the time of receipt orders it."
        )
        event.warnings.append(Warn("clock_ahead", "$.eventTime", detail))
    outside = name_outside(event, claims, sender.project_id)
    if outside is not None:
        arrival.quarantine(
            QuarantineReason.OUTSIDE_PROJECT,
            f"{outside.namespace} {outside.name} belongs to another project than its sender's.",
        )
        arrival.target_project_id = claims.owner(outside.namespace, outside.name)
    arrival.others = read_other_names(event)
    arrival.denied = denied_names(event, arrival.others, claims, sender.project_id)


def _settle_runs(session: Session, new: list[Arrival]) -> set[bytes]:
    """Rule 5. Gives the runs whose kept events now belong to another job than before."""
    claimants: dict[bytes, list[Arrival]] = {}
    for arrival in new:
        if arrival.event.has_run and arrival.state is EventState.PROJECTED:
            claimants.setdefault(arrival.event.scope_id, []).append(arrival)
    rows = select_by_ids(
        session,
        "SELECT r.id, r.job_id, r.owner_key FROM {ids} AS wanted JOIN run r ON r.id = wanted.id",
        sorted(claimants),
    )
    owners = {bytes(run): (bytes(key), bytes(job)) for run, job, key in rows}
    contested = set()
    for run, arrivals in claimants.items():
        kept = owners.get(run)
        first = min(arrivals, key=lambda arrival: arrival.wins)
        owner = min(filter(None, (kept, (first.wins, first.event.named.id))))
        if kept is not None and kept[1] != owner[1]:
            contested.add(run)
        for arrival in arrivals:
            if arrival.event.named.id != owner[1]:
                arrival.quarantine(
                    QuarantineReason.RUN_OF_ANOTHER_JOB,
                    "Another job used this run id before.",
                )
    return contested


def _keep(session: Session, new: list[Arrival], now: int) -> None:
    """Write the log: events, the datasets they name, redactions, journal entries."""
    rows = [_event_row(arrival, now) for arrival in new]
    columns = tuple(rows[0])
    insert_rows(session, _event, columns, [tuple(row.values()) for row in rows])
    kept = select_by_ids(
        session,
        "SELECT e.digest, e.id FROM {ids} AS wanted JOIN lineage_event e ON e.digest = wanted.id",
        [arrival.event.digest for arrival in new],
    )
    ids = {bytes(digest): event_id for digest, event_id in kept}
    named: list[tuple[bytes, int]] = []
    for arrival in new:
        arrival.event_id = ids[arrival.event.digest]
        named += [(identity, arrival.event_id) for identity in _named_ids(arrival)]
    merge_rows(session, table_of(EventName), ("entity_id", "event_id"), sorted(named), KEEP_OLD)
    redacted = [
        {"event_id": a.event_id, "path": path, "kind": kind, "at": now}
        for a in new
        for path, kind in a.redactions
    ]
    if redacted:
        session.execute(insert(table_of(EventRedaction)), redacted)
    append_encoded(session, (_entry(arrival) for arrival in new), at=from_micros(now))


def _named_ids(arrival: Arrival) -> set[bytes]:
    ids = {dataset.named.id for dataset in arrival.event.datasets()}
    ids.update(other.named.id for other in arrival.others)
    return ids


def _event_row(arrival: Arrival, now: int) -> dict[str, Any]:
    event = arrival.event
    return {
        "digest": event.digest,
        "received_at": now,
        "event_time": event.event_time,
        "effective_at": arrival.effective,
        "kind": event.kind.value,
        "event_type": None if event.event_type is None else event.event_type.value,
        "scope_id": event.scope_id,
        "namespace": event.named.namespace,
        "name": event.named.name,
        "account_id": arrival.sender.account_id,
        "project_id": arrival.sender.project_id,
        "state": arrival.state.value,
        "reason": None if arrival.reason is None else arrival.reason.value,
        "detail": arrival.detail,
        "target_project_id": arrival.target_project_id,
        "denied": _denied_text(arrival.denied),
        "warnings": encode_warnings(event.warnings),
        "body": event.body,
    }


def _denied_text(denied: frozenset[bytes]) -> str | None:
    return ",".join(sorted(identity.hex() for identity in denied)) or None


def encode_warnings(warnings: list[Warn]) -> str | None:
    """Warnings as the JSON text kept with an event; None for none."""
    if not warnings:
        return None
    unique = list(dict.fromkeys(warnings))[:WARNINGS_LIMIT]
    shown = [{"code": w.code, "path": w.path, "detail": w.detail} for w in unique]
    return msgspec.json.encode(shown).decode()


def decode_warnings(kept: str | None) -> list[Warn]:
    """The warnings that `encode_warnings` wrote."""
    return [Warn(**item) for item in msgspec.json.decode(kept)] if kept else []


def _entry(arrival: Arrival) -> tuple[EntryKind, str, bytes]:
    # Canonical JSON by hand: digests, ids and states need no escaping, and every event pays this.
    payload = (
        f'{{"event":"sha256:{arrival.event.digest.hex()}",'
        f'"project":"{arrival.sender.project_id}","state":"{arrival.state.value}"}}'
    )
    return EntryKind.LINEAGE_EVENT_RECEIVED, arrival.sender.account_id, payload.encode()


def _allot_owners(session: Session, arrivals: Sequence[Arrival], claims: Claims) -> None:
    rows: dict[bytes, tuple[bytes, str, str]] = {}
    for arrival in arrivals:
        event = arrival.event
        others = (other.named for other in arrival.others if other.kind == "dataset")
        for named in (*(dataset.named for dataset in event.datasets()), *others):
            owner = claims.owner(named.namespace, named.name)
            rows.setdefault(named.id, (named.id, "dataset", owner))
        if event.kind is not EventKind.DATASET:
            named = event.named
            claimed = claims.is_claimed(named.namespace, named.name)
            owner = (
                claims.owner(named.namespace, named.name) if claimed else arrival.sender.project_id
            )
            rows.setdefault(named.id, (named.id, "job", owner))
    columns = ("entity_id", "kind", "project_id")
    merge_rows(session, table_of(NameOwner), columns, sorted(rows.values()), KEEP_OLD)


def _runs_to_version(arrivals: Iterable[Arrival]) -> set[bytes]:
    """Runs of which something was said that can make a version."""
    return {
        arrival.event.scope_id
        for arrival in arrivals
        if arrival.event.has_run
        and (arrival.event.outputs or arrival.event.event_type is EventType.COMPLETE)
    }


def _runs_with_batches(arrivals: Iterable[Arrival]) -> set[bytes]:
    """Runs whose events tell of batches, which the ledger has to bind."""
    return {
        arrival.event.scope_id
        for arrival in arrivals
        if arrival.event.has_run
        and any(
            BATCH in dataset.io_facets or BATCH in dataset.facets
            for dataset in arrival.event.outputs
        )
    }


def _reads(arrivals: Iterable[Arrival]) -> Iterator[tuple[bytes, bytes, str | None]]:
    for arrival in arrivals:
        if arrival.event.has_run:
            for dataset in arrival.event.inputs:
                yield arrival.event.scope_id, dataset.named.id, read_external_version(dataset)


def _warn_of_late(session: Session, arrivals: Sequence[Arrival], late: list[LateBatch]) -> None:
    """Record on the event that brought it that a batch came late (DESIGN §1.4)."""
    by_run: dict[bytes, list[LateBatch]] = {}
    for item in late:
        by_run.setdefault(item.run_id, []).append(item)
    for arrival in arrivals:
        for item in by_run.get(arrival.event.scope_id, ()):
            what = (
                "was replaced since, and is in no version"
                if item.superseded
                else (f"came after its time and is in version {item.version}")
            )
            warning = Warn("late_batch", "$.outputs", f"Batch {item.batch_number} {what}.")
            arrival.event.warnings.append(warning)
        if arrival.event.scope_id in by_run:
            session.execute(
                _event.update()
                .where(_event.c.id == arrival.event_id)
                .values(warnings=encode_warnings(arrival.event.warnings))
            )
