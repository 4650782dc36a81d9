"""Which batches were read for the people of a request, and which rows may name them.

Revision: 0021
Follows: 0020
"""

import sqlalchemy as sa
from alembic import op


revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "subject_scan",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("whole", sa.Integer(), nullable=False),
        sa.Column("candidates", sa.LargeBinary(), nullable=True),
        sa.Column("scanned_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", "request_id", "position", name=op.f("pk_subject_scan")),
    )
    op.create_index(
        op.f("ix_subject_scan_subject_key"), "subject_scan", ["subject_key"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_subject_scan_subject_key"), table_name="subject_scan")
    op.drop_table("subject_scan")
