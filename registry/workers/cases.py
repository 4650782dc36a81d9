"""Handlers about requests of people: warn of deadlines, destroy keys that were kept long enough.

Rules:
1. A request that is nearly due, or overdue, raises a violation once; seen again it is the same one
   (the governance page, case 13: loudly overdue, and still executable). It names no person.
2. Each key is destroyed in a transaction of its own, so that one that cannot be does not keep the
   others; the list beside the ledger is made complete and the database's own files are scrubbed at
   the end.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial

from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.erasure.case.cases import Case
from registry.erasure.case.intake import day_of
from registry.erasure.case.reading import due_cases
from registry.erasure.case.shred import due_to_shred, scrub_keys, shred_request
from registry.erasure.execution.replay import mirror_destroyed_keys, signer_of
from registry.errors import UnavailableError
from registry.policy.alerting import put_alerts
from registry.rights.violations import Breach, raise_violation
from registry.workers.context import TaskContext

OVERDUE, DUE_SOON = "erasure_overdue", "erasure_due_soon"
_AT_ONCE = 100


def watch_deadlines(context: TaskContext) -> None:
    """Raise violations for requests that are late or soon due, and tell people of new ones."""
    house = context.house
    today = day_of(house.clock())
    soon = today + timedelta(days=house.requests.rules.due_soon_days + 1)

    def conclude(session: Session) -> None:
        now = house.clock()
        breaches = [_breach(case, today) for case in due_cases(session, before=soon)]
        raised = [raise_violation(session, each, actor=SYSTEM, now=now) for each in breaches]
        put_alerts(session, house.settings, [r for r in raised if r is not None], now=now)

    context.conclude(conclude)


def _breach(case: Case, today: date) -> Breach:
    kind = OVERDUE if case.due_on < today else DUE_SOON
    was = "was" if kind == OVERDUE else "is"
    return Breach(
        kind=kind,
        sameness=f"{kind}/{case.id}/{case.due_on.isoformat()}",
        detail=f"The request {case.id} ({case.right.value}, {case.regime.value}) {was} due on "
        f"{case.due_on.isoformat()} and is {case.state.value}.",
        project_id=case.project_id,
        facts={"request": case.id, "due": case.due_on.isoformat(), "state": case.state.value},
    )


def shred_keys(context: TaskContext) -> None:
    """Destroy the keys of requests that were closed long enough ago (`identifiers_kept`)."""
    house = context.house
    kept, shredded = house.requests.rules.identifiers_kept, 0
    while True:
        with house.database.read() as session:
            due = due_to_shred(session, kept=kept, now=house.clock(), limit=_AT_ONCE)
        if not due:
            break
        for request_id in due:
            destroy = partial(
                shred_request,
                keyring=house.keyring,
                request_id=request_id,
                actor=SYSTEM,
                now=house.clock(),
            )
            house.database.transact(destroy)
        shredded += len(due)
        context.report(f"{shredded} keys of closed requests destroyed")
    # Whoever destroyed one may have been cut off before it was listed beside the ledger.
    mirror_destroyed_keys(house.database, house.ledger.objects, signer_of(house.keyring))
    # An attempt before this one may have destroyed keys and been kept from scrubbing.
    wanted = shredded > 0 or context.task.attempt > 1
    if wanted and not scrub_keys(house.database):
        raise UnavailableError(
            "Destroyed keys may still lie in the database's files: it was busy.",
            remedy="This task is tried again.",
        )
