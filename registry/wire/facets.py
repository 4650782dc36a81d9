"""Names and schema URLs of the OpenLineage facets that are ours.

Each URL is public, immutable and versioned, and the same for every server; the schemas themselves
ship in the package under `registry/lineage/schemas`.
"""

from __future__ import annotations

SCHEMA_BASE = "https://w3id.org/lineage-registry/facets/1-0-0/"

BATCH = "registry_batch"
ROW_MAPS = "registry_rowMaps"
EXAMPLES = "registry_examples"
RIGHTS = "registry_rights"
QUALITY = "registry_quality"
TRAINING = "registry_training"

SCHEMA_FILES = {
    BATCH: "BatchOutputDatasetFacet.json",
    ROW_MAPS: "RowMapsOutputDatasetFacet.json",
    EXAMPLES: "ExamplesOutputDatasetFacet.json",
    RIGHTS: "RightsDatasetFacet.json",
    QUALITY: "QualityDatasetFacet.json",
    TRAINING: "TrainingRunFacet.json",
}


def schema_url(facet: str) -> str:
    """The `_schemaURL` of one of our facets by its name; KeyError for another's."""
    return SCHEMA_BASE + SCHEMA_FILES[facet]
