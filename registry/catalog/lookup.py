"""Finds datasets, jobs and versions by what people call them.

Rules:
1. A dataset is found by each of its names; it comes under the one it goes by, unless the other name
   is kept as a dataset of its own.
2. Of the readings of a node id the one that exists is meant. Where two exist the id is refused
   rather than guessed at: a wrong dataset would look like an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlmodel import Session

from registry.catalog.names import (
    NodeKind,
    NodeRef,
    Reading,
    dataset_id,
    job_id,
    require_name,
    version_number,
)
from registry.catalog.scope import scope_parameters, visible, visible_sql
from registry.catalog.tables import Job, Run, Symlink
from registry.catalog.version_tables import DatasetVersion
from registry.errors import InvalidInputError, NotFoundError
from registry.ids import uuid_text
from registry.moments import from_micros
from registry.storage.bulk import look_up
from registry.storage.columns import table_of

_job, _run, _symlink = table_of(Job), table_of(Run), table_of(Symlink)
_version = table_of(DatasetVersion)


_CARRIERS = """
    SELECT s.wins, s.dataset_id, s.alias_id FROM {ids} AS t JOIN symlink s ON s.alias_id = t.id"""


class Named(NamedTuple):
    """A dataset or job by id and name."""

    id: bytes
    namespace: str
    name: str


class KeptFacet(NamedTuple):
    """A facet as received (JSON), with the order key of the event that it came from."""

    payload: str
    wins: bytes


class Node(NamedTuple):
    """What a node id stands for: a dataset or job (`thing`), or a run (`run_id`).

    `field` is empty, and `version` None, where the id names none.
    """

    kind: NodeKind
    thing: Named
    field: str = ""
    version: int | None = None
    run_id: bytes | None = None


def known_moment(micros: int | None) -> datetime | None:
    """A moment as raw queries give it; None where it is not known."""
    return None if micros is None else from_micros(micros)


def datasets_named(session: Session, ids: Iterable[bytes]) -> dict[bytes, Named]:
    """The datasets with these ids, as far as they exist and are in sight."""
    return _named(session, "dataset", ids)


def jobs_named(session: Session, ids: Iterable[bytes]) -> dict[bytes, Named]:
    """The jobs with these ids, as far as they exist and are in sight."""
    return _named(session, "job", ids)


def _named(session: Session, kind: str, ids: Iterable[bytes]) -> dict[bytes, Named]:
    sql = f"""
        SELECT d.id, d.namespace, d.name FROM {{ids}} AS t JOIN {kind} d ON d.id = t.id
        WHERE {visible_sql(session, "d.id")}"""  # noqa: S608 - our own names
    rows = look_up(session, sql, sorted(set(ids)), **scope_parameters(session))
    return {row[0]: Named(*row) for row in rows}


def facets_kept(
    session: Session, kind: str, ids: Sequence[bytes]
) -> dict[bytes, dict[str, KeptFacet]]:
    """Every facet of these datasets, jobs or runs (`kind`), by id and name, but deleted ones."""
    sql = f"""
        SELECT f.{kind}_id, f.name, f.payload, f.wins FROM {{ids}} AS t
        JOIN {kind}_facet f ON f.{kind}_id = t.id WHERE f.payload <> ''
        ORDER BY f.name"""  # noqa: S608 - our own names
    found: dict[bytes, dict[str, KeptFacet]] = {}
    for key, name, payload, wins in look_up(session, sql, ids):
        found.setdefault(key, {})[name] = KeptFacet(payload, wins)
    return found


def payloads_of(facets: Mapping[str, KeptFacet]) -> dict[str, str]:
    """The bare JSON of facets, by name."""
    return {name: facet.payload for name, facet in facets.items()}


def find_dataset(session: Session, namespace: str, name: str) -> Named:
    """The dataset of that name, or the one that it is another name of (rule 1).

    Raises NotFoundError.
    """
    found = _existing_datasets(session, [Reading(namespace, name)])
    if not found:
        raise _missing("dataset", namespace, name)
    return found[0][1]


def find_job(session: Session, namespace: str, name: str) -> Named:
    """The job of that name. Raises NotFoundError."""
    _require(namespace, name)
    found = jobs_named(session, [job_id(namespace, name)])
    if not found:
        raise _missing("job", namespace, name)
    return next(iter(found.values()))


def _require(namespace: str, name: str) -> None:
    require_name(namespace, path="namespace")
    require_name(name, path="name")


def _missing(kind: str, namespace: str, name: str) -> NotFoundError:
    return NotFoundError(
        f"There is no {kind} {name[:200]!r} in the namespace {namespace[:200]!r}.",
        remedy=f"See GET /api/v1/search for what there is; names in paths are percent-encoded "
        f"(/ as %2F), and a {kind} exists once an event named it.",
        path="name",
    )


def _existing_datasets(
    session: Session, readings: Sequence[Reading]
) -> list[tuple[Reading, Named]]:
    """The readings whose dataset exists, by its own name or another."""
    for reading in readings:
        _require(reading.namespace, reading.name)
    ids = {reading: dataset_id(reading.namespace, reading.name) for reading in readings}
    rows = datasets_named(session, ids.values())
    missing = sorted({key for key in ids.values() if key not in rows})
    links = sorted(look_up(session, _CARRIERS, missing))
    carriers = {alias: carrier for _, carrier, alias in links}  # who said it last wins
    owners = datasets_named(session, carriers.values())
    for alias, carrier in carriers.items():
        if carrier in owners:
            rows[alias] = owners[carrier]
    return [(reading, rows[key]) for reading, key in ids.items() if key in rows]


def resolve_node(session: Session, ref: NodeRef, *, namespace: str | None = None) -> Node:
    """What a node id stands for (rule 2); `namespace` picks one reading where several exist.

    Raises NotFoundError where nothing exists, InvalidInputError where more than one thing does.
    Cost: at most four queries.
    """
    if ref.run_id is not None:
        return _run_node(session, ref, ref.run_id)
    readings = [one for one in ref.readings if namespace in (None, one.namespace)]
    if ref.kind is NodeKind.JOB:
        found = [Node(ref.kind, thing) for thing in _existing_jobs(session, readings)]
    else:
        pairs = _existing_datasets(session, readings)
        found = [node for pair in pairs for node in _dataset_node(session, ref.kind, *pair)]
    if len(found) > 1:
        spaces = " and ".join(sorted({repr(node.thing.namespace) for node in found}))
        raise InvalidInputError(
            f"The node id {ref.text[:200]!r} can mean {len(found)} things, in {spaces}.",
            remedy="Say which with the parameter namespace=NAMESPACE.",
            path="nodeId",
        )
    if not found:
        raise NotFoundError(
            f"There is nothing in the catalog with the node id {ref.text[:200]!r}.",
            remedy="GET /api/v1/search gives the node ids of what there is.",
            path="nodeId",
        )
    return found[0]


def _existing_jobs(session: Session, readings: Sequence[Reading]) -> list[Named]:
    """The jobs that exist; the only version of a job that there is goes by the job's own id."""
    ids = {reading: job_id(reading.namespace, reading.name) for reading in readings}
    meant = [key for reading, key in ids.items() if reading.version in (None, key)]
    return list(jobs_named(session, meant).values())


def _dataset_node(session: Session, kind: NodeKind, reading: Reading, thing: Named) -> list[Node]:
    """The node of a reading; none where it names a version that the dataset does not have."""
    if reading.version is None:
        return [Node(kind, thing, reading.field)]
    number = version_number(thing.id, reading.version)
    if number is None or not version_exists(session, thing.id, number):
        return []
    return [Node(kind, thing, reading.field, number)]


def _run_node(session: Session, ref: NodeRef, run_id: bytes) -> Node:
    query = (
        select(_job.c.id, _job.c.namespace, _job.c.name)
        .join(_run, _run.c.job_id == _job.c.id)
        .where(_run.c.id == run_id, visible(session, "job.id"))
    )
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no run {uuid_text(run_id)}.",
            remedy="A run exists once an event of it was taken in.",
            path="nodeId",
        )
    return Node(ref.kind, Named(*row), run_id=run_id)


def version_exists(session: Session, dataset: bytes, number: int) -> bool:
    """Whether the dataset has that version."""
    query = select(_version.c.number).where(
        _version.c.dataset_id == dataset, _version.c.number == number
    )
    return session.execute(query).first() is not None
