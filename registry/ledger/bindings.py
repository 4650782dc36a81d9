"""The SQL side of binding: what is bound, what waits for what, and the tasks that wake up.

Rules:
1. A batch that waits is asked to bind again when something it waits for has come: an object, a
   batch, a version. What comes while the wait is noted is seen by one of the two.
2. None of this commits: it is part of the transaction of what came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlmodel import Session

from registry.catalog.version_tables import Batch, DatasetVersion
from registry.errors import ConflictError
from registry.ids import named_id
from registry.ledger.plan import BindPlan, Waiting, awaited_batch, awaited_name, awaited_object
from registry.ledger.tables import (
    BatchBinding,
    BatchWait,
    BindingState,
    LedgerObject,
    MapBinding,
    MapInput,
)
from registry.storage.bulk import lock_ids, select_by_ids
from registry.storage.columns import changed_rows, table_of
from registry.storage.queue import TaskKind, put_task
from registry.storage.schedule import count_for

_binding, _wait, _object = table_of(BatchBinding), table_of(BatchWait), table_of(LedgerObject)
_map, _input, _batch = table_of(MapBinding), table_of(MapInput), table_of(Batch)
_version = table_of(DatasetVersion)
_FIRST_DELAY = timedelta(seconds=15)
_LONGEST_DELAY = timedelta(hours=1)


def wake(session: Session, awaited: list[str], *, now: datetime) -> None:
    """Put a task for each batch that waits for one of these. Does not commit."""
    lock_awaited(session, awaited)
    rows = session.execute(select(_wait.c.number).where(_wait.c.awaited.in_(awaited)).distinct())
    for number in rows.scalars().all():
        ask_to_bind(session, number, now=now)


def lock_awaited(session: Session, awaited: Sequence[str]) -> None:
    """Wait for whoever notes a wait for one of these, or brings one, and hold it until the end.

    Without it a batch could note that it waits for what comes in the same moment, and sleep on.
    """
    lock_ids(session, sorted(named_id("awaited", item) for item in awaited))


def ask_to_bind(session: Session, number: int, *, now: datetime) -> None:
    """Put the task that binds a batch, unless it waits already. Does not commit."""
    put_task(session, TaskKind.BIND_BATCH, {"batch": number}, now=now, dedupe_key=f"bind:{number}")


def ask_to_sum(session: Session, number: int, *, now: datetime) -> None:
    """Put the task that sums up a batch, unless it waits already. Does not commit."""
    put_task(session, TaskKind.SUM_BATCH, {"batch": number}, now=now, dedupe_key=f"sum:{number}")


def ask_to_bind_batches(session: Session, run_ids: set[bytes], *, now: datetime) -> None:
    """Put a task for each batch of these runs that is not bound, and for what waits for a version.

    One that is bound is summed up anew where its licence is not the one that was counted.
    Does not commit. Cost: two queries, and an insert for each batch.
    """
    if not run_ids:
        return
    rows = select_by_ids(
        session,
        "SELECT b.number, k.state FROM {ids} AS wanted JOIN batch b ON b.run_id = wanted.id "
        "LEFT JOIN batch_binding k ON k.number = b.number "
        "WHERE k.state IS NULL OR k.state <> 'bound' OR NOT EXISTS ("
        "  SELECT 1 FROM batch_sum s WHERE s.number = b.number AND s.dimension = 'license' "
        "  AND s.value = COALESCE(b.license, '')) ORDER BY b.number",
        sorted(run_ids),
    )
    for number, state in rows:
        ask = ask_to_sum if state == BindingState.BOUND else ask_to_bind
        ask(session, number, now=now)
    wake_version_waiters(session, now=now)


def wake_version_waiters(session: Session, *, now: datetime) -> None:
    """Put a task for each batch that waits for a version that is there. Does not commit."""
    version_waits = _wait.c.awaited.between("version:", "version;")
    for number, awaited in session.execute(
        select(_wait.c.number, _wait.c.awaited).where(version_waits)
    ).all():
        _, dataset, version = awaited.split(":")
        found = session.execute(
            select(_version.c.number).where(
                _version.c.dataset_id == bytes.fromhex(dataset),
                _version.c.number == int(version),
            )
        ).first()
        if found is not None:
            ask_to_bind(session, number, now=now)


def store_binding(
    session: Session, plan: BindPlan, maps: list[dict[str, Any]], rows: int | None, now: datetime
) -> None:
    """Bind a batch with its maps; wake who waits for it; ask for its sums. Does not commit.

    Raises ConflictError where an object of it expired meanwhile.
    """
    number = plan.number
    _forget(session, number)
    examples = plan.examples
    session.execute(
        insert(_binding).values(
            number=number,
            state=BindingState.BOUND.value,
            object_id=None if examples is None else examples.id,
            rows=rows,
            indexed=0 if examples is None else 1,
            detail=None,
            since=now,
        )
    )
    if maps:
        session.execute(insert(_map), maps)
        session.execute(insert(_input), list(_input_rows(plan)))
    used = [p.source.id for p in plan.maps if not isinstance(p.source, str)]
    used += [] if examples is None else [examples.id]
    if used:
        keep = update(_object).where(_object.c.id.in_(used)).values(expires_at=None)
        if changed_rows(session, keep) != len(set(used)):
            raise ConflictError(
                f"An object of batch {number} expired while the batch was bound.",
                remedy="Send it again; the batch waits for it.",
            )
    if examples is not None:
        count_for(session, TaskKind.OPTIMISE_INDEX)
    wake(session, _awaiting(session, number), now=now)
    put_task(session, TaskKind.SUM_BATCH, {"batch": number}, now=now, dedupe_key=f"sum:{number}")


def _input_rows(plan: BindPlan) -> Iterator[dict[str, int]]:
    for planned in plan.maps:
        first = 0
        for place, (input_number, rows) in enumerate(planned.inputs):
            yield {
                "number": plan.number,
                "position": planned.position,
                "place": place,
                "input_number": input_number,
                "first": first,
                "rows": rows,
            }
            first += rows


def _awaiting(session: Session, number: int) -> list[str]:
    """Under which words other batches may wait for this one."""
    row = session.execute(
        select(_batch.c.dataset_id, _batch.c.name).where(_batch.c.number == number)
    ).one()
    return [awaited_batch(number), awaited_name(bytes(row.dataset_id), row.name)]


def _forget(session: Session, number: int) -> None:
    for table in (_binding, _wait, _map, _input):
        session.execute(delete(table).where(table.c.number == number))


def note_waiting(session: Session, plan: Waiting, now: datetime) -> None:
    """Note what a batch waits for, and ask for what lies at a URL. Does not commit.

    Why an object could not be fetched stays noted until it is there.
    """
    number = plan.number
    before = session.execute(
        select(_binding.c.detail, _binding.c.since).where(
            _binding.c.number == number, _binding.c.state == BindingState.PENDING
        )
    ).one_or_none()
    _forget(session, number)
    detail, since = (None, now) if before is None else (before.detail, before.since)
    is_fetched = plan.url is not None and awaited_object(plan.object) in plan.awaited
    _note(session, number, BindingState.PENDING, detail if is_fetched else None, since)
    session.execute(insert(_wait), [{"number": number, "awaited": item} for item in plan.awaited])
    if is_fetched:
        ask_to_fetch(session, number, tries=0, now=now)


def ask_to_fetch(session: Session, number: int, *, tries: int, now: datetime) -> None:
    """Put the task that fetches a batch's object, the later the more often it was tried.

    Unless it waits already. Does not commit.
    """
    delay = timedelta() if not tries else min(_FIRST_DELAY * 2 ** min(tries, 16), _LONGEST_DELAY)
    put_task(
        session,
        TaskKind.FETCH_OBJECT,
        {"batch": number, "tries": tries},
        now=now,
        dedupe_key=f"fetch:{number}",
        delay=delay,
    )


def note_not_fetched(session: Session, number: int, detail: str) -> bool:
    """Note why a pending batch's object could not be fetched; False where it waits no more."""
    noted = (
        update(_binding)
        .where(_binding.c.number == number, _binding.c.state == BindingState.PENDING)
        .values(detail=detail)
    )
    return changed_rows(session, noted) == 1


def pending_after(session: Session, number: int, *, limit: int) -> list[int]:
    """The next pending batches by number."""
    query = (
        select(_binding.c.number)
        .where(_binding.c.state == BindingState.PENDING, _binding.c.number > number)
        .order_by(_binding.c.number)
        .limit(limit)
    )
    return list(session.execute(query).scalars())


def note_failed(session: Session, number: int, detail: str, now: datetime) -> None:
    """Note why a batch cannot be bound. Does not commit."""
    _forget(session, number)
    _note(session, number, BindingState.FAILED, detail, now)


def _note(
    session: Session, number: int, state: BindingState, detail: str | None, now: datetime
) -> None:
    session.execute(
        insert(_binding).values(
            number=number,
            state=state.value,
            object_id=None,
            rows=None,
            indexed=0,
            detail=detail,
            since=now,
        )
    )
