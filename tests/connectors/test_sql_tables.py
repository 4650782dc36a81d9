"""Rows leave tables of other databases, and their files; on SQLite and on PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from registry.erasure.connectors import sql_tables
from registry.erasure.connectors.protocol import Progress, Step, Target, Watch
from registry.erasure.connectors.sql_tables import SqlConnector
from registry.erasure.connectors.trouble import Reason, StoppedError
from registry.erasure.lifecycle import TaskState
from tests.connectors.copies import ordinals, secret
from tests.connectors.faults import Caller
from tests.postgres import Server

ROWS = 60
GONE = tuple(range(10, 25))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with a table whose name needs quoting."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'warehouse.db'}"
        return
    server: Server = request.getfixturevalue("postgres_server")
    with server.temporary_database() as found:
        yield found


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    opened = sa.create_engine(url, poolclass=NullPool)
    with opened.begin() as connection:
        if opened.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        connection.exec_driver_sql(
            'CREATE TABLE "Training rows" (id TEXT, number INTEGER, text TEXT)'
        )
        connection.execute(
            sa.text('INSERT INTO "Training rows" VALUES (:id, :number, :text)'),
            [{"id": f"ex-{i}", "number": i, "text": secret(i)} for i in range(ROWS)],
        )
    yield opened
    opened.dispose()


@pytest.fixture
def connector(url: str, engine: sa.Engine) -> SqlConnector:
    return SqlConnector(lambda credential: url)


TARGET = Target(
    uri="sql:warehouse",
    rows=ROWS,
    table="Training rows",
    key_column="id",
    keys={row: f"ex-{row}" for row in range(ROWS)},
    credential="warehouse",
)


def numbers(engine: sa.Engine) -> list[int]:
    with engine.connect() as connection:
        rows = connection.exec_driver_sql('SELECT number FROM "Training rows" ORDER BY number')
        return [row[0] for row in rows]


def left(*gone: int) -> list[int]:
    return [row for row in range(ROWS) if row not in gone]


@pytest.mark.parametrize("column", ["id", "number"])
def test_two_erasures_one_after_the_other(
    column: str, connector: SqlConnector, engine: sa.Engine
) -> None:
    keys = TARGET.keys if column == "id" else {row: str(row) for row in range(ROWS)}
    caller = Caller(replace(TARGET, key_column=column, keys=keys), ordinals(*GONE))
    assert connector.find(caller.target, caller.rows, Watch()).present == len(GONE)
    for rows in (GONE, (0, 59)):
        caller.rows = ordinals(*rows)
        done = caller.try_once(connector)
        assert (done.state, done.erased) == (TaskState.ERASED, len(rows)), done
        proof = connector.prove(caller.target, caller.rows, Watch())
        assert (proof.state, proof.trouble) == (TaskState.VERIFIED, None)
    assert numbers(engine) == left(*GONE, 0, 59)


def test_no_byte_of_an_erased_row_is_left_in_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.db"
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        connection.exec_driver_sql('CREATE TABLE "Training rows" (id TEXT, text TEXT)')
        connection.execute(
            sa.text('INSERT INTO "Training rows" VALUES (:id, :text)'),
            [{"id": f"ex-{i}", "text": secret(i)} for i in range(ROWS)],
        )
    # Held open by another reader, so that the WAL is not removed by the last who leaves.
    with engine.connect() as other:
        other.exec_driver_sql("SELECT 1")
        other.rollback()
        connector = SqlConnector(lambda credential: f"sqlite:///{path}")
        assert connector.erase(TARGET, ordinals(*GONE), Watch()).erased == len(GONE)
        content = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    engine.dispose()
    assert not any(secret(row).encode() in content for row in GONE)
    assert secret(0).encode() in content


STEPS = [Step.OPENED, Step.CHECKED, Step.INTENDED, Step.SWAPPING, Step.SWAPPED, Step.CLEANING]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("at", [1, 2])
def test_a_caller_stops_it_at(
    step: Step, at: int, connector: SqlConnector, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_tables, "KEYS_AT_ONCE", 4)
    caller, seen = Caller(TARGET, ordinals(*GONE)), []

    def stop(progress: Progress) -> None:
        seen.append(progress.step)
        if seen.count(step) == at:
            raise KeyError(step)

    try:
        caller.try_once(connector, Watch(progress=stop))
    except KeyError:
        assert set(left(*GONE)) <= set(numbers(engine))
    assert caller.finish(connector).state is TaskState.VERIFIED
    assert numbers(engine) == left(*GONE)


def test_a_dry_run_changes_nothing(connector: SqlConnector, engine: sa.Engine) -> None:
    done = connector.erase(TARGET, ordinals(*GONE), Watch(), dry_run=True)
    assert (done.erased, done.state) == (len(GONE), TaskState.PENDING)
    assert numbers(engine) == left()


def _no_credential(_name: str | None) -> str:
    raise StoppedError(Reason.CREDENTIAL_MISSING, "There is no credential warehouse.")


OBSTACLES = {
    "a key is there twice": (
        Reason.DUPLICATE_KEYS,
        "INSERT INTO \"Training rows\" VALUES ('ex-10', 999, 'x')",
        {},
    ),
    "no key is there": (Reason.NOTHING_FOUND, "UPDATE \"Training rows\" SET id = 'none'", {}),
    "the table is gone": (Reason.GONE, 'DROP TABLE "Training rows"', {}),
    "the schema is gone": (Reason.GONE, "SELECT 1", {"table": "nowhere.rows"}),
    "the key column is missing": (
        Reason.KEY_COLUMN_MISSING,
        'ALTER TABLE "Training rows" DROP COLUMN id',
        {},
    ),
    "the key column is a number now": (
        Reason.SCHEMA_CHANGED,
        "SELECT 1",
        {"key_column": "number"},
    ),
    "no key column is bound": (Reason.KEY_COLUMN_MISSING, "SELECT 1", {"key_column": None}),
    "a key was never recorded": (Reason.NOT_RECORDED, "SELECT 1", {"keys": {10: "ex-10"}}),
    "the table's name is a trick": (
        Reason.GONE,
        "SELECT 1",
        {"table": 'rows"; DROP TABLE "Training rows'},
    ),
    "a view cannot be written": (
        Reason.OUT_OF_REACH,
        'CREATE VIEW shown AS SELECT DISTINCT * FROM "Training rows"',
        {"table": "shown"},
    ),
}


@pytest.mark.parametrize(("reason", "spoil", "said"), OBSTACLES.values(), ids=OBSTACLES)
def test_an_obstacle_has_a_name(
    reason: Reason,
    spoil: str,
    said: dict[str, object],
    connector: SqlConnector,
    engine: sa.Engine,
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(spoil)
    target = replace(TARGET, **said)  # type: ignore[arg-type]
    done = connector.erase(target, ordinals(*GONE), Watch())
    assert done.trouble is not None
    assert done.trouble.reason is reason, done.trouble
    assert "ex-10" not in done.trouble.detail
    if reason is not Reason.GONE or said:
        assert len(numbers(engine)) >= ROWS


def test_the_database_is_out_of_reach(tmp_path: Path) -> None:
    (tmp_path / "junk.db").write_bytes(b"no database" * 500)
    for url, reason in (
        ("postgresql+psycopg://u:s3cret@127.0.0.1:1/none", Reason.OUT_OF_REACH),
        (f"sqlite:///{tmp_path / 'no' / 'folder.db'}", Reason.GONE),
        (f"sqlite:///{tmp_path / 'none.db'}", Reason.GONE),
        (f"sqlite:///{tmp_path / 'junk.db'}", Reason.TRUNCATED),
        ("u:s3cret is no address", Reason.CREDENTIAL_MISSING),
        ("nothing://u:s3cret@127.0.0.1/none", Reason.CREDENTIAL_MISSING),
        ("mssql+pyodbc://u:s3cret@127.0.0.1/none", Reason.NOT_INSTALLED),
    ):
        connector = SqlConnector(lambda credential, url=url: url)  # type: ignore[misc]
        done = connector.erase(TARGET, ordinals(*GONE), Watch())
        assert done.trouble is not None, url
        assert done.trouble.reason is reason, url
        assert done.state is done.trouble.state
        assert "s3cret" not in done.trouble.detail
        checked = connector.check(TARGET)
        assert checked is not None, url
        assert checked.reason is reason, url
    assert not (tmp_path / "none.db").exists()
    done = SqlConnector(_no_credential).erase(TARGET, ordinals(*GONE), Watch())
    assert done.trouble is not None
    assert done.trouble.reason is Reason.CREDENTIAL_MISSING


def test_a_database_that_may_only_be_read(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.db"
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql('CREATE TABLE "Training rows" (id TEXT)')
        connection.exec_driver_sql("INSERT INTO \"Training rows\" VALUES ('ex-10')")
    engine.dispose()
    connector = SqlConnector(lambda credential: f"sqlite:///file:{path}?mode=ro&uri=true")
    done = connector.erase(TARGET, ordinals(10), Watch())
    assert done.trouble is not None
    assert done.trouble.reason is Reason.READ_ONLY


def _opened(path: Path, script: str) -> tuple[SqlConnector, sqlite3.Connection]:
    opened = sqlite3.connect(path)
    opened.executescript(script)
    return SqlConnector(lambda credential: f"sqlite:///{path}"), opened


def test_a_column_that_takes_another_key_for_the_same_loses_no_row(tmp_path: Path) -> None:
    connector, opened = _opened(
        tmp_path / "warehouse.db",
        'CREATE TABLE "Training rows" (id TEXT COLLATE NOCASE);'
        "INSERT INTO \"Training rows\" VALUES ('EX-10'), ('ex-11')",
    )
    done = connector.erase(TARGET, ordinals(10, 11), Watch())
    assert done.trouble is not None
    assert done.trouble.reason is Reason.DUPLICATE_KEYS
    assert opened.execute('SELECT count(*) FROM "Training rows"').fetchone() == (2,)
    opened.close()


def test_rows_that_others_refer_to_are_kept_by_their_database(tmp_path: Path) -> None:
    connector, opened = _opened(
        tmp_path / "warehouse.db",
        'CREATE TABLE "Training rows" (id TEXT PRIMARY KEY); CREATE TABLE label (row TEXT);'
        "INSERT INTO \"Training rows\" VALUES ('ex-10'), ('ex-11');"
        "CREATE TRIGGER refers BEFORE DELETE ON \"Training rows\" WHEN old.id = 'ex-11' "
        "BEGIN SELECT RAISE(ABORT, 'FOREIGN KEY constraint failed'); END;",
    )
    done = connector.erase(TARGET, ordinals(10, 11), Watch())
    assert done.trouble is not None
    assert (done.trouble.reason, done.state) == (Reason.REFUSED, TaskState.FAILED_FINAL)
    assert opened.execute('SELECT count(*) FROM "Training rows"').fetchone() == (2,)
    opened.close()


def test_the_proof_finds_what_came_back(connector: SqlConnector, engine: sa.Engine) -> None:
    rows = ordinals(*GONE)
    done = connector.erase(TARGET, rows, Watch())
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO \"Training rows\" VALUES ('ex-11', 11, 'x')")
    proof = connector.prove(TARGET.after(rows, done.sha256), rows, Watch())
    assert proof.trouble is not None
    assert (proof.trouble.reason, proof.remains) == (Reason.REMAINS, 1)
