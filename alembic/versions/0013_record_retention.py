"""Retention of the registry's own logs: how far it has come; batches to be
judged again; why a restriction was
lifted; and which objects lost examples that were turned away.

Revision: 0013
Follows: 0012
"""

import sqlalchemy as sa
from alembic import op


revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "judge_again",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("batch_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_judge_again")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "retention_mark",
        sa.Column("log", sa.Text(), nullable=False),
        sa.Column("row_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log", name=op.f("pk_retention_mark")),
    )
    op.create_table(
        "retention_kept",
        sa.Column("log", sa.Text(), nullable=False),
        sa.Column("row_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("log", "row_id", name=op.f("pk_retention_kept")),
    )
    op.add_column("ledger_object", sa.Column("turned_away", sa.LargeBinary(), nullable=True))
    op.add_column("restriction", sa.Column("lift_reason", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("restriction", "lift_reason")
    op.drop_column("ledger_object", "turned_away")
    op.drop_table("retention_kept")
    op.drop_table("retention_mark")
    op.drop_table("judge_again")
