"""Finds the three folders that stand outside the package: policies, templates, alembic.

Inside an installed wheel they lie under `registry/_shipped`; in a checkout beside the package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from registry.errors import SetupError

_PACKAGE = Path(__file__).resolve().parent
ShippedFolder = Literal["policies", "templates", "alembic"]


def shipped(folder: ShippedFolder) -> Path:
    """The absolute path of a shipped folder. Raises SetupError where the installation lacks it."""
    for base in (_PACKAGE / "_shipped", _PACKAGE.parent):
        found = base / folder
        if found.is_dir():
            return found
    raise SetupError(
        f"The folder {folder!r} is missing from the installation at {_PACKAGE}.",
        remedy="Install the distribution lineage-registry again.",
    )
