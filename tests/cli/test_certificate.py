"""`registry certificate …`: on a machine that has the file and the key, and no registry."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from registry.audit.notes import pem_block, vkey_line
from registry.cli.main import app
from tests.cli.conftest import Answer
from tests.erasure.certified import FILE, KEYID, ORIGIN, PARTLY, PUBLIC, certificate, log_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a certificate, keys and checkpoints, and no home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGISTRY_HOME", str(tmp_path / "no-home"))
    monkeypatch.setenv("REGISTRY_URL", "http://192.0.2.1:1")
    log = log_of(PARTLY)
    (tmp_path / "c.json").write_bytes(certificate())
    (tmp_path / "keys.txt").write_text(f"# signing/1\n{vkey_line(ORIGIN, PUBLIC)}\n", "utf-8")
    (tmp_path / "key.pem").write_text(pem_block(PUBLIC), "utf-8")
    (tmp_path / "same.note").write_text(log.checkpoint(11), "utf-8")
    (tmp_path / "old.note").write_text(log.checkpoint(5), "utf-8")
    hashes = [base64.b64encode(each).decode() for each in log.growth(5, 11)]
    (tmp_path / "growth.json").write_text(json.dumps({"hashes": hashes}), "utf-8")
    return tmp_path


def run(*arguments: str) -> Answer:
    result = CliRunner().invoke(app, ["certificate", *arguments], prog_name="registry")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


@pytest.mark.parametrize("key", ["keys.txt", "key.pem"])
def test_a_certificate_verifies_without_a_registry(folder: Path, key: str) -> None:
    answer = run("verify", "c.json", "--key", key)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("Certificate 17: request for erasure, partially fulfilled\n")
    assert "part-0001.parquet is pending" in answer.out
    assert "The certificate verifies" in answer.out
    assert not (folder / "no-home").exists()


def test_the_answer_for_programs_says_what_was_certified(folder: Path) -> None:
    answer = run("verify", "c.json", "--key", "keys.txt", "--json")
    assert answer.code == 0
    said = answer.json
    facts = said.pop("facts")
    assert said == {
        "verified": True,
        "number": 17,
        "outcome": "partially_fulfilled",
        "origin": ORIGIN,
        "keyid": KEYID,
        "entry": 7,
        "size": 11,
        "checkpoint": None,
    }
    assert facts["request"]["id"] == PARTLY.request.id


def test_a_certificate_is_held_to_a_checkpoint_that_was_kept(folder: Path) -> None:
    same = ("verify", "c.json", "--key", "keys.txt", "--checkpoint", "same.note")
    assert "your checkpoint of 11 entries" in run(*same).out
    old = ("verify", "c.json", "--key", "keys.txt", "--checkpoint", "old.note")
    refused = run(*old)
    assert refused.code == 1
    assert "consistency?first=5&second=11" in refused.err
    held = run(*old, "--growth", "growth.json", "--json")
    assert held.json["checkpoint"] == {"origin": ORIGIN, "size": 5}
    (folder / "growth.json").write_text('{"hashes": ["?"]}', "utf-8")
    assert "no consistency proof" in run(*old, "--growth", "growth.json").err


def test_a_certificate_edited_by_one_byte_is_refused(folder: Path) -> None:
    whole = certificate()
    for place in (0, 20, len(whole) // 2, len(whole) - 1):
        changed = bytearray(whole)
        changed[place] ^= 1
        (folder / "c.json").write_bytes(bytes(changed))
        answer = run("verify", "c.json", "--key", "keys.txt", "--json")
        assert (answer.code, answer.out) == (1, "")
        assert "Remedy:" in answer.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("verify", "c.json"), 2),
        (("verify", "--key", "keys.txt"), 2),
        (("verify", "c.json", "--key", "keys.txt", "--growth", "growth.json"), 2),
        (("verify", "none.json", "--key", "keys.txt"), 1),
        (("verify", "c.json", "--key", "none.txt"), 1),
        (("verify", "c.json", "--key", "c.json"), 1),
        (("verify", "keys.txt", "--key", "keys.txt"), 1),
        (("verify", "c.json", "--key", "keys.txt", "--checkpoint", "keys.txt"), 1),
        (("show", "c.json", "--format", "pdf"), 2),
        (("show", "c.json", "--format", "docx"), 2),
        (("show", "keys.txt"), 1),
        (("show", "c.json", "--key", "c.json"), 1),
    ],
)
def test_what_is_not_written_right(folder: Path, arguments: tuple[str, ...], code: int) -> None:
    assert run(*arguments).code == code


def test_a_key_file_that_is_no_text(folder: Path) -> None:
    (folder / "keys.txt").write_bytes(b"\xff\xfe")
    assert run("verify", "c.json", "--key", "keys.txt").code == 1


def test_a_certificate_is_shown_in_every_format(folder: Path) -> None:
    text = run("show", "c.json")
    assert "NOT VERIFIED" in text.out
    assert "registry certificate verify c.json --key KEYFILE" in text.err
    assert "NOT VERIFIED" not in run("show", "c.json", "--key", "keys.txt").out
    page = run("show", "c.json", "--format", "html", "--output", "c.html", "--key", "keys.txt")
    assert "is in c.html" in page.out
    assert (folder / "c.html").read_text("utf-8").startswith("<!doctype html>")
    assert run("show", "c.json", "--format", "html").out.startswith("<!doctype html>")
    made = run("show", "c.json", "--format", "pdf", "--output", "c.pdf", "--json")
    assert made.json["verified"] is False
    assert (folder / "c.pdf").read_bytes().startswith(b"%PDF-")


def test_what_a_certificate_names_moves_no_cursor(folder: Path) -> None:
    facts = replace(PARTLY, targets=(replace(FILE, name="\x1b[2Jpart"),))
    (folder / "c.json").write_bytes(certificate(facts))
    for arguments in (("verify", "c.json", "--key", "keys.txt"), ("show", "c.json")):
        assert "\\x1b[2Jpart" in run(*arguments).out
