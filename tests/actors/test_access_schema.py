"""The tables of access are what the migrations make; bindings survive the way up and down."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel

from alembic import command
from registry.actors.accounts import SYSTEM, create_token
from registry.actors.bindings import access_revision, count_access_change
from registry.actors.first import begin
from registry.actors.tables import AccessRequest, AccessRevision, Role
from registry.storage.columns import table_of
from registry.storage.database import Database
from registry.storage.migrate import alembic_config
from tests.clock import START

OURS = {"role_binding", "access_request", "access_revision", "lineage_event"}


def differences(database: Database) -> list[object]:
    """What autogenerate would change about the tables of access."""
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


def move(database: Database, step: str, revision: str) -> None:
    with database.write() as session:
        getattr(command, step)(alembic_config(session.connection()), revision)


def bindings(database: Database, columns: str) -> list[tuple[object, ...]]:
    sql = f"""
        SELECT {columns} FROM role_binding b JOIN account a ON a.id = b.account_id
        LEFT JOIN project p ON p.id = b.project_id ORDER BY a.name, b.role"""
    with database.read() as session:
        return [tuple(row) for row in session.connection().exec_driver_sql(sql)]


def test_the_models_are_what_the_migrations_make(database: Database) -> None:
    assert differences(database) == []


def test_bindings_go_up_down_and_up_again(database: Database) -> None:
    with database.write() as session:
        begin(session, strict=False, now=START)
        roles = frozenset({Role.PIPELINE})
        create_token(session, name="etl", roles=roles, project="default", actor=SYSTEM, now=START)
    columns = "a.name, b.role, coalesce(p.name, b.project_id), b.granted_by, b.scope"
    before = bindings(database, columns)
    assert ("admin", "auditor", "*", "system", "") in before
    assert ("etl", "pipeline", "default", "system", "") in before
    move(database, "downgrade", "0005")
    old = bindings(database, "a.name, b.role, p.name")
    assert old == [(name, role, "default") for name, role, *_ in before]
    move(database, "upgrade", "head")
    assert bindings(database, columns) == before
    assert differences(database) == []


def request(**changed: object) -> dict[str, object]:
    return {
        "id": "one",
        "project_id": "*",
        "role": "viewer",
        "scope_id": b"",
        "scope": "",
        "duration": "P1D",
        "why": "because",
        "state": "waiting",
        "asked_at": START,
        **changed,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"state": "lost"}, id="a state that nobody knows"),
        pytest.param({"state": "approved"}, id="approved by nobody"),
        pytest.param({"decided_by": "somebody"}, id="waiting and decided"),
        pytest.param({"account_id": "nobody"}, id="of an account that is not there"),
    ],
)
def test_the_schema_refuses_a_request(database: Database, wrong: dict[str, object]) -> None:
    with database.write() as session:
        begin(session, strict=True, now=START)
        account = session.execute(text("SELECT id FROM account")).scalar_one()
        fine = request(account_id=account, id="fine")
        session.execute(table_of(AccessRequest).insert().values(fine))
    row = {**request(account_id=account), **wrong}
    with pytest.raises(IntegrityError), database.write() as session:
        session.execute(table_of(AccessRequest).insert().values(row))


def test_there_is_one_revision(database: Database) -> None:
    with database.write() as session:
        assert access_revision(session) == 0
        for expected in (1, 2):
            count_access_change(session)
            assert access_revision(session) == expected
    with pytest.raises(IntegrityError), database.write() as session:
        session.execute(table_of(AccessRevision).insert().values({"id": 2, "revision": 1}))
