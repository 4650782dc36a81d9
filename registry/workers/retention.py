"""Handlers of retention: disposal items for batches, and old rows of the registry's own logs.

Rules:
1. A log is worked off some rows a transaction, so that nobody waits long for it; a worker that dies
   goes on where the mark stands.
2. What went is made gone from the database's files afterwards; where readers keep it from that, the
   task fails and comes again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Table
from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.audit.tables import ENTRY
from registry.errors import UnavailableError
from registry.lineage.expiry import EVENTS_AT_ONCE, TABLES, Expired, expire_events
from registry.policy.alerting import put_alerts
from registry.policy.disposal import find_due, open_items
from registry.policy.judge import retention_breaches
from registry.policy.payload_retention import ENTRIES_AT_ONCE, Redacted, redact_old_payloads
from registry.policy.record_logs import (
    RecordLog,
    before_of,
    kept_after,
    last_due,
    mark_of,
    rows_between,
    rule_of,
    store_looked_at,
)
from registry.request import House
from registry.rights.evidence import read_evidence
from registry.rights.violations import raise_violation
from registry.storage.residue import scrub_residue
from registry.workers.context import TaskContext


def sweep_retention(context: TaskContext) -> None:
    """Open disposal items for what is due, and raise violations for what nothing keeps."""
    house = context.house
    policies = house.policies.current()
    with house.database.read() as session:
        due = find_due(session, house.ledger, policies, now=house.clock())

    def conclude(session: Session) -> None:
        now = house.clock()
        open_items(session, due, policies, actor=SYSTEM, now=now)
        breaches = retention_breaches(due, policies)
        raised = [raise_violation(session, each, actor=SYSTEM, now=now) for each in breaches]
        put_alerts(session, house.settings, [r for r in raised if r is not None], now=now)

    context.conclude(conclude)


def redact_records(context: TaskContext) -> None:
    """Take out of the registry's own logs what is past their rules.

    Raises UnavailableError where what went may still lie in the database's files.
    """
    house = context.house
    policy = house.policies.current().retention
    tables: list[Table] = []
    for log in RecordLog:
        rule = rule_of(policy, log)
        before = None if rule is None else before_of(rule, house.clock())
        if rule is not None and before is not None and _work_off(context, log, rule, before):
            tables += _tables_of(log)
    # An earlier try may have redacted, and died before it scrubbed.
    if context.task.attempt > 1 and not tables:
        tables = [table for log in RecordLog for table in _tables_of(log)]
    if tables and not scrub_residue(house.database, tables):
        raise UnavailableError(
            "Texts past their retention may still lie in the database's files.",
            remedy="The worker tries again; end what reads or writes the database for long.",
        )


def _tables_of(log: RecordLog) -> list[Table]:
    match log:
        case RecordLog.EVENTS:
            return list(TABLES)
        case RecordLog.AUDIT_PAYLOADS:
            return [ENTRY]


def _work_off(context: TaskContext, log: RecordLog, rule: str, before: datetime) -> int:
    """Go through the rows that something kept, then through those that came due; how many lost
    what they said.
    """
    house = context.house
    at_once = EVENTS_AT_ONCE if log is RecordLog.EVENTS else ENTRIES_AT_ONCE
    with house.database.read() as session:
        end = mark_of(session, log)
        last = last_due(session, log, before)
    redacted = 0

    def some(find: Callable[[Session, int], list[int]], after: int, *, is_new: bool) -> int:
        nonlocal redacted

        def work(session: Session) -> tuple[int, int]:
            ids = find(session, after)
            if not ids:
                return 0, 0
            done = _redact(session, house, log, ids, f"retention:{log.value}:{rule}")
            store_looked_at(session, log, ids, done.kept, ids[-1] if is_new else None)
            return ids[-1], done.redacted

        following, count = house.database.transact(work)
        redacted += count
        context.report(f"{log.value}: {redacted} rows redacted")
        return following

    after = 0
    while after := some(lambda s, a: kept_after(s, log, a, at_once), after, is_new=False):
        pass
    after = end
    while after := some(lambda s, a: rows_between(s, log, a, last, at_once), after, is_new=True):
        pass
    return redacted


def _redact(
    session: Session, house: House, log: RecordLog, ids: list[int], under: str
) -> Expired | Redacted:
    now = house.clock()
    evidence = read_evidence(session, at=now)
    match log:
        case RecordLog.EVENTS:
            return expire_events(session, ids, evidence, under=under, actor=SYSTEM, now=now)
        case RecordLog.AUDIT_PAYLOADS:
            return redact_old_payloads(session, ids, evidence, under=under, actor=SYSTEM, now=now)
