"""What the demo's datasets and jobs are called, and what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from openlineage.client.facet_v2 import (
    dataset_type_dataset,
    documentation_dataset,
    documentation_job,
    schema_dataset,
    source_code_location_job,
)

from registry import __version__
from registry.client.facets import PRODUCER
from registry.demo.batches import SCHEMA
from registry.demo.standard_library import REPOSITORY

DATASETS = "file://demo"
JOBS = "demo"
# The repository that the standard library is kept in; the demo reads the copy that is installed.
SOURCE = (REPOSITORY, "Lib")
RAW = (DATASETS, "docstrings/raw")
CLEAN = (DATASETS, "docstrings/clean")
UNIQUE = (DATASETS, "docstrings/unique")
TRAIN = (DATASETS, "docstrings/train")
VALIDATION = (DATASETS, "docstrings/validation")
MODEL = (DATASETS, "models/module-classifier")

ABOUT = {
    RAW: "Functions of Python's standard library with their docstrings.",
    CLEAN: "The raw examples whose docstring says something, tidied.",
    UNIQUE: "The clean examples, the first of each docstring.",
    TRAIN: "Nine tenths of the unique examples.",
    VALIDATION: "The other tenth.",
    MODEL: "Naive Bayes: which module of the standard library does a docstring come from?",
}


def facets(dataset: tuple[str, str]) -> dict[str, Any]:
    """What a dataset holds in words, and of the examples the columns, each with what it means."""
    about = documentation_dataset.DocumentationDatasetFacet(ABOUT[dataset], producer=PRODUCER)
    if dataset == MODEL:
        return {"documentation": about}
    columns = [
        schema_dataset.SchemaDatasetFacetFields(
            name=field.name,
            type=str(field.type),
            description=str(field.metadata[b"about"].decode()),
        )
        for field in SCHEMA
    ]
    return {
        "documentation": about,
        "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet("FILE", producer=PRODUCER),
        "schema": schema_dataset.SchemaDatasetFacet(fields=columns, producer=PRODUCER),
    }


def job_facets(about: str) -> dict[str, Any]:
    """What a job does in words, and where its code lies."""
    code = Path(__file__).with_name("pipeline.py")
    return {
        "documentation": documentation_job.DocumentationJobFacet(about, producer=PRODUCER),
        "sourceCodeLocation": source_code_location_job.SourceCodeLocationJobFacet(
            type="file", url=code.as_uri(), version=__version__, producer=PRODUCER
        ),
    }
