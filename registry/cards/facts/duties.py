"""What must be kept, what was breached, and how use was decided; retention of data and of logs.

Rules:
1. Holds and violations are those that concern the version: itself, its dataset, or its batches.
2. Of decisions the last one for each purpose counts.
3. Retention is computed from the rules as they are now. A batch that a hold keeps is overdue all
   the same: the hold is why it is still there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import or_, select
from sqlmodel import Session

from registry.cards.facts.batch_rows import BatchRow, batches_basis
from registry.cards.facts.making import (
    Basis,
    Row,
    basis,
    earliest,
    known,
    latest,
    missing,
    not_recorded,
    table,
)
from registry.cards.facts.world import World
from registry.cards.values import Evidence, EvidenceKind, Fact, Grade, State
from registry.moments import from_micros
from registry.policy.facts import BatchFacts
from registry.policy.forms import RetentionRule, Scope, Trigger
from registry.policy.policy_set import PolicySet
from registry.policy.retention import due_of, matches
from registry.policy.tables import PolicyDecision
from registry.rights.holds import holds_on
from registry.rights.tables import Hold, Violation, ViolationState
from registry.storage.bulk import select_by_ids
from registry.storage.columns import table_of

_hold, _violation = table_of(Hold), table_of(Violation)
_decision = table_of(PolicyDecision)
_LAST_READ = """
SELECT r.dataset_id, max(r.read_at) FROM {ids} AS w JOIN run_read r ON r.dataset_id = w.id
GROUP BY r.dataset_id
"""
_UNSETTLED = (ViolationState.OPEN.value, ViolationState.ACKNOWLEDGED.value)


def duty_facts(session: Session, world: World, now: datetime) -> Iterator[Fact]:
    """Holds, violations, purposes and decisions."""
    yield _holds(session, world, now)
    yield _violations(session, world)
    yield _purposes(world)
    yield _decisions(session, world)


def _holds(session: Session, world: World, now: datetime) -> Fact:
    numbers = [row.number for row in world.members]
    held = holds_on(session, numbers, at=now)
    items: dict[str, int] = {}
    for each in held:
        items[each.hold_id] = items.get(each.hold_id, 0) + 1
    query = select(_hold).where(_hold.c.id.in_(sorted(items))).order_by(_hold.c.id)
    holds = session.execute(query).all() if items else []
    rows: list[Row] = [(hold.ground, hold.matter, hold.until, items[hold.id]) for hold in holds]
    rows.sort(key=lambda row: (str(row[0]), str(row[1]), str(row[2])))
    things = [Evidence(EvidenceKind.HOLD, hold.id) for hold in holds]
    on = basis(things, latest(*(hold.placed_at for hold in holds)))
    return table("rights.holds", rows, Grade.MEASURED, on)


def _violations(session: Session, world: World) -> Fact:
    """Open violations about the version, its dataset as a whole, or one of its batches (rule 1)."""
    columns = (
        _violation.c.id,
        _violation.c.kind,
        _violation.c.raised_at,
        _violation.c.batch_number,
    )
    about = [
        (_violation.c.dataset_id == dataset.id)
        & or_(_violation.c.number.is_(None), _violation.c.number == number)
        for dataset, number in ((world.target.dataset, world.target.number), *world.target.versions)
    ]
    query = select(*columns).where(_violation.c.state.in_(_UNSETTLED), or_(*about))
    own = {row.number for row in world.members}
    found = [
        row
        for row in session.execute(query.order_by(_violation.c.raised_at, _violation.c.id))
        if row.batch_number is None or row.batch_number in own
    ]
    kinds: dict[str, list[Any]] = {}
    for row in found:
        kinds.setdefault(row.kind, []).append(row)
    rows: list[Row] = [
        (kind, len(some), min(row.raised_at for row in some))
        for kind, some in sorted(kinds.items())
    ]
    on = basis(
        [Evidence(EvidenceKind.VIOLATION, row.id) for row in found],
        latest(*(row.raised_at for row in found)),
    )
    return table("rights.violations", rows, Grade.MEASURED, on)


def purposes_of(rows: Iterable[BatchRow]) -> set[str]:
    """The purposes that the producers of these batches named."""
    named: set[str] = set()
    for text in {row.purposes for row in rows if row.purposes}:
        try:
            found = msgspec.json.decode(text)
        except msgspec.MsgspecError:
            continue
        named.update(str(each) for each in found if isinstance(found, list))
    return named


def _purposes(world: World) -> Fact:
    said = [row for row in world.everything if row.purposes]
    named = purposes_of(said)
    if not named:
        return not_recorded("purposes.asserted", None, world.of_everything)
    return known("purposes.asserted", tuple(sorted(named)), Grade.ASSERTED, batches_basis(said))


def _decisions(session: Session, world: World) -> Fact:
    asked = (
        [(world.target.dataset, world.target.number)]
        if not world.target.is_model
        else list(world.target.versions)
    )
    last: dict[str, Any] = {}
    for dataset, number in asked:
        mine = (_decision.c.dataset_id == dataset.id) & (_decision.c.number == number)
        query = select(_decision).where(mine).order_by(_decision.c.asked_at, _decision.c.id)
        for row in session.execute(query):
            last[row.purpose] = row
    if not last:
        return not_recorded("purposes.decisions", "Nobody asked whether it may be used.")
    rows: list[Row] = [
        (purpose, row.decision, row.asked_at, row.policy) for purpose, row in sorted(last.items())
    ]
    things = [Evidence(EvidenceKind.DECISION, row.id) for row in last.values()]
    on = basis(things, latest(*(row.asked_at for row in last.values())))
    return table("purposes.decisions", rows, Grade.MEASURED, on)


def retention_facts(
    session: Session, world: World, policies: PolicySet, now: datetime
) -> Iterator[Fact]:
    """The facts named `retention.…` (rule 3)."""
    yield _logs(policies)
    rules = policies.retention.rules
    on = basis([Evidence(EvidenceKind.POLICY, policies.digest)])
    names = ("retention.rules", "retention.expires_at", "retention.overdue")
    if not world.members:
        for name in names:
            yield not_recorded(name, "No batch of it is recorded.")
        return
    if not rules:
        yield table("retention.rules", [], Grade.MEASURED, on)
        for name in names[1:]:
            yield missing(name, State.NOT_APPLICABLE, "No rule limits how long it is kept.", on)
        return
    yield from _dues(session, world, policies, on | world.of_members, now)


def _dues(
    session: Session, world: World, policies: PolicySet, on: Basis, now: datetime
) -> Iterator[Fact]:
    facts = _facts_of(session, world, policies)
    mine: dict[str, RetentionRule] = {}
    first: datetime | None = None
    overdue = unknown = 0
    for each in facts:
        for rule in policies.retention.rules:
            if rule.name not in mine and matches(rule.scope, each):
                mine[rule.name] = rule
        due = due_of(policies.retention, each)
        at = None if due is None else due.effective_at
        unknown += due is not None and at is None
        first = earliest(first, at)
        overdue += at is not None and at <= now
    rows: list[Row] = [
        (rule.name, _scope(rule.scope), f"{rule.duration} from {rule.trigger}", rule.legal_basis)
        for _, rule in sorted(mine.items())
    ]
    yield table("retention.rules", rows, Grade.MEASURED, on)
    note = f"Of {unknown} batches the moment that a rule counts from is not recorded."
    if not mine:
        for name in ("retention.expires_at", "retention.overdue"):
            yield missing(name, State.NOT_APPLICABLE, "No rule is about its batches.", on)
        return
    if first is None:
        yield not_recorded("retention.expires_at", note, on)
    else:
        said = note if unknown else None
        yield known("retention.expires_at", first, Grade.MEASURED, on, said)
    yield known("retention.overdue", overdue, Grade.MEASURED, on, note if unknown else None)


def _facts_of(session: Session, world: World, policies: PolicySet) -> Iterator[BatchFacts]:
    """The members as retention judges them."""
    last: Mapping[bytes, datetime] = {}
    if any(rule.trigger is Trigger.LAST_USED for rule in policies.retention.rules):
        ids = sorted({bytes(row.dataset_id) for row in world.members})
        read = select_by_ids(session, _LAST_READ, ids)
        last = {bytes(key): from_micros(at) for key, at in read}
    for row in world.members:
        collected = row.collected_until if row.collected_until is not None else row.collected_from
        yield BatchFacts(
            dataset=world.dataset_name(row),
            legal_basis=world.said(row, "legal_basis", row.legal_basis),
            origin_kind=world.said(row, "origin", row.origin_kind),
            personal_data=row.personal_data,
            region=row.region,
            classification=row.classification,
            collected_at=None if collected is None else from_micros(collected),
            recorded_at=from_micros(row.effective_at),
            last_used_at=last.get(bytes(row.dataset_id)),
        )


def _scope(scope: Scope) -> str:
    """What a rule is about, in words."""
    said = msgspec.to_builtins(scope)
    parts = (
        f"{name.replace('_', ' ')}: {', '.join([value] if isinstance(value, str) else value)}"
        for name, value in said.items()
        if value is not None
    )
    return "; ".join(parts) or "everything"


def _logs(policies: PolicySet) -> Fact:
    retention = policies.retention
    parts = [
        f"{label}: {duration or 'as long as the registry'}"
        for label, duration in (
            ("events", retention.event_log),
            ("payloads of audit entries", retention.audit_payloads),
        )
    ]
    on = basis([Evidence(EvidenceKind.POLICY, policies.digest)])
    return known("retention.logs", "; ".join(parts), Grade.MEASURED, on)


def policy_fact(policies: PolicySet) -> Fact:
    """Which policies are in force."""
    on = basis([Evidence(EvidenceKind.POLICY, policies.digest)])
    return known("policy.digest", policies.digest, Grade.MEASURED, on)
