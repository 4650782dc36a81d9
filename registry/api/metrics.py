"""Numbers for Prometheus, in its text format 0.0.4.

Counts of the log cost the same however long it is: what is not projected has an index of its own,
and the rest is the log's last number (PostgreSQL may skip some numbers, so it is a little high).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session

from registry.erasure.case.reading import standing
from registry.lineage.tables import EventState, LineageEvent
from registry.request import Gauge
from registry.storage.columns import table_of
from registry.storage.queue import TaskState, count_tasks

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_event = table_of(LineageEvent)


@dataclass(frozen=True, slots=True)
class Metric:
    """A gauge with its samples: label text (may be empty) and value."""

    name: str
    about: str
    samples: tuple[tuple[str, float], ...]


def read_metrics(session: Session, gauges: Iterable[Gauge], *, now: datetime) -> list[Metric]:
    """Everything that `/metrics` shows. Cost: five queries."""
    tasks = count_tasks(session)
    waiting = (
        select(_event.c.state, func.count())
        .where(_event.c.state != EventState.PROJECTED)
        .group_by(_event.c.state)
    )
    events = {row[0]: row[1] for row in session.execute(waiting)}
    last = session.execute(select(func.max(_event.c.id))).scalar_one() or 0
    events[EventState.PROJECTED] = max(0, last - sum(events.values()))
    return [
        Metric(
            "registry_tasks",
            "Tasks of the work queue, by state.",
            tuple((f'state="{state}"', tasks.get(state, 0)) for state in TaskState),
        ),
        Metric(
            "registry_events",
            "OpenLineage events that are kept, by state.",
            tuple((f'state="{state}"', events.get(state, 0)) for state in EventState),
        ),
        *_requests(session, now),
        *(Metric(f"registry_{g.name}", g.about, (("", g.read()),)) for g in gauges),
    ]


def _requests(session: Session, now: datetime) -> list[Metric]:
    found = standing(session, today=now.date(), soon_days=0)
    return [
        Metric(
            "registry_erasure_requests",
            "Requests of people, by state.",
            tuple((f'state="{state}"', count) for state, count in found.states.items()),
        ),
        Metric(
            "registry_erasure_overdue",
            "Requests whose last day to answer on has passed.",
            (("", found.overdue),),
        ),
    ]


def exposition(metrics: Iterable[Metric]) -> str:
    """The metrics as Prometheus reads them (exposition formats, "Text-based format")."""
    lines = []
    for metric in metrics:
        lines.append(f"# HELP {metric.name} {metric.about}")
        lines.append(f"# TYPE {metric.name} gauge")
        for labels, value in metric.samples:
            name = f"{metric.name}{{{labels}}}" if labels else metric.name
            lines.append(f"{name} {value!r}")
    return "\n".join(lines) + "\n"
