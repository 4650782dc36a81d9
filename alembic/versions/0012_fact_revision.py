"""Tokens that tell whether what decisions follow from has changed, and triggers that renew them.

Revision: 0012
Follows: 0011
"""

import secrets

import sqlalchemy as sa
from alembic import op

from registry.storage.revisions import FUNCTION_NAMES, FUNCTIONS, Area, Verb, Watch, unwatch, watch

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_UPDATE_DELETE = (Verb.UPDATE, Verb.DELETE)
WATCHES = (
    Watch("consent_event", Area.PEOPLE),
    Watch("suppression", Area.PEOPLE),
    Watch("restriction", Area.PEOPLE),
    Watch("hold", Area.PEOPLE),
    Watch("hold_item", Area.PEOPLE),
    Watch("key_version", Area.PEOPLE),
    Watch("verification", Area.DATA),
    Watch("processing_activity", Area.DATA),
    Watch("batch", Area.DATA),
    Watch("batch_binding", Area.DATA),
    Watch("batch_hole", Area.DATA),
    Watch("map_binding", Area.DATA),
    Watch("map_input", Area.DATA),
    Watch("batch_sum", Area.DATA, when="{row}.dimension IN ('license', 'total')"),
    Watch("ledger_object", Area.DATA, columns=("id", "subjects")),
    Watch(
        "dataset_facet",
        Area.DATA,
        when="{row}.name IN ('registry_rights', 'datasetType')",
        differs=("dataset_id", "name", "payload"),
    ),
    Watch("symlink", Area.DATA, columns=("dataset_id", "alias_id"), by_row=True),
    Watch(
        "scope_dataset",
        Area.DATA,
        columns=("scope_id", "direction", "dataset_id"),
        when="{row}.direction = 'input'",
        of_run="scope_id",
    ),
    Watch("run_read", Area.DATA, columns=("run_id", "dataset_id", "number"), of_run="run_id"),
    Watch("batch_number", Area.DATA, _UPDATE_DELETE),
    Watch("dataset_version", Area.DATA, _UPDATE_DELETE),
    Watch("version_batch", Area.DATA, _UPDATE_DELETE),
    Watch("dataset", Area.DATA, _UPDATE_DELETE, columns=("id", "namespace", "name"), by_row=True),
)


def upgrade() -> None:
    made = op.create_table(
        "fact_revision",
        sa.Column("area", sa.Text(), nullable=False),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("area", "slot", name=op.f("pk_fact_revision")),
    )
    op.bulk_insert(made, [{"area": area.value, "slot": 0, "token": secrets.randbits(63)} for area in Area])
    dialect = op.get_bind().dialect.name
    if dialect != "sqlite":
        for statement in FUNCTIONS:
            op.get_bind().exec_driver_sql(statement.replace("%", "%%"))
    for statement in watch(dialect, WATCHES):
        op.execute(sa.text(statement.replace(":", r"\:")))


def downgrade() -> None:
    dialect = op.get_bind().dialect.name
    for statement in unwatch(dialect, WATCHES):
        op.execute(statement)
    if dialect != "sqlite":
        for name in FUNCTION_NAMES:
            op.execute(f"DROP FUNCTION IF EXISTS {name}")
    op.drop_table("fact_revision")
