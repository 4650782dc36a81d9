"""The demo's data subjects: two hundred people who do not exist.

The docstrings are real and so are their authors, who never asked to play a part here. So nobody
real is made to consent or to ask for deletion: every example is given to a generated contributor.

Rules:
1. An address begins with `generated.` and is on example.org, which nobody can own (RFC 2606 §3).
2. Who contributed an example depends on its id alone: the same in every run, on every machine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

NOTICE = "GENERATED for the demo, no real person"
_FIRST_NAMES = (
    *("Ada", "Ben", "Cleo", "Dara", "Emil", "Fay", "Gus", "Hana", "Ivo", "June"),
    *("Kai", "Lena", "Milo", "Nora", "Otis", "Pia", "Quinn", "Rosa", "Sven", "Tara"),
)
_LAST_NAMES = (
    *("Ashby", "Brook", "Carver", "Dale", "East"),
    *("Fenn", "Grove", "Hale", "Inch", "Jarrow"),
)


@dataclass(frozen=True, slots=True)
class Contributor:
    """A generated person."""

    name: str
    email: str


CONTRIBUTORS = tuple(
    Contributor(f"{first} {last}", f"generated.{first}.{last}@example.org".lower())
    for first in _FIRST_NAMES
    for last in _LAST_NAMES
)


def contributor_of(example_id: str) -> Contributor:
    """Who is said to have contributed an example (rule 2)."""
    digest = hashlib.sha256(b"contributor:" + example_id.encode()).digest()
    return CONTRIBUTORS[int.from_bytes(digest[:8], "big") % len(CONTRIBUTORS)]
