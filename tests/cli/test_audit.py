"""`registry audit …`: a log that holds, one that does not, and a bundle on another machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from registry.audit.checkpoint import read_checkpoint
from registry.settings import Settings
from registry.storage.database import Database
from tests.cli.conftest import ROOT, Run


def tamper(settings: Settings, statement: str) -> None:
    database = Database(settings.database)
    try:
        with database.write() as session:
            session.connection().exec_driver_sql(statement)
    finally:
        database.close()


def test_a_log_that_holds(run: Run) -> None:
    run("audit", "checkpoint")
    answer = run("audit", "verify", "--json")
    assert answer.code == 0
    assert answer.json["verified"] is True
    assert answer.json["findings"] == []
    assert answer.json["checkpoints"] == 2
    said = run("audit", "verify")
    assert said.code == 0
    assert "The log is what was recorded." in said.out


def test_a_log_that_was_changed(run: Run, settings: Settings) -> None:
    run("audit", "checkpoint")
    tamper(settings, "UPDATE audit_entry SET actor = 'somebody' WHERE leaf_index = 3")
    answer = run("audit", "verify", "--json")
    assert answer.code == 1
    assert answer.json["verified"] is False
    (finding,) = answer.json["findings"]
    assert finding["index"] == 3
    said = run("audit", "verify")
    assert said.code == 1
    assert "it was edited" in said.out


def test_a_checkpoint_in_other_hands(run: Run, settings: Settings, environment: Path) -> None:
    saved = environment / "saved.note"
    shown = run("audit", "checkpoint", "--output", str(saved))
    assert saved.read_text("utf-8") == shown.out
    run("token", "list")
    run("audit", "checkpoint")
    assert run("audit", "verify", "--checkpoint", str(saved)).code == 0
    saved.write_text(shown.out.replace("— ", "- "), "utf-8")
    assert run("audit", "verify", "--checkpoint", str(saved)).code == 1
    saved.write_bytes(b"\xff")
    assert run("audit", "verify", "--checkpoint", str(saved)).code == 1
    assert run("audit", "verify", "--checkpoint", "nowhere").code == 1


def test_verify_is_done_where_the_database_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_URL", "http://registry.example")
    answer = run("audit", "verify")
    assert answer.code == 1
    assert "registry audit export FILE" in answer.err


def test_there_is_nothing_to_verify_in_an_empty_home(bare_run: Run, settings: Settings) -> None:
    if settings.embedded:
        (settings.home / "registry.db").unlink()
        assert "There is no registry in" in bare_run("audit", "verify").err


def test_a_bundle_verifies_on_a_machine_without_the_database(run: Run, environment: Path) -> None:
    bundle, keys = environment / "log.bundle", environment / "keys"
    exported = run("audit", "export", str(bundle), "--json")
    assert exported.code == 0, exported.err
    assert run("keys", "export-public", "--output", str(keys)).code == 0
    done = elsewhere(environment, bundle, keys)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["entries"] == exported.json["entries"]
    lines = bundle.read_text("utf-8").splitlines(keepends=True)
    bundle.write_text("".join([*lines[:3], *lines[4:]]), "utf-8")
    done = elsewhere(environment, bundle, keys)
    assert done.returncode == 1
    assert "The bundle does not hold" in done.stderr
    assert list(environment.glob(".log.bundle*")) == []


def elsewhere(folder: Path, bundle: Path, keys: Path) -> subprocess.CompletedProcess[str]:
    """Verify in a process that knows no registry, in an empty folder."""
    (folder / "empty").mkdir(exist_ok=True)
    arguments = ["audit", "verify-bundle", str(bundle), "--key", str(keys), "--json"]
    return subprocess.run(
        [sys.executable, "-m", "registry", *arguments],
        cwd=folder / "empty",
        env={"PYTHONPATH": str(ROOT), "REGISTRY_HOME": str(folder / "nowhere")},
        capture_output=True,
        check=False,
        text=True,
        timeout=180,
    )


def test_a_proof_is_checked_and_shown(run: Run) -> None:
    answer = run("audit", "proof", "2", "--json").json
    assert answer["index"] == answer["entry"]["index"] == 2
    assert read_checkpoint(answer["checkpoint"]).size == answer["size"]
    shown = run("audit", "proof", "2")
    assert shown.code == 0
    assert "The hashes lead from the leaf to the root" in shown.out
    assert run("audit", "proof", "99999").code == 1


@pytest.mark.parametrize("content", ["", "not a key", "{}"])
def test_a_file_of_keys_that_is_none(run: Run, environment: Path, content: str) -> None:
    bundle, keys = environment / "log.bundle", environment / "keys"
    bundle.touch()
    keys.write_text(content)
    answer = run("audit", "verify-bundle", str(bundle), "--key", str(keys))
    assert answer.code == 1
    assert "no file of public keys" in answer.err
