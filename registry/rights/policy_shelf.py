"""The shipped files that rights are judged by, each read when somebody asks for it first."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from registry.files import shipped
from registry.rights import licenses, purposes


class PolicyShelf:
    """Purposes and licences of one folder. Raises PolicyError where a file is wrong."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    @cached_property
    def purposes(self) -> purposes.Purposes:
        """What data may be used for."""
        return purposes.load_purposes(self._path(purposes.FILE))

    @cached_property
    def licenses(self) -> licenses.Licenses:
        """What licences allow. Cost: a third of a second, once."""
        return licenses.load_licenses(self._path(licenses.FILE))

    def _path(self, name: str) -> Path:
        return (self._folder or shipped("policies")) / name
