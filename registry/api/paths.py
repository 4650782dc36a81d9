"""Lets names in paths hold `/`, `:` and `%`: routes are chosen by the path as it was sent.

A server decodes `%2F` before anybody can tell it from a `/`, so that the dataset `a/versions` would
be taken for the versions of `a`.

Rules:
1. Under the prefixes below the application routes on the path with `%` escapes still in it, and
   `NameInPath` undoes them, once. So an encoded name arrives exactly, whatever it holds.
2. Whoever writes a `/` in a name as it is (`/namespaces/s3://lake/datasets/a/b`) is understood as
   long as the path can be cut at `/datasets` or `/jobs`; what follows the name (`/versions` …) is
   then taken as such. Only encoding is exact.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import unquote

from fastapi import Path
from pydantic import AfterValidator
from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "/api/v1/namespaces/"
_SUFFIX = r"(?P<suffix>/versions/[^/]+|/versions|/batches|/runs)?"
_EXACT = re.compile(rf"[^/]+(?:/(?:datasets|jobs)(?:/[^/]+{_SUFFIX})?)?")
_LOOSE = re.compile(
    rf"(?P<namespace>.+?)(?:(?P<kind>/datasets|/jobs)(?:/(?P<name>.+?){_SUFFIX})?)?", re.DOTALL
)


class EncodedPaths:
    """ASGI middleware that keeps the path under PREFIX as it was sent (rule 1)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, with its path exchanged where it is one of ours."""
        if scope["type"] == "http" and scope.get("raw_path"):
            root = str(scope.get("root_path", ""))
            sent = bytes(scope["raw_path"]).decode("latin-1")
            if sent.startswith(root + PREFIX):
                rest = sent[len(root) + len(PREFIX) :]
                scope = {**scope, "path": f"{root}{PREFIX}{_with_names_encoded(rest)}"}
        await self._app(scope, receive, send)


def _with_names_encoded(rest: str) -> str:
    """The part of a path after PREFIX, with each name one segment (rule 2)."""
    if _EXACT.fullmatch(rest):
        return rest
    found = _LOOSE.fullmatch(rest)
    if found is None:
        return rest
    namespace, kind, name, suffix = found.group("namespace", "kind", "name", "suffix")
    named = "" if name is None else "/" + name.replace("/", "%2F")
    return f"{namespace.replace('/', '%2F')}{kind or ''}{named}{suffix or ''}"


def _decoded(value: str) -> str:
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError as error:
        raise ValueError("the name is not percent-encoded UTF-8") from error


#: A name in a path under PREFIX, decoded (rule 1).
NameInPath = Annotated[
    str, Path(description="A name; percent-encode it (`/` is %2F)."), AfterValidator(_decoded)
]
