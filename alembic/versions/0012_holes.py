"""Erased examples: which ordinals of a batch are holes.

Revision: 0012
Follows: 0010
"""

import sqlalchemy as sa
from alembic import op


revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "batch_hole",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("holes", sa.LargeBinary(), nullable=False),
        sa.Column("erased", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_batch_hole")),
    )


def downgrade() -> None:
    op.drop_table("batch_hole")
