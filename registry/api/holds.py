"""Routes for holds: place one, ask to lift it, and grant that as the second person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlmodel import Session
from starlette.requests import Request

from registry.actors.accounts import Actor
from registry.api.answers import RowId, wanted_page
from registry.catalog.lookup import Named, datasets_named
from registry.catalog.paging import Cut
from registry.erasure.case.in_queue import ask_to_resume
from registry.policy.actions import Action
from registry.request import (
    CurrentActor,
    CurrentApprover,
    CurrentHouse,
    CurrentRightsEditor,
    ExamplesSession,
    House,
    place_of,
    refusal,
    refuse_own,
    see_as,
)
from registry.rights.holds import (
    HoldView,
    approve_lift,
    ask_to_lift,
    list_holds,
    place_hold,
    read_hold,
    refuse_lift,
)
from registry.rights.items import Item, ItemAsked, find_item
from registry.rights.tables import HoldState
from registry.wire.rights import HoldList, HoldShown, ItemBody, ItemShown, NewHold, ReasonBody

router = APIRouter(prefix="/api/v1/holds", tags=["holds"])


@router.post("", status_code=201, summary="Place a hold")
def place(body: NewHold, house: CurrentHouse, actor: CurrentRightsEditor) -> HoldShown:
    """Keep datasets, versions, batches, examples or a person's data from erasure and use."""
    now = house.clock()

    def work(session: Session) -> HoldShown:
        see_as(session, house, actor, Action.EDIT_RIGHTS)
        items = [
            find_item(session, house.keyring, asked_item(each), path=f"items[{place}]")
            for place, each in enumerate(body.items)
        ]
        hold = place_hold(
            session,
            items,
            matter=body.matter,
            owner=body.owner,
            reason=body.reason,
            ground=body.ground,
            until=body.until,
            actor=actor.account_id,
            now=now,
        )
        return _shown(session, [hold], now)[0]

    return house.database.transact(work)


@router.get("", summary="List the holds")
def index(
    house: CurrentHouse,
    session: ExamplesSession,
    cut: Annotated[Cut, Depends(wanted_page)],
    state: Annotated[HoldState | None, Query(description="Only holds in this state.")] = None,
) -> HoldList:
    """Holds, the newest first."""
    page = list_holds(session, cut, state=state)
    shown = _shown(session, list(page.items), house.clock())
    return HoldList(holds=shown, total=page.total, next=page.next)


@router.post("/{hold_id}/lift", status_code=202, summary="Ask to lift a hold")
def lift(
    hold_id: RowId, body: ReasonBody, house: CurrentHouse, actor: CurrentActor, request: Request
) -> HoldShown:
    """Ask that a hold be lifted; it holds until a second person agrees."""
    actions = (Action.EDIT_RIGHTS, Action.APPROVE_REQUESTS)
    may = [a for a in actions if not house.access.reach(actor.account_id, a).is_nowhere]
    if not may:
        raise refusal(house, actor, Action.EDIT_RIGHTS, at=place_of(request))
    now = house.clock()

    def work(session: Session) -> HoldShown:
        see_as(session, house, actor, may[0])
        hold = ask_to_lift(session, hold_id, reason=body.reason, actor=actor.account_id, now=now)
        return _shown(session, [hold], now)[0]

    return house.database.transact(work)


@router.post("/{hold_id}/lift/approve", summary="Lift a hold")
def approve(
    hold_id: RowId, house: CurrentHouse, actor: CurrentApprover, request: Request
) -> HoldShown:
    """Lift a hold that somebody else asked to lift."""
    return _answer(house, actor, hold_id, _lift, at=place_of(request))


def _lift(session: Session, hold_id: str, *, actor: str, now: datetime) -> HoldView:
    """Lift it, and go on with the requests of which it kept something."""
    hold = approve_lift(session, hold_id, actor=actor, now=now)
    ask_to_resume(session, now=now)
    return hold


@router.post("/{hold_id}/lift/refuse", summary="Keep a hold in force")
def refuse(
    hold_id: RowId, house: CurrentHouse, actor: CurrentApprover, request: Request
) -> HoldShown:
    """Leave a hold in force that somebody else asked to lift."""
    return _answer(house, actor, hold_id, refuse_lift, at=place_of(request))


def _answer(
    house: House, actor: Actor, hold_id: str, answer: Callable[..., HoldView], *, at: str
) -> HoldShown:
    """Answer as the second person."""
    action, now = Action.APPROVE_REQUESTS, house.clock()
    with house.database.read() as session:
        see_as(session, house, actor, action)
        asked_by = read_hold(session, hold_id).lift_asked_by
    if asked_by is not None:
        refuse_own(house, actor, action, asked_by, at=at)

    def work(session: Session) -> HoldShown:
        see_as(session, house, actor, action)
        hold = answer(session, hold_id, actor=actor.account_id, now=now)
        return _shown(session, [hold], now)[0]

    return house.database.transact(work)


def asked_item(body: ItemBody) -> ItemAsked:
    """An item of a body, as it is looked up."""
    person = body.subject
    return ItemAsked(
        namespace=body.namespace,
        name=body.name,
        version=body.version,
        batch=body.batch,
        ordinal=body.ordinal,
        subject=None if person is None else (person.scheme, person.value),
    )


def _shown(session: Session, holds: list[HoldView], now: datetime) -> list[HoldShown]:
    ids = {item.dataset_id for hold in holds for item in hold.items if item.dataset_id}
    names = datasets_named(session, ids)
    return [
        HoldShown(
            id=hold.id,
            state=hold.state.value,
            holds=hold.state is not HoldState.LIFTED and (hold.until is None or hold.until > now),
            items=[_item(item, names) for item in hold.items],
            matter=hold.matter,
            owner=hold.owner,
            reason=hold.reason,
            ground=hold.ground.value,
            until=hold.until,
            placed_by=hold.placed_by,
            placed_at=hold.placed_at,
            lift_asked_by=hold.lift_asked_by,
            lift_asked_at=hold.lift_asked_at,
            lift_reason=hold.lift_reason,
            lifted_by=hold.lifted_by,
            lifted_at=hold.lifted_at,
        )
        for hold in holds
    ]


def _item(item: Item, names: dict[bytes, Named]) -> ItemShown:
    dataset = None if item.dataset_id is None else names.get(item.dataset_id)
    return ItemShown(
        kind=item.kind.value,
        namespace=None if dataset is None else dataset.namespace,
        name=None if dataset is None else dataset.name,
        version=item.number,
        batch=item.batch_number,
        ordinal=item.ordinal,
    )
