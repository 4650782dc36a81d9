"""Column types and the naming convention that every table shares.

Rules:
1. A moment is stored as whole microseconds since 1970 UTC (BIGINT): the same on both databases,
   exact, and comparable in SQL. Python sees aware datetimes.
2. Ids and digests are raw bytes. SQLite and PostgreSQL compare both bytewise, so that the order
   key `wins` (time, then digest) orders alike on both.
3. Constraint names follow one convention, so that migrations can name what they change.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CursorResult,
    Dialect,
    Executable,
    Integer,
    LargeBinary,
    Table,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeDecorator
from sqlmodel import Session, SQLModel

from registry.moments import from_micros, to_micros

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Moment(TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds since 1970 UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | int | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - SQLAlchemy's form
        """Take a datetime, or microseconds as they are."""
        return to_micros(value) if isinstance(value, datetime) else value

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give an aware datetime in UTC."""
        return None if value is None else from_micros(value)


#: 16 bytes: an id. 32 bytes: a SHA-256.
Id16 = LargeBinary(16)
Sha256 = LargeBinary(32)

#: 8 bytes of big-endian microseconds (offset 2^63), then 32 bytes of digest: the later event wins.
Wins = LargeBinary(40)

#: BIGINT that SQLite still counts up by itself, which it does for INTEGER only.
Counter = BigInteger().with_variant(Integer(), "sqlite")


def table_of(model: type[SQLModel]) -> Table:
    """The Core table of a row class; queries are written on its columns (`table.c.name`)."""
    return SQLModel.metadata.tables[str(model.__tablename__)]


def changed_rows(session: Session, statement: Executable) -> int:
    """Execute an INSERT, UPDATE or DELETE and give how many rows it changed."""
    # PostgreSQL's driver forgets the count of an INSERT unless it is asked to keep it.
    result = session.execute(statement, execution_options={"preserve_rowcount": True})
    if not isinstance(result, CursorResult):
        raise TypeError(f"{statement.__class__.__name__} changes no rows")
    return result.rowcount


def insert_unless_there(session: Session, table: Table, row: Mapping[str, object]) -> bool:
    """Insert a row; False where one that is unique in the same columns is there already.

    What another transaction inserts at the same time is waited for. Effects: does not commit.
    """
    insert = sqlite.insert if session.connection().dialect.name == "sqlite" else postgresql.insert
    return changed_rows(session, insert(table).values(row).on_conflict_do_nothing()) == 1


def wins_key(effective_micros: int, digest: bytes) -> bytes:
    """The order key of an event: (effective time, digest) as 40 comparable bytes."""
    return (effective_micros + (1 << 63)).to_bytes(8, "big") + digest


def wins_parts(key: bytes) -> tuple[int, bytes]:
    """The effective time in microseconds and the digest of an order key."""
    return int.from_bytes(key[:8], "big") - (1 << 63), key[8:]
