"""What anybody who may read the database can know of its keys: no master key is needed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from registry.keys.tables import KEY_VERSION, KeyState, Purpose


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """One version of a purpose's key; `public_key`: 32 bytes, of signing keys only."""

    purpose: Purpose
    version: int
    state: KeyState
    created_at: datetime
    destroyed_at: datetime | None
    public_key: bytes | None


def list_keys(session: Session, purpose: Purpose | None = None) -> list[KeyFacts]:
    """Every version there ever was, of one purpose or all, by purpose and from new to old."""
    columns = [KEY_VERSION.c[name] for name in KeyFacts.__slots__]
    query = select(*columns).order_by(KEY_VERSION.c.purpose, KEY_VERSION.c.version.desc())
    if purpose is not None:
        query = query.where(KEY_VERSION.c.purpose == purpose)
    return [
        KeyFacts(
            Purpose(row.purpose),
            row.version,
            KeyState(row.state),
            row.created_at,
            row.destroyed_at,
            row.public_key,
        )
        for row in session.execute(query)
    ]
