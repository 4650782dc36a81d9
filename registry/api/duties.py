"""Routes for restrictions and suppressions: what must not be used, and what must not come back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlmodel import Session

from registry.api.answers import OneLine, RowId, wanted_page
from registry.api.holds import asked_item
from registry.catalog.lookup import datasets_named
from registry.catalog.paging import Cut
from registry.policy.actions import Action
from registry.request import CurrentHouse, CurrentRightsEditor, ExamplesSession, see_as
from registry.rights.duty_lists import (
    RestrictionView,
    SuppressionView,
    end_restriction,
    end_suppression,
    list_restrictions,
    list_suppressions,
    place_restrictions,
)
from registry.rights.items import find_item
from registry.wire.duties import (
    NewRestriction,
    RestrictionList,
    RestrictionShown,
    RestrictionsMade,
    SuppressionList,
    SuppressionShown,
)
from registry.wire.rights import ReasonBody

router = APIRouter(prefix="/api/v1", tags=["duties"])
InForce = Annotated[
    bool | None, Query(description="Only those in force, or only those that are no more.")
]


@router.get("/restrictions", summary="List the restrictions")
def restrictions(
    session: ExamplesSession,
    cut: Annotated[Cut, Depends(wanted_page)],
    in_force: InForce = None,
    case: OneLine = None,
) -> RestrictionList:
    """What is stored and not used (GDPR Art. 18), the newest first."""
    page = list_restrictions(session, cut, in_force=in_force, case_id=case)
    shown = _restrictions(session, list(page.items))
    return RestrictionList(restrictions=shown, total=page.total, next=page.next)


@router.post("/restrictions", status_code=201, summary="Place restrictions")
def restrict(
    body: NewRestriction, house: CurrentHouse, actor: CurrentRightsEditor
) -> RestrictionsMade:
    """Keep examples of a batch, a batch, or a person's data from use, in every mode."""

    def work(session: Session) -> RestrictionsMade:
        see_as(session, house, actor, Action.EDIT_RIGHTS)
        items = [
            find_item(session, house.keyring, asked_item(each), path=f"items[{place}]")
            for place, each in enumerate(body.items)
        ]
        made = place_restrictions(
            session, items, reason=body.reason, actor=actor.account_id, now=house.clock()
        )
        return RestrictionsMade(restrictions=_restrictions(session, made))

    return house.database.transact(work)


@router.post("/restrictions/{restriction_id}/lift", summary="Lift a restriction")
def lift_one(
    restriction_id: RowId, body: ReasonBody, house: CurrentHouse, actor: CurrentRightsEditor
) -> RestrictionShown:
    """End a restriction that somebody placed; one of a case ends with the case."""

    def work(session: Session) -> RestrictionShown:
        see_as(session, house, actor, Action.EDIT_RIGHTS)
        ended = end_restriction(
            session, restriction_id, reason=body.reason, actor=actor.account_id, now=house.clock()
        )
        return _restrictions(session, [ended])[0]

    return house.database.transact(work)


@router.get("/suppressions", summary="List the suppressions")
def suppressions(
    house: CurrentHouse,
    session: ExamplesSession,
    cut: Annotated[Cut, Depends(wanted_page)],
    in_force: InForce = None,
    case: OneLine = None,
) -> SuppressionList:
    """What must not come in again, the newest first; not who or what it is."""
    now = house.clock()
    page = list_suppressions(session, cut, now=now, in_force=in_force, case_id=case)
    shown = [_suppression(each, house) for each in page.items]
    return SuppressionList(suppressions=shown, total=page.total, next=page.next)


@router.post("/suppressions/{suppression_id}/lift", summary="Lift a suppression")
def lift_suppressed(
    suppression_id: RowId, body: ReasonBody, house: CurrentHouse, actor: CurrentRightsEditor
) -> SuppressionShown:
    """Let something come in again, because of new consent, say."""
    ended = house.database.transact(
        lambda session: end_suppression(
            session, suppression_id, reason=body.reason, actor=actor.account_id, now=house.clock()
        )
    )
    return _suppression(ended, house)


def _restrictions(session: Session, views: list[RestrictionView]) -> list[RestrictionShown]:
    names = datasets_named(session, {v.dataset_id for v in views if v.dataset_id is not None})
    shown = []
    for view in views:
        dataset = None if view.dataset_id is None else names.get(view.dataset_id)
        shown.append(
            RestrictionShown(
                id=view.id,
                kind=view.kind.value,
                in_force=view.lifted_at is None,
                namespace=None if dataset is None else dataset.namespace,
                name=None if dataset is None else dataset.name,
                batch=view.batch_number,
                examples=view.examples,
                reason=view.reason,
                case=view.case_id,
                recorded_by=view.recorded_by,
                recorded_at=view.recorded_at,
                lifted_by=view.lifted_by,
                lifted_at=view.lifted_at,
                lift_reason=view.lift_reason,
            )
        )
    return shown


def _suppression(view: SuppressionView, house: CurrentHouse) -> SuppressionShown:
    ended = view.until is not None and view.until <= house.clock()
    return SuppressionShown(
        id=view.id,
        kind=view.kind.value,
        in_force=view.lifted_at is None and not ended,
        regime=view.regime,
        basis=view.basis,
        case=view.case_id,
        until=view.until,
        recorded_by=view.recorded_by,
        recorded_at=view.recorded_at,
        lifted_by=view.lifted_by,
        lifted_at=view.lifted_at,
        lift_reason=view.lift_reason,
    )
