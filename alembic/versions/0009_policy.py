"""Policy: decisions that were made, manifests that were given, and how far judges have come.

Revision: 0009
Follows: 0008
"""

import sqlalchemy as sa
from alembic import op


revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "policy_decision",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("judged", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_decision")),
    )
    op.create_index(
        op.f("ix_policy_decision_dataset_id_number"),
        "policy_decision",
        ["dataset_id", "number"],
        unique=False,
    )
    op.create_table(
        "manifest",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("allowed", sa.BigInteger(), nullable=False),
        sa.Column("withheld", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_manifest")),
    )
    op.create_index(
        op.f("ix_manifest_dataset_id_number"), "manifest", ["dataset_id", "number"], unique=False
    )
    op.create_table(
        "judge_mark",
        sa.Column("judge", sa.Text(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("judge", name=op.f("pk_judge_mark")),
    )


def downgrade() -> None:
    op.drop_table("judge_mark")
    op.drop_index(op.f("ix_manifest_dataset_id_number"), table_name="manifest")
    op.drop_table("manifest")
    op.drop_index(op.f("ix_policy_decision_dataset_id_number"), table_name="policy_decision")
    op.drop_table("policy_decision")
