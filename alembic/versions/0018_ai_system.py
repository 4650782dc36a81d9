"""AI systems and models, in revisions, and the versions of datasets that they use.

Revision: 0018
Follows: 0017
"""

import sqlalchemy as sa
from alembic import op


revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('ai_system',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('revision', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('version', sa.Text(), nullable=True),
    sa.Column('provider', sa.Text(), nullable=True),
    sa.Column('contact', sa.Text(), nullable=True),
    sa.Column('representative', sa.Text(), nullable=True),
    sa.Column('size_class', sa.Text(), nullable=True),
    sa.Column('code_of_practice', sa.Integer(), nullable=True),
    sa.Column('copyright_policy', sa.Text(), nullable=True),
    sa.Column('intended_purpose', sa.Text(), nullable=True),
    sa.Column('setting', sa.Text(), nullable=True),
    sa.Column('market_dates', sa.Text(), nullable=True),
    sa.Column('base_models', sa.Text(), nullable=True),
    sa.Column('continuous_training', sa.Integer(), nullable=True),
    sa.Column('is_open', sa.Integer(), nullable=True),
    sa.Column('retired', sa.Integer(), nullable=False),
    sa.Column('changed_by', sa.Text(), nullable=False),
    sa.Column('changed_at', sa.BigInteger(), nullable=False),
    sa.Column('entry_id', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', 'revision', name=op.f('pk_ai_system'))
    )
    op.create_table('ai_system_use',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('revision', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('position', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('dataset_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=True),
    sa.Column('role', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['id', 'revision'], ['ai_system.id', 'ai_system.revision'], name=op.f('fk_ai_system_use_id_revision')),
    sa.PrimaryKeyConstraint('id', 'revision', 'position', name=op.f('pk_ai_system_use'))
    )
    op.create_index(op.f('ix_ai_system_use_dataset_id'), 'ai_system_use', ['dataset_id'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_ai_system_use_dataset_id'), table_name='ai_system_use')
    op.drop_table('ai_system_use')
    op.drop_table('ai_system')
