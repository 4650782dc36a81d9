"""`registry statement …` and `registry ai-system …`: what only a person can say."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from registry.cards.catalogue import CATALOGUE
from registry.cli.ai_systems import FIELDS
from registry.wire.statements import AiSystemBody
from tests.cli.conftest import Run
from tests.lineage.making import run_event

RAW = "s3://lake raw"


@pytest.fixture
def lake(run: Run, environment: Path) -> Path:
    """A home with a dataset."""
    event = run_event(outputs=[{"namespace": "s3://lake", "name": "raw"}])
    Path("events.ndjson").write_text(json.dumps(event))
    assert run("events", "import", "events.ndjson").code == 0
    return environment


@pytest.mark.usefixtures("lake")
def test_a_statement_from_its_words_to_its_end(run: Run) -> None:
    Path("words.txt").write_text("Speech of adults.\n")
    Path("report.pdf").write_bytes(b"a report")
    options = ("--kind", "design_choices", "--version", "1", "--attachment", "report.pdf")
    made = run("statement", "add", RAW, *options, "--file", "words.txt", "--json")
    assert made.code == 0, made.err
    digest = hashlib.sha256(b"a report").hexdigest()
    assert made.json["attachment_sha256"] == f"sha256:{digest}"
    shown = run("statement", "show", made.json["id"], "--output", "signed.json")
    assert ("Speech of adults." in shown.out, shown.code) == (True, 0)
    assert json.loads(Path("signed.json").read_bytes())["signatures"]
    listed = run("statement", "list", "--dataset", RAW)
    assert ("s3://lake raw (version 1)" in listed.out, "yes" in listed.out) == (True, True)
    ended = run("statement", "withdraw", made.json["id"], "--reason", "Children as well.")
    assert "(withdrawn) Children as well." in ended.out
    assert run("statement", "list", "--json").json["totalCount"] == 2
    assert run("statement", "withdraw", made.json["id"], "--reason", "Again.").code == 1


@pytest.mark.usefixtures("lake")
def test_yes_and_no_are_said_as_such(run: Run) -> None:
    said = run("statement", "add", RAW, "--kind", "labels_none", "--no")
    assert (said.code, "no." in said.out) == (0, True)
    assert run("statement", "add", RAW, "--kind", "labels_none", "--yes", "--json").json["value"]
    refused = run("statement", "add", RAW, "--kind", "labels_none")
    assert (refused.code, "with yes or no" in refused.err) == (1, True)


@pytest.mark.usefixtures("lake")
def test_a_wrong_field_of_a_system_is_answered_with_all_of_them(run: Run) -> None:
    refused = run("ai-system", "set", "chat", "code=yes")
    assert (refused.code, "code_of_practice" in refused.err) == (2, True)
    assert run("ai-system", "list", "--json").json["systems"] == []


def test_the_fields_of_a_system_are_those_that_are_taken_and_that_gaps_name() -> None:
    assert set(FIELDS) == set(AiSystemBody.model_fields)
    begin = "registry ai-system set, "
    by = {kind.supplied_by for kind in CATALOGUE.values() if kind.supplied_by.startswith(begin)}
    assert {each.removeprefix(begin) for each in by} < set(FIELDS)


@pytest.mark.usefixtures("lake")
def test_a_wrong_kind_is_answered_with_all_of_them(run: Run) -> None:
    refused = run("statement", "add", RAW, "--kind", "weather", "--text", "Sun.")
    assert (refused.code, "representativeness" in refused.err) == (1, True)
    both = ("--kind", "citation", "--text", "a", "--file", "b")
    assert run("statement", "add", RAW, *both).code == 2


@pytest.mark.usefixtures("lake")
def test_a_system_from_its_name_to_what_it_uses(run: Run) -> None:
    made = run(
        "ai-system",
        "set",
        "tutor",
        "name=Tutor",
        "provider=Acme Ltd",
        "market_dates=2026-01-31",
        "market_dates=2027-01-31",
        "base_models=base-7b=https://example.org/base",
        "is_open=no",
        "--json",
    )
    assert made.code == 0, made.err
    assert made.json["base_models"] == [{"name": "base-7b", "uri": "https://example.org/base"}]
    assert (made.json["keep_until"], made.json["is_open"]) == ("2037-01-31", False)
    assert run("ai-system", "use", "tutor", RAW, "--role", "train", "--version", "1").code == 0
    shown = run("ai-system", "show", "tutor").out
    assert ("s3://lake raw" in shown, "base-7b (https://example.org/base)" in shown) == (True, True)
    none = run("ai-system", "set", "tutor", "market_dates=none", "is_open=", "--json").json
    assert (none["market_dates"], none["is_open"], none["revision"]) == ([], None, 3)
    assert "Market dates" in run("ai-system", "show", "tutor").out
    assert "Acme Ltd" in run("ai-system", "list").out
    ended = run("ai-system", "use", "tutor", RAW, "--role", "train", "--version", "1", "--ended")
    assert "It uses nothing that is recorded." in ended.err
    for wrong in ("name", "is_open=perhaps"):
        assert run("ai-system", "set", "tutor", wrong).code == 2
    assert run("ai-system", "show", "nobody").code == 1
