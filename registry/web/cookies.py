"""The two cookies of a browser: its session, and a log-in that is at the provider.

Both are HttpOnly and SameSite=Lax. Over TLS they are Secure and carry the prefix `__Host-`, which
binds them to this very host; without TLS, which is for this machine, they cannot.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from registry.request import PLAIN_COOKIE, SECURE_COOKIE, House

_SECURE_JOURNEY, _PLAIN_JOURNEY = "__Host-registry-log-in", "registry-log-in"
_JOURNEY_SECONDS = 600


def keep_session(request: Request, response: Response, secret: str, house: House) -> None:
    """Give the browser its session."""
    lasts = int(house.log_ins.limits.total.total_seconds())
    _set(request, response, _name(request, SECURE_COOKIE, PLAIN_COOKIE), secret, lasts)


def drop_session(request: Request, response: Response) -> None:
    """Take the browser's session away."""
    _set(request, response, _name(request, SECURE_COOKIE, PLAIN_COOKIE), "", 0)


def keep_journey(request: Request, response: Response, secret: str) -> None:
    """Let the browser remember the log-in that it leaves for."""
    name = _name(request, _SECURE_JOURNEY, _PLAIN_JOURNEY)
    _set(request, response, name, secret, _JOURNEY_SECONDS)


def drop_journey(request: Request, response: Response) -> None:
    """Forget the log-in that came back."""
    _set(request, response, _name(request, _SECURE_JOURNEY, _PLAIN_JOURNEY), "", 0)


def journey_secret(request: Request) -> str:
    """What the browser remembers of the log-in that it left for; empty for nothing."""
    return request.cookies.get(_name(request, _SECURE_JOURNEY, _PLAIN_JOURNEY), "")


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _name(request: Request, secure: str, plain: str) -> str:
    return secure if _is_secure(request) else plain


def _set(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/",
        secure=_is_secure(request),
        httponly=True,
        samesite="lax",
    )
