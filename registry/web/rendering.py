"""Turns contexts into pages, and serves the one style sheet.

Rules:
1. Every value is escaped; a name that a template uses and its context lacks is an error.
2. A page runs no script and no style of its own, and lets nobody frame it (CSP 3). Nothing of it is
   kept by a cache.
3. The style sheet's address holds a digest of it, so that it may be kept for ever.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, Response

from registry.errors import NotFoundError
from registry.files import shipped
from registry.web.contexts import Page

if TYPE_CHECKING:
    from jinja2 import Environment

CONTENT_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
STYLE_PATH = "/static/{digest}.css"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(shipped("templates") / "web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _style() -> tuple[bytes, str]:
    content = (shipped("templates") / "web" / "style.css").read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:32]


def render(page: Page, *, status: int = 200) -> Response:
    """The page as an answer (rules 1 and 2)."""
    values = {item.name: getattr(page, item.name) for item in fields(page)}
    style = STYLE_PATH.format(digest=_style()[1])
    text = _environment().get_template(page.template).render(values, style=style)
    # `no-referrer` would hide the origin of our own forms from us.
    headers = {"Content-Security-Policy": CONTENT_POLICY, "Referrer-Policy": "same-origin"}
    return HTMLResponse(text, status, headers=headers)


def style_sheet(digest: str) -> Response:
    """The style sheet (rule 3). Raises NotFoundError for another digest than that of today's."""
    content, known = _style()
    if digest != known:
        raise NotFoundError(
            "There is no such style sheet.", remedy="Load the page again; it names the new one."
        )
    forever = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(content, media_type="text/css", headers=forever)
