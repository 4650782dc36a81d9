"""Shapes of cases as they travel."""

from __future__ import annotations

from datetime import date
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import select
from sqlmodel import Session

from registry.actors.tables import Project
from registry.erasure.case.approve import PlanView, read_plan
from registry.erasure.case.cases import Case
from registry.erasure.case.identity import deadline_of
from registry.erasure.case.post import list_letters
from registry.erasure.case.reading import Standing, certificates_of
from registry.erasure.case.timeline import Step, read_steps
from registry.erasure.lifecycle import Regime
from registry.erasure.tasks import TaskView, read_tasks
from registry.storage.columns import table_of
from registry.wire.erasure import (
    CertificateShown,
    Due,
    LetterMade,
    PlanShown,
    RequestDetail,
    RequestFiled,
    RequestShown,
    RequestsStanding,
    StepShown,
    TaskShown,
)

Shape = TypeVar("Shape", bound=BaseModel)
_project = table_of(Project)


def filed(case: Case) -> RequestFiled:
    """The answer to a filing."""
    return RequestFiled(id=case.id, state=case.state.value, due=due_of(case))


def due_of(case: Case) -> Due:
    """When a case must be answered, and why; under the CCPA also when receipt is confirmed."""
    confirm_by = deadline_of(case).confirm_by if case.regime is Regime.CCPA else None
    return Due(date=case.due_on, because=case.due_because, confirm_by=confirm_by)


def shown(session: Session, cases: list[Case], today: date) -> list[RequestShown]:
    """Cases as a list shows them."""
    names = _names(session, cases)
    return [RequestShown(**_members(case, names, today)) for case in cases]


def detailed(session: Session, case: Case, today: date) -> RequestDetail:
    """A case with everything about it."""
    plan = read_plan(session, case)
    same = set(RequestDetail.model_fields) - set(RequestShown.model_fields)
    plain = same - {"plan", "timeline", "tasks", "certificates", "letters"}
    return RequestDetail(
        **_members(case, _names(session, [case]), today),
        **{name: getattr(case, name) for name in plain},
        plan=None if plan is None else _plan(plan),
        timeline=[_step(each) for each in read_steps(session, case.id)],
        tasks=[_like(TaskShown, each) for each in read_tasks(session, case.id)],
        certificates=[_like(CertificateShown, each) for each in certificates_of(session, case.id)],
        letters=[_like(LetterMade, each) for each in list_letters(session, case.id)],
    )


def counts(found: Standing) -> RequestsStanding:
    """How requests stand."""
    return RequestsStanding(
        requests={state.value: count for state, count in found.states.items()},
        overdue=found.overdue,
        due_soon=found.due_soon,
        next_due=found.next_due,
    )


def _names(session: Session, cases: list[Case]) -> dict[str, str]:
    ids = sorted({case.project_id for case in cases})
    query = select(_project.c.id, _project.c.name).where(_project.c.id.in_(ids))
    return {row[0]: row[1] for row in session.execute(query)}


def _members(case: Case, names: dict[str, str], today: date) -> dict[str, Any]:
    return {
        "id": case.id,
        "project": names.get(case.project_id, case.project_id),
        "right": case.right.value,
        "regime": case.regime.value,
        "channel": case.channel,
        "reference": case.reference,
        "state": case.state.value,
        "identity": case.identity.value,
        "received_at": case.received_at,
        "due": due_of(case),
        "extended": case.extended_at is not None,
        "overdue": case.is_overdue(today),
        "paused": case.paused_at is not None,
        "duplicate_of": case.canonical_id,
        "closed_at": case.closed_at,
    }


def _plan(plan: PlanView) -> PlanShown:
    return PlanShown(
        plan=plan.digest,
        revision=plan.revision,
        made_by=plan.made_by,
        made_at=plan.made_at,
        document=plan.document,
    )


def _step(step: Step) -> StepShown:
    return StepShown(
        kind=step.kind.value,
        state=step.state,
        actor=step.actor,
        at=step.at,
        detail=dict(step.detail),
    )


def task_shown(task: TaskView) -> TaskShown:
    """A task as it travels."""
    return _like(TaskShown, task)


def _like(shape: type[Shape], value: object) -> Shape:
    """A value in the shape whose members it has; enums become their words."""
    return shape(**{name: getattr(value, name) for name in shape.model_fields})
