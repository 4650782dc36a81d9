"""Writes many rows in one statement, on both databases, merging with what is there.

Rules:
1. Rows go to the driver as they are: moments as microseconds (int), ids as bytes.
2. A statement carries many rows: on PostgreSQL over `unnest` arrays, on SQLite as VALUES in a few
   fixed sizes, so that the prepared statements are used again. SQLite gives the interpreter lock
   away at every step, so one step a row would wait for busy request threads at every row.
3. A merge rule says for each column what happens to a row that exists: the columns' minimum or
   maximum, or "the row with the greater key wins".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, Literal

import msgspec
from sqlalchemy import BigInteger, Connection, Float, Integer, LargeBinary, Table, Text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

Row = tuple[Any, ...]
TypedColumn = tuple[str, Literal["bytes", "text", "int"]]


@dataclass(frozen=True, slots=True)
class Merge:
    """How an incoming row meets the one with the same primary key.

    `assign` maps columns to SQL, in which `new.` and `old.` stand for the two rows; a column
    without an entry keeps its old value. `when` guards the whole update. No `assign`: the old row
    stays.
    """

    assign: tuple[tuple[str, str], ...] = ()
    when: str = ""


KEEP_OLD = Merge()
_CHUNK, _SMALL_CHUNK = 128, 32


def greater_key_wins(columns: Sequence[str], key: str = "wins") -> Merge:
    """The incoming row replaces the old one, whole, when its key is greater."""
    return Merge(tuple((name, f"new.{name}") for name in columns), f"new.{key} > old.{key}")


def insert_rows(session: Session, table: Table, columns: tuple[str, ...], rows: list[Row]) -> None:
    """Insert rows (tuples in the order of `columns`). Effects: does not commit."""
    _run(session, table, columns, rows, None)


def append_rows(session: Session, table: Table, columns: tuple[str, ...], rows: list[Row]) -> None:
    """As `insert_rows`, for tens of thousands: PostgreSQL takes them by COPY in half the time."""
    connection = session.connection()
    if connection.dialect.name == "sqlite" or not rows:
        _run(session, table, columns, rows, None)
        return
    statement = f"COPY {table.name} ({_names(columns)}) FROM STDIN (FORMAT BINARY)"
    dialect: Any = connection.dialect
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types([_array_type(table, name).removesuffix("[]") for name in columns])
            for row in rows:
                copy.write_row(row)
    except dialect.dbapi.Error as error:
        raise _wrapped(error, dialect) from error


def _wrapped(error: Exception, dialect: Any) -> Exception:
    """What SQLAlchemy would have raised, had the statement gone through it."""
    made: Exception = DBAPIError.instance(
        "COPY", None, error, dialect.dbapi.Error, hide_parameters=True, dialect=dialect
    )
    return made


def merge_rows(
    session: Session, table: Table, columns: tuple[str, ...], rows: list[Row], merge: Merge
) -> None:
    """Insert rows, or merge them into those with the same primary key.

    The keys in `rows` must differ from each other; sort them, so that two writers on PostgreSQL
    lock in one order. Effects: does not commit.
    """
    _run(session, table, columns, rows, merge)


def _run(
    session: Session, table: Table, columns: tuple[str, ...], rows: list[Row], merge: Merge | None
) -> None:
    if not rows:
        return
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        _run_sqlite(connection, table, columns, rows, merge)
    else:
        statement = _postgresql_statement(table, columns, merge)
        arrays = [list(column) for column in zip(*rows, strict=True)]
        connection.exec_driver_sql(statement, tuple(arrays))


def _run_sqlite(
    connection: Connection,
    table: Table,
    columns: tuple[str, ...],
    rows: list[Row],
    merge: Merge | None,
) -> None:
    """Write in chunks of a few sizes, past SQLAlchemy's bookkeeping for each statement."""
    driver: Any = connection.connection.driver_connection
    start, count = 0, len(rows)
    while start < count:
        size = _CHUNK if count - start >= _CHUNK else min(_SMALL_CHUNK, count - start)
        statement = _sqlite_statement(table, columns, merge, size)
        driver.execute(statement, tuple(chain.from_iterable(rows[start : start + size])))
        start += size


@lru_cache(maxsize=4096)
def _sqlite_statement(
    table: Table, columns: tuple[str, ...], merge: Merge | None, size: int
) -> str:
    places = ", ".join(["(" + ", ".join("?" * len(columns)) + ")"] * size)
    head = f"INSERT INTO {table.name} ({_names(columns)}) VALUES {places}"  # noqa: S608 - our own names
    return head + _conflict(table, merge)


@lru_cache(maxsize=256)
def _postgresql_statement(table: Table, columns: tuple[str, ...], merge: Merge | None) -> str:
    arrays = ", ".join(f"%b::{_array_type(table, name)}" for name in columns)
    head = f"INSERT INTO {table.name} ({_names(columns)}) SELECT * FROM unnest({arrays})"  # noqa: S608 - our own names
    return head + _conflict(table, merge)


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _conflict(table: Table, merge: Merge | None) -> str:
    if merge is None:
        return ""
    keys = _names([column.name for column in table.primary_key.columns])
    if not merge.assign:
        return f" ON CONFLICT ({keys}) DO NOTHING"
    assigned = ", ".join(f'"{name}" = {_sql(table, sql)}' for name, sql in merge.assign)
    guard = f" WHERE {_sql(table, merge.when)}" if merge.when else ""
    return f" ON CONFLICT ({keys}) DO UPDATE SET {assigned}{guard}"


def _sql(table: Table, template: str) -> str:
    return template.replace("new.", "excluded.").replace("old.", f"{table.name}.")


def _array_type(table: Table, name: str) -> str:
    kind = table.c[name].type
    impl = getattr(kind, "impl_instance", kind)
    match impl:
        case LargeBinary():
            return "bytea[]"
        case Text():
            return "text[]"
        case BigInteger():
            return "bigint[]"
        case Integer():
            return "integer[]"
        case Float():
            return "double precision[]"
        case _:
            raise TypeError(f"{table.name}.{name}: {kind!r} has no array form here")


def lock_ids(session: Session, ids: Sequence[bytes]) -> None:
    """Wait until no other transaction holds these binary ids, and hold them until this one ends.

    For decisions on what several writers may be writing at once. SQLite has one writer, so nothing
    is done there. `ids` sorted, so that two transactions cannot wait for each other.
    """
    if ids and session.connection().dialect.name != "sqlite":
        keys = [int.from_bytes(item[:8], "big", signed=True) ^ _low(item) for item in ids]
        session.connection().exec_driver_sql(
            "SELECT count(pg_advisory_xact_lock(key)) FROM unnest(%s::bigint[]) AS t(key)", (keys,)
        )


def _low(item: bytes) -> int:
    return int.from_bytes(item[8:16], "big", signed=True)


def select_by_ids(
    session: Session, sql: str, ids: Sequence[bytes], **parameters: object
) -> list[Any]:
    """Rows of a query in which `{ids}` stands for a derived table `(id)` of binary ids.

    One statement whatever the number of ids: a JSON array of hex on SQLite, an array on
    PostgreSQL. `sql` is ours alone (no outside text) and writes `FROM {ids} AS wanted JOIN …`;
    `parameters` are bound. Nothing is asked for no ids.
    """
    if not ids:
        return []
    if session.connection().dialect.name == "sqlite":
        source = "(SELECT registry_unhex(value) AS id FROM json_each(:ids))"
        bound: object = "[" + ",".join(f'"{item.hex()}"' for item in ids) + "]"
    else:
        source = "(SELECT id FROM unnest(CAST(:ids AS bytea[])) AS t(id))"
        bound = list(ids)
    return _select(session, sql.replace("{ids}", source), {"ids": bound, **parameters})


_BY_INDEX = "SELECT " + ", ".join(
    f"set_config('{name}', 'off', true)"
    for name in ("enable_hashjoin", "enable_mergejoin", "enable_seqscan", "jit")
)


def look_up(session: Session, sql: str, ids: Sequence[bytes], **parameters: object) -> list[Any]:
    """As `select_by_ids`, and PostgreSQL follows indexes for the rest of the transaction.

    For reads whose cost must be that of the answer: a wrong guess at how many rows there will be
    reads whole tables, or compiles for longer than it runs. Cost: one query more a session.
    """
    if "looks_up_by_index" not in session.info:
        session.info["looks_up_by_index"] = True
        if session.connection().dialect.name == "postgresql":
            session.connection().exec_driver_sql(_BY_INDEX)
    return select_by_ids(session, sql, ids, **parameters)


_CASTS = {"bytes": "bytea[]", "text": "text[]", "int": "bigint[]"}


def select_by_rows(
    session: Session,
    sql: str,
    columns: tuple[TypedColumn, ...],
    rows: Sequence[Row],
    **parameters: object,
) -> list[Any]:
    """As `select_by_ids`, for `{rows}`: a derived table with the named and typed columns."""
    if not rows:
        return []
    bound: dict[str, object] = dict(parameters)
    if session.connection().dialect.name == "sqlite":
        picked = ", ".join(
            f"registry_unhex(json_extract(value, '$[{index}]')) AS {name}"
            if kind == "bytes"
            else f"json_extract(value, '$[{index}]') AS {name}"
            for index, (name, kind) in enumerate(columns)
        )
        source = f"(SELECT {picked} FROM json_each(:rows))"  # noqa: S608 - our own names
        plain = [[v.hex() if isinstance(v, bytes) else v for v in row] for row in rows]
        bound["rows"] = msgspec.json.encode(plain).decode()
    else:
        arrays = ", ".join(f"CAST(:c{i} AS {_CASTS[kind]})" for i, (_, kind) in enumerate(columns))
        names = ", ".join(name for name, _ in columns)
        source = f"(SELECT * FROM unnest({arrays}) AS t({names}))"  # noqa: S608 - our own names
        for index in range(len(columns)):
            bound[f"c{index}"] = [row[index] for row in rows]
    return _select(session, sql.replace("{rows}", source), bound)


def _select(session: Session, sql: str, bound: dict[str, object]) -> list[Any]:
    connection = session.connection()
    if connection.dialect.name != "sqlite":
        sql = _percent_style(sql)
    return list(connection.exec_driver_sql(sql, bound).all())


@lru_cache(maxsize=512)
def _percent_style(sql: str) -> str:
    """`:name` as psycopg writes it; arrays (`:ids`, `:c0` …) travel in binary, which is faster."""
    sql = re.sub(r"(?<!:):(ids|c\d+)\b", r"%(\1)b", sql.replace("%", "%%"))
    return re.sub(r"(?<!:):([a-z_]\w*)", r"%(\1)s", sql)
