"""Puts anything anywhere in a JSON document, the same each time."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

_ANYTHING: tuple[Any, ...] = (
    *(None, True, 3, -1, 2.5, 10**30, "", "x", "@id", [], {}, [None], [[]], ["a", 3]),
    *({"@id": 3}, {"@id": None}, {"@id": []}, {"@value": 3}, {"a": {"b": 1}}),
)


def spoiled(document: Any, times: int) -> Iterator[Any]:
    """So many copies, each with one to three places changed or taken out."""
    choose = random.Random(7)
    for _ in range(times):
        changed = copy.deepcopy(document)
        for _ in range(choose.randint(1, 3)):
            places = [place for place in _places(changed) if place]
            if places:
                _spoil(changed, choose.choice(places), choose)
        yield changed


def _spoil(document: Any, place: tuple[Any, ...], choose: random.Random) -> None:
    for key in place[:-1]:
        document = document[key]
    if choose.random() < 0.2:
        del document[place[-1]]
    else:
        document[place[-1]] = copy.deepcopy(choose.choice(_ANYTHING))


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    if isinstance(value, dict):
        for key in value:
            yield from _places(value[key], (*place, key))
    elif isinstance(value, list):
        for at in range(len(value)):
            yield from _places(value[at], (*place, at))
