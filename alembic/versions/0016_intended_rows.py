"""Which rows an erasure was taking out of a file when it broke off.

Revision: 0016
Follows: 0015
"""

import sqlalchemy as sa
from alembic import op


revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('file_state', schema=None) as batch_op:
        batch_op.add_column(sa.Column('next_holes', sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('file_state', schema=None) as batch_op:
        batch_op.drop_column('next_holes')
