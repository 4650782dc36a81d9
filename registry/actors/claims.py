"""Who owns a name: projects claim namespaces, and within them names by prefix. Pure.

Rules (DESIGN §4, "project"):
1. A claim is a namespace glob (`*` any run of characters, `?` one) and an optional name prefix.
2. Of the claims that match, the one with the longest literal prefix owns (characters of the glob
   before its first wildcard, plus the name prefix); on a tie the project first in alphabet.
3. The project `default` claims everything, weaker than any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

DEFAULT_PROJECT = "default"


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim of a project."""

    project_id: str
    project_name: str
    namespace_glob: str
    name_prefix: str = ""

    @property
    def literal_length(self) -> int:
        """How many characters are fixed: what makes one claim stronger than another."""
        return len(re.split(r"[*?]", self.namespace_glob, maxsplit=1)[0]) + len(self.name_prefix)


class Claims:
    """All claims of all projects at one time; answers who owns a name. Immutable."""

    def __init__(self, claims: Iterable[Claim], *, default_project_id: str) -> None:
        ranked = sorted(claims, key=lambda claim: (-claim.literal_length, claim.project_name))
        self._ranked = [(_pattern(claim.namespace_glob), claim) for claim in ranked]
        self.default_project_id = default_project_id
        self.owner = lru_cache(maxsize=100_000)(self._owner)

    def _owner(self, namespace: str, name: str) -> str:
        """The id of the project that owns the name (rules 2 and 3)."""
        for pattern, claim in self._ranked:
            if name.startswith(claim.name_prefix) and pattern.fullmatch(namespace):
                return claim.project_id
        return self.default_project_id

    def is_claimed(self, namespace: str, name: str) -> bool:
        """Whether a project other than `default` claims the name."""
        return self.owner(namespace, name) != self.default_project_id


def _pattern(glob: str) -> re.Pattern[str]:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in glob)
    return re.compile("".join(parts), re.DOTALL)
