"""The pipeline's SDK: runs, examples and where each came from, told to a registry.

Importing this package loads nothing heavy; numpy, pyarrow, httpx and openlineage-python come with
the first thing that needs them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from registry.client.derivation import Derivation
    from registry.client.registry import Registry
    from registry.client.run import Run
    from registry.client.sources import PARENTS, Source

__all__ = ["PARENTS", "Derivation", "Registry", "Run", "Source"]

_HOMES = {
    "PARENTS": "registry.client.sources",
    "Derivation": "registry.client.derivation",
    "Registry": "registry.client.registry",
    "Run": "registry.client.run",
    "Source": "registry.client.sources",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
