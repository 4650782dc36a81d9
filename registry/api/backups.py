"""Routes about backups: which were made, and that one more was; the files never travel."""

from __future__ import annotations

from fastapi import APIRouter

from registry.backups.recorded import NewBackup, record_backup
from registry.canonical import digest_text, parse_digest
from registry.request import CurrentAdministrator, CurrentHouse, ReadSession, WriteSession
from registry.storage.backup_list import BackupFacts, list_backups
from registry.storage.backup_tables import BackupKind
from registry.wire.backups import BackupList, BackupShown, BackupWritten

router = APIRouter(prefix="/api/v1/backups", tags=["backups"])


@router.get("", summary="List the backups")
def index(_actor: CurrentAdministrator, session: ReadSession) -> BackupList:
    """Every backup that was recorded, the newest first."""
    return BackupList(backups=[_shown(each) for each in list_backups(session)])


@router.post("", status_code=201, summary="Record a backup")
def record(
    body: BackupWritten, house: CurrentHouse, actor: CurrentAdministrator, session: WriteSession
) -> BackupShown:
    """Record that a backup was written, so that certificates of erasure name its end."""
    made = NewBackup(
        id=body.id,
        kind=BackupKind(body.kind),
        label=body.label,
        made_at=body.made_at,
        digest=parse_digest(body.digest, path="digest"),
        size_bytes=body.size_bytes,
    )
    retention, now = house.settings.backup_retention, house.clock()
    return _shown(
        record_backup(session, made, retention=retention, actor=actor.account_id, now=now)
    )


def _shown(facts: BackupFacts) -> BackupShown:
    return BackupShown(
        id=facts.id,
        kind=facts.kind.value,
        label=facts.label,
        made_at=facts.made_at,
        expires_at=facts.expires_at,
        digest=digest_text(facts.digest),
        size_bytes=facts.size_bytes,
    )
