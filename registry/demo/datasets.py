"""What the demo's datasets and jobs are called, and what is said of them in every event."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from openlineage.client.event_v2 import Dataset, Job
from openlineage.client.facet_v2 import (
    DatasetFacet,
    dataset_type_dataset,
    dataset_version_dataset,
    documentation_dataset,
    documentation_job,
    job_type_job,
    schema_dataset,
    set_producer,
    source_code_location_job,
)

from registry import __version__
from registry.demo.batches import SCHEMA
from registry.demo.standard_library import REPOSITORY, Library

DATASETS = "file://demo"
JOBS = "demo"
PRODUCER = f"https://w3id.org/lineage-registry/demo/{__version__}"
# Every facet and event that is made from here on says that the demo made it.
set_producer(PRODUCER)


def _examples(name: str, about: str) -> Dataset:
    """A dataset of Parquet files whose rows are examples."""
    columns = [
        schema_dataset.SchemaDatasetFacetFields(
            name=field.name, type=str(field.type), description=_about(field)
        )
        for field in SCHEMA
    ]
    facets: dict[str, DatasetFacet] = {
        "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet("FILE"),
        "documentation": documentation_dataset.DocumentationDatasetFacet(about),
        "schema": schema_dataset.SchemaDatasetFacet(fields=columns),
    }
    return Dataset(DATASETS, name, facets=facets)


def _about(field: pa.Field) -> str:
    return str(field.metadata[b"about"].decode())


RAW = _examples("docstrings/raw", "Functions of Python's standard library with their docstrings.")
CLEAN = _examples("docstrings/clean", "The raw examples whose docstring says something, tidied.")
UNIQUE = _examples("docstrings/unique", "The clean examples, the first of each docstring.")
TRAIN = _examples("docstrings/train", "Nine tenths of the unique examples.")
VALIDATION = _examples("docstrings/validation", "The other tenth.")
MODEL = Dataset(
    DATASETS,
    "models/module-classifier",
    facets={
        "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet("MODEL"),
        "documentation": documentation_dataset.DocumentationDatasetFacet(
            "Naive Bayes: which module of the standard library does a docstring come from?"
        ),
    },
)


def source(library: Library) -> Dataset:
    """The repository that the standard library is kept in, at the release."""
    return Dataset(
        REPOSITORY,
        "Lib",
        facets={
            "version": dataset_version_dataset.DatasetVersionDatasetFacet(library.tag),
            "documentation": documentation_dataset.DocumentationDatasetFacet(
                "Python's standard library. The demo reads the copy that is installed."
            ),
        },
    )


def job(name: str, about: str, *, kind: str = "TASK") -> Job:
    """A step of the pipeline, or the pipeline itself."""
    code = Path(__file__).with_name("pipeline.py")
    return Job(
        JOBS,
        name,
        {
            "documentation": documentation_job.DocumentationJobFacet(about),
            "jobType": job_type_job.JobTypeJobFacet("BATCH", "LINEAGE_REGISTRY_DEMO", kind),
            "sourceCodeLocation": source_code_location_job.SourceCodeLocationJobFacet(
                type="file", url=code.as_uri(), version=__version__
            ),
        },
    )
