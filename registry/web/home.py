"""The first page: who is logged in and as what, and the ways out."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from registry.actors.accounts import Actor
from registry.actors.bindings import EVERY_PROJECT
from registry.actors.local_people import local_administrator
from registry.actors.sessions import (
    csrf_token,
    end_all_sessions,
    end_session,
    no_session,
    roles_by_project,
)
from registry.errors import UnauthenticatedError
from registry.request import CurrentHouse, House, require_csrf_token, session_secret
from registry.web.contexts import HomePage, RolesInProject
from registry.web.cookies import drop_session
from registry.web.errors import wants_page
from registry.web.forms import read_form
from registry.web.rendering import render, style_sheet

router = APIRouter(include_in_schema=False)


@router.get("/")
def show(request: Request, house: CurrentHouse) -> Response:
    """Who is logged in; a browser that is not goes to the log-in, and a program gets 405."""
    if not wants_page(request):
        raise HTTPException(405, headers={"Allow": "POST"})
    try:
        actor, csrf = require_session(request, house)
    except UnauthenticatedError:
        return RedirectResponse("/log-in", 303)
    with house.database.read() as session:
        held = roles_by_project(session, actor.account_id, now=house.clock())
        local = local_administrator(session)
    roles = tuple(
        RolesInProject(
            "every project" if one.project == EVERY_PROJECT else one.project,
            tuple(role.value.replace("_", " ") for role in one.roles),
        )
        for one in held
    )
    has_password = local is not None and local.account_id == actor.account_id
    return render(HomePage(actor.name, csrf, roles, has_password))


def require_session(
    request: Request, house: House, form: Mapping[str, str] | None = None
) -> tuple[Actor, str]:
    """Who is logged in, with the CSRF token; with a form, it must carry that token.

    Raises UnauthenticatedError, ForgedRequestError.
    """
    secret = session_secret(request)
    if secret is None:
        raise no_session()
    actor = house.log_ins.sessions.authenticate(secret)
    if form is not None:
        require_csrf_token(secret, form.get("csrf", ""))
    return actor, csrf_token(secret)


@router.post("/log-out")
async def log_out(request: Request, house: CurrentHouse) -> Response:
    """End this session."""
    form = await read_form(request, house.settings)
    return await run_in_threadpool(_end, request, house, form, everywhere=False)


@router.post("/log-out-everywhere")
async def log_out_everywhere(request: Request, house: CurrentHouse) -> Response:
    """End every session of this account."""
    form = await read_form(request, house.settings)
    return await run_in_threadpool(_end, request, house, form, everywhere=True)


def _end(request: Request, house: House, form: Mapping[str, str], *, everywhere: bool) -> Response:
    actor, _csrf = require_session(request, house, form)
    account, now = actor.account_id, house.clock()
    if everywhere:
        house.database.transact(lambda s: end_all_sessions(s, account, actor=account, now=now))
    else:
        house.database.transact(lambda s: end_session(s, actor.token_id, actor=account, now=now))
    house.log_ins.sessions.clear()
    response = RedirectResponse("/log-in", 303)
    drop_session(request, response)
    return response


@router.get("/static/{digest}.css")
def style(digest: str) -> Response:
    """The style sheet of every page."""
    return style_sheet(digest)
