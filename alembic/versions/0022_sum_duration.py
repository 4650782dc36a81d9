"""How long the examples of a batch last; and the sums of every batch, made anew.

Older sums do not say where the examples entered, and no domains within each modality.

Revision: 0022
Follows: 0021
"""

import time
import uuid

import sqlalchemy as sa
from alembic import op


revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_BOUND = """
SELECT k.number FROM batch_binding k WHERE k.state = 'bound' AND NOT EXISTS (
  SELECT 1 FROM task t WHERE t.dedupe_key = 'sum:' || k.number AND t.state = 'waiting')
ORDER BY k.number
"""


def upgrade() -> None:
    with op.batch_alter_table('batch_sum', schema=None) as batch_op:
        batch_op.add_column(sa.Column('milliseconds', sa.BigInteger(), nullable=True))
    now = time.time_ns() // 1000
    task = sa.table('task', *(sa.column(name) for name in (
        'id', 'kind', 'payload', 'dedupe_key', 'state', 'attempts', 'run_after', 'created_at'
    )))
    rows = [
        {
            'id': uuid.uuid4().hex,
            'kind': 'ledger.batch.sum',
            'payload': f'{{"batch":{number}}}',
            'dedupe_key': f'sum:{number}',
            'state': 'waiting',
            'attempts': 0,
            'run_after': now,
            'created_at': now,
        }
        for (number,) in op.get_bind().execute(sa.text(_BOUND))
    ]
    if rows:
        op.bulk_insert(task, rows)


def downgrade() -> None:
    # Both databases drop the column in place; written anew, the table would lose its triggers.
    op.execute('ALTER TABLE batch_sum DROP COLUMN milliseconds')
