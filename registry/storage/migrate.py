"""Brings the schema to the one this program needs, or says that it is another.

The migrations lie in the top-level folder `alembic/`; each carries one idea and runs on SQLite and
PostgreSQL. Alembic takes a fifth of a second to load, so it is loaded only where something is to be
done: what the newest revision is stands in the first lines of each migration.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from registry.errors import SchemaOutdatedError
from registry.files import shipped
from registry.storage.database import Database

if TYPE_CHECKING:
    from alembic.config import Config

_REVISION = re.compile(
    r"""^(revision|down_revision)\b[^=\n]*=\s*["']([^"'\n]+)["']""", re.MULTILINE
)


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration without a file; `connection` is what the migrations run on."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(shipped("alembic")).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@cache
def shipped_revisions() -> tuple[frozenset[str], str]:
    """Every revision that this program knows, and the head: the one that no other follows."""
    known: set[str] = set()
    followed: set[str] = set()
    for path in (shipped("alembic") / "versions").glob("*.py"):
        for name, revision in _REVISION.findall(path.read_text("utf-8")):
            (known if name == "revision" else followed).add(revision)
    (head,) = known - followed
    return frozenset(known), head


def schema_revisions(database: Database) -> tuple[str | None, str]:
    """The revision the database has (None: empty) and the one this program needs."""
    _, head = shipped_revisions()
    with database.read() as session:
        connection = session.connection()
        if not inspect(connection).has_table("alembic_version"):
            return None, head
        return connection.scalar(text("SELECT version_num FROM alembic_version")), head


def upgrade_schema(database: Database) -> tuple[str | None, str]:
    """Run every missing migration in one transaction each; give (before, after).

    Raises SchemaOutdatedError where the database is newer than this program.
    """
    current, head = schema_revisions(database)
    if current == head:
        return current, head
    _refuse_unknown(current)
    from alembic import command

    with database.write() as session:
        command.upgrade(alembic_config(session.connection()), "head")
    return current, head


def require_schema(database: Database) -> None:
    """Raise SchemaOutdatedError, with the command that mends it, unless the schema is current."""
    current, head = schema_revisions(database)
    if current == head:
        return
    _refuse_unknown(current)
    raise SchemaOutdatedError(
        f"The database has schema {current or 'none'}, and this program needs {head}.",
        remedy="Run: registry db upgrade",
    )


def _refuse_unknown(current: str | None) -> None:
    known, _ = shipped_revisions()
    if current is not None and current not in known:
        raise SchemaOutdatedError(
            f"The database has schema {current}, which this program does not know.",
            remedy="It was made by a newer program: install that one, or restore a backup.",
        )
