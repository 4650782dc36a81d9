"""Routes for quarantined events: see them, release them, reject them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel import Session
from starlette.requests import Request

from registry.actors.accounts import Actor
from registry.actors.projects import load_claims
from registry.canonical import digest_text, parse_digest
from registry.errors import InvalidInputError
from registry.lineage.quarantine import (
    list_quarantined,
    missing_event,
    parties_of,
    reject_event,
    release_event,
)
from registry.lineage.tables import EventState
from registry.policy.actions import Action
from registry.request import (
    CatalogSession,
    CurrentHouse,
    CurrentReleaser,
    House,
    place_of,
    refuse_own,
    require_in,
)
from registry.wire.quarantine import QuarantinedShown, QuarantineList, QuarantineOutcome

router = APIRouter(prefix="/api/v1/events/quarantine", tags=["quarantine"])


@router.get("")
def index(
    session: CatalogSession,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> QuarantineList:
    """Events that are kept and not projected, in order of arrival."""
    if after is not None and not (after.isascii() and after.isdigit() and len(after) < 19):
        raise InvalidInputError(
            f"{after[:40]!r} is no place in the list.",
            remedy="Give what `next` of the page before says.",
            path="after",
        )
    events, total = list_quarantined(session, after=int(after or 0), limit=limit)
    shown = [
        QuarantinedShown(
            event=digest_text(item.digest),
            reason=item.reason,
            detail=item.detail,
            received_at=item.received_at,
            kind=item.kind,
            namespace=item.namespace,
            name=item.name,
            project=item.project,
            sender=item.sender,
        )
        for item in events
    ]
    following = str(events[-1].id) if len(events) == limit else None
    return QuarantineList(events=shown, next=following, total_count=total)


@router.post("/{digest}/release")
def release(
    digest: str, house: CurrentHouse, actor: CurrentReleaser, request: Request
) -> QuarantineOutcome:
    """Project a quarantined event as if it had been allowed when it came."""

    def work(session: Session, identity: bytes) -> EventState:
        return release_event(
            session,
            identity,
            load_claims(session),
            actor=actor.account_id,
            now=house.clock(),
        )

    return _settle(house, actor, digest, work, at=place_of(request))


@router.post("/{digest}/reject")
def reject(
    digest: str, house: CurrentHouse, actor: CurrentReleaser, request: Request
) -> QuarantineOutcome:
    """Leave a quarantined event out of the catalog for good; it stays in the log."""

    def work(session: Session, identity: bytes) -> EventState:
        return reject_event(session, identity, actor=actor.account_id, now=house.clock())

    return _settle(house, actor, digest, work, at=place_of(request))


def _settle(
    house: House,
    actor: Actor,
    digest: str,
    work: Callable[[Session, bytes], EventState],
    *,
    at: str,
) -> QuarantineOutcome:
    """Release or reject, in the project that the event concerns, what somebody else sent."""
    identity = parse_digest(digest, path="digest")
    with house.database.read() as session:
        parties = parties_of(session, identity)
    sight = house.access.reach(actor.account_id, Action.READ_CATALOG).projects
    if sight is not None and not {parties.project_id, parties.owner_id} & sight:
        raise missing_event(identity)
    require_in(house, actor, Action.RELEASE_FINDINGS, parties.owner_id, at=at)
    refuse_own(house, actor, Action.RELEASE_FINDINGS, parties.account_id, at=at)
    state = house.database.transact(lambda session: work(session, identity))
    return QuarantineOutcome(event=digest, state=state.value)
