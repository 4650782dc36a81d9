"""A program as people write them with openlineage-python; it knows nothing of this project.

Its configuration is the environment alone (OPENLINEAGE_URL, OPENLINEAGE_API_KEY, and so on).
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import (
    DatasetEvent,
    InputDataset,
    Job,
    JobEvent,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
    StaticDataset,
    set_producer,
)
from openlineage.client.facet_v2 import (
    dataset_version_dataset,
    documentation_dataset,
    documentation_job,
    input_statistics_input_dataset,
    output_statistics_output_dataset,
    schema_dataset,
    source_code_location_job,
)

PRODUCER = "https://example.org/programs/nightly"


def now() -> str:
    return datetime.now(UTC).isoformat()


def main(run_id: str) -> None:
    """Tell of one run from its start to its end, and of a job and a dataset beside it."""
    set_producer(PRODUCER)
    client = OpenLineageClient()
    run = Run(runId=run_id)
    purpose = documentation_job.DocumentationJobFacet(description="Cleans the orders.")
    job = Job(
        namespace="nightly",
        name="orders/clean",
        facets={"documentation": purpose},
    )
    fields = [schema_dataset.SchemaDatasetFacetFields(name="id", type="BIGINT")]
    orders = InputDataset(
        namespace="s3://lake",
        name="orders/raw",
        facets={"schema": schema_dataset.SchemaDatasetFacet(fields=fields)},
        inputFacets={
            "inputStatistics": input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
                rowCount=12
            )
        },
    )
    clean = OutputDataset(
        namespace="s3://lake",
        name="orders/clean",
        facets={
            "schema": schema_dataset.SchemaDatasetFacet(fields=fields),
            "version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion="v12"),
        },
        outputFacets={
            "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
                rowCount=11
            )
        },
    )
    told = {"run": run, "job": job, "inputs": [orders]}
    client.emit(RunEvent(eventTime=now(), eventType=RunState.START, **told))
    client.emit(RunEvent(eventTime=now(), eventType=RunState.COMPLETE, outputs=[clean], **told))
    words = documentation_dataset.DocumentationDatasetFacet(description="Clean orders.")
    described = StaticDataset(
        namespace="s3://lake", name="orders/clean", facets={"documentation": words}
    )
    client.emit(DatasetEvent(eventTime=now(), dataset=described))
    location = source_code_location_job.SourceCodeLocationJobFacet(
        type="git", url="https://example.org/git"
    )
    report = Job(namespace="nightly", name="orders/report", facets={"sourceCodeLocation": location})
    read = InputDataset(namespace="s3://lake", name="orders/clean")
    client.emit(JobEvent(eventTime=now(), job=report, inputs=[read]))
    client.close()


if __name__ == "__main__":
    main(sys.argv[1])
