"""The tables of rights are what their migration makes, and it goes down and up again."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect
from sqlmodel import SQLModel

import registry.app
from alembic import command
from registry.rights import tables
from registry.storage.database import Database
from registry.storage.migrate import alembic_config

OURS = {
    str(model.__tablename__)
    for model in vars(tables).values()
    if isinstance(model, type) and issubclass(model, SQLModel) and hasattr(model, "__table__")
}


def differences(database: Database) -> list[object]:
    """What autogenerate would change about the tables of rights."""
    assert registry.app
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


def there(database: Database) -> set[str]:
    with database.read() as session:
        return OURS & set(inspect(session.connection()).get_table_names())


def test_the_tables_go_down_and_up_again(database: Database) -> None:
    assert len(OURS) == 13
    assert differences(database) == []
    for step, revision, expected in [("downgrade", "0007", set()), ("upgrade", "head", OURS)]:
        with database.write() as session:
            getattr(command, step)(alembic_config(session.connection()), revision)
        assert there(database) == expected
    assert differences(database) == []
