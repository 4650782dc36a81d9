"""Runs commands as a person would: in this process, or as a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from registry.cli.main import app
from registry.settings import Settings
from registry.storage.database import Database
from tests.live import grant_every_role

ROOT = Path(__file__).resolve().parent.parent.parent
_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Answer:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value on stdout."""
        return msgspec.json.decode(self.out)


Run = Callable[..., Answer]


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The environment of a command on an empty registry; gives the working folder."""
    for name in [name for name in os.environ if name.startswith("REGISTRY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("REGISTRY_HOME", str(settings.home))
    if not settings.embedded:
        monkeypatch.setenv("REGISTRY_DATABASE_URL", settings.database_url)
        monkeypatch.setenv("REGISTRY_MASTER_KEY", settings.master_key)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def bare_run(environment: Path) -> Run:
    """`bare_run("token", "list")` on a registry where nobody made a token yet."""

    def run(*arguments: str) -> Answer:
        result = CliRunner().invoke(app, list(arguments), prog_name="registry")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def run(bare_run: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("token", "list")`, as an actor that holds every role."""
    if not settings.embedded:
        first = bare_run("db", "upgrade", "--json").json["token"]
        monkeypatch.setenv("REGISTRY_TOKEN", first)
        database = Database(settings.database)
        grant_every_role(database)
        database.close()
    bare_run("project", "list")  # the first command makes what the registry lacks, its keys too
    return bare_run


def plain(text: str) -> str:
    """The text without colours and cursor moves."""
    return _STYLE.sub("", text)


class Process:
    """A command that runs as a process of its own."""

    def __init__(self, *arguments: str, home: Path, **environment: str) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")}
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "registry", *arguments],
            env={**inherited, "REGISTRY_HOME": str(home), "PYTHONPATH": str(ROOT), **environment},
            cwd=home.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding=environment.get("PYTHONIOENCODING", "utf-8"),
        )

    def line(self) -> str:
        """The next line on stdout; waits for it."""
        assert self.popen.stdout is not None
        return self.popen.stdout.readline()

    def finish(self) -> Answer:
        """Wait until it ends by itself."""
        out, err = self.popen.communicate(timeout=180)
        return Answer(self.popen.returncode, out, err)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """`start("serve", "--port", "0")`: a process on a home of its own, ended with the test."""
    started: list[Process] = []

    def begin(*arguments: str, home: Path | None = None, **environment: str) -> Process:
        process = Process(*arguments, home=home or tmp_path / "home", **environment)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.popen.kill()
        process.popen.communicate()
