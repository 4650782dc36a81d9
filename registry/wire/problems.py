"""The problem document that every error is answered with (RFC 9457)."""

from __future__ import annotations

from typing_extensions import TypedDict


class Problem(TypedDict):
    """What went wrong, where, and what to do about it."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    remedy: str
    path: str | None
