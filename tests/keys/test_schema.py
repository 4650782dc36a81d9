"""The tables of the keyring are what the migrations make, and hold what they must."""

from __future__ import annotations

from datetime import datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel

from alembic import command
from registry.keys.keyring import Keyring
from registry.keys.tables import KEY_VERSION, KEYRING, NOT_IN_BACKUPS, RECORD_KEY, KeyState, Purpose
from registry.storage.database import Database
from registry.storage.migrate import alembic_config
from tests.clock import START

OURS = {table.name for table in NOT_IN_BACKUPS}


def differences(database: Database) -> list[object]:
    """What autogenerate would change about the tables of the keyring."""
    with database.read() as session:
        context = MigrationContext.configure(
            session.connection(),
            opts={
                "include_object": lambda thing, name, kind, reflected, other: (
                    (thing if kind == "table" else thing.table).name in OURS
                )
            },
        )
        return list(compare_metadata(context, SQLModel.metadata))


def columns(database: Database) -> dict[str, list[str]]:
    with database.read() as session:
        looked = inspect(session.connection())
        names = OURS & set(looked.get_table_names())
        return {name: sorted(c["name"] for c in looked.get_columns(name)) for name in names}


def test_the_models_are_what_the_migrations_make(database: Database) -> None:
    assert differences(database) == []


def test_the_tables_go_up_down_and_up_again(database: Database) -> None:
    there = columns(database)
    assert set(there) == OURS
    for step, revision, expected in [("downgrade", "0001", {}), ("upgrade", "head", there)]:
        with database.write() as session:
            getattr(command, step)(alembic_config(session.connection()), revision)
        assert columns(database) == expected
    assert differences(database) == []


def row(**changed: object) -> dict[str, object]:
    complete: dict[str, object] = {
        "id": "one",
        "purpose": Purpose.DATA,
        "version": 1,
        "state": KeyState.ACTIVE,
        "wrapped": b"sealed",
        "created_at": START,
    }
    return complete | changed


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"version": 0}, id="a version below one"),
        pytest.param({"version": 65_536}, id="a version over two bytes"),
        pytest.param({"state": "lost"}, id="a state that nobody knows"),
        pytest.param({"wrapped": None}, id="an active version without its key"),
        pytest.param({"destroyed_at": START}, id="an active version with an end"),
        pytest.param({"state": KeyState.DESTROYED}, id="a destroyed version with its key"),
        pytest.param(
            {"state": KeyState.DESTROYED, "wrapped": None}, id="a destroyed version without an end"
        ),
        pytest.param({"purpose": Purpose.SIGNING}, id="a signing key without its public half"),
        pytest.param({"public_key": bytes(32)}, id="a public half of what does not sign"),
    ],
)
def test_the_schema_refuses(database: Database, wrong: dict[str, object]) -> None:
    with database.write() as session:
        session.execute(KEY_VERSION.insert().values(row(id="fine", version=2)))
        session.rollback()
    with pytest.raises(IntegrityError), database.write() as session:
        session.execute(KEY_VERSION.insert().values(row(**wrong)))


def test_two_active_versions_of_a_purpose_are_refused(database: Database, keyring: Keyring) -> None:
    with pytest.raises(IntegrityError), database.write() as session:
        session.execute(KEY_VERSION.insert().values(row(version=2)))


def test_a_second_head_is_refused(database: Database, keyring: Keyring) -> None:
    head = {"id": 2, "check_value": b"", "revision": 1, "created_at": START}
    with pytest.raises(IntegrityError), database.write() as session:
        session.execute(KEYRING.insert().values(head))


@pytest.mark.parametrize("destroyed_at", [None, START])
def test_a_record_key_is_either_there_or_destroyed(
    database: Database, keyring: Keyring, destroyed_at: datetime | None
) -> None:
    wrapped_by = keyring.active(Purpose.DATA).id
    whole = {"id": "one", "wrapped_by": wrapped_by, "wrapped": b"sealed", "created_at": START}
    wrong = {"wrapped": b"sealed" if destroyed_at else None, "destroyed_at": destroyed_at}
    with database.write() as session:
        session.execute(RECORD_KEY.insert().values(whole))
    with pytest.raises(IntegrityError), database.write() as session:
        session.execute(update(RECORD_KEY).values(wrong))
