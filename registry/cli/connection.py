"""Where a command sends what it asks: a server, or the application in this process.

Rules (CONTRACTS, "Settings"):
1. With REGISTRY_URL: that server, as REGISTRY_TOKEN.
2. Without: the process that serves this home, or the application within this process; as
   REGISTRY_TOKEN, else as the home's first token.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

import typer

from registry.cli.edge import DEBUG_VARIABLE
from registry.errors import UnauthenticatedError
from registry.settings import load_settings
from registry.storage.home import local_token
from registry.storage.homelock import serving_url

if TYPE_CHECKING:
    from registry.client.http import HttpClient


@contextmanager
def connected() -> Iterator[HttpClient]:
    """A client as the rules above have it. Raises the errors of its making and of each call."""
    settings = load_settings()
    if settings.url and not settings.token:
        raise UnauthenticatedError(
            f"There is no token for {settings.url}: REGISTRY_TOKEN is not set.",
            remedy="Set REGISTRY_TOKEN to a token that an administrator made for you.",
        )
    url = settings.url or (serving_url(settings.home) if settings.embedded else None)
    if url:
        from registry.client.http import HttpClient

        with HttpClient(url, local_token(settings)) as client:
            yield client
        return
    from registry.app import local_client

    with _quiet(), local_client(settings) as client:
        yield client


def waits_for_a_worker() -> bool:
    """Whether what was put into the queue lies there until a worker is started by hand."""
    settings = load_settings()
    return not settings.url and settings.embedded and serving_url(settings.home) is None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the application's log off stderr: what goes wrong the command tells in its own words."""
    log, silent = logging.getLogger("registry"), logging.NullHandler()
    propagated, log.propagate = log.propagate, bool(os.environ.get(DEBUG_VARIABLE))
    log.addHandler(silent)
    try:
        yield
    finally:
        log.removeHandler(silent)
        log.propagate = propagated


def split_name(text: str) -> tuple[str, str]:
    """`"NAMESPACE NAME"` at the first space. Raises typer.BadParameter (exit 2) without one."""
    namespace, space, name = text.partition(" ")
    if not space or not namespace or not name:
        raise typer.BadParameter(
            f'{text!r} has no space: write "NAMESPACE NAME", such as "s3://lake raw/docs".'
        )
    return namespace, name


def in_path(text: str) -> str:
    """A name as one part of a URL's path: `/` and `:` are percent-encoded too."""
    return quote(text, safe="")


def target_text() -> str:
    """Which registry commands reach, as a name for the state of an import; holds no secret."""
    settings = load_settings()
    if settings.url:
        return settings.url
    if settings.embedded and not settings.database_url:
        return str(settings.home.absolute())
    return hashlib.sha256(settings.database.encode()).hexdigest()
