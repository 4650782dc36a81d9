"""A home is held by one process alone, or joined by several; the kernel lets go of the dead."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.errors import HomeInUseError, SetupError
from registry.storage.homelock import LOCK_NAME, Holder, hold_alone, join, read_holder, serving_url

URL = "http://127.0.0.1:8400"
HOLD = """
import sys, time
from pathlib import Path
from registry.storage.homelock import hold_alone
with hold_alone(Path(sys.argv[1]), "registry serve") as lock:
    lock.announce(sys.argv[2])
    print("held", flush=True)
    time.sleep(600)
"""


@contextlib.contextmanager
def another_process(home: Path, url: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home), url], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_held_home_says_by_whom_and_where(tmp_path: Path) -> None:
    with hold_alone(tmp_path, "registry serve") as lock:
        lock.announce(URL)
        assert read_holder(tmp_path) == Holder(os.getpid(), "registry serve", URL)
    assert read_holder(tmp_path) is None


def test_nobody_else_holds_a_home_that_is_served(tmp_path: Path) -> None:
    with (
        another_process(tmp_path, URL) as process,
        pytest.raises(HomeInUseError, match=f"Process {process.pid}.*{URL}"),
        hold_alone(tmp_path, "registry serve"),
    ):
        pass


def test_commands_go_to_the_process_that_serves(tmp_path: Path) -> None:
    with another_process(tmp_path, URL), join(tmp_path) as url:
        assert url == URL == serving_url(tmp_path)


def test_commands_join_each_other(tmp_path: Path) -> None:
    with join(tmp_path) as first, join(tmp_path) as second:
        assert (first, second, serving_url(tmp_path)) == (None, None, None)


def test_a_home_without_a_process_has_no_url(tmp_path: Path) -> None:
    assert serving_url(tmp_path / "nowhere") is None
    assert not (tmp_path / LOCK_NAME).exists()


def test_who_needs_a_home_alone_waits_a_moment_for_commands_then_gives_up(tmp_path: Path) -> None:
    with (
        join(tmp_path),
        pytest.raises(HomeInUseError, match="A command of another process"),
        hold_alone(tmp_path, "registry serve", patience_seconds=0.1),
    ):
        pass


def test_a_command_waits_a_moment_for_a_holder_without_a_url_then_gives_up(tmp_path: Path) -> None:
    with (
        another_process(tmp_path, "") as process,
        pytest.raises(HomeInUseError, match=str(process.pid)),
        join(tmp_path, patience_seconds=0.1),
    ):
        pass


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    with another_process(tmp_path, URL) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        # What it wrote is still there, and nobody believes it.
        assert read_holder(tmp_path) is not None
        assert serving_url(tmp_path) is None
        with hold_alone(tmp_path, "registry serve"):
            pass


def test_a_lock_file_with_anything_in_it_is_no_holder(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_bytes(b'{"pid": "many"}')
    assert read_holder(tmp_path) is None
    with join(tmp_path) as url:
        assert url is None


def test_a_home_that_is_not_there_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot be locked"), join(tmp_path / "nowhere"):
        pass
