"""Keeps a database that is being restored from being used before its erasures are replayed.

Rule (the governance page, case 8): a restore does not go live until what was erased after the
backup is erased again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from registry.errors import SetupError
from registry.storage.backup_tables import RESTORATION
from registry.storage.database import Database


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A restore that was begun and is not finished; `erasures`: where its list of erasures lies."""

    id: str
    backup_id: str
    archive_digest: bytes
    made_at: datetime
    began_at: datetime
    erasures: str | None


def unfinished_restore(session: Session) -> Unfinished | None:
    """The restore that is under way; None for a database in use."""
    columns = (getattr(RESTORATION.c, name) for name in Unfinished.__slots__)
    query = select(*columns).where(RESTORATION.c.finished_at.is_(None))
    row = session.execute(query.order_by(RESTORATION.c.began_at).limit(1)).one_or_none()
    return None if row is None else Unfinished(*row)


def require_restored(database: Database) -> None:
    """Raise SetupError, with the command that ends it, while a restore is under way."""
    with database.read() as session:
        found = unfinished_restore(session)
    if found is not None:
        raise SetupError(
            f"This database is being restored from the backup {found.backup_id} of "
            f"{found.made_at:%Y-%m-%d %H:%M} UTC, and what was erased since is not yet replayed.",
            remedy="Finish it: registry restore FILE, with the same file and keys.",
        )
