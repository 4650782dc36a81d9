"""Reads the bytes of one OpenLineage event; lenient where nothing is lost, strict elsewhere. Pure.

Rules (OpenLineage 2-0-2 `OpenLineage.json`; DESIGN §5):
1. Not JSON, or not an event, is refused with the JSON path: MalformedEventError.
2. Accepted with a recorded warning: no `schemaURL`, no `producer`, naive time (taken as UTC), more
   than six decimals, a run id that is no UUID, a facet without `_producer` or `_schemaURL`, a facet
   that is no object, empty facets that are no object, an absent or unknown `eventType` (taken as
   OTHER).
3. Identity is the SHA-256 of the JSON with sorted keys and exact numbers (`registry.canonical`).
4. Names are at most `NAMESPACE_LIMIT_BYTES` and `NAME_LIMIT_BYTES` of UTF-8 and hold no NUL, so
   that both databases can index them.
5. JSON is at most `DEPTH_LIMIT` deep, on every interpreter and however deep the reader's own stack
   is: what was taken in can always be read again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Literal, NamedTuple

import msgspec

from registry.canonical import event_digest
from registry.errors import MalformedEventError
from registry.ids import run_id
from registry.lineage.values import (
    Named,
    Warn,
    kind_of,
    malformed,
    read_name,
    read_text,
    read_time,
    shown,
)

RUN_ID_LIMIT_BYTES = 1024
DEPTH_LIMIT = 256
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_array_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_LONE_SURROGATE = re.compile(rb"\\u[dD][89aAbB]", re.ASCII)

Facets = Mapping[str, Any]


class EventKind(StrEnum):
    """The three kinds of event of the specification."""

    RUN = "run"
    JOB = "job"
    DATASET = "dataset"


class EventType(StrEnum):
    """The transitions of a run."""

    START = "START"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    ABORT = "ABORT"
    FAIL = "FAIL"
    OTHER = "OTHER"


_EVENT_TYPES = {item.value: item for item in EventType}


class DatasetRef(NamedTuple):
    """A dataset of an event, with its JSON path and facets.

    `io_facets` are its inputFacets or outputFacets.
    """

    named: Named
    path: str
    facets: Facets
    io_facets: Facets

    def facets_by_key(self) -> tuple[tuple[str, Facets], tuple[str, Facets]]:
        """Its facets under the keys they came under: those of the input or output first."""
        io_key = "inputFacets" if self.path.startswith("$.inputs") else "outputFacets"
        return (io_key, self.io_facets), ("facets", self.facets)


@dataclass(frozen=True, slots=True)
class Event:
    """One event, read. `body` is what will be kept; `content` is the decoded JSON.

    `event_time` is in microseconds since 1970 UTC. `scope_id` is the run's id, else that of the
    job, else that of the dataset. `producer_run_id` is the run id as sent where it is no UUID.
    """

    digest: bytes
    kind: EventKind
    event_type: EventType | None
    event_time: int
    scope_id: bytes
    named: Named
    producer_run_id: str | None
    run_facets: Facets
    job_facets: Facets
    inputs: tuple[DatasetRef, ...]
    outputs: tuple[DatasetRef, ...]
    body: bytes
    content: dict[str, Any]
    warnings: list[Warn] = field(default_factory=list)

    @property
    def has_run(self) -> bool:
        """Whether the event tells of a run."""
        return self.kind is EventKind.RUN

    def datasets(self) -> Iterator[DatasetRef]:
        """Inputs, then outputs; the one dataset of a DatasetEvent is an output."""
        yield from self.inputs
        yield from self.outputs


def split_batch(body: bytes) -> list[bytes]:
    """The bytes of each element of a JSON array of events.

    Raises MalformedEventError where the body is no JSON array.
    """
    try:
        return [bytes(raw) for raw in _array_decoder.decode(body)]
    except msgspec.ValidationError as error:
        raise malformed(
            "A batch is a JSON array of events, and this is something else.",
            "Send [event, event, …].",
            "$",
        ) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _not_json(body, error) from error


def decode_json(body: bytes) -> Any:
    """Any JSON, numbers exact (floats as Decimal). Raises MalformedEventError (rules 1 and 5)."""
    try:
        content = _decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, InvalidOperation) as error:
        raise _not_json(body, error) from error
    if body.count(b"{") + body.count(b"[") > DEPTH_LIMIT:
        _refuse_depth(content)
    return content


def _refuse_depth(content: object) -> None:
    level = [content]
    for _ in range(DEPTH_LIMIT):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below += value.values()
            elif isinstance(value, list):
                below += value
        if not below:
            return
        level = below
    raise _too_deep()


def _too_deep() -> MalformedEventError:
    return malformed(
        f"The JSON is nested more than {DEPTH_LIMIT} deep.",
        "Flatten it, or leave out a facet.",
        "$",
    )


def read_event(body: bytes) -> Event:
    """The event in these bytes. Raises MalformedEventError with the JSON path (rule 1)."""
    return interpret(require_object(decode_json(body)), body)


def require_object(content: object) -> dict[str, Any]:
    """The decoded JSON, which must be an object. Raises MalformedEventError."""
    if isinstance(content, dict):
        return content
    raise malformed(
        f"An event is a JSON object, and this is {kind_of(content)}.",
        "Send one OpenLineage event, or an array of them to /lineage/batch.",
        "$",
    )


def interpret(content: dict[str, Any], body: bytes, digest: bytes | None = None) -> Event:
    """The event of decoded JSON; `digest` overrides the identity of a body redacted since."""
    warnings: list[Warn] = []
    for key in ("schemaURL", "producer"):
        if not isinstance(content.get(key), str):
            warnings.append(Warn(f"no_{_snake(key)}", f"$.{key}", f"The event has no {key}."))
    event_time = _event_time(content, warnings)
    event_type = _event_type(content, warnings)
    run, job = content.get("run"), content.get("job")
    kind, named = _subject(content)
    scope_id, producer_run_id = named.id, None
    if kind is EventKind.RUN:
        scope_id, producer_run_id = _run_id(run, named, warnings)
        if event_type is None:
            detail = "Without eventType only metadata is taken."
            warnings.append(Warn("no_event_type", "$.eventType", detail))
    inputs, outputs = _inputs_and_outputs(content, kind, named, warnings)
    return Event(
        digest=event_digest(content) if digest is None else digest,
        kind=kind,
        event_type=event_type if kind is EventKind.RUN else None,
        event_time=event_time,
        scope_id=scope_id,
        named=named,
        producer_run_id=producer_run_id,
        run_facets={} if not isinstance(run, dict) else _facets(run, "facets", "$.run", warnings),
        job_facets={} if not isinstance(job, dict) else _facets(job, "facets", "$.job", warnings),
        inputs=inputs,
        outputs=outputs,
        body=body,
        content=content,
        warnings=warnings,
    )


def _subject(content: dict[str, Any]) -> tuple[EventKind, Named]:
    """What kind of event it is, and the job or dataset that it is about."""
    if content.get("run") is not None:
        return EventKind.RUN, _named(content.get("job"), "job", "$.job")
    if content.get("job") is not None:
        return EventKind.JOB, _named(content["job"], "job", "$.job")
    if content.get("dataset") is not None:
        return EventKind.DATASET, _named(content["dataset"], "dataset", "$.dataset")
    raise malformed(
        "The event has neither run, job nor dataset.",
        "Send a RunEvent (run and job), a JobEvent (job) or a DatasetEvent (dataset).",
        "$",
    )


def _event_time(content: dict[str, Any], warnings: list[Warn]) -> int:
    raw = content.get("eventTime")
    if raw is None:
        raise malformed(
            "The event has no eventTime.",
            "Say when it happened, in RFC 3339: 2026-03-01T09:30:00Z.",
            "$.eventTime",
        )
    return read_time(raw, "$.eventTime", warnings)


def _event_type(content: dict[str, Any], warnings: list[Warn]) -> EventType | None:
    raw = content.get("eventType")
    if raw is None:
        return None
    if not isinstance(raw, str):
        raise malformed(
            f"eventType is {shown(raw)}.",
            f"Write one of {', '.join(EventType)}.",
            "$.eventType",
        )
    known = _EVENT_TYPES.get(raw)
    if known is None:
        known = _EVENT_TYPES.get(raw.upper(), EventType.OTHER)
        detail = f"{shown(raw)} is no eventType of the specification; taken as {known}."
        warnings.append(Warn("unknown_event_type", "$.eventType", detail))
    return known


def _run_id(run: object, job: Named, warnings: list[Warn]) -> tuple[bytes, str | None]:
    path = "$.run.runId"
    if not isinstance(run, dict):
        raise malformed(f"run is {kind_of(run)}, not an object.", "Send {runId: …}.", "$.run")
    text = read_text(run.get("runId"), "runId", path, RUN_ID_LIMIT_BYTES)
    identity, is_uuid = run_id(text, job.namespace, job.name)
    if is_uuid:
        return identity, None
    detail = "The run id is no UUID, or of version 8; a UUIDv5 of (namespace, job, text) is taken."
    warnings.append(Warn("run_id_not_uuid", path, detail))
    return identity, text


def _inputs_and_outputs(
    content: dict[str, Any], kind: EventKind, named: Named, warnings: list[Warn]
) -> tuple[tuple[DatasetRef, ...], tuple[DatasetRef, ...]]:
    if kind is EventKind.DATASET:
        facets = _facets(content["dataset"], "facets", "$.dataset", warnings)
        return (), (DatasetRef(named, "$.dataset", facets, {}),)
    inputs = _datasets(content, "inputs", "inputFacets", warnings)
    return inputs, _datasets(content, "outputs", "outputFacets", warnings)


def _named(value: object, kind: Literal["job", "dataset"], path: str) -> Named:
    if not isinstance(value, dict):
        raise malformed(
            f"{kind} is {kind_of(value)}, not an object.",
            f"Send {kind} as {{namespace, name}}.",
            path,
        )
    return read_name(value, kind, path)


def _datasets(
    content: dict[str, Any], key: str, io_key: str, warnings: list[Warn]
) -> tuple[DatasetRef, ...]:
    values = content.get(key)
    if values is None:
        return ()
    if not isinstance(values, list):
        raise malformed(f"{key} is {kind_of(values)}, not an array.", "Send an array.", f"$.{key}")
    found = []
    for index, value in enumerate(values):
        path = f"$.{key}[{index}]"
        named = _named(value, "dataset", path)
        facets = _facets(value, "facets", path, warnings)
        found.append(DatasetRef(named, path, facets, _facets(value, io_key, path, warnings)))
    return tuple(found)


def _facets(holder: dict[str, Any], key: str, path: str, warnings: list[Warn]) -> Facets:
    facets = holder.get(key)
    if not facets:
        if facets is not None and not isinstance(facets, dict):
            detail = f"{key} is {kind_of(facets)}, empty, and no object."
            warnings.append(Warn("facets_not_object", f"{path}.{key}", detail))
        return {}
    if not isinstance(facets, dict):
        raise malformed(
            f"{key} is {kind_of(facets)}, not an object.",
            "Send an object of facets by name.",
            f"{path}.{key}",
        )
    usable = {}
    for name, facet in facets.items():
        if not isinstance(facet, dict) or "\x00" in name or len(name) > 512:
            detail = f"The facet {shown(name)} is no object with a usable name; kept, not read."
            warnings.append(Warn("facet_not_usable", f"{path}.{key}.{name}"[:600], detail))
            continue
        if "_producer" not in facet or "_schemaURL" not in facet:
            detail = "The facet lacks _producer or _schemaURL."
            warnings.append(Warn("facet_without_producer", f"{path}.{key}.{name}", detail))
        usable[name] = facet
    return usable


def _not_json(body: bytes, error: Exception) -> MalformedEventError:
    if isinstance(error, RecursionError):
        return _too_deep()
    if isinstance(error, InvalidOperation):
        return malformed(
            "The JSON holds a number whose exponent nobody can compute with.",
            "Send it as a string.",
            "$",
        )
    if "surrogate" in str(error) or (
        "truncated" in str(error) and _LONE_SURROGATE.search(body) is not None
    ):
        detail, remedy = (
            "The JSON holds a lone surrogate (\\ud800 to \\udfff).",
            "Send whole pairs.",
        )
        return malformed(detail, remedy, "$")
    text = str(error).rstrip(".")[:200]
    return malformed(f"The body is not JSON: {text}.", "Send UTF-8 JSON (RFC 8259).", "$")


def _snake(name: str) -> str:
    return "schema_url" if name == "schemaURL" else name
