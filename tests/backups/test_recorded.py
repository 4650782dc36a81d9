"""Which backups exist is known to cases: until when what was erased is in one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from alembic import command
from registry.backups.recorded import NewBackup, record_backup
from registry.client.http import HttpClient
from registry.errors import ConflictError, InvalidInputError
from registry.storage.backup_list import in_backups_until, list_backups
from registry.storage.backup_tables import BackupKind
from registry.storage.database import Database
from registry.storage.migrate import alembic_config
from tests.storage.test_migrations import changed_tables

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def keep(
    database: Database, name: str, made_at: datetime, kind: BackupKind = BackupKind.DATA
) -> None:
    made = NewBackup(name, kind, None, made_at, bytes(32), 17)
    with database.write() as session:
        record_backup(session, made, retention="P90D", actor="tester", now=made_at)


def test_the_last_backup_that_holds_it_says_until_when(database: Database) -> None:
    for name, days in (("first", 0), ("second", 10), ("third", 20)):
        keep(database, name, NOON + days * DAY)
    keep(database, "keys", NOON + 30 * DAY, BackupKind.KEYS)
    cases = [
        (15, 20, 100),  # erased after the second was made: it ends on day 100
        (25, 30, 110),
        (-1, 0, None),  # erased before any
        (15, 101, None),  # all of them are over
    ]
    with database.read() as session:
        for erased, now, until in cases:
            found = in_backups_until(
                session, BackupKind.DATA, erased_at=NOON + erased * DAY, now=NOON + now * DAY
            )
            assert found == (None if until is None else NOON + until * DAY)
        ids = [each.id for each in list_backups(session)]
        kept = [each.id for each in list_backups(session, at=NOON + 101 * DAY)]
    assert ids == ["keys", "third", "second", "first"]
    assert kept == ["keys", "third"]


def test_a_backup_is_recorded_once(database: Database) -> None:
    keep(database, "one", NOON)
    with pytest.raises(ConflictError, match="recorded already"):
        keep(database, "one", NOON)
    with pytest.raises(InvalidInputError), database.write() as session:
        record_backup(
            session,
            NewBackup("two", BackupKind.DATA, None, NOON, bytes(32), 1),
            retention="ninety days",
            actor="tester",
            now=NOON,
        )


def test_backups_are_recorded_and_listed_by_http(admin: HttpClient) -> None:
    body = {
        "id": "0197a0e2",
        "kind": "data",
        "label": "nightly",
        "made_at": "2026-03-01T12:00:00Z",
        "digest": "sha256:" + "ab" * 32,
        "size_bytes": 17,
    }
    shown = admin.post("/api/v1/backups", body)
    assert shown["expires_at"] == "2026-05-30T12:00:00Z"
    assert admin.get("/api/v1/backups")["backups"] == [shown]
    for wrong in (
        {**body, "id": "2", "digest": "sha256:ab"},
        {**body, "id": "2", "kind": "all"},
        {**body, "id": "2", "made_at": "2026-03-01T12:00:00"},
        {**body, "id": "2", "size_bytes": -1},
        {**body, "id": ""},
    ):
        with pytest.raises(InvalidInputError):
            admin.post("/api/v1/backups", wrong)
    with pytest.raises(ConflictError):
        admin.post("/api/v1/backups", body)


def test_the_tables_go_down_and_up_again(database: Database) -> None:
    for step, revision in [("downgrade", "0013"), ("upgrade", "head")]:
        with database.write() as session:
            getattr(command, step)(alembic_config(session.connection()), revision)
        assert changed_tables(database) >= (
            {"backup", "restoration"} if step == "downgrade" else set()
        )
    assert changed_tables(database) == set()
