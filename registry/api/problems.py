"""The one map from errors to HTTP: problem documents (RFC 9457).

Members: `type`, `title`, `status`, and ours: `code`, `detail`, `remedy`, `path`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from registry.errors import (
    BodyTooLargeError,
    ConflictError,
    ErasedError,
    ForbiddenError,
    ForgedRequestError,
    HomeInUseError,
    InsecureTransportError,
    InvalidInputError,
    KeyDestroyedError,
    LogInError,
    MalformedEventError,
    MasterKeyError,
    NotFoundError,
    NotVerifiedError,
    OverloadedError,
    PolicyError,
    ProviderError,
    RegistryError,
    SchemaOutdatedError,
    SettingsError,
    SetupError,
    StorageUnavailableError,
    TamperedError,
    TemplateError,
    ThrottledError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedEncodingError,
)

STATUS: dict[type[RegistryError], int] = {
    RegistryError: 500,
    InvalidInputError: 422,
    MalformedEventError: 400,
    BodyTooLargeError: 413,
    UnsupportedEncodingError: 415,
    NotFoundError: 404,
    ErasedError: 410,
    ConflictError: 409,
    UnauthenticatedError: 401,
    LogInError: 401,
    ForbiddenError: 403,
    InsecureTransportError: 403,
    ForgedRequestError: 403,
    KeyDestroyedError: 410,
    TamperedError: 500,
    NotVerifiedError: 422,
    UnavailableError: 503,
    OverloadedError: 503,
    StorageUnavailableError: 503,
    ProviderError: 503,
    ThrottledError: 429,
    SetupError: 503,
    SettingsError: 503,
    PolicyError: 503,
    TemplateError: 503,
    MasterKeyError: 503,
    SchemaOutdatedError: 503,
    HomeInUseError: 503,
}
MEDIA_TYPE = "application/problem+json"
#: What every answer says unless it says otherwise itself (`registry.api.transport`).
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_log = logging.getLogger(__name__)


class Problem(JSONResponse):
    """A problem document as a response; `members` is what it says."""

    def __init__(self, members: dict[str, object], status: int) -> None:
        # A surprise is answered outside of every middleware, so each brings the headers itself.
        super().__init__(members, status, dict(SECURITY_HEADERS), MEDIA_TYPE)
        self.members = members


def problem(status: int, code: str, detail: str, remedy: str, path: str | None = None) -> Problem:
    """A problem document as a response."""
    body = {
        "type": f"urn:registry:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": detail,
        "remedy": remedy,
        "path": path,
    }
    return Problem(body, status)


def problem_of(error: RegistryError) -> Problem:
    """The problem document of an error of ours, with Retry-After where it is worth trying again."""
    response = problem(STATUS[type(error)], error.code, error.detail, error.remedy, error.path)
    if isinstance(error, UnavailableError):
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, UnauthenticatedError):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


#: Makes a page of a problem's members for people; None for a program, which gets the document.
Page = Callable[[Request, Mapping[str, object]], Response | None]


def for_reader(request: Request, answer: Problem) -> Response:
    """The answer itself, or its page where a browser asks and `app.state.error_page` makes one."""
    make: Page | None = getattr(request.app.state, "error_page", None)
    page = make(request, answer.members) if make is not None else None
    if page is None:
        return answer
    for name in ("retry-after", "www-authenticate", "allow"):
        if name in answer.headers:
            page.headers[name] = answer.headers[name]
    return page


def install_problems(app: FastAPI) -> None:
    """Make every error of the application a problem document."""
    app.add_exception_handler(RegistryError, _on_registry_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_surprise)


def _on_registry_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RegistryError):
        raise error
    return for_reader(request, problem_of(error))


def _on_validation_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return problem(
        422,
        InvalidInputError.code,
        f"{where}: {first['msg']}.",
        "Correct the parameter; /openapi.json shows its form.",
        where,
    )


def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    match error.status_code:
        case 404:
            detail, code = f"There is nothing at {request.url.path}.", "not_found"
        case 405:
            detail, code = f"{request.url.path} does not take {request.method}.", "bad_method"
        case _:
            detail, code = str(error.detail), "http_error"
    response = problem(error.status_code, code, detail, "See /openapi.json for what there is.")
    response.headers.update(error.headers or {})
    return for_reader(request, response)


def _on_surprise(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(
        500,
        "internal_error",
        "The registry met something it did not expect; nothing of the request was kept.",
        "Report it with the server's log of this moment.",
    )
