"""`registry target …`: where erasure must reach."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.lineage.making import run_event


def test_a_target_from_its_binding_to_its_end(
    run: Run, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = environment / "lake"
    lake.mkdir()
    (lake / "part.jsonl").write_text('{"id": "a"}\n')
    monkeypatch.setenv("REGISTRY_FILE_ROOTS", str(lake))
    event = run_event(outputs=[{"namespace": "s3://lake", "name": "raw"}])
    Path("events.ndjson").write_text(json.dumps(event))
    assert run("events", "import", "events.ndjson").code == 0
    dataset = ("s3://lake raw", str(lake))
    made = run("target", "add", *dataset, "--executor", "files", "--key-column", "id", "--json")
    assert made.code == 0, made.err
    target = made.json["id"]
    assert target in run("target", "list", "--dataset", "s3://lake raw").out
    assert run("target", "list", "--json").json["totalCount"] == 1
    checked = run("target", "check", target, "--json")
    assert (checked.code, checked.json["reachable"]) == (0, True)
    (lake / "part.jsonl").unlink()
    checked = run("target", "check", target)
    assert (checked.code, "gone" in checked.out) == (1, True)
    ended = run("target", "remove", target)
    assert (ended.code, "Ended at" in ended.out) == (0, True)
    assert run("target", "remove", target).code == 1
    assert "no targets" in run("target", "list").err


def test_what_cannot_be_bound_is_refused(run: Run) -> None:
    missing = run("target", "add", "s3://lake none", "/lake", "--executor", "files")
    assert (missing.code, "no dataset" in missing.err) == (1, True)
    assert run("target", "add", "s3://lake raw", "/lake").code == 2
