"""Brings what the catalog reads into the shapes of `registry.wire`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast

import msgspec

from registry.canonical import digest_text
from registry.catalog.batches import BatchView
from registry.catalog.datasets import DatasetView, FieldSource
from registry.catalog.facets import NO_DATASET_FACTS, SchemaField, dataset_facts
from registry.catalog.jobs import JobView
from registry.catalog.lookup import KeptFacet, Named, payloads_of
from registry.catalog.names import job_id, version_uuid
from registry.catalog.namespaces import NamespaceView
from registry.catalog.runs import RunDataset, RunLink, RunView
from registry.catalog.versions import VersionView
from registry.ids import uuid_text
from registry.ledger.standing import Standing
from registry.storage.columns import wins_parts
from registry.wire.catalog import (
    BatchAnswer,
    ColumnLineageEntry,
    DatasetAnswer,
    EntityId,
    Facets,
    FieldAnswer,
    InRun,
    JobAnswer,
    NamespaceAnswer,
    ParentRun,
    RunAnswer,
    VersionAnswer,
    VersionId,
)


def entity(thing: Named) -> EntityId:
    """A dataset or job by name."""
    return {"namespace": thing.namespace, "name": thing.name}


def version_of(dataset: Named, number: int | None) -> VersionId:
    """A version of a dataset by name and UUID."""
    version = None if number is None else uuid_text(version_uuid(dataset.id, number))
    return {
        "namespace": dataset.namespace,
        "name": dataset.name,
        "version": version,
        "number": number,
    }


def raw(payload: str | bytes) -> Any:
    """JSON that goes into an answer as it was received."""
    return msgspec.Raw(payload.encode() if isinstance(payload, str) else payload)


def facets_of(facets: Mapping[str, KeptFacet]) -> Facets:
    """Facets by name, each as it was received."""
    return {name: raw(facet.payload) for name, facet in facets.items()}


def evidence_of(facets: Mapping[str, KeptFacet]) -> dict[str, str]:
    """For each facet the event it was taken from."""
    return {name: digest_text(wins_parts(facet.wins)[1]) for name, facet in facets.items()}


def namespace_answer(view: NamespaceView) -> NamespaceAnswer:
    """A namespace."""
    return {
        "name": view.name,
        "createdAt": view.created_at,
        "updatedAt": view.updated_at,
        "ownerName": "",
        "description": None,
        "isHidden": False,
    }


def field_answers(fields: Iterable[SchemaField]) -> list[FieldAnswer]:
    """The fields of a dataset."""
    return [
        {
            "name": field.name,
            "type": field.type,
            "tags": list(field.tags),
            "description": field.description,
        }
        for field in fields
    ]


def dataset_answer(view: DatasetView) -> DatasetAnswer:
    """A dataset."""
    dataset, facts = view.dataset, view.facts
    return {
        "id": entity(dataset),
        "type": facts.kind.value,
        "name": dataset.name,
        "physicalName": dataset.name,
        "createdAt": view.created_at,
        "updatedAt": view.updated_at,
        "namespace": dataset.namespace,
        "sourceName": facts.source_name,
        "fields": field_answers(facts.fields),
        "tags": list(facts.tags),
        "lastModifiedAt": view.modified_at,
        "description": facts.description,
        "lastLifecycleState": facts.lifecycle_state,
        "datasetType": facts.dataset_type,
        "currentVersion": version_of(dataset, view.version)["version"],
        "columnLineage": [_column(name, of) for name, of in view.field_sources.items()],
        "facets": facets_of(view.facets),
        "deleted": view.deleted,
        "currentVersionNumber": view.version,
        "aliases": [{"namespace": space, "name": name} for space, name in view.aliases],
        "evidence": evidence_of(view.facets),
    }


def _column(name: str, sources: tuple[FieldSource, ...]) -> ColumnLineageEntry:
    first = sources[0].transformation
    return {
        "name": name,
        "inputFields": [
            {
                "namespace": source.dataset.namespace,
                "dataset": source.dataset.name,
                "field": source.field,
                "transformationDescription": source.transformation.description,
                "transformationType": source.transformation.type,
            }
            for source in sources
        ],
        "transformationDescription": first.description,
        "transformationType": first.type,
    }


def run_answer(view: RunView) -> RunAnswer:
    """A run."""
    return {
        "id": uuid_text(view.id),
        "createdAt": view.created_at,
        "updatedAt": view.updated_at,
        "nominalStartTime": view.nominal_start_at,
        "nominalEndTime": view.nominal_end_at,
        "state": cast("Any", view.state),  # the table holds no other words
        "startedAt": view.started_at,
        "endedAt": view.ended_at,
        "durationMs": duration_ms(view.started_at, view.ended_at),
        "args": {},
        "jobVersion": job_version(view.job),
        "inputDatasetVersions": [_in_run(one) for one in view.inputs],
        "outputDatasetVersions": [_in_run(one) for one in view.outputs],
        "facets": facets_of(view.facets),
        "producerRunId": view.producer_run_id,
        "parentRun": _parent(view.parent),
        "rootRun": _parent(view.root),
        "evidence": evidence_of(view.facets),
    }


def job_version(job: Named) -> VersionId:
    """The one version of a job that we keep: the job itself."""
    return {
        "namespace": job.namespace,
        "name": job.name,
        "version": uuid_text(job.id),
        "number": None,
    }


def duration_ms(start: datetime | None, end: datetime | None) -> int | None:
    """Whole milliseconds between two moments; None where one is not known, or they are reversed."""
    if start is None or end is None or end < start:
        return None
    return round((end - start).total_seconds() * 1000)


def _in_run(one: RunDataset) -> InRun:
    return {
        "datasetVersionId": version_of(one.dataset, one.number),
        "facets": facets_of(one.facets),
    }


def _parent(link: RunLink | None) -> ParentRun | None:
    if link is None:
        return None
    return {"runId": uuid_text(link.run_id), "namespace": link.namespace, "name": link.name}


def simple_name(name: str, parent: tuple[str, str] | None) -> str:
    """A job's name without its parent's in front (`dag.task` in `dag` is `task`)."""
    return name.removeprefix(f"{parent[1]}.") if parent else name


def parent_uuid(parent: tuple[str, str] | None) -> str | None:
    """The UUID of a parent job by (namespace, name)."""
    return uuid_text(job_id(*parent)) if parent else None


def job_answer(view: JobView) -> JobAnswer:
    """A job."""
    job, facts, parent = view.job, view.facts, view.parent
    return {
        "id": entity(job),
        "type": facts.kind.value,
        "name": job.name,
        "simpleName": simple_name(job.name, parent),
        "parentJobName": parent[1] if parent else None,
        "parentJobUuid": parent_uuid(parent),
        "createdAt": view.created_at,
        "updatedAt": view.updated_at,
        "namespace": job.namespace,
        "inputs": [entity(one) for one in view.inputs],
        "outputs": [entity(one) for one in view.outputs],
        "location": facts.location,
        "description": facts.description,
        "latestRun": run_answer(view.latest_run) if view.latest_run else None,
        "tags": list(facts.tags),
        "labels": list(facts.labels),
        "currentVersion": uuid_text(job.id),
        "latestRuns": [run_answer(run) for run in view.latest_runs],
        "facets": facets_of(view.facets),
        "evidence": evidence_of(view.facets),
    }


def version_answer(
    view: VersionView, facets: Mapping[str, KeptFacet], *, current: bool
) -> VersionAnswer:
    """A version. What the dataset's facets say today is said of its current version alone."""
    dataset, identity = view.dataset, version_of(view.dataset, view.number)
    today = dataset_facts(payloads_of(facets))
    facts = today if current else NO_DATASET_FACTS
    return {
        "id": identity,
        "type": today.kind.value,
        "name": dataset.name,
        "physicalName": dataset.name,
        "createdAt": view.completed_at,
        "version": identity["version"] or "",
        "namespace": dataset.namespace,
        "sourceName": today.source_name,
        "fields": field_answers(facts.fields),
        "tags": list(facts.tags),
        "lifecycleState": facts.lifecycle_state,
        "description": facts.description,
        "createdByRun": run_answer(view.run) if view.run else None,
        "facets": facets_of(facets) if current else {},
        "number": view.number,
        "mode": cast("Any", view.mode),  # the table holds no other words
        "base": view.base,
        "externalId": view.external_id,
        "completedAt": view.completed_at,
        "allottedAt": view.allotted_at,
        "late": view.late,
        "addedBatches": list(view.added),
        "removedBatches": list(view.removed),
    }


def batch_answer(view: BatchView, standing: Standing | None) -> BatchAnswer:
    """A batch."""
    return {
        "number": view.number,
        "name": view.name,
        "runId": uuid_text(view.run_id),
        "effectiveAt": view.effective_at,
        "mode": view.mode,
        "partition": view.partition,
        "origin": {
            "kind": view.origin_kind,
            "uri": view.origin_uri,
            "description": view.origin_description,
            "collectedFrom": view.collected_from,
            "collectedUntil": view.collected_until,
        },
        "license": view.license,
        "legalBasis": view.legal_basis,
        "specialCategoryCondition": view.special_category_condition,
        "purposes": None if view.purposes is None else list(view.purposes),
        "region": view.region,
        "classification": view.classification,
        "personalData": view.personal_data,
        "exampleCount": view.example_count,
        "examplesObject": view.examples_object,
        "examplesUrl": view.examples_url,
        "subjectCoverage": view.subject_coverage,
        "files": [
            {
                "uri": file.uri,
                "sha256": file.sha256,
                "rows": file.rows,
                "firstOrdinal": file.first_ordinal,
            }
            for file in view.files
        ],
        "evidence": digest_text(wins_parts(view.wins)[1]),
        "ledger": None
        if standing is None
        else {
            "state": standing.state.value,
            "rows": standing.rows,
            "detail": standing.detail,
            "waitsFor": list(standing.waits_for),
        },
    }
