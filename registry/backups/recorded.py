"""Records that a backup was made, so that a case knows until when what it erased is in one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.canonical import digest_text
from registry.durations import parse_duration
from registry.errors import ConflictError
from registry.storage.backup_list import BackupFacts
from registry.storage.backup_tables import BACKUP, BackupKind
from registry.storage.columns import insert_unless_there


@dataclass(frozen=True, slots=True)
class NewBackup:
    """A backup that was just written; `digest`: 32 bytes of the file's SHA-256."""

    id: str
    kind: BackupKind
    label: str | None
    made_at: datetime
    digest: bytes
    size_bytes: int


def record_backup(
    session: Session, backup: NewBackup, *, retention: str, actor: str, now: datetime
) -> BackupFacts:
    """Keep that a backup exists until its retention (ISO 8601, from when it was made) is over.

    Raises ConflictError for an id that is recorded, InvalidInputError for a retention that is no
    duration. Effects: one row and one entry; does not commit.
    """
    until = parse_duration(retention, path="REGISTRY_BACKUP_RETENTION").after(backup.made_at)
    facts = BackupFacts(
        id=backup.id,
        kind=backup.kind,
        label=backup.label,
        made_at=backup.made_at,
        expires_at=until,
        digest=backup.digest,
        size_bytes=backup.size_bytes,
    )
    row = {name: getattr(facts, name) for name in BackupFacts.__slots__}
    row |= {"kind": backup.kind.value, "recorded_by": actor, "recorded_at": now}
    if not insert_unless_there(session, BACKUP, row):
        raise ConflictError(
            f"The backup {backup.id} is recorded already.", remedy="Make another one.", path="id"
        )
    told = {
        "backup": backup.id,
        "kind": backup.kind.value,
        "digest": digest_text(backup.digest),
        "until": until.isoformat(),
    }
    append_entries(session, [Entry(EntryKind.BACKUP_MADE, actor, told)], at=now)
    return facts
