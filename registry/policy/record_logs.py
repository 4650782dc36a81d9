"""Which rows of the registry's own logs are past their retention, and how far a sweep has come.

Rules:
1. A row is past its time when the rule's duration before now lies after it. Rows come in the order
   of their time, so the sweep keeps the number of the last row it looked at.
2. What a hold or an open case needs is remembered, and looked at again by each sweep.
3. Without a rule nothing of a log is touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, func, insert, select, text
from sqlmodel import Session

from registry.durations import parse_duration
from registry.errors import InvalidInputError
from registry.moments import to_micros
from registry.policy.forms import RetentionPolicy
from registry.policy.tables import RetentionKept, RetentionMark
from registry.storage.columns import insert_unless_there, table_of

# Transactions end in another order than they began: what is younger is left, whatever the rule.
_MARGIN = timedelta(hours=1)
_mark, _kept = table_of(RetentionMark), table_of(RetentionKept)


class RecordLog(StrEnum):
    """The logs that `retention.yaml` has a rule for, by the name it has there."""

    EVENTS = "event_log"
    AUDIT_PAYLOADS = "audit_payloads"


_TIMES = {
    RecordLog.EVENTS: ("lineage_event", "received_at"),
    RecordLog.AUDIT_PAYLOADS: ("audit_entry", "at"),
}


@dataclass(frozen=True, slots=True)
class DueRecords:
    """Rows of a log that are past their time. `before`: rows older than that are.

    `due`: how many were not looked at yet; `kept`: how many a hold or an open case keeps.
    """

    log: RecordLog
    rule: str
    before: datetime
    due: int
    kept: int


def rule_of(policy: RetentionPolicy, log: RecordLog) -> str | None:
    """The duration that a log has, or None (rule 3)."""
    match log:
        case RecordLog.EVENTS:
            return policy.event_log
        case RecordLog.AUDIT_PAYLOADS:
            return policy.audit_payloads


def due_records(session: Session, policy: RetentionPolicy, *, now: datetime) -> list[DueRecords]:
    """What a sweep would look at now, for each log with a rule. Cost: some look-ups and a count."""
    found: list[DueRecords] = []
    for log in RecordLog:
        rule = rule_of(policy, log)
        before = None if rule is None else before_of(rule, now)
        if rule is None or before is None:
            continue
        mark, last = mark_of(session, log), last_due(session, log, before)
        table, _ = _TIMES[log]
        query = text(f"SELECT count(*) FROM {table} WHERE id > :mark AND id <= :last")  # noqa: S608 - our own names
        due = session.execute(query, {"mark": mark, "last": last}).scalar_one()
        kept = select(func.count()).select_from(_kept).where(_kept.c.log == log.value)
        found.append(DueRecords(log, rule, before, due, session.execute(kept).scalar_one()))
    return found


def before_of(rule: str, now: datetime) -> datetime | None:
    """Before which moment rows are past their time; None for a rule beyond the calendar."""
    try:
        return min(parse_duration(rule).before(now), now - _MARGIN)
    except InvalidInputError:
        return None


def mark_of(session: Session, log: RecordLog) -> int:
    """The last row that was looked at; 0 for none."""
    query = select(_mark.c.row_id).where(_mark.c.log == log.value)
    return int(session.execute(query).scalar_one_or_none() or 0)


def last_due(session: Session, log: RecordLog, before: datetime) -> int:
    """The last row of a log that is past its time; 0 for none. Cost: a look-up for each halving."""
    table, column = _TIMES[log]
    query = text(f"SELECT id, {column} FROM {table} WHERE id >= :id ORDER BY id LIMIT 1")  # noqa: S608 - our own names
    last = session.execute(text(f"SELECT max(id) FROM {table}")).scalar_one()  # noqa: S608
    low, high, limit = 0, int(last or 0), to_micros(before)
    while low < high:
        middle = (low + high + 1) // 2
        row: Any = session.execute(query, {"id": middle}).one_or_none()
        if row is not None and row[1] < limit:
            low = max(int(row[0]), middle)
        else:
            high = middle - 1
    return low


def rows_between(session: Session, log: RecordLog, mark: int, last: int, limit: int) -> list[int]:
    """The next rows after a mark, in order."""
    table, _ = _TIMES[log]
    query = text(f"SELECT id FROM {table} WHERE id > :mark AND id <= :last ORDER BY id LIMIT :n")  # noqa: S608 - our own names
    found = session.execute(query, {"mark": mark, "last": last, "n": limit})
    return list(found.scalars())


def kept_after(session: Session, log: RecordLog, row_id: int, limit: int) -> list[int]:
    """The next rows that something needed when they were looked at last (rule 2)."""
    mine = (_kept.c.log == log.value) & (_kept.c.row_id > row_id)
    query = select(_kept.c.row_id).where(mine).order_by(_kept.c.row_id).limit(limit)
    return list(session.execute(query).scalars())


def store_looked_at(
    session: Session, log: RecordLog, row_ids: list[int], kept: tuple[int, ...], mark: int | None
) -> None:
    """Remember which of these rows are needed, and the mark, unless None. Does not commit."""
    mine = _kept.c.log == log.value
    session.execute(delete(_kept).where(mine, _kept.c.row_id.in_(row_ids)))
    if kept:
        session.execute(insert(_kept), [{"log": log.value, "row_id": each} for each in kept])
    if mark is None:
        return
    if not insert_unless_there(session, _mark, {"log": log.value, "row_id": mark}):
        later = (_mark.c.log == log.value) & (_mark.c.row_id < mark)
        session.execute(_mark.update().where(later).values(row_id=mark))
