"""All tables are what the migrations make, and the ledger's upkeep goes down and up again."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlmodel import SQLModel

import registry.app
from alembic import command
from registry.policy.watched import WATCHED
from registry.storage.database import Database
from registry.storage.migrate import alembic_config
from registry.storage.revisions import missing_triggers


def changed_tables(database: Database) -> set[str]:
    """The tables that autogenerate would make or drop; `app` has loaded every model."""
    assert registry.app
    with database.read() as session:
        context = MigrationContext.configure(session.connection())
        found = compare_metadata(context, SQLModel.metadata)
    kinds = {"add_table", "remove_table", "add_column", "remove_column"}
    return {
        str(change[1].name if change[0].endswith("table") else change[2])
        for change in found
        if isinstance(change, tuple) and change[0] in kinds
    }


def test_tables_and_columns_are_what_the_migrations_make(database: Database) -> None:
    assert changed_tables(database) == set()


def test_the_schedule_goes_down_and_up_again(database: Database) -> None:
    for step, revision, expected in [
        ("downgrade", "0003", {"schedule"}),
        ("upgrade", "head", set()),
    ]:
        with database.write() as session:
            getattr(command, step)(alembic_config(session.connection()), revision)
        # Going down takes what came later, too.
        assert changed_tables(database) >= expected
    assert changed_tables(database) == set()


def test_the_audit_log_goes_down_and_up_again(database: Database) -> None:
    tables = {"audit_tile", "audit_origin", "audit_checkpoint"}
    for step, revision in [("downgrade", "0004"), ("upgrade", "head")]:
        with database.write() as session:
            getattr(command, step)(alembic_config(session.connection()), revision)
        assert changed_tables(database) >= (tables if step == "downgrade" else set())
    assert changed_tables(database) == set()


def test_what_watches_facts_goes_down_and_up_again(database: Database) -> None:
    names = {name for each in WATCHED for name in each.names}
    for step, revision, missing in [("downgrade", "0011", names), ("upgrade", "head", set())]:
        with database.write() as session:
            getattr(command, step)(alembic_config(session.connection()), revision)
        with database.read() as session:
            assert set(missing_triggers(session, WATCHED)) == missing
    assert changed_tables(database) == set()
