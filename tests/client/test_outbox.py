"""While the registry is down the pipeline goes on; when it is back everything arrives, in order."""

from __future__ import annotations

import logging
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from registry.client import Registry
from registry.client.connection import cache_folder, open_outbox
from registry.client.outbox import Outbox
from registry.client.payload import JSON, payload_of
from registry.errors import InvalidInputError, OverloadedError, UnauthenticatedError
from tests.client.peer import Peer, listening

PATIENCE_SECONDS = 30.0


def until(happened: Callable[[], bool]) -> None:
    """Wait for a thread of the outbox, and no longer than a while."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < end, "It did not happen."
        time.sleep(0.01)


def closed_peer() -> Peer:
    """A peer that is down, at an address where nothing listens."""
    with listening() as peer:
        return peer


def event(number: int) -> bytes:
    return b'{"eventType": "%d"}' % number


def object_of(text: str) -> Any:
    return payload_of(text.encode(), JSON)


@pytest.fixture
def outbox(peer: Peer, spool: Path) -> Any:
    opened = open_outbox(peer.url, "reg_token", spool=spool)
    yield opened
    opened.close()


def test_nothing_touches_the_disk_while_the_registry_is_there(
    peer: Peer, outbox: Outbox, spool: Path
) -> None:
    named = outbox.send_object(object_of("x"), "examples")
    outbox.send_event(event(1))
    assert peer.arrivals == [("examples", named), ("event", "1")]
    assert peer.objects[named] == b"x"
    assert peer.tokens == {"Bearer reg_token"}
    assert [path for path in spool.rglob("*") if path.is_file()] == []
    assert outbox.flush().waiting == 0


def test_what_could_not_be_sent_arrives_in_order_when_the_registry_is_back(spool: Path) -> None:
    peer = closed_peer()
    outbox = open_outbox(peer.url, "reg_token", spool=spool)
    for number in range(5):
        outbox.send_event(event(number))
        outbox.send_object(object_of(str(number % 2)), "row_map")
    left = outbox.flush(timeout_seconds=0)
    assert (left.delivered, left.waiting) == (0, 10)
    assert left.stopped_by is not None
    with listening(peer):
        until(lambda: len(peer.events) == 5)
        outbox.send_event(event(5))
        until(lambda: len(peer.events) == 6)
        assert [number for kind, number in peer.arrivals if kind == "event"] == [*"012345"]
        assert sum(kind == "row_map" for kind, _ in peer.arrivals) == 2
        assert outbox.flush().waiting == 0
        outbox.close()


def test_a_registry_that_goes_and_comes_gets_everything_once(spool: Path) -> None:
    peer = closed_peer()
    outbox = open_outbox(peer.url, "reg_token", spool=spool)
    sent = 0
    for _ in range(3):
        for _ in range(4):
            outbox.send_event(event(sent))
            sent += 1
        with listening(peer):
            outbox.send_event(event(sent))
            sent += 1
            until(lambda: len(peer.events) == sent)  # noqa: B023
    assert [number for _, number in peer.arrivals] == [str(number) for number in range(sent)]
    outbox.close()


def test_what_waits_is_delivered_by_the_next_process(spool: Path) -> None:
    peer = closed_peer()
    program = (
        "from registry.client.connection import open_outbox\n"
        f"outbox = open_outbox({peer.url!r}, 'reg_token', spool={str(spool)!r})\n"
        'outbox.send_event(b\'{"eventType": "left"}\')\n'
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    with listening(peer):
        with closing(open_outbox(peer.url, "reg_other", spool=spool)) as other_token:
            assert other_token.flush().delivered == 0
            assert peer.arrivals == []
        with closing(open_outbox(peer.url, "reg_token", spool=spool)) as outbox:
            assert outbox.flush().waiting == 0
        assert peer.arrivals == [("event", "left")]
        assert "reg_token" not in "".join(str(path) for path in spool.rglob("*"))


def test_a_pipeline_that_ends_gives_what_waits_one_more_try(spool: Path) -> None:
    peer = closed_peer()
    program = (
        "import sys\n"
        "from registry.client import Registry\n"
        f"registry = Registry({peer.url!r}, 'reg_token', spool={str(spool)!r})\n"
        'registry._outbox.send_event(b\'{"eventType": "1"}\')\n'
        "print('kept', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as pipeline:
        assert pipeline.stdout is not None
        assert pipeline.stdout.readline() == "kept\n"
        with listening(peer):
            pipeline.communicate("")
            assert pipeline.returncode == 0
            assert peer.arrivals == [("event", "1")]


def send_from_a_fork(outbox: Outbox) -> None:
    outbox.send_event(event(2))
    outbox.close()


def test_a_forked_process_goes_on_by_itself(peer: Peer, outbox: Outbox) -> None:
    outbox.send_event(event(1))
    child = multiprocessing.get_context("fork").Process(target=send_from_a_fork, args=(outbox,))
    child.start()
    child.join()
    outbox.send_event(event(3))
    assert child.exitcode == 0
    assert [number for _, number in peer.arrivals] == ["1", "2", "3"]


def test_a_wrong_token_waits_for_the_right_one(
    peer: Peer, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    peer.answer = 401
    with caplog.at_level(logging.WARNING, "registry.client"):
        outbox.send_event(event(1))
    assert "It is kept in" in caplog.text
    left = outbox.flush(timeout_seconds=0)
    assert left.waiting == 1
    assert isinstance(left.stopped_by, UnauthenticatedError)
    peer.answer = None
    assert outbox.flush().delivered == 1


def test_what_the_registry_refuses_is_put_aside_and_told(
    peer: Peer, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    peer.answer = 422
    outbox.send_event(event(1))
    assert "The registry refused event sha256:" in caplog.text
    peer.answer = 503
    outbox.send_event(event(2))
    peer.answer = 422
    left = outbox.flush()
    assert [entry.reason for entry in left.refused] == ["No. Wait."] * 2
    assert left.waiting == 0
    peer.answer = None
    outbox.send_event(event(3))
    assert outbox.flush().waiting == 0
    assert peer.arrivals == [("event", "3")]


def test_what_does_not_fit_any_more_is_lost_aloud(
    spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    peer = closed_peer()
    outbox = open_outbox(peer.url, "reg_token", spool=spool, spool_limit_bytes=40)
    for number in range(4):
        outbox.send_event(event(number))
    assert caplog.text.count("is lost. The spool") == 2
    assert "more do not fit; 2 entries wait" in caplog.text
    with listening(peer):
        left = outbox.flush()
        assert (left.waiting, left.dropped) == (0, 2)
        assert [number for _, number in peer.arrivals] == ["0", "1"]
        outbox.close()


def test_strict_raises_what_is_otherwise_logged(peer: Peer, spool: Path) -> None:
    strict = open_outbox(peer.url, "reg_token", spool=spool, spool_limit_bytes=5, strict=True)
    peer.answer = 422
    with pytest.raises(InvalidInputError, match="No"):
        strict.send_event(event(1))
    peer.answer = 401
    with pytest.raises(UnauthenticatedError):
        strict.send_event(event(1))
    peer.answer = 503
    with pytest.raises(OverloadedError, match="more do not fit"):
        strict.send_event(event(1))
    strict.close()


def test_without_a_place_for_a_spool_it_goes_without_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    peer = closed_peer()
    outbox = open_outbox(peer.url, "reg_token", spool=tmp_path / "file")
    assert "There is no spool" in caplog.text
    outbox.send_event(event(1))
    assert "is lost. The registry at" in caplog.text
    with listening(peer):
        outbox.send_event(event(2))
        assert peer.arrivals == [("event", "2")]
    assert outbox.flush().waiting == 0
    outbox.close()


def test_openlineage_can_be_turned_off(
    peer: Peer, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    with Registry(peer.url, "reg_token", spool=spool) as off, off.run("jobs job") as run:
        run.write("lake raw", {"content": ["x"]})
    assert peer.arrivals == []


def test_the_environment_says_where_the_registry_is(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REGISTRY_URL", peer.url + "/")
    monkeypatch.setenv("REGISTRY_TOKEN", "reg_env")
    monkeypatch.setenv("REGISTRY_SPOOL", str(tmp_path / "elsewhere"))
    with closing(open_outbox()) as outbox:
        outbox.send_event(event(1))
    assert peer.tokens == {"Bearer reg_env"}
    assert (tmp_path / "elsewhere").is_dir()
    assert not cache_folder().exists()
    monkeypatch.delenv("REGISTRY_SPOOL")
    with closing(open_outbox()) as outbox:
        outbox.send_event(event(2))
    assert cache_folder() == tmp_path / "cache" / "lineage-registry"
    assert (cache_folder() / "spool").is_dir()


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="'localhost:8400', which is no HTTP address"):
        open_outbox("localhost:8400", "reg_token")
