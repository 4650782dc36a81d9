"""Rights: what people verified, consented to, must keep, must not use, and must mend.

Revision: 0008
Follows: 0007
"""

import sqlalchemy as sa
from alembic import op


revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = (
    "consent_event",
    "consent_import",
    "disposal_item",
    "hold",
    "processing_activity",
    "protected_evidence",
    "recipient",
    "restriction",
    "share",
    "suppression",
    "verification",
    "violation",
    "hold_item",
)


def upgrade() -> None:
    op.create_table(
        "consent_event",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("notice", sa.Text(), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("jurisdiction", sa.Text(), nullable=True),
        sa.Column("explicit", sa.Integer(), nullable=True),
        sa.Column("controller", sa.Text(), nullable=True),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_event")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_consent_event_subject_key"), "consent_event", ["subject_key"], unique=False
    )
    op.create_table(
        "consent_import",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("next_row", sa.BigInteger(), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_import")),
    )
    op.create_table(
        "disposal_item",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("batch_number", sa.BigInteger(), nullable=False),
        sa.Column("ordinals", sa.LargeBinary(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("legal_basis", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disposal_item")),
        sa.UniqueConstraint(
            "rule", "batch_number", name=op.f("uq_disposal_item_rule_batch_number")
        ),
    )
    op.create_index(
        op.f("ix_disposal_item_batch_number"), "disposal_item", ["batch_number"], unique=False
    )
    op.create_index(op.f("ix_disposal_item_state"), "disposal_item", ["state"], unique=False)
    op.create_table(
        "hold",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("matter", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ground", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.BigInteger(), nullable=False),
        sa.Column("lift_asked_by", sa.Text(), nullable=True),
        sa.Column("lift_asked_at", sa.BigInteger(), nullable=True),
        sa.Column("lift_reason", sa.Text(), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "ground IN ('17_3_b', '17_3_c', '17_3_d', '17_3_e')", name=op.f("ck_hold_ground")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
    )
    op.create_index(op.f("ix_hold_state"), "hold", ["state"], unique=False)
    op.create_table(
        "processing_activity",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("controller", sa.Text(), nullable=True),
        sa.Column("legal_basis", sa.Text(), nullable=True),
        sa.Column("purposes", sa.Text(), nullable=False),
        sa.Column("subject_categories", sa.Text(), nullable=False),
        sa.Column("data_categories", sa.Text(), nullable=False),
        sa.Column("recipients", sa.Text(), nullable=False),
        sa.Column("transfers", sa.Text(), nullable=False),
        sa.Column("time_limits", sa.Text(), nullable=True),
        sa.Column("security", sa.Text(), nullable=True),
        sa.Column("dpia", sa.Text(), nullable=True),
        sa.Column("balancing_test", sa.Text(), nullable=True),
        sa.Column("retired", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", "revision", name=op.f("pk_processing_activity")),
    )
    op.create_table(
        "protected_evidence",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("batch_number", sa.BigInteger(), nullable=False),
        sa.Column("ordinals", sa.LargeBinary(), nullable=True),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("released_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_protected_evidence")),
    )
    op.create_index(
        op.f("ix_protected_evidence_batch_number"),
        "protected_evidence",
        ["batch_number"],
        unique=False,
    )
    op.create_index(
        op.f("ix_protected_evidence_case_id"), "protected_evidence", ["case_id"], unique=False
    )
    op.create_table(
        "recipient",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("contact", sa.Text(), nullable=True),
        sa.Column("agreement", sa.Text(), nullable=True),
        sa.Column("guideline", sa.Text(), nullable=True),
        sa.Column("retired", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", "revision", name=op.f("pk_recipient")),
    )
    op.create_table(
        "restriction",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("batch_number", sa.BigInteger(), nullable=True),
        sa.Column("ordinals", sa.LargeBinary(), nullable=True),
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=True),
        sa.Column("key_version", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=True),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restriction")),
    )
    op.create_index(
        op.f("ix_restriction_batch_number"), "restriction", ["batch_number"], unique=False
    )
    op.create_index(
        op.f("ix_restriction_subject_key"), "restriction", ["subject_key"], unique=False
    )
    op.create_table(
        "share",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("recipient_id", sa.Text(), nullable=False),
        sa.Column("activity_id", sa.Text(), nullable=True),
        sa.Column("purpose", sa.Text(), nullable=True),
        sa.Column("terms", sa.Text(), nullable=True),
        sa.Column("terms_sha256", sa.Text(), nullable=True),
        sa.Column("shared_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share")),
    )
    op.create_index(
        op.f("ix_share_dataset_id_number"), "share", ["dataset_id", "number"], unique=False
    )
    op.create_index(op.f("ix_share_recipient_id"), "share", ["recipient_id"], unique=False)
    op.create_table(
        "suppression",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=True),
        sa.Column("key_version", sa.Integer(), nullable=True),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("regime", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_at", sa.BigInteger(), nullable=True),
        sa.Column("lift_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppression")),
    )
    op.create_index(op.f("ix_suppression_digest"), "suppression", ["digest"], unique=False)
    op.create_index(
        op.f("ix_suppression_subject_key"), "suppression", ["subject_key"], unique=False
    )
    op.create_table(
        "verification",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("batch_number", sa.BigInteger(), nullable=False),
        sa.Column("fact", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("verified_by", sa.Text(), nullable=False),
        sa.Column("verified_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verification")),
    )
    op.create_index(
        op.f("ix_verification_batch_number"), "verification", ["batch_number"], unique=False
    )
    op.create_table(
        "violation",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("sameness", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=True),
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("batch_number", sa.BigInteger(), nullable=True),
        sa.Column("run_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_by", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_violation")),
        sa.UniqueConstraint("sameness", name=op.f("uq_violation_sameness")),
    )
    op.create_index(op.f("ix_violation_dataset_id"), "violation", ["dataset_id"], unique=False)
    op.create_index(op.f("ix_violation_project_id"), "violation", ["project_id"], unique=False)
    op.create_index(op.f("ix_violation_state_kind"), "violation", ["state", "kind"], unique=False)
    op.create_table(
        "hold_item",
        sa.Column("hold_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("batch_number", sa.BigInteger(), nullable=True),
        sa.Column("ordinal", sa.BigInteger(), nullable=True),
        sa.Column("subject_key", sa.LargeBinary(length=16), nullable=True),
        sa.Column("key_version", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["hold_id"], ["hold.id"], name=op.f("fk_hold_item_hold_id")),
        sa.PrimaryKeyConstraint("hold_id", "position", name=op.f("pk_hold_item")),
    )
    op.create_index(op.f("ix_hold_item_batch_number"), "hold_item", ["batch_number"], unique=False)
    op.create_index(op.f("ix_hold_item_dataset_id"), "hold_item", ["dataset_id"], unique=False)
    op.create_index(op.f("ix_hold_item_subject_key"), "hold_item", ["subject_key"], unique=False)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
