"""Makes what was deleted from the database gone from its own files too.

Rules (DESIGN §6, "SQL residue counts"):
1. SQLite overwrites deleted cells (`secure_delete`), but its WAL still holds the pages as they
   were until a checkpoint truncates it.
2. PostgreSQL keeps dead rows until VACUUM, and VACUUM, even FULL, keeps those that the oldest open
   transaction of the database might still see. ALTER TABLE with a changed column writes only living
   rows into a new file. It needs the table alone for that moment; a transaction with an older
   snapshot (REPEATABLE READ, which nobody here uses) would see the table empty.
3. WAL archives, replicas and file-system snapshots are backups: nothing here reaches them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sqlalchemy import Table
from sqlalchemy.exc import DBAPIError

from registry.storage.database import Database

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


def _truncate_wal(database: Database) -> bool:
    connection = database.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        answer = cursor.fetchone()  # busy, pages in the WAL, pages moved
        return answer is not None and answer[0] == 0
    finally:
        connection.close()


def _rewrite(database: Database, tables: Sequence[Table]) -> bool:
    for table in tables:
        column = list(table.columns)[-1]
        kind = column.type.compile(database.engine.dialect)
        # To PostgreSQL this is another value, so that it writes every row anew.
        same = f'(ARRAY["{column.name}"])[1]'
        change = f'ALTER TABLE "{table.name}" ALTER "{column.name}" TYPE {kind} USING {same}'
        # One table each, as two locks of this kind at once could meet a writer's in another order.
        with database.engine.begin() as connection:
            connection.exec_driver_sql(change)
    return True
