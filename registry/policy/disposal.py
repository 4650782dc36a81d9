"""Finds what a retention rule wants gone, and opens one disposal item for each rule and batch.

Rules:
1. Finding is a dry run: nothing changes. Opening is idempotent: an item that is there stays, but
   for one that only waited for a hold which is over, or that a hold now keeps.
2. What a hold or an open case keeps becomes an item too, as `held`, so that it is not forgotten.
3. A rule that matches no batch at all is told: it may be misspelt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.catalog.version_tables import Batch
from registry.ids import fresh_id
from registry.ledger.opened import Ledger
from registry.policy.facts import BatchFacts, Question
from registry.policy.gather import BatchRead, gather
from registry.policy.policy_set import PolicySet
from registry.policy.retention import Disposal, Due, disposal_of, due_of
from registry.rights.restrictions import protected_addresses
from registry.rights.tables import DisposalItem, DisposalState
from registry.storage.columns import changed_rows, insert_unless_there, table_of

_AT_ONCE = 500
_batch, _item = table_of(Batch), table_of(DisposalItem)
_OPEN = (DisposalState.ELIGIBLE.value, DisposalState.HELD.value)


@dataclass(frozen=True, slots=True)
class DueItem:
    """A batch that is due by a rule. `state`: eligible, or held by a hold or an open case."""

    dataset_id: bytes
    dataset: str
    batch: int
    rows: int | None
    rule: str
    action: str
    legal_basis: str
    due_at: datetime
    state: Disposal


@dataclass(frozen=True, slots=True)
class DueList:
    """Everything that is due, and the rules that are about no batch at all (rule 3)."""

    items: tuple[DueItem, ...]
    idle_rules: tuple[str, ...]


def find_due(session: Session, ledger: Ledger, policies: PolicySet, *, now: datetime) -> DueList:
    """What is due now (rule 1). Cost: one pass over all batches, some hundred at a time."""
    if not policies.retention.rules:
        return DueList((), ())
    items: list[DueItem] = []
    matched: set[str] = set()
    question = Question("", now)
    for numbers in _numbers(session):
        batches = gather(session, ledger, policies, numbers, question, people=False).batches
        protected = protected_addresses(session, numbers)
        for number in numbers:
            batch = batches.get(number)
            due = None if batch is None else _due(policies, batch.facts)
            if batch is None or due is None:
                continue
            matched.add(due.rule.name)
            found = _item_of(batch, due, is_protected=number in protected, now=now)
            if found is not None:
                items.append(found)
    idle = tuple(
        rule.name
        for rule in policies.retention.rules
        if rule.name not in matched and rule.rank != "statutory_minimum"
    )
    return DueList(tuple(items), idle)


def _due(policies: PolicySet, facts: BatchFacts) -> Due | None:
    return due_of(policies.retention, facts)


def _item_of(batch: BatchRead, due: Due, *, is_protected: bool, now: datetime) -> DueItem | None:
    held = batch.facts.held or batch.marks.held is not None
    state = disposal_of(due, now=now, held=held, protected=is_protected)
    at = due.effective_at
    if state is Disposal.ACTIVE or at is None:
        return None
    return DueItem(
        batch.dataset_id,
        batch.facts.dataset,
        batch.number,
        batch.rows,
        due.rule.name,
        due.rule.action.value,
        due.rule.legal_basis,
        at,
        state,
    )


def _numbers(session: Session) -> Iterator[list[int]]:
    after = 0
    while True:
        query = select(_batch.c.number).where(_batch.c.number > after).order_by(_batch.c.number)
        found = list(session.execute(query.limit(_AT_ONCE)).scalars())
        if not found:
            return
        yield found
        after = found[-1]


def open_items(
    session: Session, due: DueList, policies: PolicySet, *, actor: str, now: datetime
) -> int:
    """Open an item for what is due (rules 1 and 2); how many are new or changed their state.

    Effects: one entry in the journal where there are any; does not commit.
    """
    changed = 0
    for item in due.items:
        row = {
            "id": fresh_id(),
            "rule": item.rule,
            "policy": policies.digest,
            "dataset_id": item.dataset_id,
            "batch_number": item.batch,
            "action": item.action,
            "legal_basis": item.legal_basis,
            "state": item.state.value,
            "due_at": item.due_at,
            "opened_at": now,
            "changed_at": now,
        }
        if insert_unless_there(session, _item, row):
            changed += 1
            continue
        mine = (_item.c.rule == item.rule) & (_item.c.batch_number == item.batch)
        other = _item.c.state.in_(_OPEN) & (_item.c.state != item.state.value)
        moved = update(_item).where(mine, other).values(state=item.state.value, changed_at=now)
        changed += changed_rows(session, moved)
    if changed:
        facts = {"items": changed, "due": len(due.items), "policy": policies.digest}
        append_entries(session, [Entry(EntryKind.DISPOSALS_OPENED, actor, facts)], at=now)
    return changed
