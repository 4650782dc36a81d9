"""The server as a process: its start, its lock, commands beside it, its end, and a kill."""

from __future__ import annotations

import json
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Process
from tests.stores import MASTER_KEY

Start = Callable[..., Process]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def serve(start: Start, home: Path) -> tuple[Process, dict[str, Any]]:
    """A server on a free port, and what it says of itself."""
    process = start("serve", "--port", "0", "--json", home=home)
    said: dict[str, Any] = json.loads(process.line())
    return process, said


def get(url: str, token: str | None = None) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_an_empty_home_is_served_at_once(start: Start, home: Path) -> None:
    process, said = serve(start, home)
    assert (said["pid"], said["home"]) == (process.popen.pid, str(home))
    # Connections are taken before the server is ready, and answered when it is.
    assert get(said["url"] + "/healthz") == (200, b'{"status":"ok"}')
    assert get(said["url"] + "/readyz")[0] == 200
    token = (home / "admin-token").read_text().strip()
    assert get(said["url"] + "/api/v1/projects")[0] == 401
    assert get(said["url"] + "/api/v1/projects", token)[0] == 200
    assert home.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in home.iterdir() if path.is_file()} == {0}
    process.popen.send_signal(signal.SIGTERM)
    answer = process.finish()
    assert answer.code == 0
    assert f"The first administrator token is {token}\n" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_server_ends_in_order_when_it_is_told_to(
    start: Start, home: Path, end: signal.Signals
) -> None:
    process, said = serve(start, home)
    assert get(said["url"] + "/healthz")[0] == 200
    process.popen.send_signal(end)
    answer = process.finish()
    assert answer.code == 0
    assert answer.err.endswith("Stopped.\n")
    assert (home / "registry.lock").read_bytes() == b""


def test_a_home_is_served_once_and_commands_go_to_its_server(start: Start, home: Path) -> None:
    process, said = serve(start, home)
    assert get(said["url"] + "/healthz")[0] == 200
    for command in (("serve", "--port", "0"), ("worker",), ("db", "rebuild"), ("db", "upgrade")):
        refused = start(*command, home=home).finish()
        assert refused.code == 1, command
        assert str(process.popen.pid) in refused.err
        assert said["url"] in refused.err
    made = start("project", "create", "speech", "--json", home=home).finish()
    assert (made.code, made.json["name"], made.err) == (0, "speech", "")
    token = (home / "admin-token").read_text().strip()
    assert b'"speech"' in get(said["url"] + "/api/v1/projects", token)[1]
    checked = start("db", "check", "--json", home=home).finish()
    assert (checked.code, checked.json["whole"]) == (0, True)


def test_commands_reach_the_server_and_not_the_files(start: Start, home: Path) -> None:
    """A server that stands still lets a command wait, where the files would answer."""
    process, said = serve(start, home)
    assert get(said["url"] + "/healthz")[0] == 200
    process.popen.send_signal(signal.SIGSTOP)
    command = start("project", "list", home=home)
    with pytest.raises(Exception, match="timed out"):
        command.popen.wait(timeout=2)
    process.popen.send_signal(signal.SIGCONT)
    assert command.finish().code == 0


def test_a_killed_server_leaves_nothing_in_the_way(start: Start, home: Path) -> None:
    process, said = serve(start, home)
    assert get(said["url"] + "/healthz")[0] == 200
    assert start("project", "create", "speech", home=home).finish().code == 0
    process.popen.kill()
    process.popen.wait()
    listed = start("project", "list", "--json", home=home).finish()
    assert (listed.code, [p["name"] for p in listed.json["projects"]]) == (
        0,
        ["default", "speech"],
    )
    assert listed.err == ""
    again, told = serve(start, home)
    assert get(told["url"] + "/readyz")[0] == 200
    again.popen.send_signal(signal.SIGTERM)
    assert "first administrator token" not in again.finish().err


def test_a_port_that_is_taken_is_an_error_not_a_traceback(start: Start, home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = start("serve", "--port", str(port), home=home).finish()
    assert answer.code == 1
    assert f"Nothing can listen at 127.0.0.1:{port}" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REGISTRY_PORT", "eighty"),
        ("REGISTRY_PORT", "70000"),
        ("REGISTRY_DATABASE_URL", "mysql://x"),
        ("REGISTRY_URL", "ftp://x"),
        ("REGISTRY_CONFIG", "/no/such/file.toml"),
    ],
)
def test_a_setting_that_cannot_be_used_stops_the_start(
    start: Start, home: Path, variable: str, value: str
) -> None:
    home.parent.mkdir(exist_ok=True)
    answer = start("serve", home=home, **{variable: value}).finish()
    assert answer.code == 1
    assert variable in answer.err
    assert "Traceback" not in answer.err


def test_a_worker_of_postgresql_does_what_is_due_and_ends_in_order(
    start: Start, home: Path, postgres_url: str
) -> None:
    on = {"REGISTRY_DATABASE_URL": postgres_url, "REGISTRY_MASTER_KEY": MASTER_KEY}
    upgraded = start("db", "upgrade", "--json", home=home, **on).finish()
    actor = {**on, "REGISTRY_TOKEN": upgraded.json["token"]}
    assert start("project", "create", "speech", home=home, **actor).finish().code == 0
    claimed = start("project", "claim", "add", "speech", "s3://a", home=home, **actor).finish()
    assert claimed.code == 0
    idle = start("worker", "--until-idle", "--json", home=home, **on).finish()
    assert (idle.code, idle.json) == (0, {"tasks": 1})
    worker = start("worker", "--json", home=home, **on)
    assert json.loads(worker.line())["pid"] == worker.popen.pid
    worker.popen.send_signal(signal.SIGTERM)
    assert worker.finish().code == 0


def test_output_that_nobody_reads_is_no_error(start: Start, home: Path) -> None:
    process = start("project", "list", home=home)
    assert process.popen.stdout is not None
    assert process.popen.stderr is not None
    process.popen.stdout.close()
    complaints = process.popen.stderr.read()
    assert process.popen.wait(timeout=180) == 0
    assert "Error" not in complaints
    assert "BrokenPipe" not in complaints
    process.popen.stdout = None


def test_commands_that_meet_on_an_empty_home_make_one_token(start: Start, home: Path) -> None:
    commands = [start("project", "list", "--json", home=home) for _ in range(4)]
    answers = [command.finish() for command in commands]
    assert [(answer.code, len(answer.json["projects"])) for answer in answers] == [(0, 1)] * 4
    told = [answer for answer in answers if "first administrator token" in answer.err]
    assert len(told) == 1
    assert (home / "admin-token").read_text().strip() in told[0].err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_terminal_shows_what_it_can(start: Start, home: Path, encoding: str) -> None:
    on = {"PYTHONIOENCODING": encoding}
    name = "Ünïcode ✓ 😀"
    made = start("token", "create", name, "--role", "viewer", "--json", home=home, **on).finish()
    assert (made.code, made.json["account"]) == (0, name)
    listed = start("token", "list", home=home, **on).finish()
    assert (listed.code, "Traceback" in listed.err) == (0, False)
