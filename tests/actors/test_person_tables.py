"""The tables of people are what their migration makes."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect
from sqlmodel import SQLModel

from alembic import command
from registry.actors import person_tables
from registry.storage.database import Database
from registry.storage.migrate import alembic_config

OURS = {
    str(found.__tablename__)
    for found in vars(person_tables).values()
    if isinstance(found, type) and issubclass(found, SQLModel) and found is not SQLModel
}


def differences(database: Database) -> list[object]:
    def is_ours(thing: object, _name: object, kind: str, *_: object) -> bool:
        return getattr(thing if kind == "table" else thing.table, "name", "") in OURS  # type: ignore[attr-defined]

    with database.read() as session:
        context = MigrationContext.configure(session.connection(), opts={"include_object": is_ours})
        return list(compare_metadata(context, SQLModel.metadata))


def present(database: Database) -> set[str]:
    with database.read() as session:
        return OURS & set(inspect(session.connection()).get_table_names())


def test_the_migration_goes_up_down_and_up_again(database: Database) -> None:
    assert len(OURS) == 7
    assert differences(database) == []
    scripts = ScriptDirectory.from_config(alembic_config())
    ours = next(each for each in scripts.walk_revisions() if each.doc.startswith("People:"))
    for step, target, expected in (
        ("downgrade", str(ours.down_revision), set()),
        ("upgrade", "head", OURS),
    ):
        with database.write() as session:
            getattr(command, step)(alembic_config(session.connection()), target)
        assert present(database) == expected
    assert differences(database) == []
