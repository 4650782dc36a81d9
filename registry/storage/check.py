"""Looks whether a database is whole: its schema, its pages, and its references.

Every finding says what was looked at and what is wrong; no finding is "not looked at".
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from registry.errors import SchemaOutdatedError
from registry.storage.database import Database
from registry.storage.migrate import require_schema

PROBLEM_LIMIT = 100
_UNVALIDATED = """
    SELECT conrelid::regclass::text || '.' || conname
    FROM pg_constraint WHERE NOT convalidated ORDER BY 1
"""
_BROKEN_INDEXES = """
    SELECT indexrelid::regclass::text FROM pg_index
    WHERE NOT (indisvalid AND indisready) ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, and what is wrong there; no problems means that it is whole."""

    subject: str
    problems: tuple[str, ...] = ()


def check_database(database: Database) -> list[Finding]:
    """Look at everything. Raises StorageUnavailableError where the database cannot be read.

    Cost: SQLite reads every page; PostgreSQL its own catalog only, as it keeps the rest itself.
    """
    try:
        require_schema(database)
        schema = Finding("schema")
    except SchemaOutdatedError as error:
        schema = Finding("schema", (f"{error.detail} {error.remedy}",))
    with database.read() as session:
        connection = session.connection()
        if database.is_sqlite:
            return [schema, *_check_sqlite(connection)]
        return [
            schema,
            Finding("constraints", _texts(connection, _UNVALIDATED)),
            Finding("indexes", _texts(connection, _BROKEN_INDEXES)),
        ]


def _check_sqlite(connection: Connection) -> list[Finding]:
    pages = [
        line
        for line in _texts(connection, f"PRAGMA integrity_check({PROBLEM_LIMIT})")
        if line != "ok"
    ]
    rows = connection.execute(text("PRAGMA foreign_key_check")).fetchmany(PROBLEM_LIMIT)
    broken = tuple(f"{row[0]} row {row[1]} names a {row[2]} that is not there" for row in rows)
    return [Finding("pages and indexes", tuple(pages)), Finding("references", broken)]


def _texts(connection: Connection, sql: str) -> tuple[str, ...]:
    return tuple(str(row[0]) for row in connection.execute(text(sql)))
