"""Named credentials of other systems, from a file that only its owner reads.

Rules (issue "Erasure, the hands", 6):
1. The file is TOML or JSON: {name: {key: value}}, all of them texts. It is read when it is needed,
   so that a change needs no restart.
2. Nobody but its owner may read it (mode 0600 or less), else nothing of it is used.
3. A value is in no message, no row and no log.
"""

from __future__ import annotations

import json
import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from registry.erasure.connectors.trouble import Reason, StoppedError


@dataclass(frozen=True, slots=True)
class Credential:
    """What a name stands for; its values are not shown."""

    name: str
    values: Mapping[str, str] = field(repr=False)

    def require(self, key: str) -> str:
        """A value. Raises StoppedError where it is not there."""
        found = self.values.get(key)
        if not found:
            raise StoppedError(
                Reason.CREDENTIAL_MISSING, f"The credential {self.name} has no value {key!r}."
            )
        return found


class Credentials:
    """The credentials of a file; with no file there are none."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None

    def get(self, name: str) -> Credential:
        """One credential. Raises StoppedError where it, or the file, cannot be used."""
        found = self._read().get(name)
        if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
            raise StoppedError(
                Reason.CREDENTIAL_MISSING, f"There is no credential {name[:80]!r} with values."
            )
        return Credential(name, found)

    def _read(self) -> dict[str, object]:
        if self._path is None:
            raise StoppedError(
                Reason.CREDENTIAL_MISSING, "There is no file of credentials: none is set."
            )
        try:
            with self._path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                if stat.S_IMODE(mode) & 0o077:
                    raise StoppedError(
                        Reason.CREDENTIAL_MISSING,
                        f"{self._path} may be read by others (mode {stat.S_IMODE(mode):04o}); it "
                        "needs 0600.",
                    )
                content = file.read()
            read = json.loads if self._path.suffix == ".json" else tomllib.loads
            found = read(content.decode())
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or "it is not what its ending says"
            raise StoppedError(
                Reason.CREDENTIAL_MISSING, f"{self._path} cannot be read: {said}."
            ) from None
        return found if isinstance(found, dict) else {}
