"""`registry keys …`, and `registry serve` with a master key that is lost or another one."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from registry.audit.notes import read_keys
from registry.audit.tables import ENTRY
from registry.settings import Settings
from registry.storage.database import Database
from registry.storage.homelock import hold_alone
from tests.cli.conftest import Process, Run

Start = Callable[..., Process]


def entries(settings: Settings, prefix: str) -> list[tuple[str, Any]]:
    """(kind, facts) of the entries of those kinds, in order."""
    database = Database(settings.database)
    try:
        with database.read() as session:
            query = select(ENTRY.c.kind, ENTRY.c.payload).where(ENTRY.c.kind.startswith(prefix))
            rows = session.execute(query.order_by(ENTRY.c.id))
            return [(row.kind, json.loads(row.payload)) for row in rows]
    finally:
        database.close()


def states(run: Run, purpose: str) -> list[tuple[int, str]]:
    keys = run("keys", "list", "--json").json["keys"]
    return [(key["version"], key["state"]) for key in keys if key["purpose"] == purpose]


def test_every_key_is_listed_and_none_is_shown(run: Run) -> None:
    listed = run("keys", "list", "--json").json["keys"]
    purposes = {"root", "subject", "digest", "data", "signing"}
    assert {key["purpose"] for key in listed} == purposes
    assert {frozenset(key) for key in listed} == {
        frozenset({"purpose", "version", "state", "created_at", "destroyed_at"})
    }
    assert "signing" in run("keys", "list").out


@pytest.mark.parametrize("purpose", ["subject", "signing", "data"])
def test_a_key_is_rotated_and_its_old_version_destroyed(
    run: Run, settings: Settings, purpose: str
) -> None:
    rotated = run("keys", "rotate", "--purpose", purpose, "--json")
    assert rotated.json == {"purpose": purpose, "version": 2}
    assert states(run, purpose) == [(2, "active"), (1, "retiring")]
    destroyed = run("keys", "destroy", "--purpose", purpose, "--json")
    assert destroyed.code == 0, destroyed.err
    assert destroyed.json == {"purpose": purpose, "destroyed": [1], "scrubbed": True}
    assert states(run, purpose) == [(2, "active"), (1, "destroyed")]
    told = [kind for kind, facts in entries(settings, "keys.key") if f"{purpose}/" in facts["key"]]
    assert told == ["keys.key.created", "keys.key.rotated", "keys.key.destroyed"]


def test_what_is_not_retiring_is_not_destroyed(run: Run) -> None:
    nothing = run("keys", "destroy", "--purpose", "data")
    assert (nothing.code, "registry keys rotate --purpose data" in nothing.err) == (1, True)
    active = run("keys", "destroy", "--purpose", "data", "--version", "1")
    assert (active.code, "written under" in active.err) == (1, True)
    never = run("keys", "destroy", "--purpose", "data", "--version", "9")
    assert (never.code, "no version 9" in never.err) == (1, True)
    assert run("keys", "rotate", "--purpose", "root").code == 2


def test_the_log_verifies_over_a_rotation_of_its_key(run: Run, environment: Path) -> None:
    first = run("audit", "checkpoint", "--output", "first.note")
    old = run("keys", "export-public").out
    run("keys", "rotate", "--purpose", "signing")
    run("keys", "destroy", "--purpose", "signing")
    assert first.out != run("audit", "checkpoint").out
    assert run("audit", "verify", "--checkpoint", "first.note").code == 0
    run("audit", "export", "log.bundle")
    (environment / "old").write_text(old)
    assert run("audit", "verify-bundle", "log.bundle", "--key", "old").code == 1
    run("keys", "export-public", "--output", "keys")
    assert run("audit", "verify-bundle", "log.bundle", "--key", "keys").code == 0


def test_public_keys_are_a_key_file(run: Run) -> None:
    before = run("keys", "export-public", "--json").json
    assert before["origin"] is None
    run("audit", "checkpoint")
    said = run("keys", "export-public")
    line, pem = read_keys(said.out)[::-1]
    assert line.public_key == pem.public_key
    after = run("keys", "export-public", "--json").json
    assert after["keys"][0]["vkey"].startswith(f"{after['origin']}+")
    assert line.name == after["origin"]


def test_keys_are_changed_by_an_administrator(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    made = run("token", "create", "reader", "--role", "viewer", "--json").json
    monkeypatch.setenv("REGISTRY_TOKEN", made["token"])
    for command in ("rotate", "destroy"):
        answer = run("keys", command, "--purpose", "data")
        assert (answer.code, "administrator" in answer.err) == (1, True)


def test_a_home_that_is_served_keeps_its_keys(run: Run, settings: Settings) -> None:
    if not settings.embedded:
        pytest.skip("only an embedded home is held")
    with hold_alone(settings.home, "registry serve"):
        for command in ("rotate", "destroy"):
            answer = run("keys", command, "--purpose", "data")
            assert (answer.code, "holds the home" in answer.err) == (1, True)
        assert run("keys", "list").code == 0
        assert run("keys", "export-public").code == 0


def begun(start: Start, home: Path) -> None:
    """A home that was served once."""
    process = start("serve", "--port", "0", "--json", home=home)
    assert "url" in process.line()
    process.popen.terminate()
    assert process.finish().code == 0


def test_a_server_does_not_start_with_a_lost_master_key(start: Start, tmp_path: Path) -> None:
    home = tmp_path / "home"
    begun(start, home)
    kept = (home / "master.key").read_bytes()
    (home / "master.key").unlink()
    refused = start("serve", "--port", "0", home=home).finish()
    assert refused.code == 1
    assert "The master key is lost" in refused.err
    assert not (home / "master.key").exists()
    (home / "master.key").write_bytes(kept)
    begun(start, home)


def test_a_server_does_not_start_with_another_master_key(start: Start, tmp_path: Path) -> None:
    home = tmp_path / "home"
    begun(start, home)
    (home / "master.key").write_bytes(base64.b64encode(bytes(range(32))) + b"\n")
    refused = start("serve", "--port", "0", home=home).finish()
    assert refused.code == 1
    assert "is not the one that the keys in this database" in refused.err
    assert "Traceback" not in refused.err
