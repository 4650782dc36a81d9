"""Reads entries of the log by their places."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlmodel import Session

from registry.audit.documents import Bound, bound_by, document
from registry.audit.merkle import leaf_hash
from registry.audit.tables import ENTRY
from registry.errors import InvalidInputError
from registry.moments import to_micros

PAGE = 1_000


@dataclass(frozen=True, slots=True)
class PlacedEntry:
    """An entry with its place. `document`: what salt and leaf data commit to (None: redacted).

    `payload` is the facts within it, decoded; None where they are gone or no JSON object.
    """

    index: int
    at: datetime
    kind: str
    actor: str
    payload: dict[str, object] | None
    document: str | None
    salt: bytes | None
    leaf_data: bytes
    leaf_hash: bytes


def read_entries(session: Session, start: int, end: int) -> list[PlacedEntry]:
    """The entries from place `start` to `end`, both included (RFC 6962 §4.6), at most 1,000.

    Those that are there: an `end` behind the last entry is no fault. Raises InvalidInputError.
    """
    if not 0 <= start <= end:
        raise InvalidInputError(
            f"There are no entries from {start} to {end}.",
            remedy="Places count from 0, and the end is not before the start.",
            path="start",
        )
    last = min(end, start + PAGE - 1)
    return list(_read(session, ENTRY.c.leaf_index.between(start, last)))


def entries_at(session: Session, indexes: Sequence[int]) -> list[PlacedEntry]:
    """The entries at these places, in order; those that are there. Cost: one query a thousand."""
    wanted = sorted(set(indexes))
    parts = (wanted[at : at + PAGE] for at in range(0, len(wanted), PAGE))
    return [each for part in parts for each in _read(session, ENTRY.c.leaf_index.in_(part))]


def _read(session: Session, where: ColumnElement[bool]) -> Iterator[PlacedEntry]:
    for row in session.execute(select(ENTRY).where(where).order_by(ENTRY.c.leaf_index)):
        yield _placed(
            row.leaf_index, row.at, row.kind, row.actor, row.leaf_data, row.salt, row.payload
        )


def _placed(
    index: int,
    at: datetime,
    kind: str,
    actor: str,
    data: bytes,
    salt: bytes | None,
    payload: bytes | None,
) -> PlacedEntry:
    text = None
    if salt is not None and payload is not None:
        whole = document(actor, to_micros(at), payload, kind)
        if bound_by(data, salt, actor, to_micros(at), payload, kind) is Bound.PAYLOAD_ALONE:
            whole = payload
        text = whole.decode("utf-8", "replace")
    facts = None if payload is None else _facts(payload)
    return PlacedEntry(index, at, kind, actor, facts, text, salt, data, leaf_hash(data))


def _facts(payload: bytes) -> dict[str, object] | None:
    try:
        facts = json.loads(payload)
    except ValueError:
        return None
    return facts if isinstance(facts, dict) else None
