"""The demo's folder: a registry home that is made anew by each demo, and kept for looking around.

Rules:
1. Only a folder that a demo made is ever emptied: it holds the mark.
2. A folder that somebody serves, or that holds anything else, is refused.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from registry.errors import ConflictError, HomeInUseError, SetupError
from registry.storage.homelock import serving_url

DEFAULT = Path("registry-demo")
DATA = "demo-data"
_MARK = "made-by-registry-demo.txt"
_ABOUT = """\
`registry demo` made this folder and all that is in it. The next demo here deletes it and begins
anew. To keep what you did, copy the folder, or run the next demo in another: registry demo --home
"""


def begin_anew(home: Path) -> bool:
    """Make an empty home; whether an earlier demo's was deleted for it.

    Raises HomeInUseError, ConflictError (rule 2), SetupError where the folder cannot be made.
    """
    try:
        earlier = (home / _MARK).is_file()
        if earlier:
            _refuse_served(home)
            shutil.rmtree(home)
        elif home.exists() and (not home.is_dir() or any(home.iterdir())):
            raise ConflictError(
                f"{home} exists, and no demo made it.",
                remedy="Choose another folder: registry demo --home DIR",
            )
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / _MARK).write_text(_ABOUT, "utf-8")
    except OSError as error:
        raise SetupError(
            f"The demo's folder {home} cannot be made: {error.strerror}.",
            remedy="Choose another: registry demo --home DIR",
        ) from error
    return earlier


def _refuse_served(home: Path) -> None:
    url = serving_url(home)
    if url is not None:
        raise HomeInUseError(
            f"The registry of an earlier demo in {home} is served at {url}.",
            remedy="Stop it first, or choose another folder: registry demo --home DIR",
        )
