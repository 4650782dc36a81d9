"""What other systems answered to notices of erasure, as they signed it.

Revision: 0020
Follows: 0019
"""

import sqlalchemy as sa
from alembic import op


revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('system_answer',
    sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('task_id', sa.Text(), nullable=False),
    sa.Column('outcome', sa.Text(), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.Column('received_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['task_id'], ['erasure_task.id'], name=op.f('fk_system_answer_task_id_erasure_task')),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_system_answer'))
    )
    op.create_index(op.f('ix_system_answer_task_id'), 'system_answer', ['task_id'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_system_answer_task_id'), table_name='system_answer')
    op.drop_table('system_answer')
