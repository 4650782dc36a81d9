"""Erases rows from tables of other databases, by the value of a key column.

Rules (issue "Erasure, the hands"; DESIGN §6, "SQL residue counts"):
1. The database is a named credential's, the table is found there by its name; both names and the
   key column are held against what the database says of itself, and quoted by the driver.
2. A row is known by its key alone. A key that more rows have is refused, and so is one that the
   column takes for another (`NOCASE` and the like); a row whose key is not recorded is not touched.
   No row at all where some were expected is a failure, unless an erasure that broke off had begun.
3. Rows go in chunks of one transaction each, so that a large erasure holds no lock for long; what
   broke off goes on with the rest.
4. Then what was deleted is made gone: SQLite overwrites (`secure_delete`), is vacuumed and its WAL
   truncated; PostgreSQL's table is written anew (VACUUM FULL), which waits five seconds for the
   table. Archived logs and replicas are backups, with their own end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, NoSuchTableError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from registry.erasure.connectors.edge import at_edge
from registry.erasure.connectors.positions import lying_in
from registry.erasure.connectors.protocol import (
    Erased,
    Found,
    Intent,
    Ordinals,
    Proof,
    Step,
    Target,
    Watch,
)
from registry.erasure.connectors.trouble import Reason, StoppedError, Trouble

UrlOf = Callable[[str | None], str]
KEYS_AT_ONCE = 500
_LOCK_WAIT = "5s"


class SqlConnector:
    """Tables that SQLAlchemy reaches. `url_of(credential)` gives a database's URL, or raises
    StoppedError.
    """

    def __init__(self, url_of: UrlOf) -> None:
        self._url_of = url_of

    def find(self, target: Target, rows: Ordinals, watch: Watch) -> Found:
        """As the protocol has it. Cost: a look-up for each key."""

        def work(told: Watch) -> Found:
            with self._opened(target) as opened:
                keys = _keys(target, rows)
                present = opened.count(keys, told)
                _require_some(target, keys, present)
            return Found(present=present, already=int(rows.size) - present)

        return at_edge(target.uri, watch, work, lambda trouble: Found(trouble=trouble))

    def erase(
        self, target: Target, rows: Ordinals, watch: Watch, *, dry_run: bool = False
    ) -> Erased:
        """As the protocol has it (rules 2 to 4)."""

        def work(told: Watch) -> Erased:
            with self._opened(target) as opened:
                told.at(Step.OPENED)
                keys = _keys(target, rows)
                present = opened.count(keys, told)
                _require_some(target, keys, present)
                told.at(Step.CHECKED)
                if not dry_run:
                    if present:
                        told.intend(Intent(_digest(keys), 0))
                        told.at(Step.INTENDED)
                        opened.delete(keys, told)
                    told.at(Step.CLEANING)
                    opened.scrub()
                    told.at(Step.SETTLED)
            already = int(rows.size) - present
            return Erased(erased=present, already=already, dry_run=dry_run)

        return at_edge(
            target.uri, watch, work, lambda trouble: Erased(trouble=trouble, dry_run=dry_run)
        )

    def prove(self, target: Target, rows: Ordinals, watch: Watch) -> Proof:
        """As the protocol has it: selects the keys again, on a new connection."""

        def work(told: Watch) -> Proof:
            lying = lying_in(target, rows)
            with self._opened(target) as opened:
                keys = [key for o in rows.tolist() if (key := target.keys.get(o)) is not None]
                remains = opened.count(keys, told, unique=False)
            left = remains or lying.numbers.size
            trouble = Trouble(Reason.REMAINS, f"{left} rows of {target.uri} are still there.")
            if not left and len(keys) < rows.size:
                unknown = int(rows.size) - len(keys)
                said = f"{unknown} rows of {target.uri} have no known key."
                return Proof(trouble=Trouble(Reason.NOT_RECORDED, said))
            return Proof(
                remains=remains, looked_into=(target.uri,), trouble=trouble if left else None
            )

        return at_edge(target.uri, watch, work, lambda trouble: Proof(trouble=trouble))

    def check(self, target: Target) -> Trouble | None:
        """As the protocol has it."""

        def work(_watch: Watch) -> Trouble | None:
            with self._opened(target):
                return None

        return at_edge(target.uri, Watch(), work, lambda trouble: trouble)

    @contextmanager
    def _opened(self, target: Target) -> Iterator[_Table]:
        if target.table is None or target.key_column is None:
            raise StoppedError(
                Reason.KEY_COLUMN_MISSING, f"{target.uri} is bound without table or key column."
            )
        engine = _engine(self._url_of(target.credential), target)
        try:
            with _speaking(target.uri), engine.connect() as connection:
                yield _Table(engine, connection, target.table, target.key_column)
        finally:
            engine.dispose()


class _Table:
    """A table of an open database (rule 1)."""

    def __init__(self, engine: Engine, connection: Connection, name: str, column: str) -> None:
        self._engine = engine
        self._connection = connection
        schema, _, table = name.rpartition(".")
        self._table = sa.Table(
            table, sa.MetaData(), autoload_with=connection, schema=schema or None
        )
        if column not in self._table.columns:
            raise StoppedError(
                Reason.KEY_COLUMN_MISSING, f"The table {name} has no column {column!r}."
            )
        self._key = self._table.columns[column]
        connection.rollback()

    def count(self, keys: Sequence[str], watch: Watch, *, unique: bool = True) -> int:
        """How many rows have one of the keys. Raises StoppedError where a key is there twice."""
        found = 0
        for some in _chunks(keys):
            watch.at(Step.READING, found)
            query = sa.select(self._key, sa.func.count()).where(self._one_of(some))
            counts = self._connection.execute(query.group_by(self._key)).all()
            self._connection.rollback()
            if unique and any(count > 1 for _, count in counts):
                raise StoppedError(
                    Reason.DUPLICATE_KEYS, f"Several rows of {self._table.name} have one key."
                )
            if unique and any(_is_another(key, some) for key, _ in counts):
                said = "takes keys for the same that are not, such as in capitals and in small"
                raise StoppedError(
                    Reason.DUPLICATE_KEYS,
                    f"The key column of {self._table.name} {said}, and has another than was asked.",
                )
            found += sum(count for _, count in counts)
        return found

    def delete(self, keys: Sequence[str], watch: Watch) -> None:
        """Delete the rows with these keys (rule 3)."""
        if self._is("sqlite"):
            self._connection.exec_driver_sql("PRAGMA secure_delete = ON")
            self._connection.rollback()
        for at, some in enumerate(_chunks(keys)):
            watch.at(Step.SWAPPING, at * KEYS_AT_ONCE, len(keys))
            self._connection.execute(sa.delete(self._table).where(self._one_of(some)))
            self._connection.commit()
            watch.at(Step.SWAPPED, at * KEYS_AT_ONCE, len(keys))

    def scrub(self) -> None:
        """Make what was deleted gone from the files (rule 4)."""
        alone = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        with alone as connection:
            if self._is("sqlite"):
                connection.exec_driver_sql("VACUUM")
                busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
                if busy:
                    raise StoppedError(Reason.BUSY, "Readers keep the WAL from being truncated.")
            elif self._is("postgresql"):
                quoted = connection.dialect.identifier_preparer.format_table(self._table)
                connection.exec_driver_sql(f"SET lock_timeout = '{_LOCK_WAIT}'")
                connection.exec_driver_sql(f"VACUUM (FULL) {quoted}")

    def _is(self, name: str) -> bool:
        return self._engine.dialect.name == name

    def _one_of(self, keys: Sequence[str]) -> sa.ColumnElement[bool]:
        return self._key.in_([_as_value(self._key.type, key) for key in keys])


def _engine(url: str, target: Target) -> Engine:
    """An engine for a credential's URL, which is in no message. Raises StoppedError."""
    try:
        engine = sa.create_engine(url, poolclass=NullPool)
    except ImportError as error:
        said = f"No driver is installed for the URL of the credential {target.credential}"
        raise StoppedError(Reason.NOT_INSTALLED, f"{said} ({error.name}).") from None
    except (SQLAlchemyError, ValueError):
        raise StoppedError(
            Reason.CREDENTIAL_MISSING,
            f"The url of the credential {target.credential} is none of a database, or of no kind "
            "that is known here.",
        ) from None
    # SQLite makes a file where there is none.
    place = engine.url.database
    is_path = engine.dialect.name == "sqlite" and place and not place.startswith((":", "file:"))
    if is_path and not Path(place or "").exists():
        raise StoppedError(Reason.GONE, f"The file of the database of {target.uri} is not there.")
    return engine


def _is_another(found: object, asked: Sequence[str]) -> bool:
    """Whether a key that a column takes for one of those asked for is none of them (rule 2)."""
    # Columns of fixed width fill keys up with spaces.
    return isinstance(found, str) and found not in asked and found.rstrip(" ") not in asked


def _as_value(kind: Any, key: str) -> object:
    """A key, given as text, as the column has it. Raises StoppedError for one that cannot be."""
    try:
        wanted = kind.python_type
    except NotImplementedError:
        return key
    try:
        if wanted is int:
            return int(key)
        return UUID(key) if wanted is UUID else key
    except ValueError as error:
        raise StoppedError(
            Reason.SCHEMA_CHANGED, f"The key column has the type {kind}, and keys are texts."
        ) from error


def _keys(target: Target, rows: Ordinals) -> list[str]:
    """The keys of the rows that are not erased yet. Raises StoppedError where one is not known."""
    asked = lying_in(target, rows).ordinals.tolist()
    unknown = sum(ordinal not in target.keys for ordinal in asked)
    if unknown:
        raise StoppedError(
            Reason.NOT_RECORDED, f"Nobody recorded the keys of {unknown} rows in {target.uri}."
        )
    return sorted({target.keys[ordinal] for ordinal in asked})


def _require_some(target: Target, keys: Sequence[str], present: int) -> None:
    if keys and not present and not target.may_lack:
        raise StoppedError(
            Reason.NOTHING_FOUND, f"None of the {len(keys)} rows is in {target.uri}."
        )


def _digest(keys: Sequence[str]) -> bytes:
    """Says only that this erasure had begun."""
    return hashlib.sha256(f"{len(keys)} rows".encode()).digest()


def _chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(keys), KEYS_AT_ONCE):
        yield keys[at : at + KEYS_AT_ONCE]


@contextmanager
def _speaking(uri: str) -> Iterator[None]:
    """Turn what a database says into StoppedError; its messages quote values, so none is kept."""
    try:
        yield
    except NoSuchTableError as error:
        raise StoppedError(Reason.GONE, f"There is no table {uri}.") from error
    except DBAPIError as error:
        said = type(error.orig).__name__
        if isinstance(error, IntegrityError):
            why = f"A rule of the database keeps rows of {uri}, such as others that refer to them"
            remedy = "have those removed there first"
            raise StoppedError(Reason.REFUSED, f"{why} ({said}): {remedy}.") from None
        words = str(error.orig).lower()
        if "readonly" in words or "read-only" in words or "permission denied" in words:
            raise StoppedError(Reason.READ_ONLY, f"{uri} may not be written ({said}).") from None
        if "unknown database" in words:
            raise StoppedError(Reason.GONE, f"There is no table {uri}.") from None
        if "not a database" in words or "malformed" in words:
            raise StoppedError(Reason.TRUNCATED, f"{uri} is damaged, or no database.") from None
        if "lock" in words:
            raise StoppedError(Reason.BUSY, f"{uri} is locked ({said}).") from None
        raise StoppedError(Reason.OUT_OF_REACH, f"{uri} did not do it ({said}).") from None
    except SQLAlchemyError as error:
        raise StoppedError(Reason.OUT_OF_REACH, f"{uri}: {type(error).__name__}.") from None
