"""Entries of the log are found by their moment: what a card rests on names its entry.

Revision: 0023
Follows: 0022
"""

from alembic import op


revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f('ix_audit_entry_at'), 'audit_entry', ['at'])


def downgrade() -> None:
    op.drop_index(op.f('ix_audit_entry_at'), table_name='audit_entry')
