"""Cards as they were published, signed, and what files from elsewhere said.

Revision: 0019
Follows: 0018
"""

import sqlalchemy as sa
from alembic import op


revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('card_revision',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('dataset_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('shown_digest', sa.Text(), nullable=False),
    sa.Column('whole_digest', sa.Text(), nullable=False),
    sa.Column('questions', sa.Text(), nullable=False),
    sa.Column('previous', sa.Text(), nullable=True),
    sa.Column('published_by', sa.Text(), nullable=False),
    sa.Column('published_at', sa.BigInteger(), nullable=False),
    sa.Column('keep_until', sa.Text(), nullable=True),
    sa.Column('envelope', sa.LargeBinary(), nullable=False),
    sa.Column('entry_id', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_card_revision')),
    sa.UniqueConstraint('dataset_id', 'number', 'kind', 'revision', name=op.f('uq_card_revision_dataset_id_number_kind_revision'))
    )
    op.create_table('card_import',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('dataset_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=True),
    sa.Column('form', sa.Text(), nullable=False),
    sa.Column('file_sha256', sa.Text(), nullable=False),
    sa.Column('rest', sa.Text(), nullable=False),
    sa.Column('imported_by', sa.Text(), nullable=False),
    sa.Column('imported_at', sa.BigInteger(), nullable=False),
    sa.Column('entry_id', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_card_import'))
    )
    op.create_index(op.f('ix_card_import_dataset_id'), 'card_import', ['dataset_id'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_card_import_dataset_id'), table_name='card_import')
    op.drop_table('card_import')
    op.drop_table('card_revision')
