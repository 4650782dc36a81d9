"""Writes a projection into the catalog, merging with the rows that are there.

Rules:
1. Tables are written in one order and rows sorted by key, runs first: on PostgreSQL two writers
   that touch the same run, dataset or job wait for each other instead of deadlocking, and the
   second then sees what the first committed.
2. Rows that hang on an older header (see `projection`, rule 4) are deleted after the merge.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlmodel import Session, SQLModel

from registry.catalog import tables as t
from registry.catalog import version_tables as v
from registry.lineage.projection import Latest, Projection, Spans
from registry.lineage.row_maps_facet import MapRow
from registry.storage.bulk import KEEP_OLD, Merge, greater_key_wins, merge_rows, select_by_ids
from registry.storage.columns import table_of

_EARLIER = "CASE WHEN new.{0} < old.{0} THEN new.{0} ELSE old.{0} END"
_LATER = "CASE WHEN new.{0} > old.{0} THEN new.{0} ELSE old.{0} END"
_BY_STATE = "CASE WHEN new.state_key > old.state_key THEN new.{0} ELSE old.{0} END"
_SPAN = Merge(
    (("created_at", _EARLIER.format("created_at")), ("updated_at", _LATER.format("updated_at"))),
    "new.created_at < old.created_at OR new.updated_at > old.updated_at",
)
_RUN = Merge(
    (
        ("owner_key", _EARLIER.format("owner_key")),
        ("state", _BY_STATE.format("state")),
        ("ended_at", _BY_STATE.format("ended_at")),
        ("state_key", _LATER.format("state_key")),
        ("created_at", _EARLIER.format("created_at")),
        ("updated_at", _LATER.format("updated_at")),
        (
            "started_at",
            "CASE WHEN old.started_at IS NULL OR new.started_at < old.started_at "
            "THEN COALESCE(new.started_at, old.started_at) ELSE old.started_at END",
        ),
    )
)
# A declared row (scope = job) is replaced whole; a run's row keeps the first time it was said.
_SCOPE_DATASET = Merge(
    (
        (
            "first_at",
            "CASE WHEN old.scope_id = old.job_id THEN "
            "CASE WHEN new.wins > old.wins THEN new.first_at ELSE old.first_at END "
            "WHEN new.first_at < old.first_at THEN new.first_at ELSE old.first_at END",
        ),
        ("wins", _LATER.format("wins")),
    )
)
_PAYLOAD = greater_key_wins(("wins", "payload"))
_BATCH_COLUMNS = (
    "mode",
    "partition",
    "origin_kind",
    "origin_uri",
    "origin_description",
    "collected_from",
    "collected_until",
    "license",
    "legal_basis",
    "special_category_condition",
    "purposes",
    "region",
    "classification",
    "personal_data",
    "example_count",
    "examples_object",
    "examples_url",
    "subject_coverage",
)
_EDGE_COLUMNS = (
    "position",
    "job_id",
    "target_kind",
    "target_id",
    "target_field",
    "source_kind",
    "source_id",
    "source_field",
    "source_scope_id",
    "transformations",
)


def store_projection(session: Session, projection: Projection) -> None:
    """Merge the rows of a projection into the catalog. Effects: does not commit.

    Cost: a bounded number of statements, whatever the number of events.
    """
    _store_runs(session, projection)
    _store_spans(session, t.Dataset, ("id", "namespace", "name"), projection.datasets)
    _store_spans(session, t.Job, ("id", "namespace", "name"), projection.jobs)
    _store_spans(session, t.Namespace, ("name",), projection.namespaces)
    _store_flows(session, projection)
    _store_facets(session, projection)
    _store_lists(session, projection)
    _store_batches(session, projection)
    _store_row_maps(session, projection)


def _store_spans(
    session: Session, model: type[SQLModel], columns: tuple[str, ...], spans: Spans
) -> None:
    rows = [(*key, *values, first, last) for key, (values, first, last) in sorted(spans.items())]
    merge_rows(session, table_of(model), (*columns, "created_at", "updated_at"), rows, _SPAN)


def _store_runs(session: Session, projection: Projection) -> None:
    columns = (
        "id",
        "job_id",
        "owner_key",
        "state",
        "state_key",
        "created_at",
        "updated_at",
        "started_at",
        "ended_at",
        "producer_run_id",
    )
    rows = [
        (identity, *(getattr(run, name) for name in columns[1:]))
        for identity, run in sorted(projection.runs.items())
    ]
    merge_rows(session, table_of(t.Run), columns, rows, _RUN)
    parent = (
        "parent_run_id",
        "parent_namespace",
        "parent_name",
        "root_run_id",
        "root_namespace",
        "root_name",
    )
    _store_latest(session, t.RunParent, ("run_id",), parent, projection.run_parents)
    _store_latest(
        session, t.RunNominal, ("run_id",), ("start_at", "end_at"), projection.run_nominals
    )


def _store_latest(
    session: Session,
    model: type[SQLModel],
    keys: tuple[str, ...],
    values: tuple[str, ...],
    latest: Latest,
) -> None:
    rows = [(*key, wins, *rest) for key, (wins, rest) in sorted(latest.items())]
    merge = greater_key_wins(("wins", *values))
    merge_rows(session, table_of(model), (*keys, "wins", *values), rows, merge)


def _store_flows(session: Session, projection: Projection) -> None:
    rows = [(*key, *values) for key, values in sorted(projection.scope_datasets.items())]
    columns = ("scope_id", "direction", "dataset_id", "job_id", "first_at", "wins")
    merge_rows(session, table_of(t.ScopeDataset), columns, rows, _SCOPE_DATASET)
    _store_latest(
        session,
        t.JobDataset,
        ("job_id", "direction", "dataset_id", "declared"),
        ("scope_id",),
        projection.job_datasets,
    )
    _store_latest(session, t.JobDeclaration, ("job_id", "direction"), (), projection.declarations)
    declared = sorted(projection.declarations)
    header = "SELECT d.wins FROM job_declaration d WHERE d.job_id = {0} AND d.direction = {1}"
    _delete_older(session, "scope_dataset", ("scope_id", "direction"), header, declared)
    _delete_older(session, "job_dataset", ("job_id", "direction"), header, declared, "declared = 1")
    _store_latest(
        session,
        v.ExternalVersion,
        ("scope_id", "direction", "dataset_id"),
        ("external_id",),
        projection.external_versions,
    )


def _store_facets(session: Session, projection: Projection) -> None:
    for model, keys, latest in (
        (t.RunFacet, ("run_id", "name"), projection.run_facets),
        (t.JobFacet, ("job_id", "name"), projection.job_facets),
        (t.DatasetFacet, ("dataset_id", "name"), projection.dataset_facets),
        (
            t.ScopeFacet,
            ("scope_id", "direction", "dataset_id", "kind", "name"),
            projection.scope_facets,
        ),
    ):
        _store_latest(session, model, keys, ("payload",), latest)


def _store_lists(session: Session, projection: Projection) -> None:
    edges = projection.edges
    keys = ("scope_id", "carrier_id", "origin")
    _store_latest(session, t.EdgeSet, keys, (), edges.headers)
    rows = [
        (*key, edges.headers[key][0], *row)
        for key, group in sorted(edges.rows.items())
        for row in group
    ]
    columns = (*keys, "wins", *_EDGE_COLUMNS)
    merge_rows(session, table_of(t.Edge), columns, rows, KEEP_OLD)
    header = (
        "SELECT s.wins FROM edge_set s "
        "WHERE s.scope_id = {0} AND s.carrier_id = {1} AND s.origin = {2}"
    )
    _delete_older(session, "edge", keys, header, sorted(edges.headers))

    links = projection.symlinks
    rows = [
        (*key, alias_id, links.headers[key][0], *rest)
        for key, group in sorted(links.rows.items())
        for alias_id, *rest in sorted(group)
    ]
    alias = ("dataset_id", "alias_id", "wins", "namespace", "name", "alias_type")
    merge_rows(session, table_of(t.Symlink), alias, rows, greater_key_wins(alias[2:]))
    header = "SELECT f.wins FROM dataset_facet f WHERE f.dataset_id = {0} AND f.name = 'symlinks'"
    _delete_older(session, "symlink", ("dataset_id",), header, sorted(links.headers))


def _store_batches(session: Session, projection: Projection) -> None:
    batches = projection.batches
    if not batches.headers:
        return
    keys = sorted(batches.headers)
    numbers = _batch_numbers(session, keys)
    columns = ("dataset_id", "run_id", "name", "wins", "number", "effective_at", *_BATCH_COLUMNS)
    rows = [
        (*key, batches.headers[key][0], numbers[key], *projection.batch_values[key]) for key in keys
    ]
    merge = greater_key_wins(("wins", "effective_at", *_BATCH_COLUMNS))
    merge_rows(session, table_of(v.Batch), columns, rows, merge)
    files = [(*key, batches.headers[key][0], *row) for key in keys for row in batches.rows[key]]
    file_columns = (
        "dataset_id",
        "run_id",
        "batch_name",
        "wins",
        "position",
        "uri",
        "sha256",
        "rows",
        "first_ordinal",
    )
    merge_rows(session, table_of(v.BatchFile), file_columns, files, KEEP_OLD)
    header = (
        "SELECT b.wins FROM batch b WHERE b.dataset_id = {0} AND b.run_id = {1} AND b.name = {2}"
    )
    _delete_older(session, "batch_file", ("dataset_id", "run_id", "batch_name"), header, keys)


def _store_row_maps(session: Session, projection: Projection) -> None:
    maps = projection.row_maps
    keys = ("dataset_id", "run_id", "batch_name")
    _store_latest(session, v.BatchMapSet, keys, (), maps.headers)
    columns = (*keys, "wins", *MapRow._fields)
    rows = [
        (*key, maps.headers[key][0], *row) for key in sorted(maps.rows) for row in maps.rows[key]
    ]
    merge_rows(session, table_of(v.BatchMap), columns, rows, KEEP_OLD)
    header = (
        "SELECT s.wins FROM batch_map_set s WHERE s.dataset_id = {0} AND s.run_id = {1} "
        "AND s.batch_name = {2}"
    )
    _delete_older(session, "batch_map", keys, header, sorted(maps.headers))


def _batch_numbers(session: Session, keys: list[tuple[Any, ...]]) -> dict[tuple[Any, ...], int]:
    """The number of each batch, allotted now where it is new (it never changes afterwards)."""
    known = _read_numbers(session, keys)
    new = [key for key in keys if key not in known]
    if new:
        insert = _number_insert(session)
        session.connection().exec_driver_sql(insert, new)
        known.update(_read_numbers(session, new))
    return known


def _number_insert(session: Session) -> str:
    place = "?" if session.connection().dialect.name == "sqlite" else "%s"
    return (
        f"INSERT INTO batch_number (dataset_id, run_id, name) VALUES ({place}, {place}, {place}) "  # noqa: S608 - our own names
        "ON CONFLICT (dataset_id, run_id, name) DO NOTHING"
    )


def _read_numbers(session: Session, keys: list[tuple[Any, ...]]) -> dict[tuple[Any, ...], int]:

    wanted = set(keys)
    rows = select_by_ids(
        session,
        "SELECT n.dataset_id, n.run_id, n.name, n.number FROM {ids} AS wanted "
        "JOIN batch_number n ON n.run_id = wanted.id",
        sorted({key[1] for key in keys}),
    )
    found = {(bytes(d), bytes(r), name): number for d, r, name, number in rows}
    return {key: number for key, number in found.items() if key in wanted}


def _delete_older(
    session: Session,
    table: str,
    keys: tuple[str, ...],
    header: str,
    touched: Iterable[tuple[Any, ...]],
    only: str = "",
) -> None:
    """Delete rows of touched headers whose order key is below the header's (rule 2)."""
    rows = list(touched)
    if not rows:
        return
    place = "?" if session.connection().dialect.name == "sqlite" else "%s"
    match = " AND ".join(f"{table}.{key} = {place}" for key in keys)
    newest = header.format(*(f"{table}.{key}" for key in keys))
    guard = f" AND {only}" if only else ""
    statement = f"DELETE FROM {table} WHERE {match}{guard} AND wins < ({newest})"  # noqa: S608 - our own names
    session.connection().exec_driver_sql(statement, rows)
