"""What is known of erased examples, and what looking for them again can find. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """What erased examples were, beside their places: ids, keyed digests (32 bytes each), subject
    keys under every live version (16 bytes each). Of each as much as the caller still knows.
    """

    example_ids: frozenset[str] = frozenset()
    digests: frozenset[bytes] = frozenset()
    subject_keys: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Remainder:
    """Where something of erased examples is still kept: `place` as people call it, the `name` of
    the file, object or batch there, and how many `rows` or values it is.
    """

    place: str
    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class Remains:
    """What was found, and what may hold something and could not be told."""

    found: tuple[Remainder, ...]
    untold: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Everything was looked into, and nothing was there."""
        return not self.found and not self.untold
