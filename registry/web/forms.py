"""Reads what a browser's form brings, and refuses what another site made it send.

Rules (OWASP ASVS 5.0 §3.5, §3.7; Fetch Metadata):
1. A form is `application/x-www-form-urlencoded`, at most 16 KiB, each field once.
2. A browser says where a form came from (`Sec-Fetch-Site`, `Origin`): another site's is refused,
   before anybody is logged in, too. Within a session a form carries the CSRF token besides.
3. `next` is a path of this server: it begins with one `/`, so that no link to the log-in leads
   people anywhere else.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from registry.errors import BodyTooLargeError, ForgedRequestError, InvalidInputError
from registry.settings import Settings

LIMIT_BYTES = 16 * 1024
_NEXT_LIMIT = 2_000
# Browsers take `\` for `/`, and drop tabs and line ends before they look.
_NEXT = re.compile(r"/(?:[^/\\\x00-\x20\x7f][^\\\x00-\x20\x7f]*)?")


async def read_form(request: Request, settings: Settings) -> dict[str, str]:
    """The fields of a form. Raises InvalidInputError, BodyTooLargeError, ForgedRequestError."""
    require_same_site(request, settings)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LIMIT_BYTES:
            raise BodyTooLargeError(
                f"The form is longer than {LIMIT_BYTES} bytes.", remedy="Shorten what you typed."
            )
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=20,
        )
    except ValueError as error:
        raise InvalidInputError(
            "The form cannot be read.", remedy="Send it as a browser does, in UTF-8."
        ) from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidInputError("The form has a field twice.", remedy="Send each field once.")
    return fields


def require_same_site(request: Request, settings: Settings) -> None:
    """Raise ForgedRequestError where a browser says that another site sent this (rule 2)."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    ours = {base_url(request, settings), f"{request.url.scheme}://{request.headers.get('host')}"}
    # `Referrer-Policy: no-referrer` makes browsers send the origin `null` for forms of our own.
    strange = origin not in (None, "null") and origin not in ours
    if site not in (None, "same-origin", "none") or strange or (origin == "null" and site is None):
        raise ForgedRequestError(
            "The form was sent from another site.",
            remedy="Open the page here and send it from there.",
            path="Origin",
        )


def base_url(request: Request, settings: Settings) -> str:
    """Where people reach this server: the public URL, else where this request arrived."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    return f"{request.url.scheme}://{request.url.netloc}"


def next_path(text: str | None) -> str:
    """Where to go after the log-in (rule 3). Raises InvalidInputError."""
    path = text or "/"
    parts = urlsplit(path) if len(path) <= _NEXT_LIMIT and _NEXT.fullmatch(path) else None
    if parts is None or parts.scheme or parts.netloc:
        raise InvalidInputError(
            f"The log-in would lead to {path[:80]!r}, which is no page of this server.",
            remedy="Open /log-in by itself, and do not trust who gave you that link.",
            path="next",
        )
    return path
