"""Tells whether rows that answers follow from have changed: the database itself notes it.

Rules:
1. A table that is *watched* has triggers. Whatever inserts, changes or deletes its rows, through
   which door or by hand, gives its area a new token in the same transaction.
2. Tokens are random numbers, never counted up: the same tokens mean the same rows, also after a
   restore went back in time and other changes followed.
3. Who keeps an answer reads the tokens first and the rows after. What is committed in between makes
   the tokens old, so the answer is thrown away too early and never too late.
4. PostgreSQL: a writer takes one of 64 places that no other transaction holds, so writers do not
   wait for each other, and all tokens of an area together are what is compared. A place is freed
   after its token is visible, so it does not matter in which order transactions commit.
5. SQLite writes a table anew in some migrations (Alembic's batch mode), and its triggers are gone.
   `missing_triggers` says so. Such a migration says `unwatch` before and `watch` after; a trigger
   that names a table which is being renamed would stop it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import BigInteger, Column, Integer, Text
from sqlmodel import Field, Session, SQLModel

_SLOTS = 64
# The class of the advisory locks of rule 4: any number that nothing else here uses with two keys.
_LOCKS = 7_301_947


class Area(StrEnum):
    """What the rows are about: persons, wherever their data is; or data, whoever it is of."""

    PEOPLE = "people"
    DATA = "data"


class Verb(StrEnum):
    """What is done to rows."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


class FactRevision(SQLModel, table=True):
    """The tokens of an area: one on SQLite, at most 64 on PostgreSQL (rule 4)."""

    __tablename__ = "fact_revision"
    area: str = Field(sa_column=Column(Text, primary_key=True))
    slot: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    token: int = Field(sa_column=Column(BigInteger, nullable=False))


Tokens = frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Revision:
    """The tokens of both areas; equal ones mean the same rows in every watched table."""

    people: Tokens
    data: Tokens


def read_revision(session: Session) -> Revision | None:
    """The revision of what this session sees; None where the tokens themselves are missing."""
    connection = session.connection()
    rows = connection.exec_driver_sql("SELECT area, slot, token FROM fact_revision").all()
    of = {area: frozenset((row[1], row[2]) for row in rows if row[0] == area) for area in Area}
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite and not all(of.values()):
        return None
    return Revision(of[Area.PEOPLE], of[Area.DATA])


@dataclass(frozen=True, slots=True)
class Watch:
    """Which changes of a table count.

    `columns`: of an update, those that count when they are set; none: all. `when`: a condition on
    a row, with `{row}.` before its columns, that a row meets before or after. `differs`: of an
    update, columns of which one must really change. `of_run`: the column with a run, where only
    rows count whose run wrote a batch. `by_row`: statements that touch no row are frequent, and
    PostgreSQL is to look at rows.
    """

    table: str
    area: Area
    verbs: tuple[Verb, ...] = tuple(Verb)
    columns: tuple[str, ...] = ()
    when: str = ""
    differs: tuple[str, ...] = ()
    of_run: str = ""
    by_row: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its triggers."""
        return tuple(f"watch_{self.table}_{verb}" for verb in self.verbs)


def watch(dialect: str, watches: Iterable[Watch]) -> Iterator[str]:
    """The statements that put the triggers of these tables up, in place of those they have."""
    for each in watches:
        yield from unwatch(dialect, [each])
        make = _on_sqlite if dialect == "sqlite" else _on_postgresql
        yield from make(each)


def unwatch(dialect: str, watches: Iterable[Watch]) -> Iterator[str]:
    """The statements that take the triggers of these tables down."""
    for each in watches:
        for name in each.names:
            on = "" if dialect == "sqlite" else f' ON "{each.table}"'
            yield f"DROP TRIGGER IF EXISTS {name}{on}"
        if dialect != "sqlite":
            yield f'DROP TRIGGER IF EXISTS watch_{each.table}_truncate ON "{each.table}"'


def _on_sqlite(watched: Watch) -> Iterator[str]:
    note = f"UPDATE fact_revision SET token = random() WHERE area = '{watched.area}'"  # noqa: S608 - our own words
    for verb, name in zip(watched.verbs, watched.names, strict=True):
        terms = _conditions(watched, verb, "IS NOT")
        if watched.of_run:
            row = "OLD" if verb is Verb.DELETE else "NEW"
            terms.append(
                f"EXISTS (SELECT 1 FROM batch b WHERE b.run_id = {row}.{watched.of_run})"  # noqa: S608 - our own words
            )
        when = f" WHEN {' AND '.join(terms)}" if terms else ""
        yield (
            f'CREATE TRIGGER {name} AFTER {_event(watched, verb)} ON "{watched.table}" '
            f"FOR EACH ROW{when} BEGIN {note}; END"
        )


def _on_postgresql(watched: Watch) -> Iterator[str]:
    function = "registry_note_change"
    for verb, name in zip(watched.verbs, watched.names, strict=True):
        terms = _conditions(watched, verb, "IS DISTINCT FROM")
        each = "ROW" if terms or watched.of_run or watched.by_row else "STATEMENT"
        when = f" WHEN ({' AND '.join(terms)})" if terms else ""
        used = f"{function}_of_run" if watched.of_run else function
        yield (
            f'CREATE TRIGGER {name} AFTER {_event(watched, verb)} ON "{watched.table}" '
            f"FOR EACH {each}{when} EXECUTE FUNCTION {used}('{watched.area}', '{watched.of_run}')"
        )
    yield (
        f'CREATE TRIGGER watch_{watched.table}_truncate AFTER TRUNCATE ON "{watched.table}" '
        f"FOR EACH STATEMENT EXECUTE FUNCTION {function}('{watched.area}')"
    )


def _event(watched: Watch, verb: Verb) -> str:
    columns = watched.columns if verb is Verb.UPDATE else ()
    return f"{verb.upper()} OF {', '.join(columns)}" if columns else verb.upper()


def _conditions(watched: Watch, verb: Verb, differs: str) -> list[str]:
    rows = {Verb.INSERT: ("NEW",), Verb.UPDATE: ("OLD", "NEW"), Verb.DELETE: ("OLD",)}[verb]
    terms = []
    if watched.when:
        terms.append("(" + " OR ".join(watched.when.format(row=row) for row in rows) + ")")
    if watched.differs and verb is Verb.UPDATE:
        changed = (f"OLD.{name} {differs} NEW.{name}" for name in watched.differs)
        terms.append(f"({' OR '.join(changed)})")
    return terms


_NOTE = f"""
CREATE OR REPLACE FUNCTION registry_note(noted text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  place integer := pg_backend_pid() % {_SLOTS};
  tried integer := 0;
BEGIN
  WHILE tried < {_SLOTS} AND NOT pg_try_advisory_xact_lock({_LOCKS}, place) LOOP
    place := (place + 1) % {_SLOTS};
    tried := tried + 1;
  END LOOP;
  INSERT INTO fact_revision (area, slot, token)
  VALUES (noted, place, hashtextextended(gen_random_uuid()::text, 0))
  ON CONFLICT (area, slot) DO UPDATE SET token = excluded.token;
END $$"""  # noqa: S608 - our own numbers
#: What the triggers of PostgreSQL call.
FUNCTIONS = (
    _NOTE,
    """
CREATE OR REPLACE FUNCTION registry_note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM registry_note(TG_ARGV[0]);
  RETURN NULL;
END $$""",
    """
CREATE OR REPLACE FUNCTION registry_note_change_of_run() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  told jsonb;
BEGIN
  IF TG_OP = 'DELETE' THEN told := to_jsonb(OLD); ELSE told := to_jsonb(NEW); END IF;
  IF EXISTS (SELECT 1 FROM batch b WHERE b.run_id = (told ->> TG_ARGV[1])::bytea) THEN
    PERFORM registry_note(TG_ARGV[0]);
  END IF;
  RETURN NULL;
END $$""",
)
FUNCTION_NAMES = ("registry_note_change_of_run()", "registry_note_change()", "registry_note(text)")


def missing_triggers(session: Session, watches: Iterable[Watch]) -> list[str]:
    """Those triggers that should be there and are not, or are switched off. Cost: one query."""
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = (
            "SELECT t.tgname FROM pg_trigger t WHERE NOT t.tgisinternal "
            "AND t.tgenabled IN ('O', 'A') AND pg_table_is_visible(t.tgrelid)"
        )
    there = {row[0] for row in connection.exec_driver_sql(query)}
    return sorted({name for each in watches for name in each.names} - there)
