"""The pages where people log in: by the identity provider, or here by name and password."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from registry.actors.log_ins import Arrival
from registry.errors import LogInError, RegistryError, ThrottledError
from registry.request import CurrentHouse, House
from registry.web.contexts import LogInPage
from registry.web.cookies import drop_journey, journey_secret, keep_journey, keep_session
from registry.web.forms import base_url, next_path, read_form
from registry.web.rendering import render

CALLBACK = "/log-in/callback"
router = APIRouter(include_in_schema=False)


@router.get("/log-in")
def show(request: Request, house: CurrentHouse) -> Response:
    """The log-in page."""
    path = next_path(request.query_params.get("next"))
    return render(LogInPage(by_provider=house.log_ins.provider is not None, next_path=path))


@router.post("/log-in")
async def by_password(request: Request, house: CurrentHouse) -> Response:
    """Take name and password; to the page that was asked for, or back with one answer."""
    form = await read_form(request, house.settings)
    path = next_path(form.get("next"))
    name = form.get("name", "")
    address = client_address(request)
    try:
        secret = await run_in_threadpool(
            house.log_ins.by_password, name, form.get("password", ""), address=address
        )
    except (LogInError, ThrottledError) as error:
        page = LogInPage(False, path, name, error.detail, error.remedy)
        return refused(error, render(page, status=_status(error)))
    return logged_in(request, house, secret, path)


@router.get("/log-in/provider")
def leave(request: Request, house: CurrentHouse) -> Response:
    """Send the browser to the provider."""
    path = next_path(request.query_params.get("next"))
    uri = base_url(request, house.settings) + CALLBACK
    departure = house.log_ins.depart(path, redirect_uri=uri)
    response = RedirectResponse(departure.url, 303)
    keep_journey(request, response, departure.browser)
    return response


@router.get(CALLBACK)
def come_back(request: Request, house: CurrentHouse) -> Response:
    """Take what the provider sent the browser back with."""
    given = request.query_params
    arrival = Arrival(
        state=given.get("state", ""),
        code=given.get("code", ""),
        browser=journey_secret(request),
        redirect_uri=base_url(request, house.settings) + CALLBACK,
    )
    if not (arrival.state and arrival.code):
        raise LogInError(
            "The identity provider did not log you in.",
            remedy="Try again at /log-in; ask its operator if it stays so.",
        )
    secret, path = house.log_ins.arrive(arrival)
    response = logged_in(request, house, secret, path)
    drop_journey(request, response)
    return response


def logged_in(request: Request, house: House, secret: str, path: str) -> Response:
    """To the page that was asked for, with a session."""
    # A log-in may have changed roles, and they hold from the next request on.
    house.access.refresh()
    response = RedirectResponse(path, 303)
    keep_session(request, response, secret, house)
    return response


def refused(error: RegistryError, response: Response) -> Response:
    """The answer with what says when to try again."""
    if isinstance(error, ThrottledError):
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def _status(error: RegistryError) -> int:
    return 429 if isinstance(error, ThrottledError) else 401


def client_address(request: Request) -> str:
    """Where the request came from, as far as proxies that are trusted said."""
    return request.client.host if request.client else ""
