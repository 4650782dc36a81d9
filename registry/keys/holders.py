"""Places that hold subject keys or record keys, and how each moves them to another version.

Rules (governance cases, 15):
1. Every table or Lance column that holds subject keys is a holder that `app` registers; one that is
   not registered would be cut off when the old key is destroyed.
2. Re-keying runs beside readers and writers, in chunks that are each kept whole or not at all, and
   can start again at any time: what is under another version already is left alone.
3. A chunk holds the version it moves to (`require_live`), so that nothing moves to a key that is
   being destroyed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from sqlalchemy import (
    ColumnElement,
    Row,
    Table,
    UniqueConstraint,
    bindparam,
    func,
    select,
    tuple_,
    update,
)
from sqlmodel import Session

from registry.keys.destruction import HoldsKeys
from registry.keys.envelope import unwrap_record_key, wrap_record_key
from registry.keys.keyring import Keyring
from registry.keys.subjects import SUBJECT_KEY_BYTES, Translate
from registry.keys.tables import KEY_VERSION, RECORD_KEY, Purpose
from registry.keys.versions import require_live
from registry.storage.database import Database

ROWS_AT_ONCE = 5_000
#: Told after each chunk how much was moved so far; raises to stop the work there.
Progress = Callable[[int], None]
_Rows = Sequence[Row[Any]]


class HoldsSubjectKeys(HoldsKeys, Protocol):
    """A place that holds subject keys, each with its version beside it."""

    def rekey(
        self, from_version: int, to_version: int, translate: Translate, progress: Progress
    ) -> int:
        """Move all that is under one version to another; give how many keys that were.

        In chunks (rule 2), with `progress` after each. A place outside SQL writes the new keys
        first and drops the old ones in a transaction that holds `to_version` (rule 3). What is
        written under `from_version` meanwhile may be left; `remaining` tells.
        """


class SqlSubjectKeys:
    """A table with a subject key in one column and its version in another.

    Neither may be in a primary key or a unique index: two rows of one person, made before and after
    a rotation, would meet there. Such a table needs a holder that knows how to merge them.
    """

    def __init__(
        self,
        database: Database,
        table: Table,
        *,
        key: str = "subject_key",
        version: str = "key_version",
        rows_at_once: int = ROWS_AT_ONCE,
    ) -> None:
        if _unique_columns(table) & {key, version}:
            raise TypeError(f"{table.name}: unique subject keys need a holder of their own")
        self._database = database
        self._column = _Column(table, key, version)
        self._rows_at_once = rows_at_once

    @property
    def name(self) -> str:
        """The table's name."""
        return self._column.table.name

    def remaining(self, from_version: int) -> int:
        """Rows under that version. Cost: an index on the version, else the whole table."""
        with self._database.read() as session:
            return self._column.count(session, from_version)

    def rekey(
        self, from_version: int, to_version: int, translate: Translate, progress: Progress
    ) -> int:
        """Move every row, in the order of the primary key. Effects: commits chunk by chunk."""

        def remake(session: Session, rows: _Rows) -> list[bytes]:
            require_live(session, Purpose.SUBJECT, to_version)
            made = translate(b"".join(row[-1] for row in rows))
            places = range(0, len(made), SUBJECT_KEY_BYTES)
            return [made[at : at + SUBJECT_KEY_BYTES] for at in places]

        move = _Move(self._column, from_version, to_version, remake, self._rows_at_once)
        return move.run(self._database, progress)


class RecordKeys:
    """The table of record keys: each is unwrapped under one version of `data`, wrapped under
    another; the values it sealed stay as they are.
    """

    name = RECORD_KEY.name

    def __init__(
        self, database: Database, keyring: Keyring, *, rows_at_once: int = ROWS_AT_ONCE
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._column = _Column(RECORD_KEY, "wrapped", "wrapped_by")
        self._rows_at_once = rows_at_once

    def remaining(self, from_version: int) -> int:
        """Record keys that are wrapped under that version and not destroyed."""
        named = (KEY_VERSION.c.purpose == Purpose.DATA) & (KEY_VERSION.c.version == from_version)
        with self._database.read() as session:
            key_id = session.execute(select(KEY_VERSION.c.id).where(named)).scalar_one_or_none()
            return 0 if key_id is None else self._column.count(session, key_id)

    def rewrap(self, from_version: int, to_version: int, progress: Progress) -> int:
        """Move every record key; how many. Effects: commits chunk by chunk.

        Raises TamperedError at one that does not open; those before it are moved.
        """
        old = self._keyring.of_version(Purpose.DATA, from_version)
        new = self._keyring.of_version(Purpose.DATA, to_version)

        def remake(session: Session, rows: _Rows) -> list[bytes]:
            require_live(session, Purpose.DATA, to_version)
            return [
                wrap_record_key(new, row.id, unwrap_record_key(old, row.id, row.wrapped))
                for row in rows
            ]

        move = _Move(self._column, old.id, new.id, remake, self._rows_at_once)
        return move.run(self._database, progress)


@dataclass(frozen=True, slots=True)
class _Column:
    """A column that holds something made under a key, and the column that says which."""

    table: Table
    value: str
    version: str

    def under(self, version: object) -> ColumnElement[bool]:
        """The rows that hold something under that version."""
        column: ColumnElement[bool] = self.table.c[self.version] == version
        return column & self.table.c[self.value].is_not(None)

    def count(self, session: Session, version: object) -> int:
        """How many those are."""
        query = select(func.count()).select_from(self.table).where(self.under(version))
        return int(session.execute(query).scalar_one())


@dataclass(frozen=True, slots=True)
class _Move:
    """A walk along the primary key that makes each value anew, one transaction a chunk."""

    column: _Column
    old: object
    new: object
    remake: Callable[[Session, _Rows], list[bytes]]
    rows_at_once: int

    def run(self, database: Database, progress: Progress) -> int:
        moved = 0
        last: Row[Any] | None = None
        while rows := database.transact(partial(self._some, last)):
            moved, last = moved + len(rows), rows[-1]
            progress(moved)
        return moved

    def _some(self, last: Row[Any] | None, session: Session) -> _Rows:
        table = self.column.table
        keys = tuple(table.primary_key.columns)
        query = select(*keys, table.c[self.column.value]).where(self.column.under(self.old))
        if last is not None:
            seen = [bindparam(None, last[at], key.type) for at, key in enumerate(keys)]
            query = query.where(tuple_(*keys) > tuple_(*seen))
        query = query.order_by(*keys).limit(self.rows_at_once).with_for_update()
        rows = session.execute(query).all()
        if rows:
            one = [key == bindparam(f"key_{at}") for at, key in enumerate(keys)]
            new = {self.column.value: bindparam("value"), self.column.version: self.new}
            values = zip(rows, self.remake(session, rows), strict=True)
            session.connection().execute(
                update(table).where(*one).values(new),
                [
                    {"value": made} | {f"key_{at}": row[at] for at in range(len(keys))}
                    for row, made in values
                ],
            )
        return rows


def _unique_columns(table: Table) -> set[str]:
    columns = list(table.primary_key.columns)
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            columns += constraint.columns
    for index in table.indexes:
        if index.unique:
            columns += index.columns
    return {column.name for column in columns}
