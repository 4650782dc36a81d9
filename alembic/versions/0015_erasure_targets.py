"""Where copies of datasets lie, and which bytes their files have after erasures.

Revision: 0015
Follows: 0014
"""

import sqlalchemy as sa
from alembic import op


revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('target_binding',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('project_id', sa.Text(), nullable=False),
    sa.Column('dataset_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('uri', sa.Text(), nullable=False),
    sa.Column('executor', sa.Text(), nullable=False),
    sa.Column('form', sa.Text(), nullable=True),
    sa.Column('table_name', sa.Text(), nullable=True),
    sa.Column('key_column', sa.Text(), nullable=True),
    sa.Column('content_column', sa.Text(), nullable=True),
    sa.Column('by_key', sa.Integer(), nullable=False),
    sa.Column('credential', sa.Text(), nullable=True),
    sa.Column('made_by', sa.Text(), nullable=False),
    sa.Column('made_at', sa.BigInteger(), nullable=False),
    sa.Column('ended_by', sa.Text(), nullable=True),
    sa.Column('ended_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_target_binding'))
    )
    op.create_index(op.f('ix_target_binding_dataset_id_ended_at'), 'target_binding', ['dataset_id', 'ended_at'], unique=False)
    op.create_table('file_state',
    sa.Column('dataset_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('batch_number', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('uri', sa.Text(), nullable=False),
    sa.Column('sha256', sa.LargeBinary(length=32), nullable=True),
    sa.Column('next_sha256', sa.LargeBinary(length=32), nullable=True),
    sa.Column('holes', sa.LargeBinary(), nullable=False),
    sa.Column('rows', sa.BigInteger(), nullable=True),
    sa.Column('changed_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('dataset_id', 'batch_number', 'uri', name=op.f('pk_file_state'))
    )


def downgrade() -> None:
    op.drop_table('file_state')
    op.drop_index(op.f('ix_target_binding_dataset_id_ended_at'), table_name='target_binding')
    op.drop_table('target_binding')
