"""What people state of datasets and models, signed.

Revision: 0017
Follows: 0016
"""

import sqlalchemy as sa
from alembic import op


revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('statement',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('dataset_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=True),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('flag', sa.Integer(), nullable=True),
    sa.Column('author', sa.Text(), nullable=False),
    sa.Column('stated_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=True),
    sa.Column('attachment_sha256', sa.Text(), nullable=True),
    sa.Column('supersedes', sa.Text(), nullable=True),
    sa.Column('withdraws', sa.Integer(), nullable=False),
    sa.Column('envelope', sa.LargeBinary(), nullable=False),
    sa.Column('entry_id', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('flag IN (0, 1)', name=op.f('ck_statement_flag')),
    sa.CheckConstraint('withdraws = 0 OR supersedes IS NOT NULL', name=op.f('ck_statement_withdraws')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_statement')),
    sa.UniqueConstraint('supersedes', name=op.f('uq_statement_supersedes'))
    )
    op.create_index(op.f('ix_statement_dataset_id_kind'), 'statement', ['dataset_id', 'kind'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_statement_dataset_id_kind'), table_name='statement')
    op.drop_table('statement')
