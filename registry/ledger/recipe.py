"""What is needed to make a version again: code, parameters, inputs and digests, as recorded.

Rules:
1. Nothing is made up: what no event said is None, and of an input whose version is not known the
   number is None.
2. Code is `sourceCodeLocation`, parameters and seed are `executionParameters`; the seed is the
   parameter of that name, or one that ends with `.seed` where it is the only one.
3. Facets are as received, without `_producer` and `_schemaURL`. Those of the job are what the run
   itself said, which the caller reads from the log; the catalog keeps those of today.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import select
from sqlmodel import Session

from registry.catalog.scope import hides_any, visible
from registry.catalog.tables import Dataset, Job, Run, RunFacet
from registry.catalog.version_tables import Batch, DatasetVersion, ExternalVersion, RunRead
from registry.errors import NotFoundError
from registry.ids import named_id
from registry.ledger.erasing import read_holes
from registry.ledger.find import current_version, version_members
from registry.ledger.opened import Ledger
from registry.ledger.source_files import BatchFileNode, files_of
from registry.storage.bulk import TypedColumn, select_by_rows
from registry.storage.columns import table_of

_version, _run, _job = table_of(DatasetVersion), table_of(Run), table_of(Job)
_external = table_of(ExternalVersion)
_run_facet = table_of(RunFacet)
_read, _dataset, _batch = table_of(RunRead), table_of(Dataset), table_of(Batch)
_OF_RUN = ("executionParameters", "registry_training", "processing_engine", "environment")
_OF_JOB = ("sourceCodeLocation", "sourceCode", "sql", "jobType")


@dataclass(frozen=True, slots=True)
class InputRead:
    """A dataset that the run read, and which version (None: not known), also in its own store."""

    namespace: str
    name: str
    version: int | None
    external_version: str | None


@dataclass(frozen=True, slots=True)
class Code:
    """Where the code of the run lies: repository or file, commit, script; None where not said.

    `changed`: there were changes that are in no commit.
    """

    url: str | None
    commit: str | None
    branch: str | None
    path: str | None
    changed: bool | None


@dataclass(frozen=True, slots=True)
class MadeBy:
    """An object that a batch was made of: examples or a row map, by the digest in the event."""

    kind: str
    sha256: str


@dataclass(frozen=True, slots=True)
class MemberBatch:
    """A batch of the version with its files. `erased`: how many of its rows were erased."""

    number: int
    name: str
    rows: int | None
    erased: int
    state: str | None
    files: tuple[BatchFileNode, ...]
    objects: tuple[MadeBy, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A version and how it was made."""

    namespace: str
    name: str
    version: int
    mode: str
    run_id: bytes
    job_namespace: str
    job: str
    code: Code | None
    parameters: dict[str, str]
    seed: str | None
    facets: dict[str, Any]
    inputs: tuple[InputRead, ...]
    batches: tuple[MemberBatch, ...]


def read_recipe(
    session: Session,
    ledger: Ledger,
    namespace: str,
    name: str,
    version: int | None,
    *,
    job_facets: Callable[[bytes, Collection[str]], Mapping[str, Any]],
) -> Recipe:
    """The recipe of a version; of the current one for None. Raises NotFoundError.

    `job_facets` gives what a run said of its job, for these names (rule 3).
    """
    members = list(version_members(session, namespace, name, version))
    dataset_id = named_id("dataset", namespace, name)
    number = version if version is not None else current_version(session, dataset_id)
    row = _version_row(session, dataset_id, number)
    if row is None:
        raise NotFoundError(
            f"{namespace} {name} has no version yet.",
            remedy="A version is made when a run that writes it completes.",
        )
    run_id = bytes(row.scope_id)
    # The job of another project may have written here; how it did is that project's to show.
    hidden = row.job_id is not None and hides_any(session, [bytes(row.job_id)])
    facets: dict[str, Any] = {}
    if not hidden:
        facets = _facets(session, run_id)
        said = job_facets(run_id, _OF_JOB)
        facets |= {facet: _without_marks(payload) for facet, payload in said.items()}
    parameters = read_parameters(facets)
    return Recipe(
        namespace,
        name,
        row.number,
        row.mode,
        run_id,
        "" if hidden else row.job_namespace or "",
        "" if hidden else row.job_name or "",
        read_code(facets),
        parameters,
        read_seed(parameters),
        facets,
        _inputs(session, run_id),
        _member_batches(session, ledger, members),
    )


def _version_row(session: Session, dataset_id: bytes, number: int | None) -> Any:
    return session.execute(
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


def _member_batches(
    session: Session, ledger: Ledger, members: Sequence[int]
) -> tuple[MemberBatch, ...]:
    nodes = ledger.graph.nodes(session, members)
    files, objects = files_of(session, members), _objects(session, members)
    holes = read_holes(session, members)
    return tuple(
        MemberBatch(
            number,
            nodes[number].name,
            nodes[number].rows,
            len(holes.get(number, ())),
            nodes[number].state,
            tuple(files.get(number, ())),
            tuple(objects.get(number, ())),
        )
        for number in members
        if number in nodes
    )


def _facets(session: Session, run_id: bytes) -> dict[str, Any]:
    rows = session.execute(
        select(_run_facet.c.name, _run_facet.c.payload).where(
            _run_facet.c.run_id == run_id, _run_facet.c.name.in_(_OF_RUN)
        )
    )
    return {
        facet: _without_marks(msgspec.json.decode(payload)) for facet, payload in rows if payload
    }


def _without_marks(said: Any) -> Any:
    if not isinstance(said, dict):
        return said
    return {key: value for key, value in said.items() if not key.startswith("_")}


def read_code(facets: Mapping[str, Any]) -> Code | None:
    """Where the code lies, or None where nothing was said of it (rule 2)."""
    said = facets.get("sourceCodeLocation")
    if not isinstance(said, dict):
        return None
    text = {key: value for key, value in said.items() if isinstance(value, str)}
    changed = said.get("changed")
    return Code(
        text.get("repoUrl") or text.get("url"),
        text.get("version") or text.get("tag"),
        text.get("branch"),
        text.get("path"),
        changed if isinstance(changed, bool) else None,
    )


def read_parameters(facets: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of the run by name, in the order in which they were said (rule 2)."""
    said = facets.get("executionParameters")
    listed = said.get("parameters") if isinstance(said, dict) else None
    found = {}
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict) and isinstance(item.get("key"), str):
            value = item.get("value")
            text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            found[item["key"]] = text
    return found


def read_seed(parameters: Mapping[str, str]) -> str | None:
    """The seed among the parameters, or None (rule 2)."""
    if "seed" in parameters:
        return parameters["seed"]
    named = [value for key, value in parameters.items() if key.endswith((".seed", "_seed"))]
    return named[0] if len(named) == 1 else None


_OBJECTS = """
SELECT b.number, b.examples_object, NULL, -1 AS position FROM {rows} AS w
JOIN batch b ON b.number = w.number WHERE b.examples_object IS NOT NULL
UNION ALL
SELECT b.number, NULL, m.map_object, m.position FROM {rows} AS w
JOIN batch b ON b.number = w.number
JOIN batch_map m ON m.dataset_id = b.dataset_id AND m.run_id = b.run_id AND m.batch_name = b.name
WHERE m.map_object IS NOT NULL
ORDER BY 1, 4
"""
_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)


def _objects(session: Session, numbers: Iterable[int]) -> dict[int, list[MadeBy]]:
    """The objects that the events of these batches name: examples first, then the maps in order."""
    found: dict[int, list[MadeBy]] = {}
    wanted = [(number,) for number in sorted(set(numbers))]
    for number, examples, row_map, _ in select_by_rows(session, _OBJECTS, _NUMBER, wanted):
        made = MadeBy("examples", examples) if examples else MadeBy("row_map", row_map)
        found.setdefault(number, []).append(made)
    return found


def _inputs(session: Session, run_id: bytes) -> tuple[InputRead, ...]:
    rows = session.execute(
        select(_dataset.c.namespace, _dataset.c.name, _read.c.number, _external.c.external_id)
        .join(_dataset, _dataset.c.id == _read.c.dataset_id)
        .outerjoin(
            _external,
            (_external.c.scope_id == _read.c.run_id)
            & (_external.c.dataset_id == _read.c.dataset_id)
            & (_external.c.direction == "input"),
        )
        .where(_read.c.run_id == run_id, visible(session, "dataset.id"))
        .order_by(_dataset.c.namespace, _dataset.c.name)
    )
    return tuple(InputRead(*row) for row in rows)
