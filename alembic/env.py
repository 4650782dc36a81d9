"""Runs the migrations on the connection that `registry.storage.migrate` hands over."""

from sqlmodel import SQLModel

from alembic import context
from registry.storage.columns import Moment


def render_item(kind, item, _context):
    """Write our own column type as what it is in the schema, so that migrations stand alone."""
    return "sa.BigInteger()" if kind == "type" and isinstance(item, Moment) else False


connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Run: registry db upgrade")
if connection.dialect.name == "postgresql":
    connection.exec_driver_sql("SET LOCAL lock_timeout = '10s'")
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
    render_item=render_item,
)
with context.begin_transaction():
    context.run_migrations()
