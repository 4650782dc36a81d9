"""`registry backup`, `restore`, `backups` and `keys backup`, also beside a server."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from registry.settings import Settings
from tests.cli.conftest import Process, Run
from tests.postgres import Server

Start = Callable[..., Process]


@dataclass(frozen=True)
class Elsewhere:
    """Points commands at an empty registry that has the same master key."""

    settings: Settings
    monkeypatch: pytest.MonkeyPatch
    url: str

    def go(self, home: Path) -> None:
        home.mkdir()
        if self.settings.embedded:
            for name in ("master.key", "admin-token"):
                shutil.copy(self.settings.home / name, home)
        else:
            self.monkeypatch.setenv("REGISTRY_DATABASE_URL", self.url)
        self.monkeypatch.setenv("REGISTRY_HOME", str(home))


@pytest.fixture
def elsewhere(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Elsewhere]:
    """`elsewhere.go(home)`: from now on commands reach an empty registry."""
    with contextlib.ExitStack() as stack:
        url = ""
        if not settings.embedded:
            server: Server = request.getfixturevalue("postgres_server")
            url = stack.enter_context(server.temporary_database())
        yield Elsewhere(settings, monkeypatch, url)


def test_a_backup_is_made_listed_and_restored(
    run: Run, settings: Settings, elsewhere: Elsewhere, environment: Path
) -> None:
    run("project", "create", "speech")
    made = run("backup", "b", "--keys", "k", "--label", "nightly", "--json")
    assert made.code == 0, made.err
    assert set(made.json) >= {"id", "digest", "rows", "objects", "examples", "expires_at", "keys"}
    listed = run("backups", "--json").json["backups"]
    assert [(each["kind"], each["label"]) for each in listed] == [
        ("keys", "nightly"),
        ("data", "nightly"),
    ]
    assert listed[1]["digest"] == made.json["digest"]
    assert "nightly" in run("backups").out
    ledger = str(settings.home / "ledger")
    elsewhere.go(environment / "new")
    refused = run("restore", "b", "--keys", "k")
    assert (refused.code, "--no-erasures-since" in refused.err) == (1, True)
    done = run("restore", "b", "--keys", "k", "--erasures", ledger, "--json")
    assert done.code == 0, done.err
    assert done.json["erasures"] == 0
    projects = run("project", "list", "--json")
    assert projects.code == 0, projects.err
    assert "speech" in [each["name"] for each in projects.json["projects"]]
    assert run("db", "check").code == 0
    assert run("backups", "--json").json["backups"] == []
    again = run("restore", "b", "--keys", "k", "--erasures", ledger)
    assert (again.code, "into an empty one" in again.err) == (1, True)


def test_files_that_are_there_are_never_replaced(run: Run, environment: Path) -> None:
    (environment / "b").write_text("mine")
    for arguments in (("backup", "b"), ("backup", "c", "--keys", "b"), ("keys", "backup", "b")):
        refused = run(*arguments)
        assert (refused.code, "replaces none" in refused.err) == (1, True)
    assert [path.name for path in environment.iterdir()] == ["b"]


def test_keys_have_a_file_of_their_own(run: Run, environment: Path) -> None:
    made = run("keys", "backup", "k", "--json")
    assert (made.code, made.json["kind"]) == (0, "keys")
    assert "Kept until" in run("keys", "backup", "k2").out
    assert (environment / "k").stat().st_mode & 0o777 == 0o600


def test_how_long_a_backup_is_kept_is_a_setting(
    run: Run, monkeypatch: pytest.MonkeyPatch, environment: Path
) -> None:
    monkeypatch.setenv("REGISTRY_BACKUP_RETENTION", "P1Y")
    made = run("backup", "b", "--json").json
    assert int(made["expires_at"][:4]) == int(made["made_at"][:4]) + 1
    monkeypatch.setenv("REGISTRY_BACKUP_RETENTION", "a year")
    refused = run("backup", "c")
    assert (refused.code, "no ISO 8601 duration" in refused.err) == (1, True)
    assert not (environment / "c").exists()


def test_a_destroyed_key_is_listed_beside_the_ledger(run: Run, settings: Settings) -> None:
    run("keys", "rotate", "--purpose", "subject")
    assert run("keys", "destroy", "--purpose", "subject").code == 0
    (kept,) = (settings.home / "ledger" / "erasures" / "keys").iterdir()
    assert json.loads(kept.read_bytes())["payload"]["name"] == "subject/1"


def test_erasures_are_named_or_denied_not_both(run: Run) -> None:
    assert run("restore", "b", "--erasures", ".", "--no-erasures-since").code == 2


def test_a_missing_file_is_named_before_anything_else_is_asked(run: Run) -> None:
    nowhere = run("restore", "nowhere", "--keys", "k")
    assert nowhere.code == 1
    assert "There is no file nowhere" in nowhere.err


def test_only_an_administrator_makes_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    made = run("token", "create", "looker", "--role", "viewer", "--json").json["token"]
    monkeypatch.setenv("REGISTRY_TOKEN", made)
    refused = run("backup", "b")
    assert (refused.code, "administrator" in refused.err) == (1, True)
    assert run("backups").code == 1


def test_nothing_to_back_up_is_named(start: Start, tmp_path: Path) -> None:
    refused = start("backup", str(tmp_path / "b"), home=tmp_path / "nothing").finish()
    assert (refused.code, "There is no registry" in refused.err) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_a_backup_is_made_beside_a_server(start: Start, tmp_path: Path) -> None:
    home = tmp_path / "home"
    served = start("serve", "--port", "0", "--json", home=home)
    json.loads(served.line())
    made = start("backup", str(tmp_path / "b"), "--keys", str(tmp_path / "k"), "--json", home=home)
    answer = made.finish()
    assert answer.code == 0, answer.err
    refused = start("restore", str(tmp_path / "b"), "--keys", str(tmp_path / "k"), home=home)
    said = refused.finish()
    assert (said.code, "holds the home" in said.err) == (1, True)
