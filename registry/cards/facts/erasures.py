"""What people asked to be erased from it, how that ended, and what of it had gone on elsewhere.

Rules:
1. A request concerns a version where its last plan names examples of one of its batches.
2. What happened to derived data and models is what the tasks of these requests say of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from registry.cards.fact_kinds import BEYOND
from registry.cards.facts.making import Row, basis, known, latest, missing, table
from registry.cards.facts.origin import ROWS_LIMIT
from registry.cards.facts.sight import Sight
from registry.cards.facts.world import World
from registry.cards.values import Evidence, EvidenceKind, Fact, Grade, State
from registry.catalog.names import dataset_id
from registry.erasure.lifecycle import TaskKind, TaskState
from registry.erasure.tables import ErasureTask
from registry.moments import from_micros
from registry.storage.bulk import TypedColumn, select_by_ids, select_by_rows
from registry.storage.columns import table_of

_task = table_of(ErasureTask)
_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)
_REQUESTS = """
SELECT r.id, r."right", r.state, r.received_at, r.closed_at, sum(p.examples)
FROM {rows} AS w
JOIN erasure_plan_batch p ON p.batch_number = w.number AND p.part = 'erase'
JOIN erasure_request r ON r.plan_id = p.plan_id
GROUP BY r.id, r."right", r.state, r.received_at, r.closed_at ORDER BY r.id
"""
_ELSEWHERE = """
SELECT d.id, d.namespace, d.name, r.state, p.batch_number FROM {rows} AS w
JOIN erasure_request r ON r.id = w.request
JOIN erasure_plan_batch p ON p.plan_id = r.plan_id AND p.part = 'erase'
JOIN batch_number n ON n.number = p.batch_number JOIN dataset d ON d.id = n.dataset_id
ORDER BY d.namespace, d.name, r.state
"""
_MADE = """
SELECT v.dataset_id, v.scope_id, v.number FROM {ids} AS w
JOIN dataset_version v ON v.scope_id = w.id ORDER BY v.dataset_id, v.number
"""
_REQUEST: tuple[TypedColumn, ...] = (("request", "text"),)
_TOLD = (TaskState.AWAITING_RECIPIENT_ACK.value, TaskState.ACKNOWLEDGED.value)
_DAY_MICROS = 86_400 * 1_000_000


def erasure_facts(session: Session, world: World, sight: Sight) -> Iterator[Fact]:
    """The facts named `erasure.…`."""
    numbers = [(row.number,) for row in world.members]
    found = select_by_rows(session, _REQUESTS, _NUMBER, numbers)
    things = [Evidence(EvidenceKind.REQUEST, row[0]) for row in found]
    moments = (max(row.received_at, row.closed_at or 0) for row in found)
    on = basis(things, latest(*(from_micros(each) for each in moments)))
    groups: dict[tuple[str, str], list[Any]] = {}
    for row in found:
        groups.setdefault((row[1], row.state), []).append(row)
    rows: list[Row] = [
        (*key, len(some), sum(int(row[5]) for row in some)) for key, some in sorted(groups.items())
    ]
    yield table("erasure.requests", rows, Grade.MEASURED, on)
    closed = [row.closed_at - row.received_at for row in found if row.closed_at is not None]
    if closed:
        days = round(median(closed) / _DAY_MICROS, 1)
        # On the day itself is a length of time, and no count of nothing.
        took = known("erasure.median_days", days, Grade.MEASURED, on)
        yield replace(took, state=State.KNOWN)
    else:
        note = "No request that concerned it was answered yet." if found else "Nobody asked."
        yield missing("erasure.median_days", State.NOT_APPLICABLE, note, on)
    tasks = _tasks(session, [row[0] for row in found])
    yield _propagated(session, world, [row[0] for row in found], tasks, sight)
    told = sum(row.kind == TaskKind.RECIPIENT and row.state in _TOLD for row in tasks)
    yield known("erasure.notified", told, Grade.MEASURED, on)


def _tasks(session: Session, requests: Sequence[str]) -> Sequence[Any]:
    found: list[Any] = []
    for start in range(0, len(requests), 5_000):
        some = _task.c.request_id.in_(requests[start : start + 5_000])
        kinds = _task.c.kind.in_([kind.value for kind in (TaskKind.MODEL, TaskKind.RECIPIENT)])
        query = select(_task).where(some, kinds).order_by(_task.c.target, _task.c.id)
        found += session.execute(query).all()
    return found


def _propagated(
    session: Session, world: World, requests: Sequence[str], tasks: Sequence[Any], sight: Sight
) -> Fact:
    """Other datasets and models that held what was erased from the version (rule 2)."""
    own = {row.number for row in world.members}
    states: dict[tuple[str, str], set[str]] = {}
    wanted = [(each,) for each in requests]
    for key, namespace, name, state, number in select_by_rows(
        session, _ELSEWHERE, _REQUEST, wanted
    ):
        if number not in own:
            shown = f"{namespace} {name}" if sight.sees(bytes(key)) else BEYOND
            states.setdefault((shown, "dataset"), set()).add(state)
    rows: list[Row] = [
        (name, None, kind, ", ".join(sorted(some))) for (name, kind), some in sorted(states.items())
    ]
    rows += _models(session, tasks, sight)
    things = [Evidence(EvidenceKind.REQUEST, each) for each in requests]
    on = basis(things, latest(*(row.changed_at for row in tasks)))
    name = "erasure.propagated"
    return table(name, rows[:ROWS_LIMIT], Grade.MEASURED, on, total=len(rows))


def _models(session: Session, tasks: Sequence[Any], sight: Sight) -> list[Row]:
    named = []
    for task in tasks:
        if task.kind == TaskKind.MODEL:
            model, _, run = task.target.rpartition(" ")
            namespace, _, name = model.partition(" ")
            named.append((task, dataset_id(namespace, name), model, _run(run)))
    runs = sorted({run for _, _, _, run in named if run})
    made = {
        (bytes(key), bytes(run)): number for key, run, number in select_by_ids(session, _MADE, runs)
    }
    rows: set[tuple[str, int | None, str, str]] = set()
    for task, key, model, run in named:
        said = task.disposition or task.state
        if sight.sees(key):
            rows.add((model, made.get((key, run)), "model", said))
        else:
            rows.add((BEYOND, None, "model", said))
    return sorted(rows, key=lambda row: (row[0], row[1] or 0, row[3]))


def _run(text: str) -> bytes:
    try:
        return bytes.fromhex(text.replace("-", ""))
    except ValueError:
        return b""
