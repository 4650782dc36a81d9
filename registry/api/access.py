"""Routes for who has which role: bindings, and requests for access for a while.

Bindings are an administrator's. Whoever is known may ask for access; an approver of the project
decides, and nobody decides on what they asked for. What is confined to a dataset's lineage is for
an approver of the project that owns the dataset's name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel import Session
from starlette.requests import Request

from registry.actors.access_requests import (
    RequestView,
    Wish,
    approve_request,
    ask_for_access,
    deny_request,
    list_requests,
    missing_request,
    show_request,
)
from registry.actors.accounts import Actor
from registry.actors.bindings import (
    NO_SCOPE,
    BindingView,
    Grant,
    account_id_of,
    account_names,
    grant_role,
    list_bindings,
    project_id_of,
    remove_binding,
    show_binding,
)
from registry.actors.claims import DEFAULT_PROJECT
from registry.actors.projects import load_claims
from registry.actors.tables import RequestState, Role
from registry.api.tokens import chosen
from registry.catalog.names import dataset_id, dataset_node, require_name
from registry.durations import parse_duration
from registry.errors import InvalidInputError
from registry.policy.actions import Action
from registry.request import (
    CurrentActor,
    CurrentAdministrator,
    CurrentApprover,
    CurrentHouse,
    House,
    ReadSession,
    place_of,
    refuse_own,
    require_in,
)
from registry.wire.actors import (
    AccessDenial,
    AccessRequestList,
    AccessRequestShown,
    BindingList,
    BindingShown,
    DatasetScope,
    NewAccessRequest,
    NewBinding,
)

router = APIRouter(prefix="/api/v1", tags=["access"])
#: Roles that read, and so can be confined to a lineage.
SCOPED_ROLES = (Role.AUDITOR, Role.VIEWER)
MAX_LISTED = 1000


@dataclass(frozen=True, slots=True)
class _Where:
    """Where a role is to hold: the id of a project, or `*`, and a dataset by id and node id."""

    project_id: str
    scope_id: bytes = NO_SCOPE
    scope: str = ""


def _where(session: Session, role: Role, project: str | None, scope: DatasetScope | None) -> _Where:
    """Where a body says. Neither looks whether the dataset is there nor tells.

    Raises NotFoundError for a project, InvalidInputError for a scope that cannot be.
    """
    if scope is None:
        return _Where(project_id_of(session, project or DEFAULT_PROJECT))
    for label, name in (("namespace", scope.namespace), ("name", scope.name)):
        require_name(name, path=f"scope.{label}")
    if project is not None or role not in SCOPED_ROLES:
        raise InvalidInputError(
            f"The role {role} cannot be confined to a lineage"
            + (" and to a project at once." if project is not None else "."),
            remedy=f"Leave out the project, and choose one of: {', '.join(SCOPED_ROLES)}.",
            path="scope",
        )
    owner = load_claims(session).owner(scope.namespace, scope.name)
    node = dataset_node(scope.namespace, scope.name)
    return _Where(owner, dataset_id(scope.namespace, scope.name), node)


@router.get("/bindings", summary="List the bindings")
def index(
    house: CurrentHouse,
    _actor: CurrentAdministrator,
    session: ReadSession,
    account: Annotated[str | None, Query(description="Only of this account.")] = None,
    ended: Annotated[bool, Query(description="Also those that have ended.")] = False,
) -> BindingList:
    """Who has which role in which project, until when."""
    found = list_bindings(session, now=house.clock(), account=account, ended=ended)
    return BindingList(bindings=_bindings_shown(session, found))


@router.post("/bindings", status_code=201, summary="Give a role")
def add(body: NewBinding, house: CurrentHouse, actor: CurrentAdministrator) -> BindingShown:
    """Give an account a role in a project, or for the lineage of one dataset."""
    now = house.clock()
    role = chosen(Role, body.role, path="role")
    until = None
    if body.expires is not None:
        until = parse_duration(body.expires, path="expires").after(now)
    elif body.scope is not None:
        raise InvalidInputError(
            "A role that is confined to a lineage has an end, and none is given.",
            remedy="Give a duration, such as P30D.",
            path="expires",
        )

    def work(session: Session) -> BindingShown:
        where = _where(session, role, body.project, body.scope)
        account = account_id_of(session, body.account)
        grant = Grant(account, where.project_id, role, until, where.scope_id, where.scope)
        conflicts = house.access.rules.conflicts
        made = grant_role(session, grant, conflicts=conflicts, actor=actor.account_id, now=now)
        return _bindings_shown(session, [show_binding(session, made)])[0]

    return _changing(house, house.database.transact(work))


@router.delete("/bindings/{binding_id}", summary="Take a role away")
def remove(binding_id: str, house: CurrentHouse, actor: CurrentAdministrator) -> BindingShown:
    """Take a role away; it ends everywhere within a second."""

    def work(session: Session) -> BindingShown:
        view = remove_binding(session, binding_id, actor=actor.account_id, now=house.clock())
        return _bindings_shown(session, [view])[0]

    return _changing(house, house.database.transact(work))


def _changing(house: House, shown: BindingShown) -> BindingShown:
    house.tokens.clear()
    house.access.refresh()
    return shown


@router.post("/access-requests", status_code=201, summary="Ask for access")
def ask(body: NewAccessRequest, house: CurrentHouse, actor: CurrentActor) -> AccessRequestShown:
    """Ask for a role for a while; another person decides."""
    role = chosen(Role, body.role, path="role")
    if role is Role.ADMINISTRATOR:
        raise InvalidInputError(
            "The role administrator is not given for the asking.",
            remedy="An administrator gives it: registry binding add.",
            path="role",
        )

    def work(session: Session) -> AccessRequestShown:
        project = body.project or (None if body.scope else actor.project_name)
        where = _where(session, role, project, body.scope)
        wish = Wish(
            actor.account_id,
            role,
            where.project_id,
            where.scope_id,
            where.scope,
            body.duration,
            body.why,
        )
        return _requests_shown(session, [ask_for_access(session, wish, now=house.clock())])[0]

    return house.database.transact(work)


@router.get("/access-requests", summary="List the requests for access")
def requests(
    house: CurrentHouse,
    actor: CurrentActor,
    session: ReadSession,
    state: Annotated[RequestState | None, Query(description="Only in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 100,
) -> AccessRequestList:
    """The newest requests: the actor's own, and those that are theirs to decide."""
    reach = house.access.reach(actor.account_id, Action.APPROVE_REQUESTS)
    found, total = list_requests(
        session, account_id=actor.account_id, projects=reach.projects, state=state, limit=limit
    )
    return AccessRequestList(requests=_requests_shown(session, found), total_count=total)


@router.get("/access-requests/{request_id}", summary="Read a request for access")
def show(
    request_id: str, house: CurrentHouse, actor: CurrentActor, session: ReadSession
) -> AccessRequestShown:
    """One request, for who asked and who may decide."""
    return _requests_shown(session, [_visible(session, house, actor, request_id)])[0]


def _visible(session: Session, house: House, actor: Actor, request_id: str) -> RequestView:
    view = show_request(session, request_id)
    projects = house.access.reach(actor.account_id, Action.APPROVE_REQUESTS).projects
    theirs = projects is None or view.project_id in projects
    if view.account_id != actor.account_id and not theirs:
        raise missing_request(request_id)
    return view


@router.post("/access-requests/{request_id}/approve", summary="Approve a request for access")
def approve(
    request_id: str, house: CurrentHouse, actor: CurrentApprover, request: Request
) -> AccessRequestShown:
    """Approve somebody else's request: the role holds from now on, and ends by itself."""
    _require_decider(house, actor, request_id, at=place_of(request))

    def work(session: Session) -> AccessRequestShown:
        view = approve_request(
            session,
            request_id,
            conflicts=house.access.rules.conflicts,
            actor=actor.account_id,
            now=house.clock(),
        )
        return _requests_shown(session, [view])[0]

    decided = house.database.transact(work)
    house.tokens.clear()
    house.access.refresh()
    return decided


@router.post("/access-requests/{request_id}/deny", summary="Deny a request for access")
def deny(
    request_id: str,
    body: AccessDenial,
    house: CurrentHouse,
    actor: CurrentApprover,
    request: Request,
) -> AccessRequestShown:
    """Deny somebody else's request, and say why."""
    _require_decider(house, actor, request_id, at=place_of(request))

    def work(session: Session) -> AccessRequestShown:
        view = deny_request(
            session, request_id, note=body.why, actor=actor.account_id, now=house.clock()
        )
        return _requests_shown(session, [view])[0]

    return house.database.transact(work)


def _require_decider(house: House, actor: Actor, request_id: str, *, at: str) -> None:
    """Raise unless the actor may decide on this request, which another person filed."""
    with house.database.read() as session:
        view = _visible(session, house, actor, request_id)
    require_in(house, actor, Action.APPROVE_REQUESTS, view.project_id, at=at)
    refuse_own(house, actor, Action.APPROVE_REQUESTS, view.account_id, at=at)


def _bindings_shown(session: Session, views: Iterable[BindingView]) -> list[BindingShown]:
    found = list(views)
    names = account_names(session, {view.granted_by for view in found})
    return [
        BindingShown(
            id=view.id,
            account=view.account,
            role=view.role,
            project=view.project,
            scope=view.scope or None,
            granted_by=names.get(view.granted_by, view.granted_by),
            created_at=view.created_at,
            expires_at=view.expires_at,
        )
        for view in found
    ]


def _requests_shown(session: Session, views: Iterable[RequestView]) -> list[AccessRequestShown]:
    found = list(views)
    names = account_names(session, {view.decided_by for view in found if view.decided_by})
    return [
        AccessRequestShown(
            id=view.id,
            account=view.account,
            role=view.role,
            project=view.project,
            scope=view.scope or None,
            duration=view.duration,
            why=view.why,
            state=view.state,
            asked_at=view.asked_at,
            decided_at=view.decided_at,
            decided_by=names.get(view.decided_by, view.decided_by) if view.decided_by else None,
            note=view.note,
            binding=view.binding_id,
        )
        for view in found
    ]
