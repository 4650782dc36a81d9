"""What a task does when its turn comes: one handler for each kind (`context` says what it may use).

What a worker does again and again is in `PERIODS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.catalog.owners import reassign_some
from registry.keys.tables import Purpose
from registry.ledger.bindings import ask_to_sum
from registry.ledger.erasing import read_holes
from registry.ledger.record import bind_batch
from registry.ledger.sums import store_sums, sum_batch
from registry.policy.alerting import put_alerts
from registry.policy.judge import judge_lineage, raise_found
from registry.policy.judge_again import note_known
from registry.storage.queue import TaskKind, put_task
from registry.storage.schedule import Period
from registry.workers import cases, erasure, retention, upkeep
from registry.workers.alerts import send_alert
from registry.workers.context import Handler, TaskContext


def reassign_names(context: TaskContext) -> None:
    """Allot anew who owns each name, some hundred names a transaction, by the claims of now."""
    house = context.house
    actor = str(context.task.payload.get("actor", SYSTEM))
    for kind in ("dataset", "job"):
        looked_at = 0
        after: bytes | None = b""
        while after is not None:
            move = partial(reassign_some, kind=kind, after=after, actor=actor, now=house.clock())
            after, count = house.database.transact(move)
            looked_at += count
            context.report(f"{looked_at} {kind} names looked at")


def bind(context: TaskContext) -> None:
    """Bind a batch to its objects and maps, or note what it waits for."""
    house = context.house
    bind_batch(
        house.ledger,
        house.database,
        int(str(context.task.payload["batch"])),
        turns=house.turns,
        now=house.clock(),
        conclude=context.conclude,
    )


def sum_up(context: TaskContext) -> None:
    """Sum up a bound batch, then what is derived from it; waits for the sums of its inputs.

    Only now all is known that its run, and who read it, is judged by.
    """
    house = context.house
    number = int(str(context.task.payload["batch"]))
    with house.database.read() as session:
        holes = read_holes(session, [number])
        sums = sum_batch(session, house.ledger, number)
        following = house.ledger.graph.outputs(session, [number]).get(number, [])

    def store(session: Session) -> None:
        if sums is None:
            return
        store_sums(session, number, sums)
        if read_holes(session, [number]) != holes:
            # Somebody marked examples as erased meanwhile, and may have summed up without them.
            ask_to_sum(session, number, now=house.clock())
        note_known(session, number)
        for output in following:
            ask_to_sum(session, output, now=house.clock())

    context.conclude(store)


def move_keys(context: TaskContext, purpose: Purpose) -> None:
    """Move what is under retiring versions of a key, and come again while anything is left."""
    house = context.house
    moved = house.rotation.move(purpose, context.report)
    is_finished = house.rotation.is_finished(purpose)

    def conclude(session: Session) -> None:
        facts = {"purpose": purpose.value, "moved": moved, "finished": is_finished}
        append_entries(session, [Entry(EntryKind.KEY_USES_MOVED, SYSTEM, facts)], at=house.clock())
        if not is_finished:
            house.rotation.queue(session, purpose)

    context.conclude(conclude)


def judge(context: TaskContext) -> None:
    """Judge what came since the last round, and raise violations."""
    house = context.house
    policies = house.policies.current()
    found = judge_lineage(house.database, house.ledger, house.sweep, policies, now=house.clock())

    def conclude(session: Session) -> None:
        raised = raise_found(session, found, actor=SYSTEM, now=house.clock())
        put_alerts(session, house.settings, raised, now=house.clock())
        if found.more:
            put_task(session, TaskKind.JUDGE_LINEAGE, {}, now=house.clock())

    context.conclude(conclude)


HANDLERS: Mapping[TaskKind, Handler] = {
    TaskKind.NAMES_REASSIGN: reassign_names,
    TaskKind.BIND_BATCH: bind,
    TaskKind.SUM_BATCH: sum_up,
    TaskKind.FETCH_OBJECT: upkeep.fetch_object,
    TaskKind.EXPIRE_OBJECTS: upkeep.expire,
    TaskKind.RETRY_BATCHES: upkeep.retry_batches,
    TaskKind.OPTIMISE_INDEX: upkeep.optimise_index,
    TaskKind.PURGE_INDEX: upkeep.purge_index,
    TaskKind.DISCARD_LEFTOVERS: upkeep.discard_leftovers,
    TaskKind.JUDGE_LINEAGE: judge,
    TaskKind.SWEEP_RETENTION: retention.sweep_retention,
    TaskKind.REDACT_RECORDS: retention.redact_records,
    TaskKind.SEND_ALERT: send_alert,
    TaskKind.CARRY_OUT_ERASURE: erasure.carry_out_erasure,
    TaskKind.ERASE_IN_FILES: erasure.erase_in_files_of,
    TaskKind.SCAN_CONTENTS: erasure.scan_contents_of,
    TaskKind.CONCLUDE_ERASURE: erasure.conclude_erasure,
    TaskKind.RESUME_ERASURES: erasure.resume_erasures,
    TaskKind.WATCH_DEADLINES: cases.watch_deadlines,
    TaskKind.SHRED_KEYS: cases.shred_keys,
    TaskKind.SUBJECT_KEYS_ROTATE: partial(move_keys, purpose=Purpose.SUBJECT),
    TaskKind.DATA_KEYS_ROTATE: partial(move_keys, purpose=Purpose.DATA),
}

# A batch that waits is woken by what it waits for; the daily retry is for what was missed.
PERIODS: Mapping[TaskKind, Period] = {
    TaskKind.EXPIRE_OBJECTS: Period(timedelta(hours=6)),
    TaskKind.RETRY_BATCHES: Period(timedelta(days=1)),
    TaskKind.OPTIMISE_INDEX: Period(timedelta(hours=1), count=64),
    TaskKind.PURGE_INDEX: Period(timedelta(hours=6)),
    TaskKind.JUDGE_LINEAGE: Period(timedelta(minutes=5)),
    TaskKind.SWEEP_RETENTION: Period(timedelta(days=1)),
    TaskKind.RESUME_ERASURES: Period(timedelta(hours=1)),
    TaskKind.WATCH_DEADLINES: Period(timedelta(hours=6)),
    TaskKind.SHRED_KEYS: Period(timedelta(days=1)),
    TaskKind.REDACT_RECORDS: Period(timedelta(days=1)),
}
