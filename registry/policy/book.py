"""Holds the policy set that a process decides by, and swaps it whole when the files change.

Rules:
1. A server reads its policies before it answers anything: files that cannot be used stop the start.
2. Files that changed are read at the next question, at most once a second. If they cannot be used,
   the set that was good stays; the log, `refused` and the gauge `policies_refused` say so until
   they can.
3. Whoever decides asks here, once for a question: rights and policy go by one and the same set.
4. A set is of files that did not change while they were read.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from registry.errors import PolicyError, SettingsError
from registry.policy.policy_set import FILES, PolicySet, load_policies, policy_path
from registry.settings import Settings

_LOOKED_AT_MOST_EVERY_SECONDS = 1.0
_TRIES = 3
_log = logging.getLogger(__name__)
_Signature = tuple[tuple[int, int], ...]
T = TypeVar("T")


def folder_of(settings: Settings) -> Path | None:
    """The operator's folder of policy files; None for the shipped one.

    Raises SettingsError where there is no such folder.
    """
    if not settings.policies:
        return None
    folder = Path(settings.policies).expanduser()
    if not folder.is_dir():
        raise SettingsError(
            f"REGISTRY_POLICIES names {settings.policies[:200]}, and there is no such folder.",
            remedy="Make the folder, or unset the variable to get the shipped policies.",
        )
    return folder


class Book(Generic[T]):
    """What some files of a folder (None: the shipped one) say now. Thread-safe."""

    def __init__(
        self, folder: Path | None, files: Sequence[str], load: Callable[[Path | None], T]
    ) -> None:
        """Nothing is read yet; `load` reads the files of a folder."""
        self.folder = folder
        self._files = files
        self._load = load
        self._lock = threading.Lock()
        self._set: T | None = None
        self._signature: _Signature = ()
        self._looked_at = 0.0
        self._refused: str | None = None

    @property
    def refused(self) -> str | None:
        """Why the files as they are now are not in force; None where they are."""
        try:
            self.current()
        except PolicyError as error:
            return error.detail
        return self._refused

    def current(self) -> T:
        """The set to decide by now. Raises PolicyError where none was ever good."""
        with self._lock:
            now = time.monotonic()
            if self._set is None:
                self._set = self._read()
            elif now - self._looked_at >= _LOOKED_AT_MOST_EVERY_SECONDS:
                self._swap()
            self._looked_at = now
            return self._set

    def reload(self) -> T:
        """The set as the files are now. Raises PolicyError; then the old set stays."""
        with self._lock:
            self._set, self._looked_at = self._read(), time.monotonic()
            return self._set

    def _swap(self) -> None:
        if self._look() == self._signature:
            return
        try:
            self._set = self._read()
        except PolicyError as error:
            _log.error("the policies that were read before stay in force: %s", error)

    def _read(self) -> T:
        """The set as the files are now (rule 4). Raises PolicyError, which is remembered."""
        try:
            for _ in range(_TRIES):
                self._signature = self._look()
                found = self._load(self.folder)
                if self._look() == self._signature:
                    self._refused = None
                    return found
            # Not what was looked at: the next question reads again.
            self._signature = ()
            raise PolicyError(
                "The policy files changed while they were read.",
                remedy="Write them beside the folder, and move them into it.",
            )
        except PolicyError as error:
            self._refused = error.detail
            raise

    def _look(self) -> _Signature:
        """What tells that a file changed: its time and size."""
        found = []
        for name in self._files:
            try:
                stat = policy_path(self.folder, name).stat()
                found.append((stat.st_mtime_ns, stat.st_size))
            except OSError:
                found.append((0, -1))
        return tuple(found)


class PolicyBook(Book[PolicySet]):
    """The current policy set of a folder (None: the shipped one). Thread-safe."""

    def __init__(
        self,
        folder: Path | None = None,
        load: Callable[[Path | None], PolicySet] = load_policies,
    ) -> None:
        """Nothing is read yet; `load` reads the files of a folder."""
        super().__init__(folder, FILES, load)
