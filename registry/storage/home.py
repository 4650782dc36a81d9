"""The folder of an embedded registry, and the first token that is kept in it.

Rules:
1. The folder and what is made in it is for this user alone (0700, 0600).
2. Commands act as REGISTRY_TOKEN, else as the home's first token, so that there is always an actor.
"""

from __future__ import annotations

import os
from pathlib import Path

from registry.errors import SetupError, UnauthenticatedError
from registry.settings import Settings

TOKEN_FILE = "admin-token"  # noqa: S105 - a file name
DATABASE_FILE = "registry.db"


def make_home(settings: Settings) -> None:
    """Make the home of these settings. Raises SetupError where that cannot be."""
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not any(settings.home.iterdir()):
            settings.home.chmod(0o700)
        if not settings.database_url:
            # SQLite gives its log files the mode of the database.
            (settings.home / DATABASE_FILE).touch(mode=0o600)
    except OSError as error:
        raise SetupError(
            f"The home {settings.home} cannot be used: {error.strerror}.",
            remedy="Give this user the folder, or choose another with REGISTRY_HOME.",
        ) from error


def write_token(home: Path, secret: str) -> Path:
    """Keep the first token in the home, durably; gives the file."""
    path = home / TOKEN_FILE
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    return path


def local_token(settings: Settings) -> str:
    """The token of rule 2. Raises UnauthenticatedError where there is none."""
    if settings.token:
        return settings.token
    path = settings.home / TOKEN_FILE
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UnauthenticatedError(
            f"There is no token: REGISTRY_TOKEN is not set, and {path} cannot be read.",
            remedy="Set REGISTRY_TOKEN to a token that an administrator made for you.",
        ) from error
