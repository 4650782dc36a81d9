"""Node ids: every reading of a text, and the numbers in versions' UUIDs."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.catalog.names import (
    MAX_COLONS,
    NodeKind,
    Reading,
    dataset_id,
    dataset_node,
    field_node,
    job_node,
    parse_node,
    parse_uuid,
    require_name,
    run_node,
    version_number,
    version_uuid,
)
from registry.errors import InvalidInputError
from registry.ids import uuid_text

_name = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20
)
_colons = st.text(st.sampled_from(":/a#"), min_size=1, max_size=12)
_any_name = st.one_of(_name, _colons)
_ids = st.binary(min_size=16, max_size=16)


@given(namespace=_any_name, name=_any_name)
def test_a_dataset_is_among_the_readings_of_its_node_id(namespace: str, name: str) -> None:
    found = parse_node(dataset_node(namespace, name))
    assert found.kind is NodeKind.DATASET
    assert Reading(namespace, name) in found.readings


@given(namespace=_any_name, name=_any_name, version=_ids)
def test_so_is_a_version_of_it(namespace: str, name: str, version: bytes) -> None:
    found = parse_node(dataset_node(namespace, name, version))
    assert Reading(namespace, name, version=version) in found.readings


@given(namespace=_any_name, name=_any_name, field=_any_name)
def test_so_is_a_field_of_it(namespace: str, name: str, field: str) -> None:
    found = parse_node(field_node(namespace, name, field))
    assert found.kind is NodeKind.DATASET_FIELD
    assert Reading(namespace, name, field) in found.readings


@given(namespace=_any_name, name=_any_name)
def test_every_reading_gives_the_text_again(namespace: str, name: str) -> None:
    text = job_node(namespace, name)
    for reading in parse_node(text).readings:
        if reading.version is None:
            assert job_node(reading.namespace, reading.name) == text


def test_a_namespace_with_a_port_is_read_in_every_way() -> None:
    found = parse_node("dataset:s3://bucket:9000:raw/docs:v1")
    assert [(one.namespace, one.name) for one in found.readings] == [
        ("s3", "//bucket:9000:raw/docs:v1"),
        ("s3://bucket", "9000:raw/docs:v1"),
        ("s3://bucket:9000", "raw/docs:v1"),
        ("s3://bucket:9000:raw/docs", "v1"),
    ]


def test_a_run_is_its_uuid() -> None:
    run = uuid.UUID("0195c1e2-7d5b-7c3e-9a53-0f6f3a9c2b11").bytes
    found = parse_node(run_node(run))
    assert (found.kind, found.run_id, found.readings) == (NodeKind.RUN, run, ())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("lake:raw", "its prefix"),
        ("dataset", "its prefix"),
        ("", "its prefix"),
        ("Dataset:a:b", "its prefix"),
        ("dataset:a", "is missing"),
        ("dataset::b", "is missing"),
        ("dataset:a:", "is missing"),
        ("datasetField:a:b", "is missing"),
        ("dataset:" + ":" * (MAX_COLONS + 1), "colons"),
        ("dataset:a:" + "b" * 10_000, "characters"),
        ("run:not-a-uuid", "is no UUID"),
        ("run:{0195c1e2-7d5b-7c3e-9a53-0f6f3a9c2b}", "is no UUID"),
        ("dataset:a:\x00", "NUL"),
        ("dataset:a:\ud800", "surrogate"),
    ],
)
def test_what_is_no_node_id_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why) as caught:
        parse_node(text)
    assert caught.value.path == "nodeId"
    assert caught.value.remedy


def test_a_uuid_in_another_form_is_refused() -> None:
    for text in ("", "0195c1e27d5b7c3e9a530f6f3a9c2b11", "urn:uuid:0195c1e2-7d5b-7c3e-9a53"):
        with pytest.raises(InvalidInputError):
            parse_uuid(text, path="id")


def test_a_name_may_hold_anything_else() -> None:
    require_name("s3://bücket/\t:#%😀", path="name")


@given(key=_ids, number=st.integers(0, (1 << 62) - 1))
def test_a_versions_uuid_holds_its_number(key: bytes, number: int) -> None:
    made = version_uuid(key, number)
    assert version_number(key, made) == number
    assert uuid.UUID(bytes=made).version == 8
    assert uuid.UUID(bytes=made).variant == uuid.RFC_4122


@given(keys=st.lists(_ids, min_size=2, max_size=2, unique=True), number=st.integers(0, 1 << 40))
def test_and_is_none_of_another_dataset(keys: list[bytes], number: int) -> None:
    assert version_number(keys[1], version_uuid(keys[0], number)) is None


def test_a_number_beyond_the_bits_is_refused() -> None:
    key = dataset_id("lake", "raw")
    for number in (-1, 1 << 62):
        with pytest.raises(InvalidInputError):
            version_uuid(key, number)


def test_the_uuid_of_a_version_never_changes() -> None:
    made = uuid_text(version_uuid(dataset_id("s3://lake", "raw/docs"), 7))
    assert made == "408d0983-6f84-853f-b2be-7acd2ee8db70"
