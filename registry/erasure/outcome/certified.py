"""The facts of a case as a certificate states them: rows in, one frozen value out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime

from registry.audit.events import EntryKind
from registry.erasure.case.approve import PlanView
from registry.erasure.case.cases import Case
from registry.erasure.case.timeline import Step as TimelineStep
from registry.erasure.certificate.facts import (
    Backup,
    CertificateFacts,
    Clock,
    Disposition,
    Extension,
    Issuer,
    Model,
    NotSearched,
    Outcome,
    Pause,
    Plan,
    Recipient,
    RecipientState,
    Regime,
    Request,
    Right,
    Step,
    Target,
    TargetKind,
    TargetState,
    Withheld,
)
from registry.erasure.execution.aftermath import hold_target
from registry.erasure.lifecycle import RequestState, TaskKind, TaskState
from registry.erasure.tasks import TaskView

_PLACES = {
    TaskKind.OWN_DATA: TargetKind.OWN_DATA,
    TaskKind.FILE: TargetKind.FILE,
    TaskKind.CONTENT_SCAN: TargetKind.CONTENT_SCAN,
    TaskKind.REVIEW: TargetKind.REVIEW,
    TaskKind.MANUAL: TargetKind.MANUAL,
}
# Any other state is that of a system whose answer is still to come, or was no good.
_RECIPIENTS = {
    TaskState.AWAITING_RECIPIENT_ACK: RecipientState.NOTIFIED,
    TaskState.ACKNOWLEDGED: RecipientState.ACKNOWLEDGED,
    TaskState.IMPOSSIBLE: RecipientState.IMPOSSIBLE,
}


def facts_of(
    number: int,
    case: Case,
    outcome: RequestState,
    *,
    issuer: Issuer,
    reference: str,
    plan: PlanView | None,
    tasks: Sequence[TaskView],
    steps: Sequence[TimelineStep],
    suppressions: Sequence[str],
    now: datetime,
) -> CertificateFacts:
    """What is certified of a case (`outcome`: fulfilled, partially fulfilled or denied). Pure."""
    return CertificateFacts(
        number=number,
        issuer=issuer,
        issued_at=now,
        outcome=Outcome(outcome.value),
        justification=case.justification if outcome is RequestState.DENIED else None,
        request=Request(case.id, reference, Right(case.right.value), Regime(case.regime.value)),
        clock=_clock(case, steps),
        timeline=tuple(_states(steps)),
        plan=None if plan is None else _plan(plan, case),
        targets=tuple(_target(task) for task in tasks if _is_target(task)),
        withheld=tuple(_withheld(tasks)),
        not_searched=tuple(_not_searched(tasks, plan)),
        backups=tuple(_backups(tasks)),
        recipients=tuple(_recipient(task) for task in tasks if task.kind is TaskKind.RECIPIENT),
        models=tuple(_model(task) for task in tasks if task.kind is TaskKind.MODEL),
        suppressions=tuple(suppressions),
    )


def _clock(case: Case, steps: Sequence[TimelineStep]) -> Clock:
    extension = None
    if case.extended_at is not None:
        extension = Extension(case.extended_at, case.due_on, case.extension_reason or "")
    return Clock(case.received_at, case.due_on, case.due_because, tuple(_pauses(steps)), extension)


def _pauses(steps: Sequence[TimelineStep]) -> Iterator[Pause]:
    since: datetime | None = None
    for step in steps:
        if step.kind is EntryKind.ERASURE_CLOCK_PAUSED:
            since = step.at
        elif step.kind is EntryKind.ERASURE_CLOCK_RESUMED and since is not None:
            yield Pause(since, step.at, "who asks was not known")
            since = None
    if since is not None:
        yield Pause(since, None, "who asks is not known")


def _states(steps: Sequence[TimelineStep]) -> Iterator[Step]:
    """Each state the case came into, once for each time it did."""
    last: str | None = None
    for step in steps:
        if step.state != last:
            yield Step(step.state, step.at)
        last = step.state


def _plan(plan: PlanView, case: Case) -> Plan:
    return Plan(plan.digest, plan.revision, plan.policy, plan.made_at, case.approved_at)


def _is_target(task: TaskView) -> bool:
    if task.kind not in _PLACES or task.state is TaskState.NOT_SEARCHED:
        return False
    return not (task.target.startswith(hold_target("")) and task.state is TaskState.WITHHELD)


def _target(task: TaskView) -> Target:
    return Target(
        _PLACES[task.kind],
        task.target,
        task.expected,
        task.found,
        task.erased,
        task.verified,
        TargetState(task.state.value),
    )


def _withheld(tasks: Sequence[TaskView]) -> Iterator[Withheld]:
    for task in tasks:
        if task.kind is TaskKind.OWN_DATA and task.state is TaskState.WITHHELD:
            yield Withheld(task.target, task.expected or 0, task.ground or "", task.detail or "")


def _not_searched(tasks: Sequence[TaskView], plan: PlanView | None) -> Iterator[NotSearched]:
    names = (
        {}
        if plan is None
        else {
            each["batch"]: f"{each['namespace']} {each['name']}"
            for each in plan.document["not_searched"]
        }
    )
    for task in tasks:
        if task.kind is TaskKind.CONTENT_SCAN and task.state is TaskState.NOT_SEARCHED:
            number = task.batch_number or 0
            yield NotSearched(names.get(number, ""), str(number), task.expected)


def _backups(tasks: Sequence[TaskView]) -> Iterator[Backup]:
    for task in tasks:
        if task.state is TaskState.DEFERRED_BACKUP and task.until is not None:
            yield Backup(task.target, task.until.date())


def _recipient(task: TaskView) -> Recipient:
    state = _RECIPIENTS.get(task.state, RecipientState.PENDING)
    is_said = state in (RecipientState.ACKNOWLEDGED, RecipientState.IMPOSSIBLE)
    told_at = None if state is RecipientState.PENDING else task.changed_at
    return Recipient(task.target, state, told_at, task.evidence if is_said else None)


def _model(task: TaskView) -> Model:
    namespace_and_name, _, run = task.target.rpartition(" ")
    disposed = task.state is TaskState.DISPOSED and task.disposition is not None
    return Model(
        name=namespace_and_name,
        version=run,
        disposition=Disposition(task.disposition) if disposed and task.disposition else None,
        owner=task.owner,
        due_on=date.fromisoformat(task.due_on) if disposed and task.due_on else None,
    )
