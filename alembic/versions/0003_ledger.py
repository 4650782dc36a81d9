"""The example ledger: objects, bindings, row maps and sums.

Revision: 0003
Follows: 0002
"""

import sqlalchemy as sa
from alembic import op


revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "batch_binding",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("indexed", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_batch_binding")),
    )
    with op.batch_alter_table("batch_binding", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_batch_binding_state"), ["state"], unique=False)

    op.create_table(
        "batch_map",
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("run_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("batch_name", sa.Text(), nullable=False),
        sa.Column("wins", sa.LargeBinary(length=40), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("method", sa.Text(), nullable=True),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("map_object", sa.Text(), nullable=True),
        sa.Column("inline", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint(
            "dataset_id", "run_id", "batch_name", "wins", "position", name=op.f("pk_batch_map")
        ),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("batch_map", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_batch_map_map_object"), ["map_object"], unique=False)

    op.create_table(
        "batch_map_set",
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("run_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("batch_name", sa.Text(), nullable=False),
        sa.Column("wins", sa.LargeBinary(length=40), nullable=False),
        sa.PrimaryKeyConstraint(
            "dataset_id", "run_id", "batch_name", name=op.f("pk_batch_map_set")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "batch_sum",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("examples", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("tokens", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("number", "dimension", "value", name=op.f("pk_batch_sum")),
    )
    op.create_table(
        "batch_wait",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("awaited", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", "awaited", name=op.f("pk_batch_wait")),
    )
    with op.batch_alter_table("batch_wait", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_batch_wait_awaited"), ["awaited"], unique=False)

    op.create_table(
        "ledger_object",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("match", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("subjects", sa.BigInteger(), nullable=False),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_object")),
        sa.UniqueConstraint(
            "match", "kind", "project_id", name=op.f("uq_ledger_object_match_kind_project_id")
        ),
    )
    with op.batch_alter_table("ledger_object", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_ledger_object_expires_at"), ["expires_at"], unique=False
        )

    op.create_table(
        "map_binding",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("object_name", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("method", sa.Text(), nullable=True),
        sa.Column("unresolved", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", "position", name=op.f("pk_map_binding")),
    )
    op.create_table(
        "map_input",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("input_number", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", "position", "place", name=op.f("pk_map_input")),
    )
    with op.batch_alter_table("map_input", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_map_input_input_number"), ["input_number"], unique=False
        )

    with op.batch_alter_table("batch", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_batch_examples_object"), ["examples_object"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("batch", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_batch_examples_object"))

    with op.batch_alter_table("map_input", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_map_input_input_number"))

    op.drop_table("map_input")
    op.drop_table("map_binding")
    with op.batch_alter_table("ledger_object", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ledger_object_expires_at"))

    op.drop_table("ledger_object")
    with op.batch_alter_table("batch_wait", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_batch_wait_awaited"))

    op.drop_table("batch_wait")
    op.drop_table("batch_sum")
    op.drop_table("batch_map_set")
    with op.batch_alter_table("batch_map", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_batch_map_map_object"))

    op.drop_table("batch_map")
    with op.batch_alter_table("batch_binding", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_batch_binding_state"))

    op.drop_table("batch_binding")
