"""Databases with the schema of this program: made once, copied for each test, and compared."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Table
from sqlalchemy.engine import make_url
from sqlmodel import SQLModel

from registry.actors.accounts import SYSTEM
from registry.audit.tables import AuditEntry
from registry.catalog import tables as catalog_tables
from registry.catalog import version_tables
from registry.lineage.tables import EventName, EventRedaction, LineageEvent
from registry.settings import Settings
from registry.storage.columns import table_of
from registry.storage.database import Database
from registry.storage.migrate import upgrade_schema

PROJECTED = tuple(table_of(m) for m in (*catalog_tables.PROJECTED, *version_tables.PROJECTED))
ALLOTTED = tuple(table_of(m) for m in (*catalog_tables.ALLOTTED, *version_tables.ALLOTTED))
LOG = tuple(table_of(m) for m in (LineageEvent, EventName, EventRedaction))
WRITTEN_BY_EVENTS = (*PROJECTED, *ALLOTTED, *LOG, table_of(AuditEntry))

# On PostgreSQL every process is given the same master key; an embedded home makes its own.
MASTER_KEY = bytes(range(7, 39)).hex()

Row = tuple[Any, ...]
Dump = dict[str, list[Row]]


def settings_on(database_url: str, home: Path) -> Settings:
    """Settings of a registry on a database, with the master key that PostgreSQL needs."""
    settings = Settings(home=home, database_url=database_url)
    return settings if settings.embedded else replace(settings, master_key=MASTER_KEY)


def migrate(url: str) -> None:
    """Give an empty database the schema of this program, and close every connection to it."""
    database = Database(url)
    try:
        upgrade_schema(database)
    finally:
        database.close()


def copy_sqlite(template: Path, folder: Path) -> str:
    """The URL of a copy of a closed SQLite database, in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / "registry.db"
    shutil.copyfile(template, copy)
    copy.chmod(0o600)
    return f"sqlite:///{copy}"


def dump(
    database: Database, tables: Iterable[Table], *, without: Collection[str] = ()
) -> dict[str, list[Row]]:
    """Every row of the tables, as the driver has them, sorted; but for the columns `without`."""
    found: Dump = {}
    with database.read() as session:
        connection = session.connection()
        for table in tables:
            columns = [c.name for c in table.columns if f"{table.name}.{c.name}" not in without]
            names = ", ".join(f'"{name}"' for name in columns)
            rows = connection.exec_driver_sql(f"SELECT {names} FROM {table.name}")
            found[table.name] = sorted(map(tuple, rows), key=repr)
    return found


# What a worker writes when its turn comes, whatever is asked meanwhile.
WRITTEN_BY_WORKERS = {
    "task",
    "schedule",
    "batch_binding",
    "batch_wait",
    "batch_sum",
    "map_binding",
    "map_input",
    "audit_origin",
    "audit_checkpoint",
    "audit_tile",
    "judge_mark",
    "fact_revision",
    "judge_again",
    "retention_mark",
    "retention_kept",
    "violation",
    "disposal_item",
}
# The columns that a worker fills by itself.
FILLED_BY_WORKERS = {"audit_entry.leaf_index"}


def dump_all(database: Database) -> Dump:
    """Every row of every table there is, but for what a worker writes by itself."""
    tables = (t for t in SQLModel.metadata.sorted_tables if t.name not in WRITTEN_BY_WORKERS)
    found = dump(database, tables, without=FILLED_BY_WORKERS)
    found["audit_entry"] = [row for row in found["audit_entry"] if SYSTEM not in row]
    return found


def dump_projected(database: Database) -> Dump:
    """The projected rows, but for the number of a batch, which is allotted."""
    return dump(database, PROJECTED, without={"batch.number"})


def dump_verdicts(database: Database) -> list[Row]:
    """What became of each event, in the order of the table's columns `names`."""
    names = {"digest", "state", "reason", "denied", "effective_at", "body"}
    log = table_of(LineageEvent)
    without = {f"{log.name}.{column.name}" for column in log.columns if column.name not in names}
    return dump(database, (log,), without=without)[log.name]


def empty(database: Database) -> None:
    """Delete what events wrote; accounts, projects and tokens stay."""
    with database.write() as session:
        for table in WRITTEN_BY_EVENTS:
            session.connection().exec_driver_sql(f"DELETE FROM {table.name}")


@contextlib.contextmanager
def held(url: str) -> Iterator[None]:
    """Keep everybody else from writing to a database, as a long transaction of a stranger does."""
    with contextlib.ExitStack() as stack:
        if url.startswith("sqlite"):
            lite = stack.enter_context(
                contextlib.closing(
                    sqlite3.connect(make_url(url).database or "", isolation_level=None)
                )
            )
            lite.execute("BEGIN IMMEDIATE")
        else:
            address = make_url(url).set(drivername="postgresql").render_as_string(False)
            connection = stack.enter_context(psycopg.connect(address))
            connection.execute("LOCK TABLE lineage_event IN EXCLUSIVE MODE")
        yield
