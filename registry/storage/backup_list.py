"""Which backups exist, and until when something that was erased may still be in one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session

from registry.storage.backup_tables import BACKUP, BackupKind


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """A backup as it was recorded; `digest`: 32 bytes of the file's SHA-256."""

    id: str
    kind: BackupKind
    label: str | None
    made_at: datetime
    expires_at: datetime
    digest: bytes
    size_bytes: int


def list_backups(session: Session, *, at: datetime | None = None) -> list[BackupFacts]:
    """Every backup, the newest first; with `at` those that are kept at that moment."""
    columns = (BACKUP.c[name] for name in BackupFacts.__slots__)
    query = select(*columns).order_by(BACKUP.c.made_at.desc(), BACKUP.c.id.desc())
    if at is not None:
        query = query.where(BACKUP.c.expires_at > at)
    return [
        BackupFacts(**{**row, "kind": BackupKind(row["kind"])})
        for row in session.execute(query).mappings()
    ]


def in_backups_until(
    session: Session, kind: BackupKind, *, erased_at: datetime, now: datetime
) -> datetime | None:
    """When the last backup ends that was made before `erased_at`; None where none is kept now.

    For certificates: `data` for rows, `keys` for a key that was destroyed.
    """
    query = select(func.max(BACKUP.c.expires_at)).where(
        BACKUP.c.kind == kind.value, BACKUP.c.made_at <= erased_at, BACKUP.c.expires_at > now
    )
    until: datetime | None = session.execute(query).scalar_one()
    return until
