"""Our OpenLineage facets, as openlineage-python sends them."""

from __future__ import annotations

from typing import Any

import attr
from openlineage.client.generated.base import DatasetFacet, OutputDatasetFacet, RunFacet
from openlineage.client.generated.source_code_location_job import SourceCodeLocationJobFacet

from registry import __version__
from registry.wire.facets import BATCH, RIGHTS, ROW_MAPS, TRAINING, schema_url

PRODUCER = f"https://w3id.org/lineage-registry/client/{__version__}"


@attr.define(kw_only=True)
class BatchFacet(OutputDatasetFacet):
    """`registry_batch`: what a run wrote to a dataset; None stands for what is not known."""

    batch: str
    mode: str | None = None
    partition: str | None = None
    origin: dict[str, Any] | None = None
    license: str | None = None
    legalBasis: str | None = None  # noqa: N815 - as it is on the wire
    specialCategoryCondition: str | None = None  # noqa: N815
    purposes: list[str] | None = None
    region: str | None = None
    classification: str | None = None
    personalData: str | None = None  # noqa: N815
    exampleCount: int | None = None  # noqa: N815
    examples: str | None = None
    files: list[dict[str, Any]] | None = None
    subjectCoverage: dict[str, Any] | None = None  # noqa: N815

    @staticmethod
    def _get_schema() -> str:
        return schema_url(BATCH)


@attr.define(kw_only=True)
class RowMapsFacet(OutputDatasetFacet):
    """`registry_rowMaps`: which rows of which batches the rows of an output came from."""

    maps: list[dict[str, Any]]

    @staticmethod
    def _get_schema() -> str:
        return schema_url(ROW_MAPS)


@attr.define(kw_only=True)
class RightsFacet(DatasetFacet):
    """`registry_rights`: the terms a dataset may be used under."""

    license: str | None = None
    terms: dict[str, Any] | None = None
    optOut: list[dict[str, Any]] | None = None  # noqa: N815
    contract: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return schema_url(RIGHTS)


@attr.define(kw_only=True)
class TrainingFacet(RunFacet):
    """`registry_training`: what a run trains, on what, and what for."""

    purpose: str | None = None
    manifest: str | None = None
    model: dict[str, Any] | None = None
    recipe: dict[str, Any] | None = None

    @staticmethod
    def _get_schema() -> str:
        return schema_url(TRAINING)


@attr.define(kw_only=True)
class CodeFacet(SourceCodeLocationJobFacet):
    """`sourceCodeLocation`, and whether there are changes that are in no commit."""

    changed: bool | None = None
