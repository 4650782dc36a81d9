"""A check finds what is broken, on either database."""

from __future__ import annotations

import contextlib
import sqlite3

from sqlalchemy import text

from registry.storage.check import check_database
from registry.storage.database import Database


def test_a_new_database_is_whole(database: Database) -> None:
    findings = check_database(database)
    assert len(findings) == 3
    assert [finding for finding in findings if finding.problems] == []


def test_another_schema_is_found(database: Database) -> None:
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    (broken,) = (finding for finding in check_database(database) if finding.problems)
    assert broken.subject == "schema"
    assert "0000" in broken.problems[0]


def test_a_constraint_that_nobody_checked_is_found(database: Database) -> None:
    if database.is_sqlite:
        with contextlib.closing(sqlite3.connect(str(database.url.database))) as connection:
            connection.execute(
                "INSERT INTO project_claim (project_id, namespace_glob, name_prefix) "
                "VALUES ('nobody', 's3://a', '')"
            )
            connection.commit()
    else:
        with database.write() as session:
            session.execute(
                text("ALTER TABLE task ADD CONSTRAINT later CHECK (attempts >= 0) NOT VALID")
            )
    (broken,) = (finding for finding in check_database(database) if finding.problems)
    assert broken.subject in {"references", "constraints"}
