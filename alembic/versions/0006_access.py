"""Access: bindings in every project or one dataset's lineage, requests, and whom a quarantine waits for.

Revision: 0006
Follows: 0005
"""

import sqlalchemy as sa
from alembic import op


revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_OLD = "uq_role_binding_account_id_project_id_role"
_NEW = "uq_role_binding_account_id_project_id_role_scope_id"


def upgrade() -> None:
    op.create_table(
        "access_revision",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_access_revision_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_revision")),
    )
    op.create_table(
        "access_request",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("duration", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("binding_id", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'approved', 'denied')", name=op.f("ck_access_request_state")
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (decided_by IS NULL)", name=op.f("ck_access_request_decided")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_access_request_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_request")),
    )
    with op.batch_alter_table("access_request", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_access_request_state_id"), ["state", "id"], unique=False
        )
    empty = sa.text("X''" if op.get_bind().dialect.name == "sqlite" else "''")
    with op.batch_alter_table("role_binding", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("scope_id", sa.LargeBinary(length=16), nullable=False, server_default=empty)
        )
        batch_op.add_column(sa.Column("scope", sa.Text(), nullable=False, server_default=""))
        batch_op.add_column(
            sa.Column("granted_by", sa.Text(), nullable=False, server_default="system")
        )
        batch_op.drop_constraint("fk_role_binding_project_id", type_="foreignkey")
        batch_op.drop_constraint(_OLD, type_="unique")
        batch_op.create_unique_constraint(_NEW, ["account_id", "project_id", "role", "scope_id"])
    with op.batch_alter_table("role_binding", schema=None) as batch_op:
        batch_op.alter_column("scope_id", server_default=None)
        batch_op.alter_column("scope", server_default=None)
        batch_op.alter_column("granted_by", server_default=None)
    # The first account of an open home holds every role everywhere, not in `default` alone.
    op.execute(
        "UPDATE role_binding SET project_id = '*' WHERE account_id IN "
        "(SELECT id FROM account WHERE name = 'admin') AND project_id IN "
        "(SELECT id FROM project WHERE name = 'default')"
    )
    with op.batch_alter_table("lineage_event", schema=None) as batch_op:
        batch_op.add_column(sa.Column("target_project_id", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("lineage_event", schema=None) as batch_op:
        batch_op.drop_column("target_project_id")
    op.execute("DELETE FROM role_binding WHERE length(scope_id) > 0")
    op.execute(
        "UPDATE role_binding SET project_id = (SELECT id FROM project WHERE name = 'default') "
        "WHERE project_id = '*' AND NOT EXISTS (SELECT 1 FROM role_binding o WHERE "
        "o.account_id = role_binding.account_id AND o.role = role_binding.role AND "
        "o.project_id = (SELECT id FROM project WHERE name = 'default'))"
    )
    op.execute("DELETE FROM role_binding WHERE project_id = '*'")
    with op.batch_alter_table("role_binding", schema=None) as batch_op:
        batch_op.drop_constraint(_NEW, type_="unique")
        batch_op.drop_column("granted_by")
        batch_op.drop_column("scope")
        batch_op.drop_column("scope_id")
        batch_op.create_unique_constraint(_OLD, ["account_id", "project_id", "role"])
        batch_op.create_foreign_key(
            "fk_role_binding_project_id", "project", ["project_id"], ["id"]
        )
    op.drop_table("access_request")
    op.drop_table("access_revision")
