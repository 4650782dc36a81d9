"""What carrying out a plan works with, and the case that it works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlmodel import Session

from registry.audit.sequencer import AuditLog
from registry.clock import Clock
from registry.erasure.case.approve import PlanView, read_plan
from registry.erasure.case.cases import Case, read_case
from registry.erasure.case.post import Desk
from registry.erasure.connectors.opening import Connectors
from registry.erasure.rules import LoadedRules
from registry.erasure.scope.sets import Sets
from registry.errors import ConflictError
from registry.ledger.opened import Ledger
from registry.ledger.remainders import Known
from registry.storage.alone import Turns
from registry.storage.database import Database


@dataclass(frozen=True, slots=True)
class Hands:
    """The tools. `report` is told how far the work is, and raises to stop it; `url`: where people
    find this registry.
    """

    database: Database
    ledger: Ledger
    turns: Turns
    audit: AuditLog
    desk: Desk
    rules: LoadedRules
    connectors: Connectors
    clock: Clock
    url: str | None = None
    report: Callable[[str], None] = field(default=lambda _progress: None)


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """A case that is being carried out: its plan, the examples that are marked for it, and what was
    known of them.
    """

    case: Case
    plan: PlanView
    sets: Sets
    known: Known


def read_planned(session: Session, request_id: str, *, held: bool = False) -> tuple[Case, PlanView]:
    """A case with its plan. Raises NotFoundError, ConflictError where it has no plan."""
    case = read_case(session, request_id, held=held)
    plan = read_plan(session, case)
    if plan is None:
        raise ConflictError(
            f"The request {case.id} has no plan.",
            remedy=f"Make one first: registry erasure plan {case.id}",
        )
    return case, plan
