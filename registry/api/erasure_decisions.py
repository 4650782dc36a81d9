"""Routes that decide on a request of a person: approve, refuse, extend, withdraw.

Approving and refusing is for an approver who did not file the request; the rest is the data
owner's.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from sqlmodel import Session
from starlette.requests import Request

from registry.actors.accounts import Actor
from registry.api import erasure_answers as answers
from registry.api.answers import RowId
from registry.api.erasure_steps import worked
from registry.erasure.case.approve import (
    approve_plan,
    cancel_request,
    deny_request,
    extend_deadline,
)
from registry.erasure.case.cases import Case, read_case
from registry.erasure.case.intake import day_of
from registry.erasure.outcome.concluding import certify_denial, issuer_of
from registry.errors import RegistryError
from registry.policy.actions import Action
from registry.request import (
    CurrentApprover,
    CurrentDataOwner,
    CurrentHouse,
    House,
    place_of,
    refuse_own,
    see_as,
)
from registry.wire.erasure import (
    ApprovalBody,
    ApprovalItem,
    ApprovalShown,
    ApprovalsShown,
    DenialBody,
    ReasonsBody,
    RequestDetail,
)

router = APIRouter(prefix="/api/v1/erasure-requests", tags=["erasure"])
MANY = 1_000


@router.post("/approvals", summary="Approve several plans")
def approve_many(
    body: Annotated[list[ApprovalItem], Field(min_length=1, max_length=MANY)],
    house: CurrentHouse,
    actor: CurrentApprover,
    request: Request,
) -> ApprovalsShown:
    """Approve plans with nothing withheld or to be reviewed, each by itself."""
    at = place_of(request)
    return ApprovalsShown(approvals=[_approve_one(house, actor, each, at) for each in body])


def _approve_one(house: House, actor: Actor, item: ApprovalItem, at: str) -> ApprovalShown:
    try:
        case = _approve(house, actor, item.id, item.plan, at, only_plain=True)
    except RegistryError as error:
        return ApprovalShown(
            id=item.id, approved=False, code=error.code, detail=error.detail, remedy=error.remedy
        )
    return ApprovalShown(id=item.id, approved=True, state=case.state.value)


@router.post("/{request_id}/approve", summary="Approve a plan")
def approve(
    request_id: RowId,
    body: ApprovalBody,
    house: CurrentHouse,
    actor: CurrentApprover,
    request: Request,
) -> RequestDetail:
    """Approve the plan with this digest, as somebody else than who filed the request."""
    case = _approve(house, actor, request_id, body.plan, place_of(request))
    with house.database.read() as session:
        return answers.detailed(session, case, day_of(house.clock()))


def _approve(
    house: House, actor: Actor, request_id: str, plan: str, at: str, *, only_plain: bool = False
) -> Case:
    _refuse_filer(house, actor, request_id, at)

    def work(session: Session) -> Case:
        see_as(session, house, actor, Action.APPROVE_REQUESTS)
        return approve_plan(
            session,
            request_id,
            plan=plan,
            actor=actor.account_id,
            now=house.clock(),
            only_plain=only_plain,
        )

    return house.database.transact(work)


def _refuse_filer(house: House, actor: Actor, request_id: str, at: str) -> None:
    """Refuse who filed the request, and keep that they tried."""
    action = Action.APPROVE_REQUESTS
    with house.database.read() as session:
        see_as(session, house, actor, action)
        filed_by = read_case(session, request_id).filed_by
    refuse_own(house, actor, action, filed_by, at=at)


@router.post("/{request_id}/deny", summary="Refuse a request")
def deny(
    request_id: RowId,
    body: DenialBody,
    house: CurrentHouse,
    actor: CurrentApprover,
    request: Request,
) -> RequestDetail:
    """Refuse a request with a reason of the list and in words; the person gets a letter."""
    _refuse_filer(house, actor, request_id, place_of(request))
    hands, now, account = house.hands, house.clock(), actor.account_id
    issuer = issuer_of(hands)

    def work(session: Session) -> Case:
        case = deny_request(
            session,
            hands.desk,
            request_id,
            justification=body.justification,
            reasons=body.reasons,
            actor=account,
            now=now,
        )
        certify_denial(session, hands, case, issuer=issuer, actor=account, now=now)
        return case

    return worked(house, actor, work, Action.APPROVE_REQUESTS)


@router.post("/{request_id}/extend", summary="Take more time for a request")
def extend(
    request_id: RowId, body: ReasonsBody, house: CurrentHouse, actor: CurrentDataOwner
) -> RequestDetail:
    """Take the longer period, inside the first one; the person is told why."""
    desk, now, account = house.desk, house.clock(), actor.account_id
    return worked(
        house,
        actor,
        lambda session: extend_deadline(
            session, desk, request_id, reasons=body.reasons, actor=account, now=now
        ),
    )


@router.post("/{request_id}/cancel", summary="End a request that was withdrawn")
def cancel(
    request_id: RowId, body: ReasonsBody, house: CurrentHouse, actor: CurrentDataOwner
) -> RequestDetail:
    """End a request that the person withdrew; what it restricted is free again."""
    desk, now, account = house.desk, house.clock(), actor.account_id
    return worked(
        house,
        actor,
        lambda session: cancel_request(
            session, desk, request_id, reasons=body.reasons, actor=account, now=now
        ),
    )
