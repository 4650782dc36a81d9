"""Commands on an empty registry: what they say, in words and in JSON, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry import __version__
from registry.settings import Settings
from tests.cli.conftest import Run

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def test_tokens_are_made_listed_and_revoked(run: Run) -> None:
    made = run("token", "create", "etl", "--role", "pipeline", "--expires", "P90D")
    assert made.code == 0
    assert made.out.startswith("reg_")
    assert len(made.out.splitlines()) == 1
    assert "not shown again" in made.err
    token = run("token", "list", "--json").json["tokens"][0]
    assert (token["account"], token["roles"], token["hint"]) == ("etl", ["pipeline"], made.out[:8])
    listed = run("token", "list")
    assert made.out.strip() not in listed.out
    assert listed.out.splitlines()[0].split() == [
        *("ID", "ACCOUNT", "PROJECT", "ROLES", "STATE", "LAST", "USED")
    ]
    revoked = run("token", "revoke", token["id"])
    assert (revoked.code, "revoked" in revoked.out) == (0, True)
    again = run("token", "revoke", token["id"])
    assert (again.code, again.out) == (1, "")
    assert again.err.startswith("Error: The token")
    assert "\nRemedy: Nothing is left to do." in again.err


def test_a_revoked_token_opens_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    made = run("token", "create", "etl", "--role", "viewer", "--json").json
    run("token", "revoke", made["id"])
    monkeypatch.setenv("REGISTRY_TOKEN", made["token"])
    refused = run("project", "list")
    assert (refused.code, refused.out) == (1, "")
    assert "unknown, expired or revoked" in refused.err


def test_projects_are_made_changed_and_claim_names(run: Run) -> None:
    assert run("project", "create", "speech", "--mode", "warn", "--json").json["mode"] == "warn"
    added = run("project", "claim", "add", "speech", "s3://lake", "--prefix", "speech/")
    assert added.code == 0
    assert "s3://lake  speech/" in added.out
    shown = run("project", "show", "speech", "--json").json
    number = str(shown["claims"][0]["id"])
    assert run("project", "claim", "remove", "speech", number, "--json").json["claims"] == []
    assert run("project", "set", "speech", "--mode", "enforce", "--strict").code == 0
    listed = run("project", "list").out.splitlines()
    assert listed[2].split()[:3] == ["speech", "enforce", "yes"]
    due = run("worker", "--until-idle", "--json")
    assert (due.code, due.json) == (0, {"tasks": 1})


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("project", "show", "nowhere"), 1),
        (("project", "create", "a b"), 1),
        (("project", "set", "default"), 2),
        (("project", "set", "default", "--mode", "loud"), 1),
        (("token", "create", "x"), 2),
        (("token", "create", "x", "--role", "root"), 1),
        (("token", "create", "x", "--role", "viewer", "--expires", "soon"), 1),
        (("datasets", "show", "nospace"), 2),
        (("version", "show", "ns name"), 2),
        (("version", "show", "ns name", "--version", "0"), 2),
        (("lineage", "nospace"), 2),
        (("events", "import", "no-such-file"), 2),
        (("events", "quarantine", "release", "sha256:12"), 1),
        (("nonsense",), 2),
        (("token", "nonsense"), 2),
        (("token", "list", "--nonsense"), 2),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_refusal_is_told_on_stderr_alone(
    run: Run, arguments: tuple[str, ...], code: int, as_json: bool
) -> None:
    answer = run(*arguments, *(["--json"] if as_json else []))
    assert (answer.code, answer.out) == (code, "")
    assert "Traceback" not in answer.err
    if code == 1:
        first, second = answer.err.splitlines()
        assert first.startswith("Error: ")
        assert second.startswith("Remedy: ")
        assert len(second) > len("Remedy: ")


def test_every_group_explains_itself(run: Run) -> None:
    for group in ("token", "project", "db", "events", "datasets", "jobs", "runs", "version"):
        answer = run(group, "--help")
        assert answer.code == 0
        assert f"registry {group}" in answer.out


@on_sqlite
def test_the_first_start_writes_the_token_once(bare_run: Run, settings: Settings) -> None:
    first = bare_run("project", "list", "--json")
    path = settings.home / "admin-token"
    secret = path.read_text().strip()
    assert f"The first administrator token is {secret}\n" in first.err
    assert path.stat().st_mode & 0o777 == 0o600
    assert secret not in first.out
    second = bare_run("project", "list", "--json")
    assert (second.err, second.out) == ("", first.out)


@on_postgresql
def test_postgresql_gives_its_first_token_once_to_who_upgrades(
    bare_run: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = bare_run("project", "list")
    assert refused.code == 1
    assert "REGISTRY_TOKEN" in refused.err
    answer = bare_run("db", "upgrade", "--json").json
    assert answer["token"].startswith("reg_")
    assert bare_run("db", "upgrade", "--json").json["token"] is None
    monkeypatch.setenv("REGISTRY_TOKEN", answer["token"])
    (token,) = bare_run("token", "list", "--json").json["tokens"]
    assert token["roles"] == ["administrator"]


@on_sqlite
def test_postgresql_with_an_old_schema_is_refused_with_the_command(
    environment: Path, bare_run: Run, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_DATABASE_URL", postgres_url)
    monkeypatch.setenv("REGISTRY_TOKEN", "reg_any")
    refused = bare_run("project", "list")
    assert refused.code == 1
    assert "\nRemedy: Run: registry db upgrade\n" in refused.err
    upgraded = bare_run("db", "upgrade")
    assert upgraded.code == 0
    assert "The first administrator token is reg_" in upgraded.out


def test_a_whole_database_is_found_whole(run: Run) -> None:
    answer = run("db", "check", "--json")
    assert (answer.code, answer.json["whole"]) == (0, True)
    assert "whole" in run("db", "check").out


@on_sqlite
def test_a_broken_database_is_found_broken(run: Run, settings: Settings) -> None:
    import sqlite3

    with sqlite3.connect(settings.home / "registry.db") as connection:
        connection.execute("DELETE FROM account")
    connection.close()
    answer = run("db", "check", "--json")
    assert (answer.code, answer.json["whole"]) == (1, False)
    broken = next(c for c in answer.json["checks"] if c["subject"] == "references")
    assert any("token" in problem for problem in broken["problems"])


@on_sqlite
def test_a_check_of_nothing_says_that_there_is_nothing(bare_run: Run, settings: Settings) -> None:
    (settings.home / "registry.db").unlink()
    answer = bare_run("db", "check")
    assert answer.code == 1
    assert "There is no registry" in answer.err
    assert not (settings.home / "registry.db").exists()


def test_a_rebuild_is_an_administrators(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("db", "rebuild", "--json").json == {"events": 0}
    viewer = run("token", "create", "viewer", "--role", "viewer").out.strip()
    monkeypatch.setenv("REGISTRY_TOKEN", viewer)
    refused = run("db", "rebuild")
    assert refused.code == 1
    assert "needs the role administrator" in refused.err


def test_json_is_one_value_with_any_character(run: Run) -> None:
    answer = run("token", "create", "Ünïcode ✓", "--role", "viewer", "--json")
    assert json.loads(answer.out)["account"] == "Ünïcode ✓"
    assert answer.out.count("\n") == 1


@on_sqlite
def test_an_unusable_home_is_an_error_not_a_traceback(
    bare_run: Run, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (environment / "file").write_text("")
    monkeypatch.delenv("REGISTRY_DATABASE_URL", raising=False)
    monkeypatch.setenv("REGISTRY_HOME", str(environment / "file" / "home"))
    answer = bare_run("project", "list")
    assert answer.code == 1
    assert "cannot be used" in answer.err


def test_a_server_that_is_not_there_is_an_error(
    bare_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_URL", "http://127.0.0.1:9")
    without = bare_run("project", "list")
    assert (without.code, "REGISTRY_TOKEN" in without.err) == (1, True)
    monkeypatch.setenv("REGISTRY_TOKEN", "reg_any")
    answer = bare_run("project", "list")
    assert answer.code == 1
    assert "did not answer" in answer.err


def test_a_surprise_is_told_in_two_lines_and_in_full_when_asked(
    bare_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprise(*_: object) -> None:
        raise RuntimeError("the moon is full\nand more")

    monkeypatch.setattr("registry.cli.projects.connected", surprise)
    answer = bare_run("project", "list")
    assert answer.code == 1
    assert "RuntimeError: the moon is full\n" in answer.err
    assert "and more" not in answer.err
    monkeypatch.setenv("REGISTRY_DEBUG", "1")
    with pytest.raises(RuntimeError, match="moon"):
        bare_run("project", "list")


@on_sqlite
def test_a_token_that_was_written_and_not_kept_is_made_anew(
    bare_run: Run, settings: Settings
) -> None:
    """As after a kill between the file and the commit."""
    (settings.home / "admin-token").write_text("reg_lost\n")
    answer = bare_run("project", "list")
    assert (answer.code, "reg_lost" in answer.err) == (0, False)
    assert (settings.home / "admin-token").stat().st_mode & 0o777 == 0o600


def test_the_version_is_said(bare_run: Run) -> None:
    answer = bare_run("--version")
    assert (answer.code, answer.out) == (0, f"lineage-registry {__version__}\n")
