"""What facets mean, in whatever shape they come."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.catalog.facets import (
    DATASET_FACETS,
    JOB_FACETS,
    NO_DATASET_FACTS,
    NO_JOB_FACTS,
    DatasetKind,
    JobKind,
    SchemaField,
    dataset_facts,
    job_facts,
    parse_facet,
    read_tags,
)

_MEMBERS = [
    "fields",
    "name",
    "type",
    "tags",
    "key",
    "value",
    "field",
    "description",
    "url",
    "datasetType",
    "jobType",
]
_MEMBERS += ["processingType", "lifecycleStateChange", "integration"]
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_MEMBERS), inner, max_size=5)
    ),
    max_leaves=12,
)


def written(**facets: object) -> dict[str, str]:
    """Facets as the catalog keeps them."""
    return {name: json.dumps(content) for name, content in facets.items()}


def test_a_whole_dataset() -> None:
    facts = dataset_facts(
        written(
            schema={
                "fields": [
                    {"name": "id", "type": "BIGINT"},
                    {"name": "mail", "type": "VARCHAR", "description": "Of the author"},
                    {"name": "nested", "fields": [{"name": "inner"}]},
                ]
            },
            tags={
                "tags": [
                    {"key": "gold", "value": "true", "source": "USER"},
                    {"key": "owner", "value": "search"},
                    {"key": "pii", "value": "", "field": "mail"},
                    {"key": "gold", "value": "yes"},
                ]
            },
            documentation={"description": "What was said"},
            dataSource={"name": "lake", "uri": "s3://lake"},
            lifecycleStateChange={"lifecycleStateChange": "drop"},
            datasetType={"datasetType": "MODEL", "subType": "CLASSIFIER"},
        )
    )
    assert facts.kind is DatasetKind.DB_TABLE
    assert (facts.dataset_type, facts.sub_type) == ("MODEL", "CLASSIFIER")
    assert facts.fields == (
        SchemaField("id", "BIGINT", None, ()),
        SchemaField("mail", "VARCHAR", "Of the author", ("pii",)),
        SchemaField("nested", None, None, ()),
    )
    assert facts.tags == ("gold", "owner:search")
    assert (facts.description, facts.source_name) == ("What was said", "lake")
    assert (facts.lifecycle_state, facts.is_dropped) == ("DROP", True)


def test_a_whole_job() -> None:
    facts = job_facts(
        written(
            jobType={"processingType": "STREAMING", "integration": "FLINK", "jobType": "JOB"},
            sourceCodeLocation={"type": "git", "url": "https://code.example/a"},
            documentation={"description": "Cleans"},
            tags={"tags": [{"key": "team", "value": "search"}]},
        )
    )
    assert facts == (
        JobKind.STREAM,
        ("JOB", "FLINK"),
        ("team:search",),
        "Cleans",
        "https://code.example/a",
    )


@pytest.mark.parametrize(
    ("said", "kind"),
    [("TOPIC", DatasetKind.STREAM), ("stream", DatasetKind.STREAM), ("VIEW", DatasetKind.DB_TABLE)],
)
def test_a_topic_is_a_stream(said: str, kind: DatasetKind) -> None:
    assert dataset_facts(written(datasetType={"datasetType": said})).kind is kind


def test_nothing_said_is_the_default() -> None:
    assert dataset_facts({}) is NO_DATASET_FACTS
    assert job_facts({}) is NO_JOB_FACTS
    assert dataset_facts(written(other={"a": 1})) == NO_DATASET_FACTS


def test_a_tag_may_carry_a_boolean_or_a_number() -> None:
    items = [{"key": "a", "value": True}, {"key": "b", "value": 3}, {"key": "c", "value": False}]
    assert [tag.name for tag in read_tags({"tags": items})] == ["a", "b:3", "c:false"]


@given(content=st.dictionaries(st.sampled_from(DATASET_FACETS + JOB_FACETS), _json))
def test_no_shape_of_a_facet_breaks_reading(content: dict[str, object]) -> None:
    payloads = written(**content)
    facts = dataset_facts(payloads)
    assert all(isinstance(field.name, str) and field.name for field in facts.fields)
    job_facts(payloads)


@pytest.mark.parametrize("payload", ["", "[]", "null", "{", "1", '"x"'])
def test_what_is_no_object_says_nothing(payload: str) -> None:
    assert parse_facet(payload) == {}
