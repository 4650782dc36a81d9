"""Handlers that keep the ledger in order: fetch, expire, retry, compact, purge.

Rules:
1. Each may be done twice, or by two workers at once: a second time finds less to do.
2. What cannot be fetched is noted on its batch with the remedy and tried again, the later the more
   often it was tried, at most an hour later.
3. A purge makes erased rows gone and lists files that nobody names; those that still are not named
   an hour later are discarded (`registry.ledger.upkeep` rule 5).
"""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.errors import RegistryError
from registry.ledger.bindings import (
    ask_to_bind,
    ask_to_fetch,
    note_not_fetched,
    pending_after,
)
from registry.ledger.expire import expire_objects
from registry.ledger.fetch import content_type_of, fetch
from registry.ledger.plan import Waiting, awaited_object, plan_binding
from registry.ledger.record import store_object
from registry.ledger.tables import ObjectKind
from registry.lineage.event_reads import Sender, sender_of_batch
from registry.moments import from_micros, to_micros
from registry.storage.queue import TaskKind, put_task
from registry.workers.context import TaskContext

BATCHES_A_TRANSACTION = 500
_MARGIN = timedelta(minutes=1)
# What a task may carry; what is beyond is listed again by the next purge.
_MOST_PATHS = 2_000


def fetch_object(context: TaskContext) -> None:
    """Fetch the examples that a pending batch names by URL; they go the way of an upload."""
    house = context.house
    number = int(str(context.task.payload["batch"]))
    tries = int(str(context.task.payload["tries"]))
    with house.database.read() as session:
        plan = plan_binding(session, number, match=house.ledger.match)
        sender = sender_of_batch(session, number)
    if not isinstance(plan, Waiting) or plan.url is None or sender is None:
        return
    if awaited_object(plan.object) not in plan.awaited:
        return
    try:
        _fetch(context, plan.object, plan.url, sender)
    except RegistryError as error:
        detail = f"{error.detail} {error.remedy}"

        def note(session: Session) -> None:
            if note_not_fetched(session, number, detail):
                ask_to_fetch(session, number, tries=tries + 1, now=house.clock())

        context.conclude(note)
        return
    facts = {"object": plan.object, "batch": number, "project": sender.project_id}
    entry = Entry(EntryKind.OBJECT_FETCHED, sender.account_id, facts)
    context.conclude(lambda session: append_entries(session, [entry], at=house.clock()))


def _fetch(context: TaskContext, digest: str, url: str, sender: Sender) -> None:
    house = context.house
    with tempfile.TemporaryDirectory(prefix="registry-fetch-") as folder:
        path = Path(folder) / "body"
        fetch(
            url,
            path,
            digest=digest,
            roots=house.settings.file_roots,
            limit_bytes=house.settings.object_limit_bytes,
            storage_options=dict(house.settings.storage_options),
        )
        context.report("fetched")
        store_object(
            house.ledger,
            house.database,
            path,
            digest=digest,
            kind=ObjectKind.EXAMPLES,
            content_type=content_type_of(path),
            account_id=sender.account_id,
            project_id=sender.project_id,
            now=house.clock(),
        )


def expire(context: TaskContext) -> None:
    """Let go of objects that no batch was bound to in time."""
    house = context.house
    expire_objects(house.ledger, house.database, now=house.clock(), report=context.report)


def retry_batches(context: TaskContext) -> None:
    """Ask again for every pending batch, some hundred a transaction."""
    house = context.house
    after, asked = -1, 0

    def ask(session: Session) -> list[int]:
        numbers = pending_after(session, after, limit=BATCHES_A_TRANSACTION)
        for number in numbers:
            ask_to_bind(session, number, now=house.clock())
        return numbers

    while numbers := house.database.transact(ask):
        after, asked = numbers[-1], asked + len(numbers)
        context.report(f"{asked} pending batches asked for again")


def optimise_index(context: TaskContext) -> None:
    """Compact and index what was appended to the example index."""
    context.house.ledger.index.optimise()


def purge_index(context: TaskContext) -> None:
    """Make deleted rows gone from the index, and see to its leftovers an hour later."""
    from registry.ledger.upkeep import DISCARD_AFTER

    house = context.house
    leftovers = house.ledger.index.purge(house.clock())
    paths = [sorted(each.paths)[:_MOST_PATHS] for each in leftovers]
    if not any(paths):
        return
    seen_at = house.clock()
    payload: dict[str, object] = {
        "seen_at": to_micros(seen_at),
        "examples": paths[0],
        "subjects": paths[1],
    }

    def later(session: Session) -> None:
        put_task(
            session,
            TaskKind.DISCARD_LEFTOVERS,
            payload,
            now=seen_at,
            dedupe_key=TaskKind.DISCARD_LEFTOVERS,
            delay=DISCARD_AFTER + _MARGIN,
        )

    context.conclude(later)


def discard_leftovers(context: TaskContext) -> None:
    """Remove the files that a purge found unnamed, and that still are."""
    from registry.ledger.upkeep import Leftovers

    payload = context.task.payload
    seen_at: datetime = from_micros(int(str(payload["seen_at"])))
    examples, subjects = (
        Leftovers(frozenset(_texts(payload[part])), seen_at) for part in ("examples", "subjects")
    )
    context.house.ledger.index.discard((examples, subjects), context.house.clock())


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
