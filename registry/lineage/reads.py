"""Allots which version of an input a run read, at the first sight of the run with that input.

Rules (DESIGN §1.3, §1.4):
1. The version that the input's own version id names (DatasetVersionDatasetFacet), where one is
   known under that id; else none.
2. Without such an id, the last version that was complete when the run began.
3. NULL where none was known then. A row is never rewritten.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlmodel import Session

from registry.catalog.version_tables import RunRead
from registry.storage.bulk import KEEP_OLD, TypedColumn, merge_rows, select_by_rows
from registry.storage.columns import table_of

_FIND = """
SELECT w.run_id, w.dataset_id,
  CASE WHEN w.external_id IS NULL THEN (
    SELECT v.number FROM dataset_version v
    WHERE v.dataset_id = w.dataset_id AND v.completed_at <= COALESCE(r.started_at, r.created_at)
    ORDER BY v.completed_at DESC, v.number DESC LIMIT 1
  ) ELSE (
    SELECT max(v.number) FROM external_version e
    JOIN dataset_version v ON v.scope_id = e.scope_id AND v.dataset_id = e.dataset_id
    WHERE e.dataset_id = w.dataset_id AND e.external_id = w.external_id AND e.direction = 'output'
  ) END AS number,
  COALESCE(r.started_at, r.created_at) AS read_at
FROM {rows} AS w
JOIN run r ON r.id = w.run_id
LEFT JOIN run_read known ON known.run_id = w.run_id AND known.dataset_id = w.dataset_id
WHERE known.run_id IS NULL
"""

_WANTED: tuple[TypedColumn, ...] = (
    ("run_id", "bytes"),
    ("dataset_id", "bytes"),
    ("external_id", "text"),
)


def allot_reads(
    session: Session, reads: Iterable[tuple[bytes, bytes, str | None]], *, now: int
) -> None:
    """Remember the version for each new (run, dataset, external version id or None).

    Effects: one row for each pair seen for the first time; does not commit. Cost: two statements.
    """
    wanted: dict[tuple[bytes, bytes], str | None] = {}
    for run_id, dataset_id, external_id in reads:
        wanted[(run_id, dataset_id)] = wanted.get((run_id, dataset_id)) or external_id
    rows = [(*pair, external_id) for pair, external_id in sorted(wanted.items())]
    found = select_by_rows(session, _FIND, _WANTED, rows)
    merge_rows(
        session,
        table_of(RunRead),
        ("run_id", "dataset_id", "number", "read_at", "allotted_at"),
        [(*row, now) for row in sorted(tuple(item) for item in found)],
        KEEP_OLD,
    )
