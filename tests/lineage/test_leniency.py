"""What is taken although it is not as the specification has it, and what is said about it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry.ids import named_id
from registry.lineage import values
from registry.lineage.door import admit
from registry.lineage.events import Event, EventKind, EventType, read_event
from registry.lineage.projection import Projection
from registry.moments import from_micros
from tests.lineage.making import Json, changed, encoded, facet, full_event, run_event, run_id


def warned(event: Event) -> list[tuple[str, str]]:
    """The codes and paths of an event's warnings, those of its projection included."""
    Projection().add(event, effective=event.event_time)
    return [(warning.code, warning.path) for warning in dict.fromkeys(event.warnings)]


WARNED: dict[str, tuple[Json, list[tuple[str, str]]]] = {
    "no schemaURL": (changed(full_event(), "schemaURL", ...), [("no_schema_url", "$.schemaURL")]),
    "a schemaURL that is no text": (
        changed(full_event(), "schemaURL", 1),
        [("no_schema_url", "$.schemaURL")],
    ),
    "no producer": (changed(full_event(), "producer", ...), [("no_producer", "$.producer")]),
    "a time without an offset": (
        changed(full_event(), "eventTime", "2026-02-01T12:00:00"),
        [("naive_time", "$.eventTime")],
    ),
    "a date alone": (
        changed(full_event(), "eventTime", "2026-02-01"),
        [("naive_time", "$.eventTime")],
    ),
    "nanoseconds": (
        changed(full_event(), "eventTime", "2026-02-01T12:00:00.123456789Z"),
        [("time_truncated", "$.eventTime")],
    ),
    "nanoseconds after a comma": (
        changed(full_event(), "eventTime", "2026-02-01T12:00:00,123456789+01:00"),
        [("time_truncated", "$.eventTime")],
    ),
    "no eventType": (changed(full_event(), "eventType", ...), [("no_event_type", "$.eventType")]),
    "an eventType in small letters": (
        changed(full_event(), "eventType", "complete"),
        [("unknown_event_type", "$.eventType")],
    ),
    "an eventType that nobody knows": (
        changed(full_event(), "eventType", "EXPLODED"),
        [("unknown_event_type", "$.eventType")],
    ),
    "a run id that is no UUID": (
        changed(full_event(), "run.runId", "scheduled__2026-02-01"),
        [("run_id_not_uuid", "$.run.runId")],
    ),
    "a run id of UUID version 8, which could be the id of a job": (
        changed(full_event(), "run.runId", str(uuid.UUID(bytes=named_id("job", "etl", "load")))),
        [("run_id_not_uuid", "$.run.runId")],
    ),
    "a run id without hyphens": (
        changed(full_event(), "run.runId", uuid.UUID(run_id(1)).hex),
        [("run_id_not_uuid", "$.run.runId")],
    ),
    "a facet without its producer": (
        changed(full_event(), "run.facets.custom._producer", ...),
        [("facet_without_producer", "$.run.facets.custom")],
    ),
    "a facet without its schema": (
        changed(full_event(), "outputs.0.outputFacets.registry_batch._schemaURL", ...),
        [("facet_without_producer", "$.outputs[0].outputFacets.registry_batch")],
    ),
    "a facet that is no object": (
        changed(full_event(), "job.facets.custom", "text"),
        [("facet_not_usable", "$.job.facets.custom")],
    ),
    "a facet that is null": (
        changed(full_event(), "inputs.0.facets.custom", None),
        [("facet_not_usable", "$.inputs[0].facets.custom")],
    ),
    "a facet with NUL in its name": (
        changed(full_event(), "run.facets.a\0b", facet()),
        [("facet_not_usable", "$.run.facets.a\0b")],
    ),
    "a facet with a name of a thousand characters": (
        changed(full_event(), "run.facets." + "x" * 1000, facet()),
        [("facet_not_usable", "$.run.facets." + "x" * 587)],
    ),
    "facets that are an empty array": (
        changed(full_event(), "inputs.0.inputFacets", []),
        [("facets_not_object", "$.inputs[0].inputFacets")],
    ),
    "facets that are zero": (
        changed(full_event(), "run.facets", 0),
        [("facets_not_object", "$.run.facets")],
    ),
    "a parent without its run": (
        changed(full_event(), "run.facets.parent", facet(job={"namespace": "a", "name": "b"})),
        [("facet_invalid", "$.run.facets.parent")],
    ),
    "a parent whose job has no name": (
        changed(
            full_event(),
            "run.facets.parent",
            facet(job={"namespace": "a"}, run={"runId": run_id(2)}),
        ),
        [("facet_invalid", "$.run.facets.parent.job.name")],
    ),
    "a nominal time that is no time": (
        changed(full_event(), "run.facets.nominalTime", facet(nominalStartTime="noon")),
        [("facet_invalid", "$.run.facets.nominalTime.nominalStartTime")],
    ),
    "an alias without a name": (
        changed(full_event(), "outputs.0.facets.symlinks", facet(identifiers=[{"namespace": "a"}])),
        [("facet_invalid", "$.outputs[0].facets.symlinks.identifiers[0].name")],
    ),
    "a column that comes from a dataset without a namespace": (
        changed(
            full_event(),
            "outputs.0.facets.columnLineage",
            facet(fields={"id": {"inputFields": [{"name": "raw", "field": "id"}]}}),
        ),
        [
            (
                "facet_invalid",
                "$.outputs[0].facets.columnLineage.fields.id.inputFields[0].namespace",
            )
        ],
    ),
    "an explicit source without a name": (
        changed(full_event(), "outputs.0.facets.lineage", facet(inputs=[{"type": "DATASET"}])),
        [("facet_invalid", "$.outputs[0].facets.lineage.inputs[0].namespace")],
    ),
    "an explicit target with a number for a name": (
        changed(
            full_event(),
            "job.facets.lineage",
            facet(entries=[{"namespace": "a", "name": 5, "inputs": []}]),
        ),
        [("facet_invalid", "$.job.facets.lineage.entries[0].name")],
    ),
}


@pytest.mark.parametrize("case", WARNED)
def test_is_taken_with_a_warning(case: str) -> None:
    spoilt, expected = WARNED[case]
    event = admit(encoded(spoilt)).event
    assert warned(event) == expected
    assert all(warning.detail.endswith(".") for warning in event.warnings)
    assert event.kind is EventKind.RUN


def test_every_warning_of_the_door_has_a_case() -> None:
    # Those of the catalog, and of the masking, have theirs elsewhere.
    elsewhere = {"clock_ahead", "identifier_present", "late_batch", "secret_masked"}
    said = {code for _, expected in WARNED.values() for code, _ in expected}
    modules = Path(values.__file__).parent.glob("*.py")
    written = {
        code for path in modules for code in re.findall(r'Warn\(\s*"(\w+)"', path.read_text())
    }
    assert written - elsewhere <= said


TAKEN: dict[str, tuple[Json, Callable[[Event], object], object]] = {
    "a time without an offset is in UTC": (
        changed(full_event(), "eventTime", "2026-02-01T12:00:00"),
        lambda event: from_micros(event.event_time),
        datetime(2026, 2, 1, 12, tzinfo=UTC),
    ),
    "a time with an offset is brought to UTC": (
        changed(full_event(), "eventTime", "2026-02-01T12:00:00.5+05:30"),
        lambda event: from_micros(event.event_time),
        datetime(2026, 2, 1, 6, 30, 0, 500_000, tzinfo=UTC),
    ),
    "nanoseconds are cut, not rounded": (
        changed(full_event(), "eventTime", "2026-02-01T12:00:00.123456999Z"),
        lambda event: event.event_time % 1_000_000,
        123_456,
    ),
    "an absent eventType is none": (
        changed(full_event(), "eventType", ...),
        lambda event: event.event_type,
        None,
    ),
    "an eventType in small letters is understood": (
        changed(full_event(), "eventType", "fail"),
        lambda event: event.event_type,
        EventType.FAIL,
    ),
    "an eventType that nobody knows is OTHER": (
        changed(full_event(), "eventType", "EXPLODED"),
        lambda event: event.event_type,
        EventType.OTHER,
    ),
    "a run id that is no UUID is kept as it was sent": (
        changed(full_event(), "run.runId", "dag__run 1"),
        lambda event: event.producer_run_id,
        "dag__run 1",
    ),
    "a run that is null makes no RunEvent": (
        changed(full_event(), "run", None),
        lambda event: event.kind,
        EventKind.JOB,
    ),
    "inputs that are null are none": (
        changed(full_event(), "inputs", None),
        lambda event: event.inputs,
        (),
    ),
    "unknown members are kept": (
        changed(full_event(), "tomorrow", {"x": [1]}),
        lambda event: event.content["tomorrow"],
        {"x": [1]},
    ),
    "a facet that cannot be used is not read": (
        changed(full_event(), "run.facets.custom", 5),
        lambda event: event.run_facets,
        {},
    ),
    "text that only looks like an escaped NUL is text": (
        changed(full_event(), "outputs.0.outputFacets.registry_batch.license", "a\\u0000b"),
        lambda event: event.outputs[0].io_facets["registry_batch"]["license"],
        "a\\u0000b",
    ),
}


@pytest.mark.parametrize("case", TAKEN)
def test_reads(case: str) -> None:
    body, read, expected = TAKEN[case]
    assert read(admit(encoded(body)).event) == expected


def test_the_same_text_is_another_run_under_another_job() -> None:
    runs = {
        read_event(encoded(run_event(run="manual", job=("etl", name)))).scope_id
        for name in ("load", "clean")
    }
    assert len(runs) == 2
