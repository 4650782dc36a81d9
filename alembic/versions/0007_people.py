"""People: identities, sessions, passwords, set-up links, log-ins on their way, throttles.

Revision: 0007
Follows: 0006
"""

import sqlalchemy as sa
from alembic import op


revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def _of_account(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_account_id")
    return sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=name)


def upgrade() -> None:
    op.create_table(
        "person_identity",
        sa.Column("pseudonym", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        _of_account("person_identity"),
        sa.PrimaryKeyConstraint("pseudonym", name=op.f("pk_person_identity")),
        sa.UniqueConstraint("account_id", name=op.f("uq_person_identity_account_id")),
    )
    op.create_table(
        "provider_binding",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        _of_account("provider_binding"),
        sa.PrimaryKeyConstraint(
            "account_id", "project_id", "role", name=op.f("pk_provider_binding")
        ),
    )
    op.create_table(
        "local_password",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("encoded", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        _of_account("local_password"),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_local_password")),
    )
    op.create_table(
        "setup_link",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_setup_link")),
    )
    op.create_table(
        "web_session",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        _of_account("web_session"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_web_session")),
        sa.UniqueConstraint("digest", name=op.f("uq_web_session_digest")),
    )
    with op.batch_alter_table("web_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_web_session_account_id"), ["account_id"])
        batch_op.create_index(batch_op.f("ix_web_session_expires_at"), ["expires_at"])
    op.create_table(
        "log_in_state",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("browser", sa.LargeBinary(length=32), nullable=False),
        sa.Column("next_path", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_log_in_state")),
    )
    with op.batch_alter_table("log_in_state", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_log_in_state_expires_at"), ["expires_at"])
    op.create_table(
        "log_in_throttle",
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("blocked_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_log_in_throttle")),
    )
    with op.batch_alter_table("log_in_throttle", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_log_in_throttle_last_at"), ["last_at"])


def downgrade() -> None:
    for table in (
        "log_in_throttle",
        "log_in_state",
        "web_session",
        "setup_link",
        "local_password",
        "provider_binding",
        "person_identity",
    ):
        op.drop_table(table)
