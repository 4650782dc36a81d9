"""Makes OpenLineage events in few words, as plain dicts."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

NOON = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
PRODUCER = "https://example.org/pipelines/1.0"
SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs"
LAKE = "s3://lake"

Json = dict[str, Any]


def at(minute: float) -> str:
    """RFC 3339 of so many minutes after noon of the first of February 2026."""
    return (NOON + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")


def run_id(number: int) -> str:
    """The number as a UUID (of version 4), the same each time."""
    return str(uuid.UUID(int=number << 96 | 4 << 76 | 2 << 62))


def facet(**fields: Any) -> Json:
    """A facet with what the specification demands of every facet."""
    return {
        "_producer": PRODUCER,
        "_schemaURL": "https://openlineage.io/spec/facets/1-0-0/Facet.json#/$defs/Facet",
        **fields,
    }


def deleted() -> Json:
    """A facet that says that the facet of its name is gone."""
    return facet(_deleted=True)


def dataset(
    name: str,
    namespace: str = LAKE,
    *,
    facets: Mapping[str, Json] | None = None,
    output_facets: Mapping[str, Json] | None = None,
    input_facets: Mapping[str, Json] | None = None,
) -> Json:
    """A dataset of an event."""
    made: Json = {"namespace": namespace, "name": name}
    for key, given in (
        ("facets", facets),
        ("outputFacets", output_facets),
        ("inputFacets", input_facets),
    ):
        if given is not None:
            made[key] = dict(given)
    return made


def batch(name: str, **fields: Any) -> Json:
    """The outputFacets of a dataset with one `registry_batch`."""
    return {"registry_batch": facet(batch=name, **fields)}


def run_event(
    event_type: str | None = "COMPLETE",
    *,
    minute: float = 0,
    run: str | int = 1,
    job: tuple[str, str] = ("etl", "load"),
    inputs: Sequence[Json] = (),
    outputs: Sequence[Json] = (),
    run_facets: Mapping[str, Json] | None = None,
    job_facets: Mapping[str, Json] | None = None,
    **more: Any,
) -> Json:
    """A RunEvent. `run` is a number for `run_id`, or the run id itself."""
    made: Json = {
        "eventType": event_type,
        "eventTime": at(minute),
        "run": {"runId": run if isinstance(run, str) else run_id(run)},
        "job": _job(job, job_facets),
        "inputs": list(inputs),
        "outputs": list(outputs),
        "producer": PRODUCER,
        "schemaURL": f"{SPEC}/RunEvent",
        **more,
    }
    if run_facets is not None:
        made["run"]["facets"] = dict(run_facets)
    return {key: value for key, value in made.items() if value is not None}


def job_event(
    *,
    minute: float = 0,
    job: tuple[str, str] = ("etl", "load"),
    inputs: Sequence[Json] = (),
    outputs: Sequence[Json] = (),
    job_facets: Mapping[str, Json] | None = None,
) -> Json:
    """A JobEvent."""
    return {
        "eventTime": at(minute),
        "job": _job(job, job_facets),
        "inputs": list(inputs),
        "outputs": list(outputs),
        "producer": PRODUCER,
        "schemaURL": f"{SPEC}/JobEvent",
    }


def dataset_event(described: Json, *, minute: float = 0) -> Json:
    """A DatasetEvent."""
    return {
        "eventTime": at(minute),
        "dataset": described,
        "producer": PRODUCER,
        "schemaURL": f"{SPEC}/DatasetEvent",
    }


def _job(job: tuple[str, str], facets: Mapping[str, Json] | None) -> Json:
    made: Json = {"namespace": job[0], "name": job[1]}
    if facets is not None:
        made["facets"] = dict(facets)
    return made


def encoded(event: object) -> bytes:
    """The JSON bytes of an event."""
    return json.dumps(event).encode()


def changed(event: Json, path: str, value: object) -> Json:
    """The event with one value set at a path (`inputs.0.name`); `...` leaves the key out."""
    copy: Any = json.loads(json.dumps(event))
    holder = copy
    *steps, last = path.split(".")
    for step in steps:
        holder = holder[int(step) if isinstance(holder, list) else step]
    key: Any = int(last) if isinstance(holder, list) else last
    if value is ...:
        del holder[key]
    else:
        holder[key] = value
    return copy  # type: ignore[no-any-return]


def full_event() -> Json:
    """An event with everything in it that can be spoilt."""
    return run_event(
        run_facets={"custom": facet(a=1)},
        job_facets={"custom": facet(a=1)},
        inputs=[dataset("raw", facets={"custom": facet()}, input_facets={"custom": facet()})],
        outputs=[dataset("clean", facets={"custom": facet()}, output_facets=batch("a"))],
    )


def nested(depth: int) -> bytes:
    """An event whose JSON is that deep."""
    inner = b"[" * (depth - 1) + b"]" * (depth - 1)
    return encoded(run_event())[:-1] + b',"deep":' + inner + b"}"


def wrote(
    run: int,
    minute: float,
    name: str | None = None,
    event_type: str | None = "COMPLETE",
    *,
    to: str = "clean",
    change: str | None = None,
    version: str | int | None = None,
    run_facets: dict[str, Json] | None = None,
    **fields: Any,
) -> Json:
    """A run that writes a dataset: one batch, or none that we are told of."""
    facets: dict[str, Json] = {}
    if change is not None:
        facets["lifecycleStateChange"] = facet(lifecycleStateChange=change)
    if version is not None:
        facets["version"] = facet(datasetVersion=version)
    output = dataset(
        to, facets=facets, output_facets=None if name is None else batch(name, **fields)
    )
    return run_event(event_type, run=run, minute=minute, outputs=[output], run_facets=run_facets)
