"""Asks the catalog for one step of lineage: what flows into some nodes, or out of them.

Rules (OpenLineage, explicit lineage facet, "Precedence rules for consumers"; DESIGN §5):
1. A job's word on a target is that of the last scope in which it wrote the target; what it said
   earlier is history. A job that never wrote it (a catalog, an orchestrator) is heard by its last
   statement.
2. Within that scope edges of a `lineage` facet supersede those of column lineage, which supersede
   "every input of the scope flows into the target". A stated "no source" is a statement too.
3. `Past` looks at what was said to have happened up to then; the edges of a scope are those we know
   today, because a scope that is still reported has no earlier truth.
4. Each function asks one query, whatever the number of nodes, and every look-up in it follows an
   index: the cost is that of the answer, not that of the catalog or its history. Conditions on
   other tables are scalar sub-queries, because no planner turns those into a scan of the table.
"""

# ruff: noqa: S608 - the SQL below is put together from our own text alone

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from sqlmodel import Session

from registry.moments import to_micros
from registry.storage.bulk import look_up
from registry.storage.columns import wins_key

#: (target, job, source): data flowed from the source into the target by way of the job. Without a
#: source the job wrote it from nothing we know; without a target it made nothing we know of it.
Product: TypeAlias = "tuple[bytes | None, bytes, bytes | None]"


@dataclass(frozen=True, slots=True)
class Past:
    """Up to when the catalog is looked at; no Past is now."""

    moment: datetime

    @property
    def parameters(self) -> dict[str, object]:
        """What the queries bind."""
        micros = to_micros(self.moment)
        return {"as_of": micros, "as_of_key": wins_key(micros + 1, b"")}


@dataclass(frozen=True, slots=True)
class Statement:
    """A job said that the source flows into the target.

    `job` is None where a DatasetEvent said it; `source` is None for "from nothing we track".
    """

    target: bytes
    job: bytes | None
    source: bytes | None
    source_is_job: bool
    target_is_job: bool


class ColumnFlow(NamedTuple):
    """A field flows into a field.

    An empty `target_field` stands for every field of the target (a filter, a join), an empty
    `source_field` for a field we do not know. `transformations` is a JSON array as received.
    """

    target: bytes
    target_field: str
    source: bytes
    source_field: str
    job: bytes
    transformations: str | None


def _unstated(scope: str, target: str) -> str:
    """Whether nothing explicit was said of the target in the scope (rule 2)."""
    return (
        f"(SELECT e.position FROM edge e WHERE e.scope_id = {scope} AND e.target_id = {target} "
        "LIMIT 1) IS NULL"
    )


def _scope_of(row: str, past: Past | None) -> str:
    """The last scope that a `job_dataset` row speaks for, now or as of the past (rules 1 and 3)."""
    if past is None:
        return f"{row}.scope_id"
    return (
        f"CASE WHEN {row}.declared = 1 THEN {row}.scope_id ELSE "
        f"(SELECT p.scope_id FROM scope_dataset p WHERE p.dataset_id = {row}.dataset_id "
        f"AND p.direction = {row}.direction AND p.job_id = {row}.job_id "
        "AND p.first_at <= :as_of AND p.scope_id <> p.job_id "
        "ORDER BY p.first_at DESC, p.scope_id DESC LIMIT 1) END"
    )


def _held(row: str, past: Past | None) -> str:
    """The condition that a `job_dataset` row held by then; JobEvents are the scope of their job."""
    if past is None:
        return ""
    return (
        f"AND (SELECT p.first_at FROM scope_dataset p WHERE p.dataset_id = {row}.dataset_id "
        f"AND p.direction = {row}.direction AND p.job_id = {row}.job_id AND p.first_at <= :as_of "
        f"AND (p.scope_id = p.job_id) = ({row}.declared = 1) LIMIT 1) IS NOT NULL"
    )


def _said(row: str, past: Past | None) -> str:
    """The condition that a `scope_dataset` row was said by then."""
    return "" if past is None else f"AND {row}.first_at <= :as_of"


def product_into(session: Session, ids: Sequence[bytes], past: Past | None) -> list[Product]:
    """What flowed into these datasets by way of jobs that did not say which input goes where."""
    scope = _scope_of("w", past)
    sql = f"""
        SELECT w.dataset_id, w.job_id, i.dataset_id FROM {{ids}} AS t
        JOIN job_dataset w ON w.dataset_id = t.id AND w.direction = 'output' {_held("w", past)}
        LEFT JOIN scope_dataset i ON i.scope_id = {scope} AND i.direction = 'input'
             {_said("i", past)}
        WHERE {_unstated(scope, "w.dataset_id")}"""
    return _ask(session, sql, ids, past)


def product_out_of(session: Session, ids: Sequence[bytes], past: Past | None) -> list[Product]:
    """Where these datasets flowed by way of jobs that did not say which input goes where."""
    scope = _scope_of("w", past)
    sql = f"""
        SELECT w.dataset_id, r.job_id, r.dataset_id FROM {{ids}} AS t
        JOIN job_dataset r ON r.dataset_id = t.id AND r.direction = 'input' {_held("r", past)}
        LEFT JOIN job_dataset w ON w.job_id = r.job_id AND w.direction = 'output'
             AND w.declared = r.declared {_held("w", past)}
             AND (SELECT i.first_at FROM scope_dataset i WHERE i.scope_id = {scope}
                  AND i.direction = 'input' AND i.dataset_id = r.dataset_id {_said("i", past)}
             ) IS NOT NULL
             AND {_unstated(scope, "w.dataset_id")}"""
    return _ask(session, sql, ids, past)


def inputs_of(session: Session, jobs: Sequence[bytes], past: Past | None) -> list[Product]:
    """Every dataset that these jobs read."""
    sql = f"""
        SELECT NULL, r.job_id, r.dataset_id FROM {{ids}} AS t
        JOIN job_dataset r ON r.job_id = t.id AND r.direction = 'input' {_held("r", past)}"""
    return _ask(session, sql, jobs, past)


def outputs_of(
    session: Session, jobs: Sequence[bytes], past: Past | None, *, unstated_only: bool
) -> list[Product]:
    """Every dataset that these jobs wrote, or those of whose sources they said nothing."""
    unstated = f"AND {_unstated(_scope_of('w', past), 'w.dataset_id')}" if unstated_only else ""
    sql = f"""
        SELECT w.dataset_id, w.job_id, NULL FROM {{ids}} AS t
        JOIN job_dataset w ON w.job_id = t.id AND w.direction = 'output' {_held("w", past)}
             {unstated}"""
    return _ask(session, sql, jobs, past)


def flows_of_run(session: Session, run: bytes, *, into: bool) -> list[Product]:
    """What one run read (`into`), or wrote."""
    columns = "NULL, s.job_id, s.dataset_id" if into else "s.dataset_id, s.job_id, NULL"
    direction = "input" if into else "output"
    sql = f"""
        SELECT {columns} FROM {{ids}} AS t
        JOIN scope_dataset s ON s.scope_id = t.id AND s.direction = '{direction}'"""
    return look_up(session, sql, [run])


def _ask(session: Session, sql: str, ids: Sequence[bytes], past: Past | None) -> list[Product]:
    return look_up(session, sql, ids, **(past.parameters if past else {}))


# What was said. A job's edges are found by hopping along an index from one job to the next, and
# from one target to the next, so that ten thousand runs that said the same cost one hop.
_SPEAKERS = """
    spoke(id, job) AS (
        SELECT t.id, (SELECT e.job_id FROM edge e WHERE e.{end}_id = t.id
                      ORDER BY e.job_id LIMIT 1) FROM {{ids}} AS t
        UNION ALL
        SELECT s.id, (SELECT e.job_id FROM edge e WHERE e.{end}_id = s.id AND e.job_id > s.job
                      ORDER BY e.job_id LIMIT 1) FROM spoke s WHERE s.job IS NOT NULL)"""
_TARGETS = """
    told(id, job, target) AS (
        SELECT s.id, s.job, (SELECT e.target_id FROM edge e WHERE e.source_id = s.id
                             AND e.job_id = s.job ORDER BY e.target_id LIMIT 1)
        FROM spoke s WHERE s.job IS NOT NULL
        UNION ALL
        SELECT n.id, n.job, (SELECT e.target_id FROM edge e WHERE e.source_id = n.id
                             AND e.job_id = n.job AND e.target_id > n.target
                             ORDER BY e.target_id LIMIT 1)
        FROM told n WHERE n.target IS NOT NULL)"""
_EDGES = """
    FROM settled c JOIN edge e ON e.scope_id = c.scope AND e.target_id = c.target
    WHERE (e.origin = 'lineage' OR (
        SELECT x.position FROM edge x WHERE x.scope_id = c.scope AND x.target_id = c.target
        AND x.origin = 'lineage' LIMIT 1) IS NULL)"""
_ENDS = "c.target, c.job, e.source_id, e.source_kind, e.target_kind"
_FIELDS = "c.target, e.target_field, e.source_id, e.source_field, c.job, e.transformations"
_BETWEEN_FIELDS = (
    "AND e.target_kind = 'dataset' AND e.source_kind = 'dataset' "
    "AND (e.target_field <> '' OR e.source_field <> '')"
)


def _settled(pairs: str, target: str, past: Past | None) -> str:
    """The scope that counts for each pair of target and job (rule 1)."""
    wrote = (
        f"w.job_id = s.job AND w.direction = 'output' AND w.dataset_id = {target} "
        f"{_held('w', past)}"
    )
    by_then = "" if past is None else "AND e.wins < :as_of_key"
    return f"""
    settled(id, job, target, scope) AS (
        SELECT s.id, s.job, {target}, {_scope_of("w", past)} FROM {pairs} s
        JOIN job_dataset w ON {wrote}
        WHERE {target} IS NOT NULL
        UNION ALL
        SELECT s.id, s.job, {target},
               (SELECT e.scope_id FROM edge e WHERE e.target_id = {target} AND e.job_id = s.job
                {by_then} ORDER BY e.wins DESC LIMIT 1)
        FROM {pairs} s WHERE s.job IS NOT NULL AND {target} IS NOT NULL
        AND (SELECT w.declared FROM job_dataset w WHERE {wrote} LIMIT 1) IS NULL)"""


def stated_into(session: Session, ids: Sequence[bytes], past: Past | None) -> list[Statement]:
    """What was said to flow into these datasets and jobs; both kinds of ids may be mixed."""
    return [_statement(row) for row in _stated_rows(session, ids, past, _ENDS, upward=True)]


def stated_out_of(session: Session, ids: Sequence[bytes], past: Past | None) -> list[Statement]:
    """Into what these datasets and jobs were said to flow; both kinds of ids may be mixed."""
    return [_statement(row) for row in _stated_rows(session, ids, past, _ENDS, upward=False)]


def columns_into(session: Session, ids: Sequence[bytes], past: Past | None) -> list[ColumnFlow]:
    """What was said to flow into fields of these datasets."""
    rows = _stated_rows(session, ids, past, _FIELDS, upward=True, only=_BETWEEN_FIELDS)
    return [ColumnFlow(*row) for row in rows]


def columns_out_of(session: Session, ids: Sequence[bytes], past: Past | None) -> list[ColumnFlow]:
    """Into what fields of these datasets were said to flow."""
    rows = _stated_rows(session, ids, past, _FIELDS, upward=False, only=_BETWEEN_FIELDS)
    return [ColumnFlow(*row) for row in rows]


def _stated_rows(
    session: Session,
    ids: Sequence[bytes],
    past: Past | None,
    columns: str,
    *,
    upward: bool,
    only: str = "",
) -> list[Any]:
    if upward:
        ctes = f"{_SPEAKERS.format(end='target')}, {_settled('spoke', 's.id', past)}"
        narrow = ""
    else:
        ctes = f"{_SPEAKERS.format(end='source')}, {_TARGETS}, {_settled('told', 's.target', past)}"
        narrow = "AND e.source_id = c.id"
    sql = f"WITH RECURSIVE {ctes} SELECT DISTINCT {columns} {_EDGES} {narrow} {only}"
    return look_up(session, sql, ids, **(past.parameters if past else {}))


def _statement(row: Any) -> Statement:
    target, job, source, source_kind, target_kind = row
    target_is_job = target_kind == "job"
    # A DatasetEvent has no job: its dataset stands in its place.
    nobody = job == target and not target_is_job
    return Statement(
        target, None if nobody else job, source or None, source_kind == "job", target_is_job
    )
