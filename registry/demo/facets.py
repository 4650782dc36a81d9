"""Two facets of ours, in the form that `openlineage-python` gives its own.

Names are camelCase, as they travel. The schemas are in `registry/lineage/schemas`, every field is
explained in `docs/openlineage.md`.
"""

from __future__ import annotations

import attr
from openlineage.client.facet_v2 import OutputDatasetFacet, RunFacet

from registry.wire.facets import BATCH, TRAINING, schema_url


@attr.define
class Origin:
    """From where the examples of a batch come."""

    kind: str
    uri: str
    description: str


@attr.define
class File:
    """A file that holds rows of a batch; a model's file has none."""

    uri: str
    sha256: str
    rows: int | None = None


@attr.define(kw_only=True)
class BatchFacet(OutputDatasetFacet):
    """`registry_batch`: the examples that one run wrote to one dataset."""

    batch: str
    files: list[File]
    origin: Origin | None = None
    license: str | None = None
    purposes: list[str] | None = None
    region: str | None = None
    classification: str | None = None
    personalData: str | None = None  # noqa: N815 - as it travels
    exampleCount: int | None = None  # noqa: N815 - as it travels

    @staticmethod
    def _get_schema() -> str:
        return schema_url(BATCH)


@attr.define
class Model:
    """The model that a run trained."""

    name: str
    version: str


@attr.define(kw_only=True)
class TrainingFacet(RunFacet):
    """`registry_training`: what a run trained, for which purpose, by which recipe."""

    purpose: str
    model: Model
    recipe: dict[str, str | int | float]

    @staticmethod
    def _get_schema() -> str:
        return schema_url(TRAINING)
