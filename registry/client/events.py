"""Builds the OpenLineage events of a run from what it knows. Pure but for git (`code`)."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    dataset_type_dataset,
    dataset_version_dataset,
    error_message_run,
    execution_parameters_run,
    job_type_job,
    nominal_time_run,
    output_statistics_output_dataset,
    parent_run,
    schema_dataset,
)

from registry.client.code import CodeLocation
from registry.client.facets import PRODUCER, BatchFacet, CodeFacet, RowMapsFacet, TrainingFacet
from registry.client.sources import Name, Source
from registry.moments import rfc3339
from registry.pii.identifiers import find_identifiers
from registry.wire.facets import BATCH

MESSAGE_LIMIT = 2_000
MODEL = "MODEL"


@dataclass(frozen=True, slots=True)
class ParentRun:
    """The run that started this one, and the root of them all where it is another."""

    run_id: str
    job: Name
    root_run_id: str | None = None
    root_job: Name | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of a run from its start: who, why, with which code, parameters and seed."""

    run_id: str
    job: Name
    parent: ParentRun | None = None
    nominal_time: datetime | None = None
    purpose: str | None = None
    manifest: str | None = None
    recipe: Mapping[str, Any] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    code: CodeLocation | None = None
    run_facets: Mapping[str, Any] = field(default_factory=dict)
    job_facets: Mapping[str, Any] = field(default_factory=dict)


def run_event(
    facts: RunFacts,
    state: RunState,
    at: datetime,
    *,
    inputs: Sequence[InputDataset] = (),
    outputs: Sequence[OutputDataset] = (),
    facets: Mapping[str, Any] | None = None,
) -> RunEvent:
    """One event of the run; START carries all facts, the others the parent and `facets` alone."""
    run_facets = dict(_parent_facet(facts))
    job_facets: dict[str, Any] = {}
    if state is RunState.START:
        run_facets |= _start_facets(facts)
        job_facets = _job_facets(facts)
    return RunEvent(
        eventType=state,
        eventTime=rfc3339(at),
        run=Run(runId=facts.run_id, facets=run_facets | dict(facets or {})),
        job=Job(namespace=facts.job.namespace, name=facts.job.name, facets=job_facets),
        inputs=list(inputs),
        outputs=list(outputs),
        producer=PRODUCER,
    )


def _parent_facet(facts: RunFacts) -> dict[str, Any]:
    if facts.parent is None:
        return {}
    root = None
    if facts.parent.root_run_id is not None and facts.parent.root_job is not None:
        root = parent_run.Root(
            run=parent_run.RootRun(runId=facts.parent.root_run_id),
            job=parent_run.RootJob(*facts.parent.root_job),
        )
    return {
        "parent": parent_run.ParentRunFacet(
            run=parent_run.Run(runId=facts.parent.run_id),
            job=parent_run.Job(*facts.parent.job),
            root=root,
            producer=PRODUCER,
        )
    }


def _start_facets(facts: RunFacts) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if facts.nominal_time is not None:
        found["nominalTime"] = nominal_time_run.NominalTimeRunFacet(
            nominalStartTime=rfc3339(facts.nominal_time), producer=PRODUCER
        )
    parameters = dict(facts.parameters)
    if facts.seed is not None:
        parameters.setdefault("seed", facts.seed)
    if parameters:
        found["executionParameters"] = execution_parameters_run.ExecutionParametersRunFacet(
            parameters=[
                execution_parameters_run.ExecutionParameter(key=str(key), value=_text(value))
                for key, value in parameters.items()
            ],
            producer=PRODUCER,
        )
    training = training_facet(facts)
    if training is not None:
        found["registry_training"] = training
    return found | dict(facts.run_facets)


def training_facet(facts: RunFacts, model: Mapping[str, str] | None = None) -> TrainingFacet | None:
    """`registry_training` of a run that says what it is for, or which model it made; else None."""
    if not (facts.purpose or facts.manifest or facts.recipe or model):
        return None
    return TrainingFacet(
        purpose=facts.purpose,
        manifest=facts.manifest,
        model=None if model is None else dict(model),
        recipe=None if facts.recipe is None else dict(facts.recipe),
        producer=PRODUCER,
    )


def _text(value: object) -> str:
    """A parameter as text: as it is, or as JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str, sort_keys=True)


def _job_facets(facts: RunFacts) -> dict[str, Any]:
    found: dict[str, Any] = {
        "jobType": job_type_job.JobTypeJobFacet(
            processingType="BATCH", integration="PYTHON", jobType="JOB", producer=PRODUCER
        )
    }
    if facts.code is not None:
        found["sourceCodeLocation"] = CodeFacet(
            type="git",
            url=facts.code.url,
            repoUrl=facts.code.url,
            path=facts.code.path,
            version=facts.code.commit,
            branch=facts.code.branch,
            changed=facts.code.changed,
            producer=PRODUCER,
        )
    return found | dict(facts.job_facets)


def error_facet(error: BaseException) -> dict[str, Any]:
    """`errorMessage`: the kind of error, its words without identifiers of people, and where it was
    raised.
    """
    message = without_identifiers(f"{type(error).__name__}: {error}"[:MESSAGE_LIMIT])
    return {
        "errorMessage": error_message_run.ErrorMessageRunFacet(
            message=message,
            programmingLanguage="python",
            stackTrace="".join(traceback.format_tb(error.__traceback__)) or None,
            producer=PRODUCER,
        )
    }


def without_identifiers(text: str) -> str:
    """The text with the kind of each identifier of a person in its place."""
    for found in reversed(find_identifiers(text)):
        text = f"{text[: found.start]}[{found.kind.value}]{text[found.end :]}"
    return text


def input_dataset(source: Source) -> InputDataset:
    """A dataset that the run reads, with the version's id in the dataset's own store if known."""
    return InputDataset(
        namespace=source.namespace,
        name=source.name,
        facets=_version_facet(source.external_version),
    )


def output_dataset(
    dataset: Name,
    *,
    batch: BatchFacet | None = None,
    maps: list[dict[str, Any]] | None = None,
    fields: Sequence[tuple[str, str]] = (),
    external_version: str | None = None,
    facets: Mapping[str, Any] | None = None,
) -> OutputDataset:
    """A dataset that the run writes; `fields` are its columns' names and types."""
    found = _version_facet(external_version)
    if fields:
        found["schema"] = schema_dataset.SchemaDatasetFacet(
            fields=[schema_dataset.SchemaDatasetFacetFields(*pair) for pair in fields],
            producer=PRODUCER,
        )
    of_output: dict[str, Any] = {}
    if batch is not None:
        of_output["registry_batch"] = batch
        if batch.exampleCount is not None:
            of_output["outputStatistics"] = (
                output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
                    rowCount=batch.exampleCount, producer=PRODUCER
                )
            )
    if maps:
        of_output["registry_rowMaps"] = RowMapsFacet(maps=maps, producer=PRODUCER)
    return OutputDataset(
        namespace=dataset.namespace,
        name=dataset.name,
        facets=found | dict(facets or {}),
        outputFacets=of_output,
    )


def model_output(
    model: Name,
    version: str | None,
    *,
    batch: BatchFacet | None = None,
    facets: Mapping[str, Any] | None = None,
) -> OutputDataset:
    """A model that the run made: a dataset of type MODEL; `batch` names the files of it."""
    return OutputDataset(
        namespace=model.namespace,
        name=model.name,
        facets={
            "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet(
                datasetType=MODEL, producer=PRODUCER
            ),
            **_version_facet(version),
            **(facets or {}),
        },
        outputFacets={} if batch is None else {BATCH: batch},
    )


def _version_facet(version: str | None) -> dict[str, Any]:
    if version is None:
        return {}
    return {
        "version": dataset_version_dataset.DatasetVersionDatasetFacet(
            datasetVersion=version, producer=PRODUCER
        )
    }
