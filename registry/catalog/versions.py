"""Reads the versions of a dataset, and which batches each of them holds.

Rules:
1. A version holds what the versions of its line up to it added, less what they removed, in the
   order of their numbers; a line begins with the first version or an overwrite, and with nothing.
2. A version never changes, so neither does its membership, nor the order of its batches.
3. The current version is the last of the line that the last overwrite began, by the time it
   completed; of the first line, where nothing was overwritten. So an overwrite that came late,
   after others that completed later, has a higher number and is not the current one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text
from sqlmodel import Session

from registry.catalog.lookup import Named
from registry.catalog.names import version_number
from registry.catalog.paging import Cut, Page, decode_cursor, page_of
from registry.catalog.runs import RunView, run_views
from registry.catalog.version_tables import DatasetVersion, ExternalVersion, VersionBatch
from registry.errors import NotFoundError
from registry.storage.bulk import look_up
from registry.storage.columns import table_of

_version, _external = table_of(DatasetVersion), table_of(ExternalVersion)
_change = table_of(VersionBatch)
_LISTING = "versions"
_COLUMNS = (
    "number",
    "line",
    "base",
    "mode",
    "scope_id",
    "completed_at",
    "allotted_at",
    "late",
)
_MEMBERS = text("""
    SELECT m.batch_number, m.change FROM dataset_version o
    JOIN dataset_version v ON v.dataset_id = o.dataset_id AND v.line = o.line
         AND v.number <= o.number
    JOIN version_batch m ON m.dataset_id = v.dataset_id AND m.number = v.number
    WHERE o.dataset_id = :dataset AND o.number = :number
    ORDER BY m.number, m.batch_number""")
#: The last version of the current line (rule 3), for each dataset.
_CURRENT = """
    SELECT x.id, (SELECT max(v.number) FROM dataset_version v
                  WHERE v.dataset_id = x.id AND v.line = x.line)
    FROM (SELECT t.id, COALESCE((SELECT h.number FROM dataset_version h
                        WHERE h.dataset_id = t.id AND h.number = h.line AND h.mode = 'overwrite'
                        ORDER BY h.completed_at DESC, h.number DESC LIMIT 1), 1) AS line
          FROM {ids} AS t) x"""


@dataclass(frozen=True, slots=True)
class VersionView:
    """A version. `run` is the run that made it, or None where a DatasetEvent named it.

    `added` and `removed` are the batch numbers of its own change to what it follows.
    """

    dataset: Named
    number: int
    line: int
    base: int | None
    mode: str
    completed_at: datetime
    allotted_at: datetime
    late: bool
    external_id: str | None
    run: RunView | None
    added: tuple[int, ...]
    removed: tuple[int, ...]


def list_versions(
    session: Session, dataset: Named, cut: Cut, *, external_id: str | None = None
) -> Page[VersionView]:
    """The versions of a dataset, the newest first; with `external_id`, those its store calls so."""
    mine = _version.c.dataset_id == dataset.id
    if external_id is not None:
        mine &= _version.c.scope_id.in_(
            select(_external.c.scope_id).where(
                _external.c.dataset_id == dataset.id,
                _external.c.direction == "output",
                _external.c.external_id == external_id,
            )
        )
    query = select(*(_version.c[name] for name in _COLUMNS)).where(mine)
    if cut.cursor is not None:
        (number,) = decode_cursor(_LISTING, cut.cursor, (int,))
        query = query.where(_version.c.number < number)
    query = query.order_by(_version.c.number.desc()).offset(cut.offset).limit(cut.limit + 1)
    rows = session.execute(query).all()
    total = session.execute(select(func.count()).select_from(_version).where(mine)).scalar_one()
    page = page_of(rows, cut, total, _LISTING, lambda row: (row[0],))
    return page.map(_views(session, dataset, page.items))


def find_version(session: Session, dataset: Named, number: int) -> VersionView:
    """One version, its run whole. Raises NotFoundError."""
    query = select(*(_version.c[name] for name in _COLUMNS)).where(
        _version.c.dataset_id == dataset.id, _version.c.number == number
    )
    rows = session.execute(query).all()
    if not rows:
        raise _missing(dataset, str(number))
    return _views(session, dataset, rows, whole=True)[0]


def number_of(dataset: Named, version: str | bytes) -> int:
    """The number that a path means: digits, or the 16 bytes of a version's UUID.

    Raises NotFoundError for digits beyond any number, or the UUID of another dataset's version.
    """
    if isinstance(version, bytes):
        number = version_number(dataset.id, version)
    else:
        number = int(version) if len(version) < 19 else None
    if number is None:
        raise _missing(dataset, version.hex() if isinstance(version, bytes) else version)
    return number


def _missing(dataset: Named, version: str) -> NotFoundError:
    return NotFoundError(
        f"{dataset.namespace[:200]} {dataset.name[:200]} has no version {version[:80]}.",
        remedy="Its versions are listed at …/versions; the first is 1.",
        path="version",
    )


def current_numbers(session: Session, datasets: Sequence[bytes]) -> dict[bytes, int]:
    """The number of the current version of each dataset that has one (rule 3)."""
    rows = look_up(session, _CURRENT, datasets)
    return {dataset: number for dataset, number in rows if number is not None}


def membership(session: Session, dataset: bytes, number: int) -> list[int]:
    """The numbers of the batches that a version holds, in the order they came into it.

    Empty where there is no such version. Cost: one query, in proportion to the versions of its
    line.
    """
    members: dict[int, None] = {}
    rows = session.execute(_MEMBERS, {"dataset": dataset, "number": number})
    for batch, change in rows:
        members.pop(batch, None)
        if change == "added":
            members[batch] = None
    return list(members)


def _views(
    session: Session, dataset: Named, rows: Sequence[Any], *, whole: bool = False
) -> list[VersionView]:
    scopes = [row[4] for row in rows]
    runs = run_views(session, sorted(set(scopes)), brief=not whole)
    external = _external_ids(session, dataset, scopes)
    changes = _changes(session, dataset, [row[0] for row in rows])
    return [
        VersionView(
            dataset,
            row[0],
            row[1],
            row[2],
            row[3],
            row[5],
            row[6],
            bool(row[7]),
            external.get(row[4]),
            runs.get(row[4]),
            tuple(changes.get((row[0], "added"), ())),
            tuple(changes.get((row[0], "removed"), ())),
        )
        for row in rows
    ]


def _external_ids(session: Session, dataset: Named, scopes: Sequence[bytes]) -> dict[bytes, str]:
    sql = """
        SELECT x.scope_id, x.external_id FROM {ids} AS t
        JOIN external_version x ON x.scope_id = t.id AND x.direction = 'output'
             AND x.dataset_id = :dataset"""
    return dict(
        tuple(row) for row in look_up(session, sql, sorted(set(scopes)), dataset=dataset.id)
    )


def _changes(
    session: Session, dataset: Named, numbers: Sequence[int]
) -> dict[tuple[int, str], list[int]]:
    """The batch numbers that each version added or removed."""
    query = (
        select(_change.c.number, _change.c.change, _change.c.batch_number)
        .where(_change.c.dataset_id == dataset.id, _change.c.number.in_(numbers))
        .order_by(_change.c.batch_number)
    )
    found: dict[tuple[int, str], list[int]] = {}
    for number, change, batch in session.execute(query):
        found.setdefault((number, change), []).append(batch)
    return found
