"""What a person sees of the catalog: lists, details, and lineage as a tree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run

LAKE, MODELS, WEB = "s3://lake", "mlflow://models", "https://docs.example.org"
Data = tuple[str, str]


class Story:
    """A small pipeline, as events: collect twice → clean → train, then a failed evaluation."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def run(
        self, job: str, inputs: list[Data], outputs: list[Data], *, state: str = "COMPLETE"
    ) -> str:
        number = len(self.events) // 2
        run = f"0197a0e2-0000-7000-8000-{number:012}"
        common = {
            "producer": "https://example.org/test",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": run},
            "job": {"namespace": "etl", "name": job},
        }
        hour = f"2026-02-01T{number:02}"
        self.events.append({**common, "eventType": "START", "eventTime": f"{hour}:00:00Z"})
        self.events.append(
            {
                **common,
                "eventType": state,
                "eventTime": f"{hour}:10:30Z",
                "inputs": [{"namespace": ns, "name": name} for ns, name in inputs],
                "outputs": [self._output(ns, name, number) for ns, name in outputs],
            }
        )
        return run

    def _output(self, namespace: str, name: str, number: int) -> dict[str, Any]:
        facet = {"_producer": "https://example.org/test", "_schemaURL": "https://example.org/s"}
        facets: dict[str, Any] = {}
        if namespace == MODELS:
            facets["datasetType"] = {**facet, "datasetType": "MODEL"}
        if name.startswith("raw/"):
            facets["registry_batch"] = {
                **facet,
                "batch": f"part-{number}",
                "license": "CC-BY-4.0",
                "exampleCount": 1000 + number,
                "origin": {"kind": "crawled", "uri": WEB},
                "files": [{"uri": f"s3://lake/raw/{number}.parquet", "rows": 1000 + number}],
            }
            facets["schema"] = {**facet, "fields": [{"name": "text", "type": "string"}]}
        if name.startswith("clean/"):
            link = {"namespace": "hive://metastore", "name": "clean_docs", "type": "TABLE"}
            facets["symlinks"] = {**facet, "identifiers": [link]}
        return {"namespace": namespace, "name": name, "facets": facets}


@pytest.fixture
def told(run: Run, environment: Path) -> Run:
    """`run`, on a registry that was told the story."""
    story = Story()
    story.run("collect", [(WEB, "page 1")], [(LAKE, "raw/docs")])
    story.run("collect", [(WEB, "page 2")], [(LAKE, "raw/docs")])
    story.run("clean", [(LAKE, "raw/docs")], [(LAKE, "clean/docs")])
    story.run("train", [(LAKE, "clean/docs")], [(MODELS, "docs-model")])
    story.run("evaluate", [(MODELS, "docs-model")], [(LAKE, "report")], state="FAIL")
    path = environment / "events.ndjson"
    path.write_text("\n".join(json.dumps(event) for event in story.events))
    assert run("events", "import", str(path)).code == 0
    return run


def column(text: str, heading: str) -> list[str]:
    """The cells under a heading of a table without a terminal."""
    head, *lines = text.splitlines()
    start = head.index(heading)
    return [line[start:].split("  ")[0].strip() for line in lines]


def test_namespaces_are_listed_and_shown(told: Run) -> None:
    listed = column(told("namespaces", "list").out, "NAMESPACE")
    assert {LAKE, MODELS, WEB, "etl"} <= set(listed)
    shown = told("namespaces", "show", LAKE)
    assert shown.out.splitlines()[0] == f"Namespace  {LAKE}"


def test_datasets_are_listed_over_all_namespaces_or_one(told: Run) -> None:
    everywhere = told("datasets", "list")
    assert {"raw/docs", "clean/docs", "docs-model", "page 1", "report"} <= set(
        column(everywhere.out, "NAME ")
    )
    lake = told("datasets", "list", LAKE)
    assert column(lake.out, "NAME ") == ["clean/docs", "raw/docs", "report"]
    assert [line.split()[3] for line in lake.out.splitlines()] == ["VERSION", "1", "2", "–"]
    assert column(told("datasets", "list", MODELS).out, "KIND") == ["model"]
    short = told("datasets", "list", LAKE, "--limit", "2")
    assert (len(short.out.splitlines()), short.err) == (3, "2 of 3; more with --limit.\n")
    whole = told("datasets", "list", "--json").json
    assert whole["totalCount"] == len(whole["datasets"])


def test_a_dataset_shows_its_fields_and_versions(told: Run) -> None:
    shown = told("datasets", "show", f"{LAKE} raw/docs").out
    assert shown.startswith(f"Dataset  {LAKE} raw/docs\n")
    _, fields, versions = shown.split("\n\n")
    assert fields.split() == ["FIELD", "TYPE", "DESCRIPTION", "text", "string", "–"]
    assert [line.split()[0] for line in versions.splitlines()] == ["VERSION", "2", "1"]
    assert column(versions, "BY JOB") == ["etl collect", "etl collect"]
    assert told("datasets", "show", f"{LAKE} raw/docs", "--json").json["currentVersionNumber"] == 2


def test_a_dataset_answers_to_its_other_name(told: Run) -> None:
    shown = told("datasets", "show", "hive://metastore clean_docs").out
    assert f"Dataset     {LAKE} clean/docs\n" in shown
    assert "Also named  hive://metastore clean_docs\n" in shown


def test_a_version_shows_how_it_came_about_and_its_batches(told: Run) -> None:
    answer = told("version", "show", f"{LAKE} raw/docs", "--version", "2").out
    facts, read, batches = answer.split("\n\n")
    shown = dict(line.split("  ", 1) for line in facts.splitlines())
    assert {name: value.strip() for name, value in shown.items()} | {"Known since": ""} == {
        "Dataset": f"{LAKE} raw/docs",
        "Version": "2",
        "Mode": "append",
        "Base": "1",
        "Completed": "2026-02-01 01:10",
        "Known since": "",
        "By job": "etl collect",
        "Run": "0197a0e2-0000-7000-8000-000000000001",
        "Batches": "2",
    }
    assert column(read, "READ") == [f"{WEB} page 2"]
    assert column(read, "VERSION") == ["not known"]
    assert column(batches, "NAME") == ["part-0", "part-1"]
    assert column(batches, "LICENCE") == ["CC-BY-4.0", "CC-BY-4.0"]
    assert [line.split()[2] for line in batches.splitlines()[1:]] == ["1,000", "1,001"]
    shown = told("version", "show", f"{LAKE} raw/docs", "--version", "2", "--json").json
    assert (shown["number"], shown["batchCount"], shown["recipe"]["job"]) == (2, 2, "collect")


def test_jobs_are_listed_and_shown(told: Run) -> None:
    for listed in (told("jobs", "list").out, told("jobs", "list", "etl").out):
        assert column(listed, "NAME ") == ["clean", "collect", "evaluate", "train"]
        assert column(listed, "LATEST RUN") == ["COMPLETED", "COMPLETED", "FAILED", "COMPLETED"]
    facts, ends = told("jobs", "show", "etl clean").out.split("\n\n")
    assert "State       COMPLETED" in facts
    assert [line.split() for line in ends.splitlines()[1:]] == [
        ["reads", LAKE, "raw/docs"],
        ["writes", LAKE, "clean/docs"],
    ]


def test_runs_are_listed_and_shown(told: Run) -> None:
    listed = told("runs", "list", "etl collect").out
    runs = column(listed, "RUN")
    assert [run[-1] for run in runs] == ["1", "0"]
    assert column(listed, "TOOK") == ["10 min 30 s", "10 min 30 s"]
    train = told("runs", "list", "etl train", "--json").json["runs"][0]["id"]
    facts, ends = told("runs", "show", train).out.split("\n\n")
    assert "Job      etl train" in facts
    assert [line.split() for line in ends.splitlines()[1:]] == [
        ["read", LAKE, "clean/docs", "1"],
        ["wrote", MODELS, "docs-model", "1"],
    ]


UPSTREAM = """\
model mlflow://models docs-model
└── came from
    └── job etl train  completed 2026-02-01 03:10
        └── dataset s3://lake clean/docs
            └── job etl clean  completed 2026-02-01 02:10
                └── dataset s3://lake raw/docs
                    └── job etl collect  completed 2026-02-01 01:10
                        └── dataset https://docs.example.org page 2
"""
BOTH = """\
dataset s3://lake clean/docs
├── came from
│   └── job etl clean  completed 2026-02-01 02:10
│       └── dataset s3://lake raw/docs
│           └── job etl collect  completed 2026-02-01 01:10
│               └── dataset https://docs.example.org page 2
└── became
    └── job etl train  completed 2026-02-01 03:10
        └── model mlflow://models docs-model
            └── job etl evaluate  failed 2026-02-01 04:10
                └── dataset s3://lake report
"""


def test_lineage_is_a_tree(told: Run) -> None:
    assert told("lineage", f"{MODELS} docs-model", "--upstream").out == UPSTREAM
    assert told("lineage", f"dataset:{MODELS}:docs-model", "--upstream").out == UPSTREAM
    assert told("lineage", f"{LAKE} clean/docs").out == BOTH


@pytest.mark.parametrize("name", ["hive://metastore clean_docs"])
def test_lineage_of_another_name_begins_at_the_dataset(told: Run, name: str) -> None:
    assert told("lineage", name).out == BOTH


def test_lineage_of_a_job_and_of_its_run_begin_at_the_job(told: Run) -> None:
    for node in ("job:etl:clean", "run:0197a0e2-0000-7000-8000-000000000002"):
        answer = told("lineage", node, "--upstream", "--depth", "1")
        assert answer.out.startswith("job etl clean  completed 2026-02-01 02:10\n└── came from\n")


def test_a_lineage_that_goes_on_says_so(told: Run) -> None:
    answer = told("lineage", f"{MODELS} docs-model", "--upstream", "--depth", "1")
    assert answer.out.count("job ") == 1
    assert answer.err == "The lineage goes on beyond depth 1; see --depth.\n"


def test_a_source_came_from_nothing_and_an_end_became_nothing(told: Run) -> None:
    assert "came from nothing that we know" in told("lineage", f"{WEB} page 2").out
    assert "became nothing that we know" in told("lineage", f"{LAKE} report").out


@pytest.mark.parametrize(
    "arguments",
    [
        ("namespaces", "show", "nowhere"),
        ("datasets", "list", "nowhere"),
        ("datasets", "show", f"{LAKE} nothing"),
        ("version", "show", f"{LAKE} raw/docs", "--version", "99"),
        ("jobs", "list", "nowhere"),
        ("jobs", "show", "etl nothing"),
        ("runs", "list", "etl nothing"),
        ("runs", "show", "0197a0e2-0000-7000-8000-999999999999"),
        ("runs", "show", "no uuid"),
        ("lineage", f"{LAKE} nothing"),
        ("lineage", "job:etl:nothing"),
        ("lineage", "run:0197a0e2-0000-7000-8000-999999999999"),
    ],
)
def test_what_is_not_there_is_an_error_with_a_remedy(told: Run, arguments: tuple[str, ...]) -> None:
    answer = told(*arguments)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("Error: ")
    assert "\nRemedy: " in answer.err
