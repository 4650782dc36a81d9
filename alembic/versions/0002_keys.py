"""The keyring: what the master key is held to, key versions by purpose, and record keys.

Going down drops every key: what they sealed can never be read again.

Revision: 0002
Follows: 0001
"""

import sqlalchemy as sa
from alembic import op


revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "keyring",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("check_value", sa.LargeBinary(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_keyring_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keyring")),
    )
    op.create_table(
        "key_version",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("public_key", sa.LargeBinary(length=32), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("destroyed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("version BETWEEN 1 AND 65535", name=op.f("ck_key_version_version")),
        sa.CheckConstraint(
            "state IN ('active', 'retiring', 'destroyed')", name=op.f("ck_key_version_state")
        ),
        sa.CheckConstraint(
            "(state = 'destroyed') = (wrapped IS NULL)", name=op.f("ck_key_version_wrapped")
        ),
        sa.CheckConstraint(
            "(state = 'destroyed') = (destroyed_at IS NOT NULL)",
            name=op.f("ck_key_version_destroyed_at"),
        ),
        sa.CheckConstraint(
            "(purpose = 'signing') = (public_key IS NOT NULL)",
            name=op.f("ck_key_version_public_key"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_version")),
        sa.UniqueConstraint("purpose", "version", name=op.f("uq_key_version_purpose_version")),
    )
    with op.batch_alter_table("key_version", schema=None) as batch_op:
        batch_op.create_index(
            "uq_key_version_active",
            ["purpose"],
            unique=True,
            sqlite_where=sa.text("state = 'active'"),
            postgresql_where=sa.text("state = 'active'"),
        )

    op.create_table(
        "record_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("wrapped_by", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("destroyed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(destroyed_at IS NULL) = (wrapped IS NOT NULL)", name=op.f("ck_record_key_wrapped")
        ),
        sa.ForeignKeyConstraint(
            ["wrapped_by"], ["key_version.id"], name=op.f("fk_record_key_wrapped_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record_key")),
    )
    with op.batch_alter_table("record_key", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_record_key_wrapped_by"), ["wrapped_by"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("record_key", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_record_key_wrapped_by"))

    op.drop_table("record_key")
    with op.batch_alter_table("key_version", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_key_version_active",
            sqlite_where=sa.text("state = 'active'"),
            postgresql_where=sa.text("state = 'active'"),
        )

    op.drop_table("key_version")
    op.drop_table("keyring")
