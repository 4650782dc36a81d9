"""What is needed to make a version again: code, parameters, inputs and digests, as recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import select
from sqlmodel import Session

from registry.catalog.tables import Dataset, Job, JobFacet, Run, RunFacet
from registry.catalog.version_tables import Batch, DatasetVersion, RunRead
from registry.errors import NotFoundError
from registry.ids import named_id
from registry.ledger.find import current_version, version_members
from registry.ledger.opened import Ledger
from registry.ledger.source_files import BatchFileNode, files_of
from registry.storage.columns import table_of

_version, _run, _job = table_of(DatasetVersion), table_of(Run), table_of(Job)
_run_facet, _job_facet = table_of(RunFacet), table_of(JobFacet)
_read, _dataset, _batch = table_of(RunRead), table_of(Dataset), table_of(Batch)
_OF_RUN = ("executionParameters", "registry_training", "processing_engine", "environment")
_OF_JOB = ("sourceCodeLocation", "sourceCode", "sql", "jobType")


@dataclass(frozen=True, slots=True)
class InputRead:
    """A dataset that the run read, and which version (None: not known)."""

    namespace: str
    name: str
    version: int | None


@dataclass(frozen=True, slots=True)
class MemberBatch:
    """A batch of the version with its files."""

    number: int
    name: str
    rows: int | None
    state: str | None
    files: tuple[BatchFileNode, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A version and how it was made; facets as received, without `_producer` and `_schemaURL`."""

    namespace: str
    name: str
    version: int
    mode: str
    run_id: bytes
    job_namespace: str
    job: str
    facets: dict[str, Any]
    inputs: tuple[InputRead, ...]
    batches: tuple[MemberBatch, ...]


def read_recipe(
    session: Session, ledger: Ledger, namespace: str, name: str, version: int | None
) -> Recipe:
    """The recipe of a version; of the current one for None. Raises NotFoundError."""
    members = list(version_members(session, namespace, name, version))
    dataset_id = named_id("dataset", namespace, name)
    number = version if version is not None else current_version(session, dataset_id)
    row = session.execute(
        select(
            _version,
            _run.c.job_id,
            _job.c.namespace.label("job_namespace"),
            _job.c.name.label("job_name"),
        )
        .outerjoin(_run, _run.c.id == _version.c.scope_id)
        .outerjoin(_job, _job.c.id == _run.c.job_id)
        .where(_version.c.dataset_id == dataset_id, _version.c.number == number)
    ).one_or_none()
    if row is None:
        raise NotFoundError(
            f"{namespace} {name} has no version yet.",
            remedy="A version is made when a run that writes it completes.",
        )
    nodes = ledger.graph.nodes(session, members)
    files = files_of(session, members)
    return Recipe(
        namespace,
        name,
        row.number,
        row.mode,
        bytes(row.scope_id),
        row.job_namespace or "",
        row.job_name or "",
        _facets(session, bytes(row.scope_id), row.job_id),
        _inputs(session, bytes(row.scope_id)),
        tuple(
            MemberBatch(
                number,
                nodes[number].name,
                nodes[number].rows,
                nodes[number].state,
                tuple(files.get(number, ())),
            )
            for number in members
            if number in nodes
        ),
    )


def _facets(session: Session, run_id: bytes, job_id: bytes | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for table, key, value, names in (
        (_run_facet, _run_facet.c.run_id, run_id, _OF_RUN),
        (_job_facet, _job_facet.c.job_id, job_id, _OF_JOB),
    ):
        rows = session.execute(
            select(table.c.name, table.c.payload).where(key == value, table.c.name.in_(names))
        )
        for facet, payload in rows:
            if payload:
                said = msgspec.json.decode(payload)
                found[facet] = {k: v for k, v in said.items() if not k.startswith("_")}
    return found


def _inputs(session: Session, run_id: bytes) -> tuple[InputRead, ...]:
    rows = session.execute(
        select(_dataset.c.namespace, _dataset.c.name, _read.c.number)
        .join(_dataset, _dataset.c.id == _read.c.dataset_id)
        .where(_read.c.run_id == run_id)
        .order_by(_dataset.c.namespace, _dataset.c.name)
    )
    return tuple(InputRead(*row) for row in rows)
