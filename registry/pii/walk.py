"""Every string of a decoded event with its place, without recursion and in document order.

Rules:
1. Depth costs memory, not stack: an event nested ten thousand deep is walked like any other.
2. A path is RFC 9535 in short form: `$.run.facets['a b'][0]`, with `[*]` for the key `*`, which
   hides a key that must not be told. It is written only when asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from registry.canonical import Json

Container: TypeAlias = "dict[str, Json] | list[Json]"
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[(?:([0-9]+)|'((?:[^'\\]|\\.)*)'|\*)\]", re.DOTALL)


class Place(NamedTuple):
    """A dict or list of an event; `key` is where `parent` holds it, None for the event itself."""

    container: Container
    parent: Place | None = None
    key: str | int | None = None

    def path(self, key: str | int) -> str:
        """The JSON path of the value under `key` of this container."""
        return json_path([*self.steps(), key])

    def steps(self) -> list[str | int]:
        """The keys and indexes that lead from the event to this container."""
        steps: list[str | int] = []
        place: Place | None = self
        while place is not None and place.key is not None:
            steps.append(place.key)
            place = place.parent
        return steps[::-1]

    def list_name(self) -> str | None:
        """The key under which the list lies that this container is an element of, if any."""
        parent = self.parent
        if parent is None or isinstance(parent.container, dict):
            return None
        return parent.key if isinstance(parent.key, str) else None


def json_path(steps: Iterable[str | int]) -> str:
    """The path that these keys and indexes make from the root."""
    return "$" + "".join(map(_step, steps))


def path_steps(path: str) -> list[str | int] | None:
    """The keys and indexes of a path that `json_path` made; None for one that it did not make."""
    steps: list[str | int] = []
    at = 1
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            return None
        plain, index, quoted = found.groups()
        if index is not None:
            steps.append(int(index))
        elif plain is not None or quoted is not None:
            steps.append(plain or re.sub(r"\\(.)", r"\1", quoted or "", flags=re.DOTALL))
        else:
            steps.append("*")
        at = found.end()
    return steps if path[:1] == "$" else None


def _step(key: str | int) -> str:
    if isinstance(key, int) or key == "*":
        return f"[{key}]"
    if _PLAIN_KEY.fullmatch(key):
        return "." + key
    escaped = key.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{escaped}']"


def containers(event: Container) -> Iterator[Place]:
    """Every dict and list of the event, each before what it holds, in document order.

    Whoever iterates may change the container just yielded: what it holds is read afterwards.
    """
    waiting = [Place(event)]
    while waiting:
        place = waiting.pop()
        yield place
        inner = [
            Place(value, place, key)
            for key, value in members(place.container)
            if isinstance(value, dict | list)
        ]
        waiting += reversed(inner)


def members(container: Container) -> Iterable[tuple[str | int, Json]]:
    """The keys or indexes of a container with their values; values may be replaced meanwhile."""
    return container.items() if isinstance(container, dict) else enumerate(container)
