"""The demo from beginning to end on five modules: what the registry says is what lies on disk."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import numpy as np
import pyarrow.parquet as pq
import pytest

from registry.audit.notes import read_keys
from registry.cards.card import Kind
from registry.cards.croissant.check import require_valid
from registry.cards.verifying import verify_file
from registry.cli import demo as command
from registry.cli.main import app
from registry.client.facets import PRODUCER
from registry.client.http import HttpClient
from registry.client.manifest import ask_manifest
from registry.demo.classifier import Classifier
from registry.demo.contributors import CONTRIBUTORS
from registry.demo.datasets import TRAIN
from registry.demo.home import DATA
from registry.demo.pipeline import PURPOSE
from registry.demo.questions import read_lines
from registry.demo.server import served
from registry.demo.standard_library import installed_library
from registry.demo.story import MODEL_NODE, Story, tell
from registry.erasure.certificate.document import verify
from registry.erasure.certificate.facts import Outcome, TargetKind, TargetState
from registry.errors import ConflictError, SetupError
from tests.house.tree import ROOT

# One worker tells the story, for all of these tests.
pytestmark = pytest.mark.xdist_group("demo-story")
MODULES = ("abc", "csv", "json", "logging", "textwrap")
JOBS = ["collect", "clean", "deduplicate", "split", "train"]
BEFORE = "before"
STEPS = [*JOBS, "bind", "erase", "cards"]
DATASETS = "/api/v1/namespaces/file%3A%2F%2Fdemo/datasets"
EXAMPLES = ("raw", "clean", "unique", "train", "validation")


@dataclass
class Heard:
    """A listener that remembers, and keeps the files as they were before anybody was erased."""

    home: Path
    notes: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    advanced: int = 0
    outcomes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def begin(self, step: str, parts: int) -> None:
        self.steps.append(step)
        if step == "erase":
            shutil.copytree(self.home / DATA, self.home.parent / BEFORE)

    def advance(self) -> None:
        self.advanced += 1

    def end(self, outcome: str) -> None:
        self.outcomes.append(outcome)


@dataclass
class Told:
    """A demo that was told, and its home served once more."""

    story: Story
    heard: Heard
    client: HttpClient

    def batches(self, name: str) -> list[dict[str, Any]]:
        dataset = f"{DATASETS}/{quote(name, safe='')}"
        return list(self.client.pages(f"{dataset}/batches", "batches"))

    def named(self, batch: int) -> list[int]:
        """The rows of a batch that were erased."""
        asked = f"/api/v1/erasure-requests/{self.story.erased.request['id']}/members"
        found = self.client.get(asked, {"batch": batch})["ranges"]
        return [row for first, last in found for row in range(first, last + 1)]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    home = tmp_path_factory.mktemp("demo") / "home"
    heard = Heard(home)
    story = tell(home, heard, only=MODULES)
    with served(home) as client:
        yield Told(story, heard, client)


def now_on_disk(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))


def on_disk(uri: str) -> Path:
    """Where the file lies as it was before the erasure."""
    path = now_on_disk(uri)
    data = next(folder for folder in path.parents if folder.name == DATA)
    return data.parent.parent / BEFORE / path.relative_to(data)


def test_every_step_is_heard_of(told: Told) -> None:
    assert told.heard.steps == STEPS
    cards = len(told.story.cards.files) + 1
    assert told.heard.advanced == len(MODULES) + len(EXAMPLES) + 5 + cards
    assert len(told.heard.outcomes) == len(STEPS)


def test_the_lineage_of_the_model_reaches_the_raw_examples_and_their_source(told: Told) -> None:
    question = {"nodeId": MODEL_NODE, "direction": "upstream"}
    answer = told.client.get("/api/v1/lineage", question)
    edges = {
        (edge["origin"], edge["destination"])
        for node in answer["graph"]
        for edge in node["inEdges"]
    }
    reached, front = set(), {MODEL_NODE}
    while front:
        reached |= front
        front = {origin for origin, destination in edges if destination in front} - reached
    assert reached == {
        MODEL_NODE,
        *(f"dataset:file://demo:docstrings/{name}" for name in EXAMPLES),
        *(f"job:demo:{step}" for step in JOBS),
        "dataset:https://github.com/python/cpython:Lib",
    }
    assert answer["truncated"] is None
    assert answer == told.story.lineage


def test_the_model_is_a_model(told: Told) -> None:
    (node,) = [node for node in told.story.lineage["graph"] if node["id"] == MODEL_NODE]
    assert node["data"]["datasetType"] == "MODEL"


@pytest.mark.parametrize("name", EXAMPLES)
def test_batches_and_files_are_what_lies_on_disk(told: Told, name: str) -> None:
    batches = told.batches(f"docstrings/{name}")
    assert len(batches) == (len(MODULES) if name == "raw" else 1)
    for batch in batches:
        (file,) = batch["files"]
        path = on_disk(file["uri"])
        content = path.read_bytes()
        rows = pq.read_table(path).num_rows
        assert file["sha256"] == "sha256:" + hashlib.sha256(content).hexdigest()
        assert file["rows"] == batch["exampleCount"] == rows > 0
        assert file["firstOrdinal"] == 0
        assert batch["personalData"] == "personal"


def test_a_source_batch_says_where_it_came_from(told: Told) -> None:
    batches = {batch["name"]: batch for batch in told.batches("docstrings/raw")}
    assert set(batches) == set(MODULES)
    assert batches["json"]["license"] == "PSF-2.0"
    assert batches["json"]["origin"]["kind"] == "public"
    assert batches["json"]["origin"]["uri"].endswith("/Lib/json")
    assert batches["abc"]["origin"]["uri"].endswith("/Lib/abc.py")
    assert "GENERATED" in batches["json"]["origin"]["description"]


def test_the_raw_examples_are_one_version_of_all_batches(told: Told) -> None:
    (version,) = told.client.get(f"{DATASETS}/docstrings%2Fraw/versions")["versions"]
    assert version["number"] == 1
    numbers = [batch["number"] for batch in told.batches("docstrings/raw")]
    assert sorted(version["addedBatches"]) == sorted(numbers)


def test_every_row_has_a_generated_contributor_and_a_real_source(told: Told) -> None:
    emails = {person.email for person in CONTRIBUTORS}
    for batch in told.batches("docstrings/raw"):
        table = pq.read_table(on_disk(batch["files"][0]["uri"]))
        assert set(table["contributor"].to_pylist()) <= emails
        assert b"GENERATED" in table.schema.field("contributor").metadata[b"about"]
        sources = table["source_uri"].to_pylist()
        assert all(
            source.startswith("https://github.com/python/cpython/blob/v") for source in sources
        )


def test_no_example_is_on_both_sides(told: Told) -> None:
    ids = {}
    for name in ("unique", "train", "validation"):
        (batch,) = told.batches(f"docstrings/{name}")
        ids[name] = set(pq.read_table(on_disk(batch["files"][0]["uri"]))["example_id"].to_pylist())
    assert ids["train"] | ids["validation"] == ids["unique"]
    assert not ids["train"] & ids["validation"]


def test_the_saved_model_works(told: Told) -> None:
    (batch,) = told.batches("models/module-classifier")
    assert batch["exampleCount"] is None
    model = Classifier.from_bytes(on_disk(batch["files"][0]["uri"]).read_bytes())
    assert model.labels == MODULES
    assert np.isfinite(model.likelihood).all()


def test_every_run_ended_well_within_the_pipelines_run(told: Told) -> None:
    jobs = told.client.get("/api/v1/namespaces/demo/jobs")["jobs"]
    assert {job["name"] for job in jobs} == {*JOBS, "pipeline"}
    runs = {job["name"]: job["latestRun"] for job in jobs}
    assert {run["state"] for run in runs.values()} == {"COMPLETED"}
    for step in JOBS:
        run = told.client.get(f"/api/v1/jobs/runs/{runs[step]['id']}")
        assert run["parentRun"]["runId"] == run["rootRun"]["runId"] == runs["pipeline"]["id"]


def test_nothing_waits_in_quarantine(told: Told) -> None:
    assert told.client.get("/api/v1/events/quarantine")["totalCount"] == 0


def test_every_event_and_facet_says_that_the_sdk_made_it(told: Told) -> None:
    events = told.client.get("/api/v1/events", {"limit": 100})["events"]
    assert len(events) == 2 * 6 + len(MODULES) + 5
    assert {event["producer"] for event in events} == {PRODUCER}
    # OpenLineage's own client adds facets that say that it made them.
    others = set(producers_within(events)) - {PRODUCER}
    assert all("OpenLineage/tree" in producer for producer in others)


def producers_within(value: Any) -> Iterator[str]:
    """Every `_producer` in some JSON."""
    if isinstance(value, dict):
        if "_producer" in value:
            yield value["_producer"]
        for each in value.values():
            yield from producers_within(each)
    elif isinstance(value, list):
        for each in value:
            yield from producers_within(each)


def test_the_pipelines_token_administers_nothing(told: Told) -> None:
    tokens = told.client.get("/api/v1/tokens")["tokens"]
    (token,) = [token for token in tokens if token["account"] == "demo-pipeline"]
    assert token["roles"] == ["pipeline"]


def test_one_example_leads_to_its_line_and_to_the_model(told: Told) -> None:
    example = told.story.example
    (source,) = example.backward["sources"]
    assert [step["role"] for step in example.backward["steps"]] == ["kept", "kept", "transformed"]
    assert example.backward["unknown"] == []
    row = pq.read_table(on_disk(source["file"]["uri"])).slice(source["file"]["row"], 1).to_pylist()
    assert row[0]["example_id"] == source["example_id"]
    assert row[0]["source_uri"] == source["source_uri"]
    first = source["example_id"].rpartition("#")[2]
    assert example.code.first == int(first)
    name = source["example_id"].rpartition("#")[0].rpartition(".")[2]
    assert any(f"def {name}(" in line for line in example.code.lines)
    assert [model["state"] for model in example.forward["models"]] == ["saw"]
    assert {each["dataset"] for each in example.forward["batches"]} == {
        f"docstrings/{name}" for name in ("raw", "clean", "unique", "train")
    }


def test_every_drawn_example_is_the_row_it_is_said_to_be(told: Told) -> None:
    assert len(told.story.sample["examples"]) == 5
    for item in told.story.sample["examples"]:
        assert item["reread"] == "identical"
        (batch,) = told.batches("docstrings/train")
        train = pq.read_table(on_disk(batch["files"][0]["uri"]))
        row = train.slice(item["trace"]["example"]["ordinal"], 1).to_pylist()[0]
        assert [source["example_id"] for source in item["trace"]["sources"]] == [row["example_id"]]


def test_a_withdrawal_takes_out_exactly_that_contributors_examples(told: Told) -> None:
    trainable = told.story.trainable
    (batch,) = told.batches("docstrings/train")
    people = pq.read_table(on_disk(batch["files"][0]["uri"]))["contributor"].to_pylist()
    assert trainable.before.positions.tolist() == list(range(len(people)))
    left = [row for row, who in enumerate(people) if who != trainable.contributor.email]
    assert len(left) < len(people)
    assert trainable.after.positions.tolist() == left
    assert trainable.after.withheld == {"consent": len(people) - len(left)}


def test_one_contributor_is_erased_and_their_rows_are_all_that_is(told: Told) -> None:
    erased = told.story.erased
    (batch,) = told.batches("docstrings/train")
    people = pq.read_table(on_disk(batch["files"][0]["uri"]))["contributor"].to_pylist()
    theirs = [row for row, who in enumerate(people) if who == erased.contributor.email]
    named = told.named(batch["number"])
    # What says the same, word for word, and is long enough is erased with them.
    assert set(theirs) <= set(named)
    assert erased.before > 0
    assert erased.after == 0
    manifest = ask_manifest(told.client, TRAIN, PURPOSE, with_ids=False)
    assert manifest.allowed == len(people) - len(named)


def test_exactly_what_is_erased_has_left_the_files(told: Told) -> None:
    erased = told.story.erased
    assert erased.rows_before > erased.rows_after == 0
    gone = 0
    for name in EXAMPLES:
        for batch in told.batches(f"docstrings/{name}"):
            (file,) = batch["files"]
            before = pq.read_table(on_disk(file["uri"]))
            named = set(told.named(batch["number"]))
            left = [row for row in range(before.num_rows) if row not in named]
            assert pq.read_table(now_on_disk(file["uri"])).equals(
                before.take(left), check_metadata=True
            )
            gone += len(named)
    assert gone == erased.plan["erase"]["examples"]


def test_the_certificate_says_that_all_of_it_is_done(told: Told) -> None:
    erased = told.story.erased
    keys = (told.story.home / "public-keys.txt").read_text("utf-8")
    certificate = verify(erased.certificate.read_bytes(), read_keys(keys))
    assert certificate.facts.outcome is Outcome.FULFILLED
    targets = {target.name: target for target in certificate.facts.targets}
    assert {target.state for target in targets.values()} == {TargetState.VERIFIED}
    files = [target for target in targets.values() if target.kind is TargetKind.FILE]
    assert sum(target.verified or 0 for target in files) == targets["ledger"].verified
    (model,) = certificate.facts.models
    assert model.disposition is not None


def test_the_cards_of_data_and_model_are_in_the_folder(told: Told) -> None:
    cards = told.story.cards
    assert cards.folder == told.story.home / "cards"
    assert sorted(cards.folder.iterdir()) == sorted(cards.files)
    for what, name in (("dataset", "docstrings/train"), ("model", "models/module-classifier")):
        for kind in Kind:
            card = json.loads((cards.folder / f"{what}-{kind}.json").read_text("utf-8"))
            assert (card["kind"], card["about"]["kind"]) == (kind, what)
            assert card["about"]["name"] == name
            page = (cards.folder / f"{what}-{kind}.html").read_text("utf-8")
            assert name in page
    counted = {(each.what, each.kind): each for each in cards.counts}
    assert len(counted) == 2 * len(Kind)
    for each in cards.counts:
        card = json.loads((cards.folder / f"{each.what}-{each.kind}.json").read_text("utf-8"))
        assert (len(card["gaps"]), card["counts"]["answered"]) == (each.gaps, each.answered)
        assert 0 < each.answered < each.asked


def test_the_bundles_of_the_demo_verify_and_its_croissant_files_are_valid(told: Told) -> None:
    keys = read_keys((told.story.home / "public-keys.txt").read_text("utf-8"))
    endings = {path.name.partition(".")[2] for path in told.story.cards.files}
    assert endings == {"html", "md", "pdf", "json", "croissant.json", "huggingface.md", "zip"}
    for path in told.story.cards.files:
        if path.suffix == ".zip":
            assert verify_file(path.read_bytes(), keys)["what"] == "bundle"
        elif path.name.endswith(".croissant.json"):
            require_valid(json.loads(path.read_text("utf-8")))


def test_a_line_that_is_not_there_is_refused(told: Told) -> None:
    with pytest.raises(ConflictError, match=r"abc\.py has no line 99999"):
        read_lines(installed_library(), "https://example.org/blob/v3/Lib/abc.py#L99999-L99999")


def test_a_contributor_is_located(told: Told) -> None:
    (batch,) = [batch for batch in told.batches("docstrings/raw") if batch["name"] == "json"]
    people = pq.read_table(on_disk(batch["files"][0]["uri"]))["contributor"].to_pylist()
    subject = {"subject": {"scheme": "email", "value": people[0]}}
    found = told.client.post("/api/v1/subjects/locate", subject)
    counts = {each["batch_name"]: each["count"] for each in found["by_dataset"]}
    assert counts["json"] == people.count(people[0])
    assert {each["searched"] for each in found["coverage"]} == {"keyed"}


def test_a_disabled_client_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    with pytest.raises(SetupError, match="OPENLINEAGE_DISABLED"):
        tell(tmp_path / "home", Heard(tmp_path / "home"), only=MODULES[:1])
    assert not (tmp_path / "home").exists()


def test_it_is_printed_for_a_person(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    command._show(told.story, 1.0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "model file://demo models/module-classifier"
    tree = [line.lstrip("│├└─ ") for line in lines]
    raw = next(line for line in tree if line.startswith("dataset file://demo docstrings/raw"))
    assert raw.endswith(" examples")
    assert " 5 batches, " in raw
    assert "dataset https://github.com/python/cpython Lib" in tree
    assert any("/Lib/logging" in line for line in lines)
    assert sum(line.startswith("kept by demo split") for line in tree) == 6
    assert lines.count("  file row read again: identical") == 5
    assert any("def " in line for line in lines)


@pytest.mark.parametrize(
    "arguments", [each for each in command.NEXT if each != ("serve",)], ids=str
)
def test_what_to_try_next_works(
    told: Told,
    arguments: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("REGISTRY_HOME", str(told.story.home))
    monkeypatch.setenv("REGISTRY_FILE_ROOTS", str(told.story.home / DATA))
    app([*arguments, "--json"], standalone_mode=False)
    answer = json.loads(capsys.readouterr().out)
    assert answer
    if arguments[:2] == ("version", "verify"):
        # Rows left its file, and the file is what the erasure made of it.
        assert answer["verdict"] == "identical"


def test_the_command_reads_the_whole_library(tmp_path: Path) -> None:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("REGISTRY_")}
    done = subprocess.run(
        [sys.executable, "-m", "registry", "demo", "--home", "home", "--json"],
        cwd=tmp_path,
        env=kept | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    answer = json.loads(done.stdout)
    assert [step["step"] for step in answer["steps"]] == STEPS
    assert answer["files"] > 100
    assert {node["id"] for node in answer["lineage"]["graph"]} >= {
        MODEL_NODE,
        "dataset:file://demo:docstrings/raw",
    }


def test_the_event_that_made_the_model_is_in_the_audit_log(told: Told) -> None:
    proof = told.story.proof
    at = {"start": proof.index, "end": proof.index}
    entry = told.client.get("/api/v1/audit/entries", at)["entries"][0]
    assert entry["payload"]["event"] == proof.event
