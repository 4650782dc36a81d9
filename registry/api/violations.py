"""Routes for violations: see and follow them, acknowledge, resolve, or accept them for a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlmodel import Session
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import Response

from registry.actors.accounts import Actor
from registry.api.answers import OneLine, RowId, wanted_page
from registry.api.feeds import (
    ATOM,
    JSON_FEED,
    Feed,
    FeedItem,
    encoded,
    entity_tag,
    is_known,
    wanted_type,
)
from registry.catalog.paging import Cut, Page
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


@router.get(
    "/feed",
    summary="Follow the violations",
    response_class=Response,
    responses={200: {"content": {JSON_FEED: {}, ATOM: {}}}, 304: {"description": "Not changed."}},
)
def feed(
    request: Request,
    house: CurrentHouse,
    session: CatalogSession,
    cut: Annotated[Cut, Depends(wanted_page)],
    state: Annotated[ViolationState | None, Query(description="Only in this state.")] = None,
    kind: OneLine = None,
    project: OneLine = None,
) -> Response:
    """The violations as a feed, the newest first: JSON Feed, or Atom where Accept prefers it.

    304 where If-None-Match names the page as it still is.
    """
    page = list_violations(session, cut, state=state, kind=kind, project=project)
    public = house.settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")
    shown = _feed(page, request.url, public)
    as_type = wanted_type(request.headers.get("accept"))
    body = encoded(shown, as_type)
    tag = entity_tag(body)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept, Authorization"}
    if is_known(tag, request.headers.get("if-none-match")):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=as_type, headers=headers)


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


def _feed(page: Page[ViolationView], asked: URL, public: str) -> Feed:
    """A page of violations as a feed; `public`: where this server is reached."""
    here = f"{public}{asked.path}"
    following = None
    if page.next is not None:
        older = asked.remove_query_params("offset").include_query_params(after=page.next)
        following = f"{here}?{older.query}"
    return Feed(
        id=here,
        title="Violations",
        home_url=f"{public}{router.prefix}",
        url=f"{here}?{asked.query}" if asked.query else here,
        next_url=following,
        items=tuple(_feed_item(view, public) for view in page.items),
    )


def _feed_item(view: ViolationView, public: str) -> FeedItem:
    about = f"{view.namespace} {view.dataset}" if view.dataset else view.project
    what = view.kind.replace("_", " ").capitalize()
    times = (view.seen_at, view.acknowledged_at, view.settled_at)
    return FeedItem(
        id=f"urn:uuid:{view.id}",
        url=f"{public}{router.prefix}/{view.id}",
        title=f"{what}: {about}" if about else what,
        text=view.detail,
        published_at=view.raised_at,
        changed_at=max(at for at in times if at is not None),
        tags=(view.kind, view.state.value),
        more=_shown(view).model_dump(mode="json"),
    )
