"""How answers travel, and what may travel without TLS.

Rules (OWASP ASVS 5.0 §3.4, §12; RFC 6750 §5.3; RFC 6797):
1. A bearer token, a session or a password that comes without TLS from another machine is refused
   with a reason, unless a setting permits it: whoever sent it so must know that it was readable.
2. Every answer forbids to guess its type, to frame it, and to tell others where it was linked from.
   Over TLS it demands TLS for a year. What does not say otherwise is kept by no cache.
"""

from __future__ import annotations

import ipaddress

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registry.api.problems import SECURITY_HEADERS, for_reader, problem_of
from registry.errors import InsecureTransportError
from registry.request import PLAIN_COOKIE

_ALWAYS = tuple((name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items())
_DEMAND_TLS = (b"strict-transport-security", b"max-age=31536000")
#: Pages whose forms hold a password or a link that sets one.
_SECRET_PATHS = ("/log-in", "/set-up", "/password")


class Transport:
    """ASGI middleware that keeps both rules. `plain_allowed`: the setting of rule 1."""

    def __init__(self, app: ASGIApp, *, plain_allowed: bool) -> None:
        self._app = app
        self._plain_allowed = plain_allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or refuse it; dress the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        secure = scope["scheme"] == "https"

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_headers(message.setdefault("headers", []), secure=secure)
            await send(message)

        if secure or self._plain_allowed or is_local(scope) or not _holds_secret(scope):
            await self._app(scope, receive, dressed)
            return
        response = for_reader(Request(scope), problem_of(_in_the_clear()))
        await response(scope, receive, dressed)


def _in_the_clear() -> InsecureTransportError:
    return InsecureTransportError(
        "A token, session or password came without TLS from another machine.",
        remedy="Use https, and make a new token: that one could be read on the way. Operators: "
        "--tls-certificate, or name your proxy in REGISTRY_TRUSTED_PROXIES.",
    )


def add_headers(headers: list[tuple[bytes, bytes]], *, secure: bool) -> None:
    """Add to an answer's headers what it does not say itself (rule 2)."""
    said = {name for name, _value in headers}
    headers.extend(pair for pair in _ALWAYS if pair[0] not in said)
    if secure:
        headers.append(_DEMAND_TLS)


def is_local(scope: Scope) -> bool:
    """Whether a request comes from this machine: by loopback, a Unix socket or in this process."""
    client = scope.get("client")
    host = str(client[0]) if client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # A proxy may write anything for an address; without one there is no network between.
        return not any(name.startswith(b"x-forwarded-") for name, _value in scope["headers"])
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _holds_secret(scope: Scope) -> bool:
    if scope["path"].startswith(_SECRET_PATHS):
        return True
    cookie = PLAIN_COOKIE.encode()
    return any(
        name in (b"authorization", b"webhook-signature") or (name == b"cookie" and cookie in value)
        for name, value in scope["headers"]
    )
