"""The catalog, the event log, the journal, actors and the work queue.

Revision: 0001
Follows:
"""

import sqlalchemy as sa
from alembic import op


revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("name", name=op.f("uq_account_name")),
    )
    op.create_table(
        "audit_entry",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("leaf_data", sa.LargeBinary(length=32), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=32), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("leaf_index", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("audit_entry", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_entry_leaf_index"), ["leaf_index"], unique=True)

    op.create_table(
        "batch",
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("run_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("wins", sa.LargeBinary(length=40), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("effective_at", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=True),
        sa.Column("partition", sa.Text(), nullable=True),
        sa.Column("origin_kind", sa.Text(), nullable=True),
        sa.Column("origin_uri", sa.Text(), nullable=True),
        sa.Column("origin_description", sa.Text(), nullable=True),
        sa.Column("collected_from", sa.BigInteger(), nullable=True),
        sa.Column("collected_until", sa.BigInteger(), nullable=True),
        sa.Column("license", sa.Text(), nullable=True),
        sa.Column("legal_basis", sa.Text(), nullable=True),
        sa.Column("special_category_condition", sa.Text(), nullable=True),
        sa.Column("purposes", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("classification", sa.Text(), nullable=True),
        sa.Column("personal_data", sa.Text(), nullable=True),
        sa.Column("example_count", sa.BigInteger(), nullable=True),
        sa.Column("examples_object", sa.Text(), nullable=True),
        sa.Column("examples_url", sa.Text(), nullable=True),
        sa.Column("subject_coverage", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("dataset_id", "run_id", "name", name=op.f("pk_batch")),
        sa.UniqueConstraint("number", name=op.f("uq_batch_number")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("batch", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_batch_dataset_id_partition"), ["dataset_id", "partition"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_batch_run_id"), ["run_id"], unique=False)

    op.create_table(
        "batch_file",
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("run_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("batch_name", sa.Text(), nullable=False),
        sa.Column("wins", sa.LargeBinary(length=40), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("first_ordinal", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint(
            "dataset_id", "run_id", "batch_name", "wins", "position", name=op.f("pk_batch_file")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "batch_number",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("run_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "number > 0 AND number < 4294967296", name=op.f("ck_batch_number_fits_uint32")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_batch_number")),
        sa.UniqueConstraint(
            "run_id", "dataset_id", "name", name=op.f("uq_batch_number_run_id_dataset_id_name")
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "dataset",
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset")),
        sa.UniqueConstraint("namespace", "name", name=op.f("uq_dataset_namespace_name")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dataset_facet",
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("wins", sa.LargeBinary(length=40), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", "name", name=op.f("pk_dataset_facet")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("dataset_facet", schema=None) as batch_op:
        batch_op.create_index(
            "ix_dataset_facet_tags",
            ["dataset_id"],
            unique=False,
            sqlite_where=sa.text("name = 'tags'"),
            postgresql_where=sa.text("name = 'tags'"),
        )

    op.create_table(
        "dataset_version",
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("base", sa.BigInteger(), nullable=True),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("completed_at", sa.BigInteger(), nullable=False),
        sa.Column("allotted_at", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", "number", name=op.f("pk_dataset_version")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("dataset_version", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_dataset_version_dataset_id_completed_at_number"),
            ["dataset_id", "completed_at", "number"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_dataset_version_dataset_id_line_number"),
            ["dataset_id", "line", "number"],
            unique=False,
        )
        batch_op.create_index(
            "ix_dataset_version_line_heads",
            ["dataset_id", "completed_at", "number"],
            unique=False,
            sqlite_where=sa.text("number = line"),
            postgresql_where=sa.text("number = line"),
        )
        batch_op.create_index(batch_op.f("ix_dataset_version_scope_id"), ["scope_id"], unique=False)

    op.create_table(
        "edge",
        sa.Column("scope_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("carrier_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("wins", sa.LargeBinary(length=40), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("job_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("target_kind", sa.Text(), nullable=False),
        sa.Column("target_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("target_field", sa.Text(), nullable=False),
        sa.Column("source_kind", sa.Text(), nullable=False),
        sa.Column("source_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("source_field", sa.Text(), nullable=False),
        sa.Column("source_scope_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("transformations", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint(
            "scope_id", "carrier_id", "origin", "wins", "position", name=op.f("pk_edge")
        ),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("edge", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_edge_scope_id_target_id"), ["scope_id", "target_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_edge_source_id_job_id_target_id"),
            ["source_id", "job_id", "target_id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_edge_target_id_job_id_wins"),
            ["target_id", "job_id", "wins"],
            unique=False,
        )

    op.create_table(
        "edge_set",
        sa.Column("scope_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("carrier_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("wins", sa.LargeBinary(length=40), nullable=False),
        sa.PrimaryKeyConstraint("scope_id", "carrier_id", "origin", name=op.f("pk_edge_set")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "event_name",
        sa.Column("entity_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("entity_id", "event_id", name=op.f("pk_event_name")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "event_redaction",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_redaction")),
    )
    with op.batch_alter_table("event_redaction", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_event_redaction_event_id"), ["event_id"], unique=False)

    op.create_table(
        "external_version",
        sa.Column("scope_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("wins", sa.LargeBinary(length=40), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "scope_id", "direction", "dataset_id", name=op.f("pk_external_version")
        ),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("external_version", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_external_version_dataset_id_external_id"),
            ["dataset_id", "external_id"],
            unique=False,
        )

    op.create_table(
        "job",
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("namespace", "name", name=op.f("uq_job_namespace_name")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "job_dataset",
        sa.Column("job_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("declared", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("scope_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("wins", sa.LargeBinary(length=40), nullable=False),
        sa.PrimaryKeyConstraint(
            "job_id", "direction", "dataset_id", "declared", name=op.f("pk_job_dataset")
        ),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("job_dataset", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_job_dataset_dataset_id_direction"),
            ["dataset_id", "direction"],
            unique=False,
        )

    op.create_table(
        "job_declaration",
        sa.Column("job_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("wins", sa.LargeBinary(length=40), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "direction", name=op.f("pk_job_declaration")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "job_facet",
        sa.Column("job_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("wins", sa.LargeBinary(length=40), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "name", name=op.f("pk_job_facet")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("job_facet", schema=None) as batch_op:
        batch_op.create_index(
            "ix_job_facet_tags",
            ["job_id"],
            unique=False,
            sqlite_where=sa.text("name = 'tags'"),
            postgresql_where=sa.text("name = 'tags'"),
        )

    op.create_table(
        "lineage_event",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("event_time", sa.BigInteger(), nullable=False),
        sa.Column("effective_at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=True),
        sa.Column("scope_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("denied", sa.Text(), nullable=True),
        sa.Column("warnings", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lineage_event")),
        sa.UniqueConstraint("digest", name=op.f("uq_lineage_event_digest")),
    )
    with op.batch_alter_table("lineage_event", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_lineage_event_effective_at_id"), ["effective_at", "id"], unique=False
        )
        batch_op.create_index(
            "ix_lineage_event_not_projected",
            ["state", "id"],
            unique=False,
            sqlite_where=sa.text("state != 'projected'"),
            postgresql_where=sa.text("state != 'projected'"),
        )
        batch_op.create_index(batch_op.f("ix_lineage_event_scope_id"), ["scope_id"], unique=False)

    op.create_table(
        "name_owner",
        sa.Column("entity_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("entity_id", name=op.f("pk_name_owner")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("name_owner", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_name_owner_project_id"), ["project_id"], unique=False)

    op.create_table(
        "namespace",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_namespace")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "project",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("strict", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
        sa.UniqueConstraint("name", name=op.f("uq_project_name")),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("job_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("owner_key", sa.LargeBinary(length=40), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_key", sa.LargeBinary(length=40), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("producer_run_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_run_job_id_created_at_id"), ["job_id", "created_at", "id"], unique=False
        )
        batch_op.create_index(
            "ix_run_failed",
            ["job_id"],
            unique=False,
            sqlite_where=sa.text("state IN ('FAILED', 'ABORTED')"),
            postgresql_where=sa.text("state IN ('FAILED', 'ABORTED')"),
        )

    op.create_table(
        "run_facet",
        sa.Column("run_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("wins", sa.LargeBinary(length=40), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "name", name=op.f("pk_run_facet")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("run_facet", schema=None) as batch_op:
        batch_op.create_index(
            "ix_run_facet_tags",
            ["run_id"],
            unique=False,
            sqlite_where=sa.text("name = 'tags'"),
            postgresql_where=sa.text("name = 'tags'"),
        )

    op.create_table(
        "run_nominal",
        sa.Column("run_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("wins", sa.LargeBinary(length=40), nullable=False),
        sa.Column("start_at", sa.BigInteger(), nullable=False),
        sa.Column("end_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_nominal")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "run_parent",
        sa.Column("run_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("wins", sa.LargeBinary(length=40), nullable=False),
        sa.Column("parent_run_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("parent_namespace", sa.Text(), nullable=False),
        sa.Column("parent_name", sa.Text(), nullable=False),
        sa.Column("root_run_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("root_namespace", sa.Text(), nullable=True),
        sa.Column("root_name", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_parent")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("run_parent", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_run_parent_parent_run_id"), ["parent_run_id"], unique=False
        )

    op.create_table(
        "run_read",
        sa.Column("run_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.Column("allotted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "dataset_id", name=op.f("pk_run_read")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("run_read", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_run_read_dataset_id_number"), ["dataset_id", "number"], unique=False
        )

    op.create_table(
        "scope_dataset",
        sa.Column("scope_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("job_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("wins", sa.LargeBinary(length=40), nullable=False),
        sa.PrimaryKeyConstraint(
            "scope_id", "direction", "dataset_id", name=op.f("pk_scope_dataset")
        ),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("scope_dataset", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_scope_dataset_dataset_id_direction_job_id_first_at"),
            ["dataset_id", "direction", "job_id", "first_at"],
            unique=False,
        )

    op.create_table(
        "scope_facet",
        sa.Column("scope_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("wins", sa.LargeBinary(length=40), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "scope_id", "direction", "dataset_id", "kind", "name", name=op.f("pk_scope_facet")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "symlink",
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("alias_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("wins", sa.LargeBinary(length=40), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("alias_type", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", "alias_id", name=op.f("pk_symlink")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("symlink", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_symlink_alias_id"), ["alias_id"], unique=False)

    op.create_table(
        "task",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("run_after", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("leased_by", sa.Text(), nullable=True),
        sa.Column("leased_until", sa.BigInteger(), nullable=True),
        sa.Column("progress", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
    )
    with op.batch_alter_table("task", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_task_state_run_after"), ["state", "run_after"], unique=False
        )
        batch_op.create_index(
            "uq_task_waiting",
            ["dedupe_key"],
            unique=True,
            sqlite_where=sa.text("state = 'waiting' AND dedupe_key != ''"),
            postgresql_where=sa.text("state = 'waiting' AND dedupe_key != ''"),
        )

    op.create_table(
        "version_batch",
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("batch_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.CheckConstraint("change IN ('added', 'removed')", name=op.f("ck_version_batch_change")),
        sa.PrimaryKeyConstraint(
            "dataset_id", "number", "batch_number", name=op.f("pk_version_batch")
        ),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("version_batch", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_version_batch_batch_number"), ["batch_number"], unique=False
        )

    op.create_table(
        "project_claim",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("namespace_glob", sa.Text(), nullable=False),
        sa.Column("name_prefix", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_project_claim_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_claim")),
        sa.UniqueConstraint(
            "project_id",
            "namespace_glob",
            "name_prefix",
            name=op.f("uq_project_claim_project_id_namespace_glob_name_prefix"),
        ),
    )
    op.create_table(
        "role_binding",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_role_binding_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_role_binding_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_binding")),
        sa.UniqueConstraint(
            "account_id",
            "project_id",
            "role",
            name=op.f("uq_role_binding_account_id_project_id_role"),
        ),
    )
    op.create_table(
        "token",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_token_account_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_token_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_token_digest")),
    )
    with op.batch_alter_table("token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_token_account_id"), ["account_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("token", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_token_account_id"))

    op.drop_table("token")
    op.drop_table("role_binding")
    op.drop_table("project_claim")
    with op.batch_alter_table("version_batch", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_version_batch_batch_number"))

    op.drop_table("version_batch")
    with op.batch_alter_table("task", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_task_waiting",
            sqlite_where=sa.text("state = 'waiting' AND dedupe_key != ''"),
            postgresql_where=sa.text("state = 'waiting' AND dedupe_key != ''"),
        )
        batch_op.drop_index(batch_op.f("ix_task_state_run_after"))

    op.drop_table("task")
    with op.batch_alter_table("symlink", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_symlink_alias_id"))

    op.drop_table("symlink")
    op.drop_table("scope_facet")
    with op.batch_alter_table("scope_dataset", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_scope_dataset_dataset_id_direction_job_id_first_at"))

    op.drop_table("scope_dataset")
    with op.batch_alter_table("run_read", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_run_read_dataset_id_number"))

    op.drop_table("run_read")
    with op.batch_alter_table("run_parent", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_run_parent_parent_run_id"))

    op.drop_table("run_parent")
    op.drop_table("run_nominal")
    with op.batch_alter_table("run_facet", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_run_facet_tags",
            sqlite_where=sa.text("name = 'tags'"),
            postgresql_where=sa.text("name = 'tags'"),
        )

    op.drop_table("run_facet")
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_run_failed",
            sqlite_where=sa.text("state IN ('FAILED', 'ABORTED')"),
            postgresql_where=sa.text("state IN ('FAILED', 'ABORTED')"),
        )
        batch_op.drop_index(batch_op.f("ix_run_job_id_created_at_id"))

    op.drop_table("run")
    op.drop_table("project")
    op.drop_table("namespace")
    with op.batch_alter_table("name_owner", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_name_owner_project_id"))

    op.drop_table("name_owner")
    with op.batch_alter_table("lineage_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_lineage_event_scope_id"))
        batch_op.drop_index(
            "ix_lineage_event_not_projected",
            sqlite_where=sa.text("state != 'projected'"),
            postgresql_where=sa.text("state != 'projected'"),
        )
        batch_op.drop_index(batch_op.f("ix_lineage_event_effective_at_id"))

    op.drop_table("lineage_event")
    with op.batch_alter_table("job_facet", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_job_facet_tags",
            sqlite_where=sa.text("name = 'tags'"),
            postgresql_where=sa.text("name = 'tags'"),
        )

    op.drop_table("job_facet")
    op.drop_table("job_declaration")
    with op.batch_alter_table("job_dataset", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_job_dataset_dataset_id_direction"))

    op.drop_table("job_dataset")
    op.drop_table("job")
    with op.batch_alter_table("external_version", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_external_version_dataset_id_external_id"))

    op.drop_table("external_version")
    with op.batch_alter_table("event_redaction", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_event_redaction_event_id"))

    op.drop_table("event_redaction")
    op.drop_table("event_name")
    op.drop_table("edge_set")
    with op.batch_alter_table("edge", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_edge_target_id_job_id_wins"))
        batch_op.drop_index(batch_op.f("ix_edge_source_id_job_id_target_id"))
        batch_op.drop_index(batch_op.f("ix_edge_scope_id_target_id"))

    op.drop_table("edge")
    with op.batch_alter_table("dataset_version", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_dataset_version_scope_id"))
        batch_op.drop_index(
            "ix_dataset_version_line_heads",
            sqlite_where=sa.text("number = line"),
            postgresql_where=sa.text("number = line"),
        )
        batch_op.drop_index(batch_op.f("ix_dataset_version_dataset_id_line_number"))
        batch_op.drop_index(batch_op.f("ix_dataset_version_dataset_id_completed_at_number"))

    op.drop_table("dataset_version")
    with op.batch_alter_table("dataset_facet", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_dataset_facet_tags",
            sqlite_where=sa.text("name = 'tags'"),
            postgresql_where=sa.text("name = 'tags'"),
        )

    op.drop_table("dataset_facet")
    op.drop_table("dataset")
    op.drop_table("batch_number")
    op.drop_table("batch_file")
    with op.batch_alter_table("batch", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_batch_run_id"))
        batch_op.drop_index(batch_op.f("ix_batch_dataset_id_partition"))

    op.drop_table("batch")
    with op.batch_alter_table("audit_entry", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_entry_leaf_index"))

    op.drop_table("audit_entry")
    op.drop_table("account")
