"""Where the SDK finds its registry, and where it keeps what waits for it.

Rules:
1. `url` and `token` win over REGISTRY_URL and REGISTRY_TOKEN; without a URL it is the default
   address of `registry serve`.
2. The spool lies in REGISTRY_SPOOL, else in the user's cache folder; within it each registry and
   each token has a folder of its own, so that nothing is sent on another's behalf. The token itself
   is not in there.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from registry.client.outbox import Outbox
from registry.client.spool import LIMIT_BYTES, Spool
from registry.errors import InvalidInputError

if TYPE_CHECKING:
    from registry.client.http import HttpClient

URL_VARIABLE = "REGISTRY_URL"
TOKEN_VARIABLE = "REGISTRY_TOKEN"  # noqa: S105 - a name, no secret
SPOOL_VARIABLE = "REGISTRY_SPOOL"
DISABLED_VARIABLE = "OPENLINEAGE_DISABLED"
DEFAULT_URL = "http://127.0.0.1:8400"
TIMEOUT_SECONDS = 60.0
_log = logging.getLogger("registry.client")


def open_outbox(
    url: str | None = None,
    token: str | None = None,
    *,
    spool: str | os.PathLike[str] | None = None,
    spool_limit_bytes: int = LIMIT_BYTES,
    strict: bool = False,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Outbox:
    """The way to the registry (rules 1 to 3). A spool that cannot be made is done without.

    Raises InvalidInputError for a URL that is none.
    """
    address = (url or os.environ.get(URL_VARIABLE) or DEFAULT_URL).rstrip("/")
    secret = token or os.environ.get(TOKEN_VARIABLE) or ""
    if urlsplit(address).scheme not in ("http", "https"):
        raise InvalidInputError(
            f"The registry's address is {address!r}, which is no HTTP address.",
            remedy=f"Write http://host:8400 or https://host, here or in {URL_VARIABLE}.",
        )

    if os.environ.get(DISABLED_VARIABLE, "").strip().lower() == "true":
        return Outbox(None)

    def connect() -> HttpClient:
        from registry.client.http import HttpClient

        return HttpClient(address, secret, timeout_seconds=timeout_seconds)

    root = Path(spool or os.environ.get(SPOOL_VARIABLE) or cache_folder() / "spool")
    folder = root / _folder_name(address, secret)
    try:
        kept: Spool | None = Spool(folder, limit_bytes=spool_limit_bytes)
    except OSError as error:
        _log.warning(
            "There is no spool: %s cannot be made (%s). What the registry cannot take is lost.",
            folder,
            error.strerror,
        )
        kept = None
    return Outbox(connect, kept, strict=strict, address=address)


def cache_folder() -> Path:
    """The folder for what a user's programs may keep beside their data (XDG Base Directory)."""
    given = os.environ.get("XDG_CACHE_HOME")
    base = Path(given) if given else Path.home() / ".cache"
    return base / "lineage-registry"


def _folder_name(url: str, token: str) -> str:
    """A name that tells whose entries these are and shows nothing."""
    host = "".join(c if c.isalnum() or c in ".-" else "_" for c in urlsplit(url).netloc)
    mark = hashlib.sha256(f"{url}\x00{token}".encode()).hexdigest()[:16]
    return f"{host[:80]}-{mark}"
