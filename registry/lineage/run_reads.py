"""Reads from the event log what a run said of its job, which the catalog keeps as of today only."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import select
from sqlmodel import Session

from registry.lineage.tables import EventState, LineageEvent
from registry.storage.columns import table_of

# A long run says the same of its job with each event: the first and the last are enough.
_EVENTS_AT_EACH_END = 20
_event = table_of(LineageEvent)


class _Job(msgspec.Struct):
    facets: dict[str, msgspec.Raw] = {}


class _Event(msgspec.Struct):
    job: _Job | None = None


def job_facets_of_run(session: Session, run_id: bytes, names: Collection[str]) -> dict[str, Any]:
    """The job facets of these names in the events of a run, the latest of each.

    Cost: one query, and the bodies of at most forty events.
    """
    mine = (_event.c.scope_id == run_id) & (_event.c.state == EventState.PROJECTED.value)
    query = select(_event.c.id, _event.c.effective_at, _event.c.body).where(mine)
    at, number = _event.c.effective_at, _event.c.id
    rows = [
        *session.execute(query.order_by(at, number).limit(_EVENTS_AT_EACH_END)),
        *session.execute(query.order_by(at.desc(), number.desc()).limit(_EVENTS_AT_EACH_END)),
    ]
    found: dict[str, Any] = {}
    for row in sorted(rows, key=lambda row: (row.effective_at, row.id)):
        for name, payload in _job_facets(bytes(row.body)).items():
            if name in names:
                found[name] = msgspec.json.decode(payload)
    return found


def _job_facets(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        job = msgspec.json.decode(body, type=_Event).job
    except msgspec.MsgspecError:
        return {}
    return {} if job is None else job.facets
