"""Makes what was deleted from the database gone from its own files too.

Rules (DESIGN §6, "SQL residue counts"):
1. SQLite overwrites deleted cells (`secure_delete`), but its WAL still holds the pages as they
   were until a checkpoint truncates it.
2. PostgreSQL keeps dead rows until VACUUM, and VACUUM, even FULL, keeps those that the oldest open
   transaction of the database might still see. ALTER TABLE with a changed column writes only living
   rows into a new file. It needs the table alone for that moment; a transaction with an older
   snapshot (REPEATABLE READ, which nobody here uses) would see the table empty.
3. WAL archives, replicas and file-system snapshots are backups: nothing here reaches them.
4. What is said to be gone is looked for: in SQLite's own files, which are not compressed; a text
   that goes over the end of a page is not seen. PostgreSQL's files are its server's, and are not
   read here.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Table, text
from sqlalchemy.exc import DBAPIError

from registry.storage.database import Database

READ_BYTES = 4 << 20
_log = logging.getLogger(__name__)


def scrub_residue(database: Database, tables: Sequence[Table]) -> bool:
    """Leave no trace of rows of `tables` that a committed transaction deleted or replaced.

    False where readers or writers kept it from that for the lock timeout: call it again. Not to be
    called inside a transaction. Cost: grows with the WAL on SQLite, with the tables on PostgreSQL.
    """
    try:
        return _truncate_wal(database) if database.is_sqlite else _rewrite(database, tables)
    except DBAPIError as error:
        _log.warning("deleted rows may still lie in the database's files: %s", error.orig)
        return False


def find_residue(database: Database, texts: Collection[bytes]) -> list[str]:
    """The files of a SQLite database (itself, its WAL, its journal) that hold one of `texts`, which
    should be of 16 bytes or more, as shorter ones may be there by chance.

    Nothing on PostgreSQL (rule 4). Cost: reads the files once.
    """
    if not database.is_sqlite or not database.url.database:
        return []
    wanted = [text for text in texts if text]
    found = []
    for suffix in ("", "-wal", "-journal"):
        path = Path(f"{database.url.database}{suffix}")
        if wanted and path.exists() and _holds(path, wanted):
            found.append(path.name)
    return found


def _holds(path: Path, texts: Sequence[bytes]) -> bool:
    overlap = max(map(len, texts)) - 1
    before = b""
    with path.open("rb") as file:
        while part := file.read(READ_BYTES):
            here = before + part
            if any(text in here for text in texts):
                return True
            before = here[-overlap:] if overlap else b""
    return False


def _truncate_wal(database: Database) -> bool:
    connection = database.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        answer = cursor.fetchone()  # busy, pages in the WAL, pages moved
        return answer is not None and answer[0] == 0
    finally:
        connection.close()


# The columns of a table that a trigger is about: their type cannot be set anew.
_WATCHED = """
SELECT a.attname FROM pg_depend d
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_trigger'::regclass AND d.refclassid = 'pg_class'::regclass
AND d.refobjid = to_regclass(:name) AND d.refobjsubid > 0
"""


def _free_column(database: Database, table: Table) -> Column[Any]:
    """The last column of a table that no trigger is about."""
    with database.engine.connect() as connection:
        names = connection.execute(text(_WATCHED), {"name": f'"{table.name}"'}).scalars()
        watched = set(names)
    return [column for column in table.columns if column.name not in watched][-1]


def _rewrite(database: Database, tables: Sequence[Table]) -> bool:
    for table in tables:
        column = _free_column(database, table)
        kind = column.type.compile(database.engine.dialect)
        # To PostgreSQL this is another value, so that it writes every row anew.
        same = f'(ARRAY["{column.name}"])[1]'
        change = f'ALTER TABLE "{table.name}" ALTER "{column.name}" TYPE {kind} USING {same}'
        # One table each, as two locks of this kind at once could meet a writer's in another order.
        with database.engine.begin() as connection:
            connection.exec_driver_sql(change)
    return True
