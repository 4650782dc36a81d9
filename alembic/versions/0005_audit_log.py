"""The audit log: a tree over the journal's entries, its origins, and what was signed of it.

Going down drops the tree and every checkpoint that was kept; the entries stay, and lose their place.

Revision: 0005
Follows: 0004
"""

import sqlalchemy as sa
from alembic import op


revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WAITING = sa.text("leaf_index IS NULL")


def upgrade() -> None:
    with op.batch_alter_table("audit_entry", schema=None) as batch_op:
        batch_op.create_index(
            "ix_audit_entry_waiting",
            ["id"],
            unique=False,
            sqlite_where=WAITING,
            postgresql_where=WAITING,
        )
    op.create_table(
        "audit_tile",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "number", name=op.f("pk_audit_tile")),
    )
    op.create_table(
        "audit_origin",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_origin")),
    )
    op.create_table(
        "audit_checkpoint",
        sa.Column("origin", sa.Integer(), nullable=False),
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["origin"], ["audit_origin.number"], name=op.f("fk_audit_checkpoint_origin")
        ),
        sa.PrimaryKeyConstraint("origin", "block", name=op.f("pk_audit_checkpoint")),
    )


def downgrade() -> None:
    op.drop_table("audit_checkpoint")
    op.drop_table("audit_origin")
    op.drop_table("audit_tile")
    with op.batch_alter_table("audit_entry", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_audit_entry_waiting", sqlite_where=WAITING, postgresql_where=WAITING
        )
    op.execute("UPDATE audit_entry SET leaf_index = NULL")
