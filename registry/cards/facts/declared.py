"""Facts that only people state: statements in force, each with its author and date.

Rules:
1. A statement is an answer while it is in force: neither superseded nor expired. What expired is
   told beside the gap that it leaves.
2. Statements in force that say different things contradict each other, and none of them is taken.
3. A yes to a kind that says *there is none* is the state *declared none*.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlmodel import Session

from registry.cards.declared.statements import (
    StatementView,
    expired_statements,
    statements_in_force,
)
from registry.cards.fact_kinds import STATEMENTS, FactKind, Form
from registry.cards.facts.making import Basis, basis, known, latest, missing, not_recorded
from registry.cards.facts.system import system_facts
from registry.cards.facts.world import Target
from registry.cards.values import Evidence, EvidenceKind, Fact, Grade, State
from registry.render import day


def declared_facts(session: Session, target: Target, now: datetime) -> Iterator[Fact]:
    """The facts named `statement.…`, and those of the systems behind it. Cost: six queries."""
    held: dict[str, list[StatementView]] = {}
    for each in statements_in_force(session, target.dataset.id, target.number, now):
        held.setdefault(each.kind, []).append(each)
    ended = {
        each.kind: each
        for each in expired_statements(session, target.dataset.id, target.number, now)
    }
    for kind in STATEMENTS:
        yield _declared(kind, held.get(kind.statement or "", ()), ended.get(kind.statement or ""))
    yield from system_facts(session, target)


def _declared(kind: FactKind, held: Sequence[StatementView], ended: StatementView | None) -> Fact:
    if not held:
        if ended is None or ended.expires_at is None:
            return not_recorded(kind.name)
        return not_recorded(
            kind.name, f"The statement of {ended.author} expired on {day(ended.expires_at)}."
        )
    on = _basis(held)
    if len({(each.text, each.value) for each in held}) > 1:
        who = " and ".join(f"{each.author} on {day(each.stated_at)}" for each in held)
        return missing(kind.name, State.CONTRADICTED, f"Stated by {who}.", on)
    said = held[-1]
    by = f"by {said.author} on {day(said.stated_at)}"
    if kind.form is not Form.FLAG:
        return known(kind.name, said.text, Grade.DECLARED, on, f"Stated {by}.")
    if said.value:
        return missing(kind.name, State.DECLARED_NONE, by, on)
    return known(kind.name, False, Grade.DECLARED, on, f"Stated {by}.")


def _basis(held: Sequence[StatementView]) -> Basis:
    things = [Evidence(EvidenceKind.STATEMENT, each.id, each.audit_index) for each in held]
    return basis(things, latest(*(each.stated_at for each in held)))
