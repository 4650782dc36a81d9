"""A run says what it reads, what it writes and how it ends; only provenance travels."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from openlineage.client.client import OpenLineageClient
from openlineage.client.transport.transport import Transport

from registry.client import Registry, Source
from registry.client.events import ParentRun
from registry.client.sources import Name
from registry.errors import ConflictError, InvalidInputError
from registry.ids import run_id, uuid_text
from registry.wire.facets import BATCH, TRAINING, schema_url
from tests.client.peer import Peer
from tests.clock import FrozenClock

JOB = "jobs clean texts"
RAW = Source("lake", "raw", batch="b", rows=5_000)


def states(peer: Peer) -> list[str]:
    return [event["eventType"] for event in peer.events]


def test_a_run_begins_and_ends(peer: Peer, sdk: Registry) -> None:
    with sdk.run(JOB) as run:
        assert states(peer) == ["START"]
        source = run.read("lake raw/texts", version=3, rows=9)
        assert source == Source("lake", "raw/texts", version=3, rows=9)
    assert states(peer) == ["START", "COMPLETE"]
    for event in peer.events:
        assert event["run"]["runId"] == run.id
        assert (event["job"]["namespace"], event["job"]["name"]) == ("jobs", "clean texts")
        assert event["producer"].startswith("https://")
        assert event["schemaURL"].endswith("RunEvent")
    assert peer.events[1]["inputs"] == [
        {"namespace": "lake", "name": "raw/texts", "facets": {}, "inputFacets": {}}
    ]


def test_a_run_that_raises_has_failed(peer: Peer, sdk: Registry) -> None:
    def step() -> None:
        with sdk.run(JOB) as run:
            run.read("lake raw")
            raise ValueError("it broke")

    with pytest.raises(ValueError, match="it broke"):
        step()
    assert states(peer) == ["START", "FAIL"]
    error = peer.events[1]["run"]["facets"]["errorMessage"]
    assert error["message"] == "ValueError: it broke"
    assert error["programmingLanguage"] == "python"
    assert "in step" in error["stackTrace"]
    assert peer.events[1]["inputs"][0]["name"] == "raw"


@pytest.mark.parametrize(
    ("error", "state"),
    [(KeyboardInterrupt(), "ABORT"), (SystemExit(1), "FAIL"), (SystemExit(0), "COMPLETE")],
)
def test_how_else_a_run_may_end(
    peer: Peer, sdk: Registry, error: BaseException, state: str
) -> None:
    with pytest.raises(type(error)), sdk.run(JOB):
        raise error
    assert states(peer) == ["START", state]


def test_event_times_rise_although_the_clock_stands(peer: Peer, spool: Path) -> None:
    clock = FrozenClock()
    with Registry(peer.url, "t", spool=spool, clock=clock) as sdk, sdk.run(JOB) as run:
        run.write("lake a")
        clock.advance(seconds=-5)
        run.write("lake b")
    times = [event["eventTime"] for event in peer.events]
    assert times[0] == "2026-03-01T09:30:00.000000Z"
    assert times == sorted(set(times))


def test_a_run_can_be_made_again(peer: Peer, sdk: Registry) -> None:
    with sdk.run(
        namespace="jobs",
        name="train",
        parameters={"rate": 0.1, "name": "x", "list": [1]},
        seed=7,
        nominal_time=datetime(2026, 3, 1, tzinfo=UTC),
        purpose="model_training",
        manifest="sha256:" + "0" * 64,
        recipe={"optimizer": "adam"},
        facets={"own": {"x": 1}},
        job_facets={"mine": {"y": 2}},
    ):
        pass
    start, complete = peer.events
    facets = start["run"]["facets"]
    assert {item["key"]: item["value"] for item in facets["executionParameters"]["parameters"]} == {
        "rate": "0.1",
        "name": "x",
        "list": "[1]",
        "seed": "7",
    }
    assert facets["nominalTime"]["nominalStartTime"] == "2026-03-01T00:00:00.000000Z"
    training = facets[TRAINING]
    assert training["_schemaURL"] == schema_url(TRAINING)
    assert training["purpose"] == "model_training"
    assert training["recipe"] == {"optimizer": "adam"}
    assert facets["own"] == {"x": 1}
    assert start["job"]["facets"]["mine"] == {"y": 2}
    assert "executionParameters" not in complete["run"]["facets"]


def test_the_code_is_told_unless_it_is_not_wanted(peer: Peer, sdk: Registry) -> None:
    with sdk.run(JOB, code=False):
        pass
    assert "sourceCodeLocation" not in peer.events[0]["job"]["facets"]


def test_the_parent_run_is_told(peer: Peer, sdk: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", "air/flow/dag.task/scheduled-2026-03-01")
    with sdk.run(JOB) as outer, sdk.run(JOB, parent=outer):
        pass
    parents = [event["run"]["facets"]["parent"] for event in peer.events]
    assert parents[0]["job"] == {"namespace": "air/flow", "name": "dag.task", "facets": {}}
    identity, _ = run_id("scheduled-2026-03-01", "air/flow", "dag.task")
    assert parents[0]["run"]["runId"] == uuid_text(identity)
    assert parents[1]["run"]["runId"] == outer.id
    assert parents[1]["job"]["name"] == "clean texts"
    assert parents[2] == parents[1]
    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", "flow")
    with pytest.raises(InvalidInputError, match="OPENLINEAGE_PARENT_ID is 'flow'"):
        sdk.run(JOB)


def test_a_run_id_that_is_no_uuid_becomes_the_one_it_stands_for(sdk: Registry) -> None:
    assert sdk.run(JOB, run_id="nightly").id == uuid_text(run_id("nightly", *JOB.split(" ", 1))[0])
    given = "01941f29-7c00-7075-9fbf-0d1a2b3c4d5e"
    assert sdk.run(JOB, run_id=given).id == given


def test_root_and_parent_given_by_hand(peer: Peer, sdk: Registry) -> None:
    root = "01941f29-7c00-7075-9fbf-0d1a2b3c4d5e"
    parent = ParentRun(root, Name("air", "task"), root, Name("air", "dag"))
    with sdk.run(JOB, parent=parent):
        pass
    assert peer.events[0]["run"]["facets"]["parent"]["root"]["job"]["name"] == "dag"


def test_a_model_is_a_dataset_of_its_own_kind(peer: Peer, sdk: Registry) -> None:
    with sdk.run(JOB, purpose="fine_tuning") as run:
        run.read("lake clean", version=2)
        run.write_model("models tiny", version="1.0")
    running = peer.events[1]
    (output,) = running["outputs"]
    assert output["facets"]["datasetType"]["datasetType"] == "MODEL"
    assert output["facets"]["version"]["datasetVersion"] == "1.0"
    training = running["run"]["facets"][TRAINING]
    assert training["model"] == {"name": "tiny", "version": "1.0"}
    assert training["purpose"] == "fine_tuning"
    assert running["inputs"][0]["name"] == "clean"


def test_the_files_of_a_model_are_recorded_with_their_digests(
    peer: Peer, sdk: Registry, tmp_path: Path
) -> None:
    (tmp_path / "weights.bin").write_bytes(b"weights")
    with sdk.run(JOB) as run:
        run.write_model("models tiny", files=tmp_path / "weights.bin")
        with pytest.raises(InvalidInputError, match=r"missing\.bin"):
            run.write_model("models tiny", files=tmp_path / "missing.bin")
    (output,) = peer.events[1]["outputs"]
    batch = output["outputFacets"]["registry_batch"]
    digest = "sha256:" + hashlib.sha256(b"weights").hexdigest()
    uri = (tmp_path / "weights.bin").as_uri()
    assert batch["files"] == [{"uri": uri, "sha256": digest}]
    assert batch["batch"] == run.id


def test_batches_of_one_run_have_names_of_their_own(peer: Peer, sdk: Registry) -> None:
    with sdk.run(JOB) as run:
        names = [run.write("lake a").batch, run.write("lake b").batch, run.write("lake a").batch]
    assert names == [run.id, run.id, f"{run.id}-2"]
    assert "exampleCount" not in peer.outputs()[0]["outputFacets"][BATCH]


class Broken(Transport):
    """Somebody else's transport, which fails."""

    kind = "broken"

    def emit(self, event: Any) -> Any:
        raise RuntimeError("no broker")


class Collecting(Transport):
    """Somebody else's transport, which keeps what it gets."""

    kind = "collecting"

    def __init__(self) -> None:
        self.events: list[Any] = []

    def emit(self, event: Any) -> Any:
        self.events.append(event)


def test_any_transport_may_carry_the_events(
    peer: Peer, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own, besides = Collecting(), Collecting()
    with (
        Registry(peer.url, "t", spool=spool, openlineage=OpenLineageClient(transport=own)) as sdk,
        sdk.run(JOB) as run,
    ):
        run.write("lake raw", {"content": ["x"]})
    assert [event.eventType.value for event in own.events] == ["START", "RUNNING", "COMPLETE"]
    assert [kind for kind, _ in peer.arrivals] == ["examples"]
    with Registry(peer.url, "t", spool=spool, also=OpenLineageClient(transport=besides)) as sdk:
        with sdk.run(JOB):
            pass
        assert len(besides.events) == 2
        assert states(peer) == ["START", "COMPLETE"]
    for options in ({"openlineage": Broken()}, {"also": Broken()}):
        clients: Any = {k: OpenLineageClient(transport=each) for k, each in options.items()}
        with Registry(peer.url, "t", spool=spool, **clients) as sdk, sdk.run(JOB):
            pass
    assert caplog.text.count("no broker") == 4
    assert len(peer.events) == 4
    strict: Any = {"openlineage": OpenLineageClient(transport=Broken()), "strict": True}
    with Registry(peer.url, "t", spool=spool, **strict) as sdk, pytest.raises(RuntimeError):
        sdk.run(JOB).start()


def test_a_configuration_of_openlineage_can_name_the_registry(
    peer: Peer, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_SPOOL", str(spool))
    client = OpenLineageClient(
        config={
            "transport": {
                "type": "registry.client.transport.RegistryTransport",
                "url": peer.url,
                "token": "reg_yml",
            }
        }
    )
    with Registry(openlineage=client, spool=spool) as sdk, sdk.run(JOB):
        pass
    assert client.close(1.0)
    assert states(peer) == ["START", "COMPLETE"]
    assert peer.tokens == {"Bearer reg_yml"}


def test_a_run_goes_on_while_the_registry_is_down(
    peer: Peer, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    peer.answer = 503
    with (
        caplog.at_level(logging.WARNING, "registry.client"),
        Registry(peer.url, "t", spool=spool) as sdk,
    ):
        with sdk.run(JOB) as run:
            run.write("lake raw", {"content": ["x"]})
        assert peer.arrivals == []
        peer.answer = None
        assert sdk.flush().waiting == 0
    assert [kind for kind, _ in peer.arrivals] == ["event", "examples", "event", "event"]


@pytest.mark.parametrize("job", ["", "nospace", ("a", ""), 5, None])
def test_a_job_has_a_name(sdk: Registry, job: Any) -> None:
    with pytest.raises(InvalidInputError, match="The job is"):
        sdk.run(job)


def test_ids_and_rows_that_disagree_are_refused(sdk: Registry) -> None:
    with sdk.run(JOB) as run, pytest.raises(InvalidInputError, match="with 3 rows and 2 ids"):
        run.read("lake raw", version=1, rows=3, ids=["a", "b"])


def test_outside_its_block_a_run_takes_nothing(sdk: Registry) -> None:
    run = sdk.run(JOB)
    with pytest.raises(ConflictError, match="has not begun"):
        run.write("lake raw")
    with run, pytest.raises(ConflictError, match="began already"):
        run.start()
    with pytest.raises(ConflictError, match="has ended"):
        run.write_model("models m")
