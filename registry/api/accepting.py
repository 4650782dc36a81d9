"""Which of the things on offer an Accept header prefers (RFC 9110 §12.5.1). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def preferred(accept: str | None, offered: Mapping[str, T]) -> T | None:
    """What is offered under the media type that is preferred most; the first named of equals.

    `offered`: by media type in lower case, `text/*` and `*/*` among them. None where the header
    names nothing of it, or is missing.
    """
    found = [(quality, -place, kind) for place, (kind, quality) in enumerate(_accepted(accept))]
    ranked = sorted(found, reverse=True)
    return next((offered[kind] for _, _, kind in ranked if kind in offered), None)


def _accepted(accept: str | None) -> Iterable[tuple[str, float]]:
    for part in (accept or "").split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        quality = next((_quality(p) for p in parameters if p.startswith("q=")), 1.0)
        if name and quality > 0:
            yield name, quality


def _quality(parameter: str) -> float:
    try:
        return min(1.0, float(parameter[2:]))
    except ValueError:
        return 0.0
