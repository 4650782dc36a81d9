"""Says what OpenLineage facets mean for the catalog: fields, tags, descriptions, types. Pure.

Rules:
1. Facets are kept as received, so any shape may come: what is not of the expected type is passed
   over, never an error. The payload itself is always given too.
2. A tag goes by its key, with `:value` behind where the value says more than "yes"
   (TagsDatasetFacet, TagsJobFacet, TagsRunFacet).
3. Types are in Marquez's words: DB_TABLE or STREAM for datasets, BATCH, STREAM or SERVICE for jobs;
   the producer's own word (`datasetType`, such as MODEL) stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

_AFFIRMATIVE = {"", "true", "yes", "1"}
_STREAMS = {"STREAM", "TOPIC"}
DEFAULT_SOURCE = "default"

#: The facets that `dataset_facts` and `job_facts` read.
DATASET_FACETS = (
    "dataSource",
    "datasetType",
    "documentation",
    "lifecycleStateChange",
    "schema",
    "tags",
)
JOB_FACETS = ("documentation", "jobType", "sourceCodeLocation", "tags")


class DatasetKind(StrEnum):
    """Marquez's two types of datasets."""

    DB_TABLE = "DB_TABLE"
    STREAM = "STREAM"


class JobKind(StrEnum):
    """Marquez's three types of jobs."""

    BATCH = "BATCH"
    STREAM = "STREAM"
    SERVICE = "SERVICE"


class Tag(NamedTuple):
    """A tag as a facet has it; `field` is empty where the whole thing is tagged."""

    key: str
    value: str
    source: str
    field: str

    @property
    def name(self) -> str:
        """What the tag goes by (rule 2)."""
        return self.key if self.value.lower() in _AFFIRMATIVE else f"{self.key}:{self.value}"


class SchemaField(msgspec.Struct, frozen=True):
    """A top-level field of a dataset's schema; its tags come from the `tags` facet."""

    name: str
    type: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()


class _Schema(msgspec.Struct):
    """A schema facet as the standard has it; `fields` of each field are left to the payload."""

    fields: list[SchemaField] = []


_schema = msgspec.json.Decoder(_Schema)


class DatasetFacts(NamedTuple):
    """What the facets of a dataset say of it."""

    kind: DatasetKind = DatasetKind.DB_TABLE
    dataset_type: str | None = None
    sub_type: str | None = None
    fields: tuple[SchemaField, ...] = ()
    tags: tuple[str, ...] = ()
    description: str | None = None
    source_name: str = DEFAULT_SOURCE
    lifecycle_state: str | None = None

    @property
    def is_dropped(self) -> bool:
        """Whether the last change of state was that it was dropped."""
        return self.lifecycle_state == "DROP"


class JobFacts(NamedTuple):
    """What the facets of a job say of it."""

    kind: JobKind = JobKind.BATCH
    labels: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    description: str | None = None
    location: str | None = None


NO_DATASET_FACTS = DatasetFacts()
NO_JOB_FACTS = JobFacts()


def parse_facet(payload: str) -> dict[str, object]:
    """A facet's members; empty where the payload is no object."""
    try:
        value = msgspec.json.decode(payload)
    except msgspec.MsgspecError:
        return {}
    return value if isinstance(value, dict) else {}


def dataset_facts(payloads: Mapping[str, str]) -> DatasetFacts:
    """What a dataset's facets, by name, say of it."""
    if not payloads:
        return NO_DATASET_FACTS
    if len(payloads) == 1 and "schema" in payloads:
        return NO_DATASET_FACTS._replace(fields=_schema_fields(payloads["schema"], ()))
    known = (name for name in DATASET_FACETS if name in payloads and name != "schema")
    facets = {name: parse_facet(payloads[name]) for name in known}
    empty: dict[str, object] = {}
    kind = facets.get("datasetType", empty)
    dataset_type = _text(kind.get("datasetType"))
    tags = tuple(read_tags(facets.get("tags", empty)))
    state = _text(facets.get("lifecycleStateChange", empty).get("lifecycleStateChange"))
    return DatasetFacts(
        DatasetKind.STREAM if (dataset_type or "").upper() in _STREAMS else DatasetKind.DB_TABLE,
        dataset_type,
        _text(kind.get("subType")),
        _schema_fields(payloads.get("schema", ""), tags),
        tuple(dict.fromkeys(tag.name for tag in tags if not tag.field)),
        _text(facets.get("documentation", empty).get("description")),
        _text(facets.get("dataSource", empty).get("name")) or DEFAULT_SOURCE,
        state.upper() if state else None,
    )


def job_facts(payloads: Mapping[str, str]) -> JobFacts:
    """What a job's facets, by name, say of it."""
    if not payloads:
        return NO_JOB_FACTS
    facets = {name: parse_facet(payloads[name]) for name in JOB_FACETS if name in payloads}
    empty: dict[str, object] = {}
    kind = facets.get("jobType", empty)
    processing = (_text(kind.get("processingType")) or "").upper()
    place = facets.get("sourceCodeLocation", empty)
    labels = (_text(kind.get("jobType")), _text(kind.get("integration")))
    return JobFacts(
        {"STREAMING": JobKind.STREAM, "SERVICE": JobKind.SERVICE}.get(processing, JobKind.BATCH),
        tuple(label for label in labels if label),
        tuple(dict.fromkeys(tag.name for tag in read_tags(facets.get("tags", empty)))),
        _text(facets.get("documentation", empty).get("description")),
        _text(place.get("url")) or _text(place.get("repoUrl")),
    )


def read_tags(facet: Mapping[str, object]) -> Iterator[Tag]:
    """The tags of a `tags` facet, in its order."""
    for item in _objects(facet.get("tags")):
        key = _text(item.get("key"))
        if key:
            parts = (item.get(name) for name in ("value", "source", "field"))
            yield Tag(key, *(_plain(part) for part in parts))


def _schema_fields(payload: str, tags: tuple[Tag, ...]) -> tuple[SchemaField, ...]:
    """The fields of a schema facet that have a name; read field by field only where one is odd."""
    if not payload:
        return ()
    try:
        fields = _schema.decode(payload).fields
    except msgspec.MsgspecError:
        fields = list(_odd_fields(parse_facet(payload)))
    by_field: dict[str, list[str]] = {}
    for tag in tags:
        by_field.setdefault(tag.field, []).append(tag.name)
    if not by_field:
        return tuple(field for field in fields if field.name)
    return tuple(
        SchemaField(field.name, field.type, field.description, tuple(by_field.get(field.name, ())))
        for field in fields
        if field.name
    )


def _odd_fields(facet: Mapping[str, object]) -> Iterator[SchemaField]:
    for item in _objects(facet.get("fields")):
        yield SchemaField(
            _text(item.get("name")) or "", _text(item.get("type")), _text(item.get("description"))
        )


def _objects(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _plain(value: object) -> str:
    """A tag's value in text: producers send booleans and numbers too."""
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case _:
            return ""
