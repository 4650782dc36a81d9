"""The pages where the local administrator chooses a password, and changes it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from registry.actors.local_people import DEFAULT_NAME
from registry.actors.passwords import SHORTEST
from registry.errors import (
    ConflictError,
    InvalidInputError,
    LogInError,
    RegistryError,
    ThrottledError,
)
from registry.request import CurrentHouse, House
from registry.web.contexts import PasswordPage, SetUpPage
from registry.web.forms import read_form
from registry.web.home import require_session
from registry.web.log_in import client_address, logged_in, refused
from registry.web.rendering import render

router = APIRouter(include_in_schema=False)


@router.get("/set-up")
def show(request: Request, house: CurrentHouse) -> Response:
    """The set-up page, for a link that may be used."""
    link = request.query_params.get("link", "")
    known = house.log_ins.require_setup_link(link)
    return render(_page(link, known, DEFAULT_NAME, None))


@router.post("/set-up")
async def set_up(request: Request, house: CurrentHouse) -> Response:
    """Set the password and log in."""
    form = await read_form(request, house.settings)
    return await run_in_threadpool(_set_up, request, house, form)


def _set_up(request: Request, house: House, form: dict[str, str]) -> Response:
    link, name = form.get("link", ""), form.get("name", "")
    known = house.log_ins.require_setup_link(link)
    password = form.get("password", "")
    try:
        _require_same(password, form.get("again", ""))
        secret = house.log_ins.set_up(link, name=known or name, password=password)
    except (InvalidInputError, ConflictError) as error:
        status = 409 if isinstance(error, ConflictError) else 422
        return render(_page(link, known, name, error), status=status)
    return logged_in(request, house, secret, "/")


def _require_same(password: str, again: str) -> None:
    if password != again:
        raise InvalidInputError(
            "The two passwords differ.", remedy="Type the same one twice.", path="password"
        )


def _page(link: str, known: str | None, name: str, error: RegistryError | None) -> SetUpPage:
    return SetUpPage(
        link=link,
        known=known or "",
        name=name,
        shortest=SHORTEST,
        failure=error.detail if error else "",
        remedy=error.remedy if error else "",
        path=(error.path or "") if error else "",
    )


@router.get("/password")
def show_password(request: Request, house: CurrentHouse) -> Response:
    """The page to change one's password."""
    actor, csrf = require_session(request, house)
    return render(PasswordPage(actor.name, csrf, SHORTEST))


@router.post("/password")
async def change_password(request: Request, house: CurrentHouse) -> Response:
    """Change one's password; every other session ends."""
    form = await read_form(request, house.settings)
    return await run_in_threadpool(_change, request, house, form)


def _change(request: Request, house: House, form: dict[str, str]) -> Response:
    actor, csrf = require_session(request, house, form)
    new = form.get("password", "")
    try:
        _require_same(new, form.get("again", ""))
        secret = house.log_ins.change_password(
            actor.account_id, form.get("old", ""), new, address=client_address(request)
        )
    except (InvalidInputError, LogInError, ThrottledError) as error:
        page = PasswordPage(actor.name, csrf, SHORTEST, error.detail, error.remedy)
        status = 429 if isinstance(error, ThrottledError) else 422
        return refused(error, render(page, status=status))
    return logged_in(request, house, secret, "/")
