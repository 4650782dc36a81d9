"""Shows a refusal to people as a page, where a program would get a problem document."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from registry.web.contexts import ErrorPage
from registry.web.rendering import render


def wants_page(request: Request) -> bool:
    """Whether this is a browser that shows what it gets: it asks for HTML, outside of the API."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(
        "/api/"
    )


def error_page(request: Request, problem: Mapping[str, object]) -> Response | None:
    """The page for a problem's members (`registry.api.problems`); None for a program."""
    if not wants_page(request):
        return None
    status = problem["status"]
    page = ErrorPage(
        status=status if isinstance(status, int) else 500,
        title=str(problem["title"]),
        detail=str(problem["detail"]),
        remedy=str(problem["remedy"]),
        code=str(problem["code"]),
    )
    return render(page, status=page.status)
