"""Tables as parts of a backup, and back: rows as Arrow, the same for SQLite and PostgreSQL.

Rules:
1. Every table is copied but for the keys (`registry.keys.tables.NOT_IN_BACKUPS`) and what is of the
   moment: log-ins that are under way. Which tables and columns there are is read from the database,
   so that a backup is what the schema was when it was made.
2. A table's columns are bytes, texts, whole numbers and floats; moments are microseconds (BIGINT).
3. A snapshot is one transaction. On PostgreSQL it locks every table against being rewritten before
   it looks (LOCK TABLE, SQL reference, "Notes"): `registry.storage.residue` rewrites tables, and to
   a snapshot that is older than that they would be empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from sqlalchemy import (
    BigInteger,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    inspect,
    text,
)
from sqlmodel import Session

from registry.actors.person_tables import LogInState, LogInThrottle, SetupLink, WebSession
from registry.keys.tables import NOT_IN_BACKUPS
from registry.storage.bulk import insert_rows
from registry.storage.columns import table_of
from registry.storage.database import Database
from registry.storage.revisions import FactRevision

OF_THE_MOMENT = tuple(
    table_of(model).name
    for model in (FactRevision, LogInState, LogInThrottle, SetupLink, WebSession)
)
LEFT_OUT = frozenset({"alembic_version", *OF_THE_MOMENT, *(t.name for t in NOT_IN_BACKUPS)})
_ROWS_AT_ONCE = 500
_PART_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a table, as an Arrow stream."""

    table: str
    rows: int
    content: bytes


@contextmanager
def snapshot(database: Database) -> Iterator[Connection]:
    """One consistent state of every table, for as long as the block runs (rule 3).

    Meanwhile SQLite's log of changes grows, and nobody can scrub PostgreSQL's tables.
    """
    with database.connected() as connection:
        if database.is_sqlite:
            with connection.begin():
                connection.execute(text("SELECT count(*) FROM alembic_version"))
                yield connection
            return
        connection = connection.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        with connection.begin():
            names = text(
                "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables "
                "WHERE schemaname = current_schema()"
            )
            with database.read() as session:
                tables = session.execute(names).scalar_one()
            connection.exec_driver_sql(f"LOCK TABLE {tables} IN ACCESS SHARE MODE")
            yield connection


def table_names(connection: Connection) -> list[str]:
    """The tables of a backup, those that others refer to first."""
    found = inspect(connection).get_sorted_table_and_fkc_names()
    return [name for name, _ in found if name is not None and name not in LEFT_OUT]


def read_table(connection: Connection, name: str) -> Table:
    """A table as the database has it."""
    return Table(name, MetaData(), autoload_with=connection, resolve_fks=False)


def read_parts(connection: Connection, table: Table) -> Iterator[Part]:
    """Every row of a table, in parts of some megabytes; an empty table has none."""
    schema = pa.schema([(column.name, _arrow_type(table, column.name)) for column in table.columns])
    names = ", ".join(f'"{name}"' for name in schema.names)
    streaming = {"stream_results": True, "max_row_buffer": _ROWS_AT_ONCE}
    sql = f'SELECT {names} FROM "{table.name}"'  # noqa: S608 - the database's own names
    rows = connection.exec_driver_sql(sql, execution_options=streaming)
    waiting: list[pa.RecordBatch] = []
    while some := rows.fetchmany(_ROWS_AT_ONCE):
        columns = zip(*some, strict=True)
        arrays = [pa.array(c, t) for c, t in zip(columns, schema.types, strict=True)]
        waiting.append(pa.RecordBatch.from_arrays(arrays, schema=schema))
        if sum(batch.nbytes for batch in waiting) >= _PART_BYTES:
            yield _part(table.name, schema, waiting)
            waiting = []
    if waiting:
        yield _part(table.name, schema, waiting)


def _part(name: str, schema: pa.Schema, batches: list[pa.RecordBatch]) -> Part:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    content = sink.getvalue().to_pybytes()
    return Part(name, sum(batch.num_rows for batch in batches), content)


def write_part(session: Session, table: Table, content: bytes) -> int:
    """Insert the rows of a part; how many. Does not commit.

    Raises ValueError where the columns are not the table's.
    """
    count = 0
    with pa.ipc.open_stream(content) as reader:
        if sorted(reader.schema.names) != sorted(column.name for column in table.columns):
            raise ValueError(f"{table.name} has other columns")
        for batch in reader:
            columns = tuple(batch.schema.names)
            rows: list[tuple[Any, ...]] = list(
                zip(*(column.to_pylist() for column in batch.columns), strict=True)
            )
            insert_rows(session, table, columns, rows)
            count += len(rows)
    return count


def defer_references(session: Session) -> None:
    """Let SQLite look at foreign keys at the commit; PostgreSQL gets its tables in order."""
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")


def count_on(session: Session, tables: list[Table]) -> None:
    """Let PostgreSQL's own numbers go on behind the greatest that was inserted.

    SQLite does so by itself. Effects: does not commit.
    """
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        return
    for table in tables:
        for column in table.primary_key.columns:
            if not isinstance(column.type, Integer):
                continue
            greatest = f'(SELECT max("{column.name}") FROM "{table.name}")'  # noqa: S608 - own names
            connection.execute(
                text(
                    f"SELECT setval(name, {greatest}) FROM "  # noqa: S608 - own names
                    "(SELECT pg_get_serial_sequence(:table, :column) AS name) AS found "
                    f"WHERE name IS NOT NULL AND {greatest} IS NOT NULL"
                ),
                {"table": f'"{table.name}"', "column": column.name},
            )


def _arrow_type(table: Table, name: str) -> pa.DataType:
    match table.c[name].type:
        case LargeBinary():
            return pa.binary()
        case Text():
            return pa.string()
        case BigInteger() | Integer():
            return pa.int64()
        case Float():
            return pa.float64()
        case kind:
            raise TypeError(f"{table.name}.{name}: {kind!r} has no form in a backup")
