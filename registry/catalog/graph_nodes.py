"""Fetches what is shown of the nodes of a graph, in a fixed number of queries.

Plain tuples all the way: a graph has thousands of nodes, and an object of the mapper for each would
take longer than the walk.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlmodel import Session

from registry.catalog.facets import (
    DATASET_FACETS,
    JOB_FACETS,
    DatasetFacts,
    JobFacts,
    dataset_facts,
    job_facts,
)
from registry.catalog.scope import scope_parameters, visible_sql
from registry.moments import from_micros
from registry.storage.bulk import look_up

_DATASETS = """
    SELECT d.id, d.namespace, d.name, d.created_at, d.updated_at,
           (SELECT max(v.completed_at) FROM dataset_version v WHERE v.dataset_id = d.id)
    FROM {ids} AS t JOIN dataset d ON d.id = t.id WHERE {in_sight}"""
_JOBS = """
    SELECT j.id, j.namespace, j.name, j.created_at, j.updated_at, p.parent_namespace, p.parent_name,
           r.id, r.state, r.created_at, r.updated_at, r.started_at, r.ended_at,
           n.start_at, n.end_at
    FROM {ids} AS t JOIN job j ON j.id = t.id
    LEFT JOIN run r ON r.id = (SELECT l.id FROM run l WHERE l.job_id = t.id
                               ORDER BY l.created_at DESC, l.id DESC LIMIT 1)
    LEFT JOIN run_nominal n ON n.run_id = r.id
    LEFT JOIN run_parent p ON p.run_id = r.id WHERE {in_sight}"""


class RunNode(NamedTuple):
    """The latest run of a job."""

    id: bytes
    state: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    nominal_start_at: datetime | None
    nominal_end_at: datetime | None


class DatasetNode(NamedTuple):
    """A dataset in a graph; `facets` are those that say something here, as JSON."""

    id: bytes
    namespace: str
    name: str
    created_at: datetime
    updated_at: datetime
    modified_at: datetime | None
    facets: Mapping[str, str]

    @property
    def facts(self) -> DatasetFacts:
        """What the facets say; read anew each time, because most nodes are shown once."""
        return dataset_facts(self.facets)


class JobNode(NamedTuple):
    """A job in a graph; `parent` is the (namespace, name) of the job its latest run was part of."""

    id: bytes
    namespace: str
    name: str
    created_at: datetime
    updated_at: datetime
    parent: tuple[str, str] | None
    latest_run: RunNode | None
    facets: Mapping[str, str]

    @property
    def facts(self) -> JobFacts:
        """What the facets say; read anew each time."""
        return job_facts(self.facets)


def dataset_nodes(session: Session, ids: Collection[bytes]) -> list[DatasetNode]:
    """The datasets with these ids, as far as they exist and are in sight. Cost: two queries."""
    wanted = list(ids)
    facets = _facets(session, "dataset", wanted, DATASET_FACETS)
    rows = _look_up_seen(session, _DATASETS, "d.id", wanted)
    return [
        DatasetNode(
            key,
            namespace,
            name,
            _moment(created),
            _moment(updated),
            None if modified is None else _moment(modified),
            facets.get(key, _NONE),
        )
        for key, namespace, name, created, updated, modified in rows
    ]


def job_nodes(session: Session, ids: Collection[bytes]) -> list[JobNode]:
    """The jobs with these ids, as far as they exist and are in sight. Cost: two queries."""
    wanted = list(ids)
    facets = _facets(session, "job", wanted, JOB_FACETS)
    rows = _look_up_seen(session, _JOBS, "j.id", wanted)
    return [
        JobNode(
            key,
            namespace,
            name,
            _moment(created),
            _moment(updated),
            (space, parent) if parent is not None else None,
            _run_node(*run) if run[0] is not None else None,
            facets.get(key, _NONE),
        )
        for key, namespace, name, created, updated, space, parent, *run in rows
    ]


def _look_up_seen(session: Session, sql: str, id_sql: str, ids: list[bytes]) -> list[Any]:
    sql = sql.replace("{in_sight}", visible_sql(session, id_sql))
    return look_up(session, sql, ids, **scope_parameters(session))


_NONE: Mapping[str, str] = {}


# The moments of a graph repeat: a job is as old as its first run, a run begins when it is named.
_moment = lru_cache(maxsize=16_384)(from_micros)


def _run_node(key: bytes, state: str, created: int, updated: int, *known: int | None) -> RunNode:
    """A run from its columns; `known` are those that may be NULL."""
    times = [None if micros is None else _moment(micros) for micros in known]
    return RunNode(key, state, _moment(created), _moment(updated), *times)


def _facets(
    session: Session, kind: str, ids: list[bytes], names: tuple[str, ...]
) -> dict[bytes, dict[str, str]]:
    """Those facets of the datasets or jobs that say something, by id and name."""
    listed = ", ".join(f"'{name}'" for name in names)
    sql = f"""
        SELECT f.{kind}_id, f.name, f.payload FROM {{ids}} AS t
        JOIN {kind}_facet f ON f.{kind}_id = t.id
        WHERE f.name IN ({listed}) AND f.payload <> ''"""  # noqa: S608 - our own names
    found: dict[bytes, dict[str, str]] = {}
    for key, name, payload in look_up(session, sql, ids):
        found.setdefault(key, {})[name] = payload
    return found
