"""Speaks to a registry over HTTP and turns its problem documents back into errors.

Rules:
1. A problem document (RFC 9457) becomes the error of the same `code`, with its detail, remedy and
   path; a code that this program does not know becomes the nearest by its status.
2. A server that cannot be reached, or answers something else, is UnavailableError.
3. Retry-After (RFC 9110 §10.2.3) in seconds is passed on, up to five minutes.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import httpx

from registry.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    RegistryError,
    UnauthenticatedError,
    UnavailableError,
)

TIMEOUT_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 300
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
CERTIFICATES = "SSL_CERT_FILE"
Parameters = Mapping[str, str | int | bool | list[str] | None]


def _own_trust() -> ssl.SSLContext | bool:
    """Which certificates this machine's own server may have; httpx reads that variable itself only
    where it reads proxies, too.
    """
    named = os.environ.get(CERTIFICATES)
    return ssl.create_default_context(cafile=named) if named else True


class HttpClient:
    """A connection to one registry as one actor. Use it as a context manager, or `close` it."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        is_local = httpx.URL(self.url).host in LOOPBACK
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout_seconds,
            transport=transport,
            # A proxy of the environment cannot reach this machine's own address.
            trust_env=not is_local,
            verify=_own_trust() if is_local and self.url.startswith("https:") else True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def get(self, path: str, params: Parameters | None = None) -> Any:
        """The decoded JSON of a GET. Raises the registry's error."""
        return self._decoded(self.request("GET", path, params=params))

    def post(self, path: str, body: object = None, *, params: Parameters | None = None) -> Any:
        """The decoded JSON of a POST, None where the answer has no body. Raises as `get`."""
        return self._decoded(self.request("POST", path, json=body, params=params))

    def patch(self, path: str, body: object) -> Any:
        """The decoded JSON of a PATCH. Raises as `get`."""
        return self._decoded(self.request("PATCH", path, json=body))

    def delete(self, path: str) -> Any:
        """The decoded JSON of a DELETE. Raises as `get`."""
        return self._decoded(self.request("DELETE", path))

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        content: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        params: Parameters | None = None,
    ) -> httpx.Response:
        """The answer to one request; a body in parts is sent as they come.

        Raises the registry's error for anything but 2xx.
        """
        present = {key: value for key, value in (params or {}).items() if value is not None}
        try:
            answer = self._http.request(
                method, path, json=json, content=content, headers=headers, params=present
            )
        except httpx.HTTPError as error:
            raise UnavailableError(
                f"The registry at {self.url} did not answer: {error or type(error).__name__}.",
                remedy="See that it runs (registry serve) and that REGISTRY_URL is right.",
            ) from error
        if not answer.is_success:
            raise error_of(answer)
        return answer

    def pages(
        self, path: str, key: str, params: Parameters | None = None, first: Any = None
    ) -> Iterator[Any]:
        """Every item of a list that comes in pages: `key` holds items, `next` what to ask for.

        `first` is the first page, where the caller has it already.
        """
        page = self.get(path, params) if first is None else first
        while True:
            yield from page[key]
            if not page.get("next"):
                return
            page = self.get(path, {**(params or {}), "after": page["next"]})

    def _decoded(self, answer: httpx.Response) -> Any:
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise _not_a_registry(answer) from error


def error_of(answer: httpx.Response) -> RegistryError:
    """The error that an answer other than 2xx stands for (rule 1)."""
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or not isinstance(problem.get("code"), str):
        return _in_time(_not_a_registry(answer), answer)
    kind = _by_code().get(problem["code"]) or _by_status(answer.status_code)
    path = problem.get("path")
    error = kind(
        str(problem.get("detail", "")),
        remedy=str(problem.get("remedy", "")),
        path=path if isinstance(path, str) else None,
    )
    return _in_time(error, answer)


def _in_time(error: RegistryError, answer: httpx.Response) -> RegistryError:
    """The error with the time that the answer asks to wait (rule 3)."""
    if isinstance(error, UnavailableError):
        text = answer.headers.get("Retry-After", "").strip()
        seconds = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
        error.retry_after_seconds = min(seconds, LONGEST_RETRY_AFTER_SECONDS)
    return error


def _by_code() -> dict[str, type[RegistryError]]:
    found: dict[str, type[RegistryError]] = {}
    waiting = [RegistryError]
    while waiting:
        kind = waiting.pop()
        found[kind.code] = kind
        waiting.extend(kind.__subclasses__())
    return found


def _by_status(status: int) -> type[RegistryError]:
    known: dict[int, type[RegistryError]] = {
        401: UnauthenticatedError,
        403: ForbiddenError,
        404: NotFoundError,
        409: ConflictError,
        429: UnavailableError,
    }
    return known.get(status, InvalidInputError if status < 500 else UnavailableError)


def _not_a_registry(answer: httpx.Response) -> UnavailableError:
    return UnavailableError(
        f"{answer.url} answered {answer.status_code} with something that is not a registry's.",
        remedy="See that REGISTRY_URL names a registry, and what stands in front of it.",
    )
