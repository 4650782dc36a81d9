"""Whatever is made of a good event, the answer is 201 or a problem, never a fault of the server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.clock import system_clock
from registry.lineage.reproject import rebuild
from registry.lineage.tables import QuarantineReason
from tests.lineage.making import Json, batch, dataset, facet, full_event, job_event, run_event
from tests.live import LiveServer
from tests.stores import dump_projected, dump_verdicts

ONE, MANY = "/api/v1/lineage", "/api/v1/lineage/batch"
Draw = Callable[[st.SearchStrategy[Any]], Any]
Step = str | int

EDGES = {"inputs": [{"type": "JOB", "namespace": "etl", "name": "x", "runId": "r", "field": "f"}]}
SEEDS: list[Json] = [
    full_event(),
    job_event(
        job_facets={"lineage": facet(entries=[{"namespace": "a", "name": "b", **EDGES}])},
        inputs=[dataset("raw")],
    ),
    run_event(
        run_facets={
            "parent": facet(
                run={"runId": "p"},
                job={"namespace": "a", "name": "b"},
                root={"run": {"runId": "q"}, "job": {"namespace": "a", "name": "b"}},
            ),
            "nominalTime": facet(nominalStartTime="2026-02-01", nominalEndTime="2026-02-02"),
        },
        outputs=[
            dataset(
                "clean",
                facets={
                    "version": facet(datasetVersion="1"),
                    "lifecycleStateChange": facet(lifecycleStateChange="CREATE"),
                    "symlinks": facet(identifiers=[{"namespace": "a", "name": "b", "type": "T"}]),
                    "lineage": facet(fields={"id": EDGES}, **EDGES),
                    "columnLineage": facet(
                        fields={
                            "id": {
                                "inputFields": [
                                    {
                                        "namespace": "a",
                                        "name": "b",
                                        "field": "c",
                                        "transformations": [{"type": "DIRECT"}],
                                    }
                                ]
                            }
                        },
                        dataset=[{"namespace": "a", "name": "b", "field": "c"}],
                    ),
                },
                output_facets=batch(
                    "a",
                    mode="replace_partition",
                    partition="p",
                    origin={"kind": "public", "collectedFrom": "2026-01-01"},
                    files=[{"uri": "s3://x", "rows": 3}],
                    examples={"url": "s3://y", "sha256": "sha256:" + "00" * 32},
                    subjectCoverage={"scannedFor": ["email"]},
                ),
            )
        ],
    ),
]
odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**31, 2**32, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**400]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(
        ["", "\0", "\ud800", "x" * 5000, "é" * 700, "\\u0000", "0001-01-01T00:00+14:00"]
    ),
)
anything = st.recursive(
    odd,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(max_size=8), inner, max_size=3),
    ),
    max_leaves=8,
)


def places(value: object, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Every place in a JSON value, the value itself left out."""
    steps: list[tuple[Step, object]] = []
    if isinstance(value, dict):
        steps = list(value.items())
    elif isinstance(value, list):
        steps = list(enumerate(value))
    for step, inner in steps:
        yield (*path, step)
        yield from places(inner, (*path, step))


@st.composite
def spoilt_events(draw: Draw) -> Json:
    """A good event with one to three places put to something else, left out or doubled."""
    event: Any = json.loads(json.dumps(draw(st.sampled_from(SEEDS))))
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(event))
        if not found:
            break
        *way, last = draw(st.sampled_from(found))
        holder = event
        for step in way:
            holder = holder[step]
        match draw(st.sampled_from(["put", "put", "put", "leave out", "double"])):
            case "put":
                holder[last] = draw(anything)
            case "leave out":
                del holder[last]
            case "double" if isinstance(holder, list):
                holder.append(holder[last])
            case _:
                holder[draw(st.text(max_size=8))] = holder[last]
    return event  # type: ignore[no-any-return]


@st.composite
def spoilt_bytes(draw: Draw) -> bytes:
    """The bytes of a good event, some of them changed."""
    body = bytearray(json.dumps(draw(st.sampled_from(SEEDS))).encode())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body) - 1))
        body[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(body)


def encoded(event: Json) -> bytes:
    return json.dumps(event).encode("utf-8", "surrogatepass")


@pytest.fixture
def check_kept(shared_server: LiveServer) -> Iterator[None]:
    """Afterwards: nothing failed behind the door, and a rebuild gives the same rows."""
    yield
    database = shared_server.registry.house.database
    reasons = {reason for _, _, _, reason, _, _ in dump_verdicts(database)}
    assert QuarantineReason.PROJECTION_FAILED not in reasons
    projected = dump_projected(database)
    rebuild(database, clock=system_clock, actor="tests")
    assert dump_projected(database) == projected


def how_many(server: LiveServer) -> int:
    usual = settings().max_examples
    return 3 * usual if server.registry.house.database.is_sqlite else usual


@pytest.mark.usefixtures("check_kept")
def test_a_spoilt_event_is_taken_or_refused(shared_server: LiveServer) -> None:
    with shared_server.client() as client:

        @settings(max_examples=how_many(shared_server))
        @given(spoilt_events())
        def holds(event: Json) -> None:
            response = client.post(ONE, content=encoded(event))
            assert response.status_code in (201, 400), response.text
            if response.status_code == 400:
                problem = response.json()
                assert problem["code"] == "malformed_event"
                assert problem["path"].startswith("$")
                assert len(response.content) < 4000

        holds()


@pytest.mark.usefixtures("check_kept")
def test_spoilt_events_in_a_batch_are_taken_or_reported(shared_server: LiveServer) -> None:
    with shared_server.client() as client:

        @settings(max_examples=how_many(shared_server) // 5)
        @given(st.lists(spoilt_events(), min_size=1, max_size=6))
        def holds(events: list[Json]) -> None:
            body = b"[" + b",".join(map(encoded, events)) + b"]"
            response = client.post(MANY, content=body)
            # One lone surrogate, and the whole is no JSON.
            assert response.status_code in (200, 204, 400), response.text
            if response.status_code == 200:
                summary = response.json()["summary"]
                assert summary["received"] == len(events)
                assert summary["retriable"] == 0

        holds()


@pytest.mark.usefixtures("check_kept")
def test_spoilt_bytes_are_taken_or_refused(shared_server: LiveServer) -> None:
    with shared_server.client() as client:

        @settings(max_examples=how_many(shared_server))
        @given(spoilt_bytes(), st.sampled_from([ONE, MANY]))
        @example(b"", ONE)
        def holds(body: bytes, path: str) -> None:
            response = client.post(path, content=body)
            assert response.status_code in (200, 201, 204, 400), response.text

        holds()
