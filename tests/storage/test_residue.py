"""What was deleted from a database is found in its files until it is scrubbed."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from registry.storage import residue
from registry.storage.columns import table_of
from registry.storage.database import Database
from registry.storage.residue import find_residue, scrub_residue
from registry.storage.tables import Schedule

SECRET = b"somebody.of.this.test@example.org"


def test_a_deleted_text_is_found_in_the_wal_until_it_is_scrubbed(database: Database) -> None:
    row = {"kind": SECRET.decode(), "due": 0}
    with database.write() as session:
        insert = "INSERT INTO schedule (kind, due_at, counted) VALUES (:kind, :due, 0)"
        session.execute(text(insert), row)
    with database.write() as session:
        session.execute(text("DELETE FROM schedule WHERE kind = :kind"), row)
    found = find_residue(database, [b"nobody.at.all@example.org", SECRET])
    # What PostgreSQL's server keeps is not looked into from here.
    assert found == (
        [f"{Path(database.url.database or '').name}-wal"] if database.is_sqlite else []
    )
    assert scrub_residue(database, [table_of(Schedule)])
    assert find_residue(database, [SECRET]) == []
    assert find_residue(database, []) == []


def test_a_text_over_the_end_of_what_is_read_at_once_is_found(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    path.write_bytes(b"x" * (residue.READ_BYTES - 10) + SECRET + b"y" * 100)
    opened = Database(f"sqlite:///{path}")
    try:
        assert find_residue(opened, [SECRET, b"short"]) == ["some.db"]
    finally:
        opened.close()
