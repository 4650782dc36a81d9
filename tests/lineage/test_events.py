"""What is read from the bytes of one good event, and when two events are one."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

import pytest

from registry.ids import named_id
from registry.lineage.door import admit
from registry.lineage.events import DEPTH_LIMIT, EventKind, EventType, read_event, split_batch
from registry.lineage.projection import Projection
from registry.moments import from_micros
from tests.lineage.making import (
    LAKE,
    batch,
    dataset,
    dataset_event,
    encoded,
    facet,
    full_event,
    job_event,
    nested,
    run_event,
    run_id,
)

SHA = "sha256:" + "0a" * 32


class TestReading:
    """What a good event says."""

    def test_a_run_event_is_read_whole(self) -> None:
        body = encoded(full_event())
        event = read_event(body)
        assert (event.kind, event.event_type) == (EventKind.RUN, EventType.COMPLETE)
        assert from_micros(event.event_time) == datetime(2026, 2, 1, 12, tzinfo=UTC)
        assert event.scope_id == uuid.UUID(run_id(1)).bytes
        assert event.named == (named_id("job", "etl", "load"), "etl", "load")
        assert [ref.named[1:] for ref in event.inputs] == [(LAKE, "raw")]
        assert [ref.path for ref in event.datasets()] == ["$.inputs[0]", "$.outputs[0]"]
        assert event.outputs[0].io_facets["registry_batch"]["batch"] == "a"
        assert event.body == body
        assert event.warnings == []

    def test_a_job_event_belongs_to_its_job(self) -> None:
        event = read_event(encoded(job_event(outputs=[dataset("clean")])))
        assert (event.kind, event.event_type) == (EventKind.JOB, None)
        assert event.scope_id == event.named.id == named_id("job", "etl", "load")

    def test_a_dataset_event_has_its_dataset_as_output(self) -> None:
        event = read_event(encoded(dataset_event(dataset("raw", facets={"custom": facet()}))))
        assert (event.kind, event.scope_id) == (EventKind.DATASET, named_id("dataset", LAKE, "raw"))
        assert [(ref.named.name, ref.path) for ref in event.outputs] == [("raw", "$.dataset")]

    def test_a_name_may_hold_whatever_separates_elsewhere(self) -> None:
        odd = "a:b/c?d#e%2F·naïve·名前·🙂 \n\t"
        event = read_event(encoded(run_event(job=(odd, odd), inputs=[dataset(odd, odd)])))
        assert event.named[1:] == event.inputs[0].named[1:] == (odd, odd)

    def test_a_run_id_is_read_in_any_case(self) -> None:
        lower = read_event(encoded(run_event(run="0195d4b0-7c1a-7a2b-8f3c-aabbccddeeff")))
        upper = read_event(encoded(run_event(run="0195D4B0-7C1A-7A2B-8F3C-AABBCCDDEEFF")))
        assert lower.scope_id == upper.scope_id
        assert upper.producer_run_id is None

    def test_a_batch_is_split_into_the_bytes_of_its_events(self) -> None:
        assert split_batch(b'[ {"a": 1.10} ,\n[], 3]') == [b'{"a": 1.10}', b"[]", b"3"]
        assert split_batch(b"[]") == []


class TestIdentity:
    """Two events are one event when their JSON means the same, to the last digit."""

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            pytest.param('{"b":1,"a":2}', '{"a":2,"b":1}', id="the order of keys"),
            pytest.param('{"b":{"y":1,"x":[]}}', '{"b":{"x":[],"y":1}}', id="order further in"),
            pytest.param('{"a":[1,2]}', '\n{ "a" :\t[ 1 , 2 ] }\r\n', id="white space"),
            pytest.param('{"a":"\\u00e9\\/"}', '{"a":"é/"}', id="how a character is escaped"),
        ],
    )
    def test_does_not_hang_on(self, first: str, second: str) -> None:
        assert self.digest(first) == self.digest(second)

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            pytest.param("9223372036854775808", "9223372036854775809", id="an integer over 2^63"),
            pytest.param("9007199254740993", "9007199254740992", id="an integer over 2^53"),
            pytest.param(str(10**30), str(10**30 + 1), id="an integer of thirty digits"),
            pytest.param("1.10", "1.1", id="a trailing zero"),
            pytest.param("1", "1.0", id="a decimal point"),
            pytest.param("0.1", "0.1000000000000000055", id="digits beyond a double"),
            pytest.param("[1,2]", "[2,1]", id="the order of an array"),
            pytest.param('"1"', "1", id="a string and a number"),
            pytest.param("null", "0", id="null and zero"),
            pytest.param('"é"', '"e\\u0301"', id="composed and decomposed letters"),
        ],
    )
    def test_hangs_on(self, first: str, second: str) -> None:
        assert self.digest(f'{{"a":{first}}}') != self.digest(f'{{"a":{second}}}')

    @staticmethod
    def digest(extra: str) -> bytes:
        text = json.dumps(run_event())[:-1] + ',"extra":' + extra + "}"
        return read_event(text.encode()).digest


def test_json_as_deep_as_the_limit_is_taken() -> None:
    assert read_event(nested(DEPTH_LIMIT)).kind is EventKind.RUN


def test_a_batch_facet_with_everything_in_it_is_taken() -> None:
    whole = batch(
        "a",
        mode="replace_partition",
        partition="2026-02",
        origin={
            "kind": "crawled",
            "uri": "https://example.org",
            "description": "a crawl",
            "collectedFrom": "2026-01-01T00:00:00Z",
            "collectedUntil": "2026-01-31",
        },
        license="CC-BY-4.0 OR MIT",
        legalBasis="6_1_f",
        specialCategoryCondition="9_2_j",
        purposes=["model_training"],
        region="EU",
        classification="internal",
        personalData="pseudonymised",
        exampleCount=2**32 - 1,
        examples={"url": "s3://lake/examples.parquet", "sha256": SHA},
        files=[{"uri": "s3://lake/1", "sha256": SHA, "rows": 2**32 - 1}, {"uri": "s3://lake/2"}],
        subjectCoverage={"keyedBy": "author", "scannedFor": ["email"]},
        somethingNew=[1, 2],
    )
    event = admit(encoded(run_event(outputs=[dataset("clean", output_facets=whole)]))).event
    projection = Projection()
    projection.add(event, effective=event.event_time)
    (values,) = projection.batch_values.values()
    assert None not in values
    (files,) = projection.batches.rows.values()
    assert files == [
        (0, "s3://lake/1", SHA, 2**32 - 1, 0),
        (1, "s3://lake/2", None, None, 2**32 - 1),
    ]
