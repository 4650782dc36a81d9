"""Reads the standard facets that the catalog understands into values. Pure.

A facet that breaks its schema is kept, not interpreted, and warned about: its sender may be a
program that nobody here can change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from registry.errors import MalformedEventError
from registry.ids import run_id
from registry.lineage.events import DatasetRef, Event
from registry.lineage.values import Named, Warn, malformed, read_name, read_time

NAME_LIMIT = 512


class Parent(NamedTuple):
    """ParentRunFacet: the parent run and its root."""

    run_id: bytes
    namespace: str
    name: str
    root_run_id: bytes | None
    root_namespace: str | None
    root_name: str | None


@dataclass(frozen=True, slots=True)
class ExplicitEdge:
    """One source → target of a lineage or columnLineage facet.

    `source` is None where the facet says that the target has no tracked source. Empty fields stand
    for the whole entity.
    """

    target_kind: Literal["dataset", "job"]
    target: Named
    target_field: str
    source_kind: Literal["dataset", "job"]
    source: Named | None
    source_field: str
    source_run: bytes | None
    transformations: list[Any] | None


class OtherName(NamedTuple):
    """A name that an event speaks of beside its job, inputs and outputs.

    `is_written` says that something is said about it: it is an alias, or the target of an edge.
    """

    kind: Literal["dataset", "job"]
    named: Named
    is_written: bool


def read_parent(event: Event) -> Parent | None:
    """The parent and root run, or None; a facet that breaks its schema is warned about."""
    facet = event.run_facets.get("parent") or event.run_facets.get("parentRun")
    if facet is None:
        return None
    path = "$.run.facets.parent"
    try:
        parent = read_name(_object(facet.get("job"), path), "job", f"{path}.job")
        text = str(_object(facet.get("run"), path).get("runId") or "")
        if not text:
            raise malformed("runId is missing.", "Send it.", f"{path}.run.runId")
        root = _read_root(facet, path)
    except MalformedEventError as error:
        event.warnings.append(Warn("facet_invalid", error.path or path, error.detail))
        return None
    identity, _ = run_id(text, parent.namespace, parent.name)
    return Parent(identity, parent.namespace, parent.name, *root)


def _read_root(facet: Mapping[str, Any], path: str) -> tuple[bytes | None, str | None, str | None]:
    root = facet.get("root")
    if not isinstance(root, dict):
        return None, None, None
    job = read_name(_object(root.get("job"), path), "job", f"{path}.root.job")
    text = str(_object(root.get("run"), path).get("runId") or "")
    return run_id(text, job.namespace, job.name)[0], job.namespace, job.name


def _object(value: object, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise malformed("An object is missing.", "Send it.", path)
    return value


def read_nominal_time(event: Event) -> tuple[int, int | None] | None:
    """NominalTimeRunFacet in microseconds (start, end), or None."""
    facet = event.run_facets.get("nominalTime")
    if facet is None:
        return None
    path = "$.run.facets.nominalTime"
    try:
        start = read_time(facet.get("nominalStartTime"), f"{path}.nominalStartTime", [])
        end = facet.get("nominalEndTime")
        return start, None if end is None else read_time(end, f"{path}.nominalEndTime", [])
    except MalformedEventError as error:
        event.warnings.append(Warn("facet_invalid", error.path or path, error.detail))
        return None


def read_external_version(dataset: DatasetRef) -> str | None:
    """The version id in the dataset's own store (DatasetVersionDatasetFacet), or None."""
    value = dataset.facets.get("version", {}).get("datasetVersion")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    usable = isinstance(value, str) and 0 < len(value) <= NAME_LIMIT and "\x00" not in value
    return value if usable else None


def read_lifecycle(dataset: DatasetRef) -> str | None:
    """`lifecycleStateChange` in capitals, or None."""
    value = dataset.facets.get("lifecycleStateChange", {}).get("lifecycleStateChange")
    return value.upper() if isinstance(value, str) else None


def read_symlinks(event: Event, dataset: DatasetRef) -> list[tuple[Named, str]] | None:
    """The other names of a dataset with their types; None where there is no facet."""
    facet = dataset.facets.get("symlinks")
    if facet is None:
        return None
    found: list[tuple[Named, str]] = []
    for index, item in enumerate(_items(facet.get("identifiers"))):
        path = f"{dataset.path}.facets.symlinks.identifiers[{index}]"
        named = _quiet_name(event, item, "dataset", path)
        if named is not None and named.id != dataset.named.id:
            found.append((named, str(item.get("type") or "")[:NAME_LIMIT].replace("\x00", "")))
    return found


def read_column_lineage(event: Event, dataset: DatasetRef) -> list[ExplicitEdge] | None:
    """ColumnLineageDatasetFacet as edges; None where there is no facet."""
    facet = dataset.facets.get("columnLineage")
    if facet is None:
        return None
    path = f"{dataset.path}.facets.columnLineage"
    edges: list[ExplicitEdge] = []
    fields = facet.get("fields")
    for name, entry in fields.items() if isinstance(fields, dict) else ():
        entry = entry if isinstance(entry, dict) else {}
        for index, item in enumerate(_items(entry.get("inputFields"))):
            where = f"{path}.fields.{name[:NAME_LIMIT]}.inputFields[{index}]"
            edges += _column_edge(event, dataset.named, name, item, where)
    for index, item in enumerate(_items(facet.get("dataset"))):
        edges += _column_edge(event, dataset.named, "", item, f"{path}.dataset[{index}]")
    return edges


def _column_edge(
    event: Event, target: Named, field: str, item: Mapping[str, Any], path: str
) -> list[ExplicitEdge]:
    source = _quiet_name(event, item, "dataset", path)
    if source is None:
        return []
    return [
        ExplicitEdge(
            "dataset",
            target,
            _field(field),
            "dataset",
            source,
            _field(item.get("field")),
            None,
            _transformations(item),
        )
    ]


def read_dataset_lineage(event: Event, dataset: DatasetRef) -> list[ExplicitEdge] | None:
    """LineageDatasetFacet as edges; None where there is no facet, none where it is deleted."""
    facet = dataset.facets.get("lineage")
    if facet is None:
        return None
    if facet.get("_deleted") is True:
        return []
    path = f"{dataset.path}.facets.lineage"
    return list(_entry_edges(event, "dataset", dataset.named, facet, path))


def read_job_lineage(event: Event) -> list[ExplicitEdge] | None:
    """LineageJobFacet as edges; None where there is no facet."""
    facet = event.job_facets.get("lineage")
    if facet is None:
        return None
    edges: list[ExplicitEdge] = []
    for index, entry in enumerate(_items(facet.get("entries"))):
        path = f"$.job.facets.lineage.entries[{index}]"
        kind: Literal["dataset", "job"] = "job" if entry.get("type") == "JOB" else "dataset"
        target = _entity(event, entry, kind, path)
        if target is not None:
            edges += _entry_edges(event, kind, target, entry, path)
    return edges


def read_other_names(event: Event) -> list[OtherName]:
    """Every name that the catalog takes from the event's facets; some may stand twice."""
    edges = read_job_lineage(event) if "lineage" in event.job_facets else None
    found = [*_ends(edges or ())]
    for dataset in event.outputs:
        if "lineage" in dataset.facets:
            found += _ends(read_dataset_lineage(event, dataset) or ())
        if "columnLineage" in dataset.facets:
            found += _ends(read_column_lineage(event, dataset) or ())
    for dataset in event.datasets():
        if "symlinks" in dataset.facets:
            aliases = read_symlinks(event, dataset) or ()
            found += [OtherName("dataset", named, True) for named, _ in aliases]
    return found


def _ends(edges: Iterable[ExplicitEdge]) -> Iterator[OtherName]:
    for edge in edges:
        yield OtherName(edge.target_kind, edge.target, True)
        if edge.source is not None:
            yield OtherName(edge.source_kind, edge.source, False)


def _entry_edges(
    event: Event,
    kind: Literal["dataset", "job"],
    target: Named,
    entry: Mapping[str, Any],
    path: str,
) -> Iterator[ExplicitEdge]:
    found = False
    fields = entry.get("fields")
    groups = [("", entry.get("inputs"), f"{path}.inputs")]
    for name, value in fields.items() if isinstance(fields, dict) else ():
        inputs = value.get("inputs") if isinstance(value, dict) else None
        groups.append((name, inputs, f"{path}.fields.{name[:NAME_LIMIT]}.inputs"))
    for field, inputs, where in groups:
        for index, item in enumerate(_items(inputs)):
            source_kind: Literal["dataset", "job"] = (
                "job" if item.get("type") == "JOB" else "dataset"
            )
            source = _entity(event, item, source_kind, f"{where}[{index}]")
            if source is None:
                continue
            found = True
            yield ExplicitEdge(
                kind,
                target,
                _field(field),
                source_kind,
                source,
                _field(item.get("field")),
                _source_run(item, source) if source_kind == "job" else None,
                _transformations(item),
            )
    if not found:
        yield ExplicitEdge(kind, target, "", "dataset", None, "", None, None)


def _source_run(item: Mapping[str, Any], job: Named) -> bytes | None:
    text = item.get("runId")
    return run_id(text, job.namespace, job.name)[0] if isinstance(text, str) and text else None


def _entity(
    event: Event, item: Mapping[str, Any], kind: Literal["dataset", "job"], path: str
) -> Named | None:
    if kind == "job" and "namespace" not in item and "name" not in item:
        return event.named if event.kind != "dataset" else None
    return _quiet_name(event, item, kind, path)


def _quiet_name(
    event: Event, item: Mapping[str, Any], kind: Literal["dataset", "job"], path: str
) -> Named | None:
    try:
        return read_name(item, kind, path)
    except MalformedEventError as error:
        event.warnings.append(Warn("facet_invalid", error.path or path, error.detail))
        return None


def _items(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _field(value: object) -> str:
    return value.replace("\x00", "")[:NAME_LIMIT] if isinstance(value, str) else ""


def _transformations(item: Mapping[str, Any]) -> list[Any] | None:
    value = item.get("transformations")
    return value if isinstance(value, list) and value else None
