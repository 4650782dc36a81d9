"""Erasure: requests, timelines, plans, tasks, letters and certificates.

Revision: 0010
Follows: 0009
"""

import sqlalchemy as sa
from alembic import op


revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('erasure_request',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('project_id', sa.Text(), nullable=False),
    sa.Column('right', sa.Text(), nullable=False),
    sa.Column('regime', sa.Text(), nullable=False),
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('reference', sa.Text(), nullable=True),
    sa.Column('region', sa.Text(), nullable=True),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('received_at', sa.BigInteger(), nullable=False),
    sa.Column('filed_by', sa.Text(), nullable=False),
    sa.Column('filed_at', sa.BigInteger(), nullable=False),
    sa.Column('identity', sa.Text(), nullable=False),
    sa.Column('verified_by', sa.Text(), nullable=True),
    sa.Column('verified_at', sa.BigInteger(), nullable=True),
    sa.Column('record_key', sa.Text(), nullable=False),
    sa.Column('key_destroyed_at', sa.BigInteger(), nullable=True),
    sa.Column('canonical_id', sa.Text(), nullable=True),
    sa.Column('due_on', sa.Text(), nullable=False),
    sa.Column('due_because', sa.Text(), nullable=False),
    sa.Column('extended_by', sa.Text(), nullable=True),
    sa.Column('extended_at', sa.BigInteger(), nullable=True),
    sa.Column('extension_reason', sa.Text(), nullable=True),
    sa.Column('paused_at', sa.BigInteger(), nullable=True),
    sa.Column('paused_days', sa.Integer(), nullable=False),
    sa.Column('plan_id', sa.Text(), nullable=True),
    sa.Column('approved_by', sa.Text(), nullable=True),
    sa.Column('approved_at', sa.BigInteger(), nullable=True),
    sa.Column('closed_at', sa.BigInteger(), nullable=True),
    sa.Column('closed_by', sa.Text(), nullable=True),
    sa.Column('justification', sa.Text(), nullable=True),
    sa.Column('note', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_erasure_request')),
    sa.UniqueConstraint('project_id', 'channel', 'reference', name=op.f('uq_erasure_request_project_id_channel_reference'))
    )
    op.create_index(op.f('ix_erasure_request_canonical_id'), 'erasure_request', ['canonical_id'], unique=False)
    op.create_index(op.f('ix_erasure_request_project_id_received_at'), 'erasure_request', ['project_id', 'received_at'], unique=False)
    op.create_index(op.f('ix_erasure_request_state_due_on'), 'erasure_request', ['state', 'due_on'], unique=False)
    op.create_table('erasure_certificate',
    sa.Column('number', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('request_id', sa.Text(), nullable=False),
    sa.Column('outcome', sa.Text(), nullable=False),
    sa.Column('digest', sa.LargeBinary(length=32), nullable=True),
    sa.Column('envelope', sa.LargeBinary(), nullable=True),
    sa.Column('entry_id', sa.BigInteger(), nullable=True),
    sa.Column('facts', sa.Text(), nullable=False),
    sa.Column('issued_by', sa.Text(), nullable=False),
    sa.Column('issued_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['request_id'], ['erasure_request.id'], name=op.f('fk_erasure_certificate_request_id')),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_erasure_certificate')),
    sqlite_autoincrement=True
    )
    op.create_index(op.f('ix_erasure_certificate_request_id'), 'erasure_certificate', ['request_id'], unique=False)
    op.create_table('erasure_identifier',
    sa.Column('request_id', sa.Text(), nullable=False),
    sa.Column('position', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('scheme', sa.Text(), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.Column('subject_key', sa.LargeBinary(length=16), nullable=False),
    sa.Column('key_version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['request_id'], ['erasure_request.id'], name=op.f('fk_erasure_identifier_request_id')),
    sa.PrimaryKeyConstraint('request_id', 'position', name=op.f('pk_erasure_identifier'))
    )
    op.create_index(op.f('ix_erasure_identifier_subject_key'), 'erasure_identifier', ['subject_key'], unique=False)
    op.create_table('erasure_letter',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('request_id', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.Column('made_by', sa.Text(), nullable=False),
    sa.Column('made_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['request_id'], ['erasure_request.id'], name=op.f('fk_erasure_letter_request_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_erasure_letter'))
    )
    op.create_index(op.f('ix_erasure_letter_request_id'), 'erasure_letter', ['request_id'], unique=False)
    op.create_table('erasure_plan',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('request_id', sa.Text(), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.Column('policy', sa.Text(), nullable=False),
    sa.Column('made_by', sa.Text(), nullable=False),
    sa.Column('made_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['request_id'], ['erasure_request.id'], name=op.f('fk_erasure_plan_request_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_erasure_plan')),
    sa.UniqueConstraint('request_id', 'revision', name=op.f('uq_erasure_plan_request_id_revision'))
    )
    op.create_table('erasure_step',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('request_id', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('actor', sa.Text(), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['request_id'], ['erasure_request.id'], name=op.f('fk_erasure_step_request_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_erasure_step'))
    )
    op.create_index(op.f('ix_erasure_step_request_id_id'), 'erasure_step', ['request_id', 'id'], unique=False)
    op.create_table('erasure_task',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('request_id', sa.Text(), nullable=False),
    sa.Column('plan_id', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('target', sa.Text(), nullable=False),
    sa.Column('dataset_id', sa.LargeBinary(length=16), nullable=True),
    sa.Column('batch_number', sa.BigInteger(), nullable=True),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('expected', sa.BigInteger(), nullable=True),
    sa.Column('found', sa.BigInteger(), nullable=True),
    sa.Column('erased', sa.BigInteger(), nullable=True),
    sa.Column('verified', sa.BigInteger(), nullable=True),
    sa.Column('until', sa.BigInteger(), nullable=True),
    sa.Column('owner', sa.Text(), nullable=True),
    sa.Column('due_on', sa.Text(), nullable=True),
    sa.Column('disposition', sa.Text(), nullable=True),
    sa.Column('ground', sa.Text(), nullable=True),
    sa.Column('detail', sa.Text(), nullable=True),
    sa.Column('evidence', sa.Text(), nullable=True),
    sa.Column('acknowledgement', sa.LargeBinary(length=32), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('opened_at', sa.BigInteger(), nullable=False),
    sa.Column('changed_at', sa.BigInteger(), nullable=False),
    sa.Column('changed_by', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['request_id'], ['erasure_request.id'], name=op.f('fk_erasure_task_request_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_erasure_task')),
    sa.UniqueConstraint('request_id', 'kind', 'target', name=op.f('uq_erasure_task_request_id_kind_target'))
    )
    op.create_index(op.f('ix_erasure_task_acknowledgement'), 'erasure_task', ['acknowledgement'], unique=False)
    op.create_index(op.f('ix_erasure_task_state_due_on'), 'erasure_task', ['state', 'due_on'], unique=False)
    op.create_table('erasure_plan_batch',
    sa.Column('plan_id', sa.Text(), nullable=False),
    sa.Column('batch_number', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('part', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('ordinals', sa.LargeBinary(), nullable=True),
    sa.Column('examples', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['plan_id'], ['erasure_plan.id'], name=op.f('fk_erasure_plan_batch_plan_id')),
    sa.PrimaryKeyConstraint('plan_id', 'batch_number', 'part', 'reason', name=op.f('pk_erasure_plan_batch'))
    )
    op.create_index(op.f('ix_erasure_plan_batch_batch_number'), 'erasure_plan_batch', ['batch_number'], unique=False)


def downgrade() -> None:

    op.drop_index(op.f('ix_erasure_plan_batch_batch_number'), table_name='erasure_plan_batch')
    op.drop_table('erasure_plan_batch')
    op.drop_index(op.f('ix_erasure_task_state_due_on'), table_name='erasure_task')
    op.drop_index(op.f('ix_erasure_task_acknowledgement'), table_name='erasure_task')
    op.drop_table('erasure_task')
    op.drop_index(op.f('ix_erasure_step_request_id_id'), table_name='erasure_step')
    op.drop_table('erasure_step')
    op.drop_table('erasure_plan')
    op.drop_index(op.f('ix_erasure_letter_request_id'), table_name='erasure_letter')
    op.drop_table('erasure_letter')
    op.drop_index(op.f('ix_erasure_identifier_subject_key'), table_name='erasure_identifier')
    op.drop_table('erasure_identifier')
    op.drop_index(op.f('ix_erasure_certificate_request_id'), table_name='erasure_certificate')
    op.drop_table('erasure_certificate')
    op.drop_index(op.f('ix_erasure_request_state_due_on'), table_name='erasure_request')
    op.drop_index(op.f('ix_erasure_request_project_id_received_at'), table_name='erasure_request')
    op.drop_index(op.f('ix_erasure_request_canonical_id'), table_name='erasure_request')
    op.drop_table('erasure_request')
