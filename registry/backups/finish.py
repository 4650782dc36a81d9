"""Finishes a restore: the ledger, then everything that was erased since, then the mark goes.

Rules (the governance page, cases 8 and 15):
1. Every step may be done twice, so a restore that was broken off is begun again at the ledger.
2. The list of erasures and the kept checkpoints of the ledger that was in use are copied into the
   restored one first: they are what a restored database cannot forget.
3. Rows under keys that were destroyed since are moved to keys that live; then those keys are
   destroyed again. A version that was active when the backup was made is rotated first.
4. What was replaced leaves no trace in the database's own files (`storage.residue`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from sqlalchemy import update
from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.audit.key_changes import recording_as
from registry.audit.tables import ENTRY
from registry.backups.archive import damaged, each_member
from registry.backups.ledger_copy import INDEX, OBJECTS, IndexWriter, clear_index, put_object
from registry.backups.restore import Plan
from registry.clock import Clock
from registry.erasure.execution.records import ErasureRecord, KeyEnd
from registry.erasure.execution.replay import Doors, read_key_ends, replay
from registry.errors import ConflictError
from registry.keys.destruction import DestroyedKey, replay_destroyed
from registry.keys.keyring import Keyring
from registry.keys.rotation import Rotation
from registry.keys.tables import NOT_IN_BACKUPS, KeyState, Purpose
from registry.keys.versions import Record
from registry.ledger.sweep import Store
from registry.lineage.erase_events import EVENT_TABLES
from registry.storage.backup_tables import RESTORATION
from registry.storage.database import Database
from registry.storage.objects import Objects
from registry.storage.residue import scrub_residue
from registry.storage.restoring import Unfinished

#: What the ledger that was in use knows better than the backup.
_OUTLIVES = ("erasures/", "audit/checkpoints/")
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Target:
    """What is restored into; its database is filled and marked."""

    database: Database
    store: Store
    keyring: Keyring
    rotation: Rotation
    clock: Clock


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    objects: int
    examples: int
    records: int
    keys: int
    scrubbed: bool


def finish(target: Target, plan: Plan, mark: Unfinished, doors: Doors, report: Report) -> Restored:
    """Everything after `restore.begin`; after it the registry may be served.

    Raises what its steps raise; then the mark stays, and the same call goes on. Effects: commits.
    """
    records = plan.newer_records()
    objects, examples = _fill_ledger(target, plan, report)
    if plan.erasures is not None and plan.erasures.place != target.store.objects.place:
        _copy_list(plan.erasures, target.store.objects)
    now = target.clock()
    done = replay(
        target.database,
        records,
        doors,
        actor=SYSTEM,
        now=now,
        report=lambda some, all_: report(f"{some} of {all_} erasures again"),
    )
    keys = done.keys + _end_keys(target, plan, report)
    tables = [*NOT_IN_BACKUPS, *((*EVENT_TABLES, ENTRY) if records else ())]
    scrubbed = scrub_residue(target.database, tables)
    target.database.transact(lambda session: _lift_mark(session, mark, records, keys, now))
    return Restored(objects, examples, len(records), keys, scrubbed)


def _fill_ledger(target: Target, plan: Plan, report: Report) -> tuple[int, int]:
    """Objects and index rows of the backup (rule 1); how many of each."""
    objects, count = target.store.objects, 0
    clear_index(objects)
    index = IndexWriter(target.store)
    for name, size, file in each_member(plan.checked):
        if name.startswith(OBJECTS):
            inner = name.removeprefix(OBJECTS)
            if inner.startswith(_OUTLIVES) and objects.exists(inner):
                continue
            put_object(objects, name, size, file)
            count += 1
        elif name.startswith(INDEX):
            try:
                index.add(name, file.read())
            except (pa.ArrowException, KeyError) as error:
                raise damaged(plan.checked.path, f"{name} cannot be taken") from error
        else:
            continue
        report(f"{count} objects, {sum(index.rows.values()):,} rows of the index")
    index.finish()
    return count, index.rows["examples"]


def _copy_list(source: Objects, target: Objects) -> None:
    """Rule 2: what lies at both is as it was in use."""
    for folder in _OUTLIVES:
        for name in list(source.names(folder.rstrip("/"))):
            target.put(name, source.get(name))


def _end_keys(target: Target, plan: Plan, report: Report) -> int:
    """Destroy again what was destroyed since (rule 3); how many keys."""
    ends = [] if plan.erasures is None else read_key_ends(plan.erasures, plan.public_keys)
    ends += [
        KeyEnd(row.name, row.id, plan.ended[row.id])
        for row in plan.keys.versions
        if row.id in plan.ended
    ]
    record = recording_as(SYSTEM)
    target.keyring.refresh()
    due: dict[str, DestroyedKey] = {}
    for purpose in (Purpose.SUBJECT, Purpose.DATA, Purpose.SIGNING):
        mine = {key.id: key for key in target.keyring.live(purpose)}
        gone = [end for end in ends if end.key_id in mine]
        if not gone:
            continue
        if any(mine[end.key_id].state is KeyState.ACTIVE for end in gone):
            _rotate(target, purpose, record)
        target.rotation.move(purpose, report)
        if not target.rotation.is_finished(purpose):
            raise ConflictError(
                f"Rows under destroyed versions of the key {purpose} could not all be moved.",
                remedy="Run the same command again.",
            )
        due |= {end.name: DestroyedKey(end.name, end.destroyed_at) for end in gone}
    due |= {
        end.name: DestroyedKey(end.name, end.destroyed_at)
        for end in ends
        if end.name.startswith("record/")
    }
    if not due:
        return 0
    ending = list(due.values())
    count = target.database.transact(
        lambda session: replay_destroyed(session, ending, record=record)
    )
    target.keyring.refresh()
    return count


def _rotate(target: Target, purpose: Purpose, record: Record) -> None:
    target.database.transact(lambda session: target.rotation.begin(session, purpose, record=record))


def _lift_mark(
    session: Session, mark: Unfinished, records: list[ErasureRecord], keys: int, now: datetime
) -> None:
    mine = RESTORATION.c.id == mark.id
    values = {"finished_at": now, "replayed": len(records)}
    session.execute(update(RESTORATION).where(mine).values(values))
    facts = {"backup": mark.backup_id, "replayed": len(records), "keys": keys}
    append_entries(session, [Entry(EntryKind.RESTORE_FINISHED, SYSTEM, facts)], at=now)
