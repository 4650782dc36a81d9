"""Routes for violations: see them, acknowledge them, resolve them, or accept them for a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlmodel import Session

from registry.actors.accounts import Actor
from registry.api.answers import OneLine, RowId, wanted_page
from registry.catalog.paging import Cut
from registry.ids import uuid_text
from registry.policy.actions import Action
from registry.request import CatalogSession, CurrentHouse, CurrentReleaser, House, see_as
from registry.rights.tables import ViolationState
from registry.rights.violations import (
    ViolationView,
    accept,
    acknowledge,
    list_violations,
    read_violation,
    resolve,
)
from registry.wire.rights import AcceptBody, ViolationList, ViolationShown, WhyBody

router = APIRouter(prefix="/api/v1/violations", tags=["violations"])


@router.get("", summary="List the violations")
def index(
    session: CatalogSession,
    cut: Annotated[Cut, Depends(wanted_page)],
    state: Annotated[ViolationState | None, Query(description="Only in this state.")] = None,
    kind: OneLine = None,
    project: OneLine = None,
) -> ViolationList:
    """Violations, the newest first."""
    page = list_violations(session, cut, state=state, kind=kind, project=project)
    return ViolationList(
        violations=[_shown(view) for view in page.items], total=page.total, next=page.next
    )


@router.get("/{violation_id}", summary="Read a violation")
def show(violation_id: RowId, session: CatalogSession) -> ViolationShown:
    """One violation."""
    return _shown(read_violation(session, violation_id))


@router.post("/{violation_id}/acknowledge", summary="Acknowledge a violation")
def acknowledge_one(
    violation_id: RowId, house: CurrentHouse, actor: CurrentReleaser
) -> ViolationShown:
    """Say that it was seen."""
    return _settle(
        house,
        actor,
        lambda session: acknowledge(
            session, violation_id, actor=actor.account_id, now=house.clock()
        ),
    )


@router.post("/{violation_id}/resolve", summary="Resolve a violation")
def resolve_one(
    violation_id: RowId, body: WhyBody, house: CurrentHouse, actor: CurrentReleaser
) -> ViolationShown:
    """Say that it was mended, and how."""
    return _settle(
        house,
        actor,
        lambda session: resolve(
            session, violation_id, why=body.why, actor=actor.account_id, now=house.clock()
        ),
    )


@router.post("/{violation_id}/accept", summary="Accept a violation for a time")
def accept_one(
    violation_id: RowId, body: AcceptBody, house: CurrentHouse, actor: CurrentReleaser
) -> ViolationShown:
    """Live with it until a date, for a reason."""
    return _settle(
        house,
        actor,
        lambda session: accept(
            session,
            violation_id,
            why=body.why,
            until=body.until,
            actor=actor.account_id,
            now=house.clock(),
        ),
    )


def _settle(house: House, actor: Actor, work: Callable[[Session], ViolationView]) -> ViolationShown:
    """Settle what is in the actor's sight."""

    def settle(session: Session) -> ViolationView:
        see_as(session, house, actor, Action.RELEASE_FINDINGS)
        return work(session)

    return _shown(house.database.transact(settle))


def _shown(view: ViolationView) -> ViolationShown:
    same = set(ViolationShown.model_fields) & set(ViolationView.__dataclass_fields__)
    values = {name: getattr(view, name) for name in same - {"state"}}
    return ViolationShown(
        **values,
        state=view.state.value,
        version=view.number,
        batch=view.batch_number,
        run=None if view.run_id is None else uuid_text(view.run_id),
    )
