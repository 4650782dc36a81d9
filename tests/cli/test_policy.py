"""`registry decide`, `manifest`, `vet`, `policy …`, `retention due`, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from tests.cli.conftest import Run
from tests.ledger.pipelines import facet

NAME = "s3://lake raw"
EVENT = {
    "eventType": "COMPLETE",
    "eventTime": "2026-02-01T00:00:00Z",
    "producer": "https://example.org/tests",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    "run": {"runId": "0197a0e2-0000-7000-8000-000000000001"},
    "job": {"namespace": "tests", "name": "collect"},
    "outputs": [
        {
            "namespace": "s3://lake",
            "name": "raw",
            "outputFacets": {
                "registry_batch": facet(
                    "registry_batch",
                    batch="b1",
                    license="MIT",
                    origin={"kind": "first_party"},
                    exampleCount=3,
                )
            },
        }
    ],
}


def collected(run: Run, folder: Path) -> None:
    (folder / "events.ndjson").write_text(json.dumps(EVENT) + "\n")
    assert run("events", "import", "events.ndjson").code == 0
    assert run("worker", "--until-idle").code == 0


def test_a_version_is_asked_about(run: Run, environment: Path) -> None:
    collected(run, environment)
    answer = run("decide", NAME, "--purpose", "fine_tuning", "--json")
    assert (answer.code, answer.json["decision"]) == (0, "allow")
    refused = run("decide", NAME, "--region", "atlantis-1")
    assert refused.code == 1
    assert "Cannot tell" in refused.out
    assert "nobody defined the region" in refused.out
    explained = run("policy", "explain", NAME, "--as-of", "2026-02-02")
    assert explained.code == 0
    assert "MIT" in explained.out


def test_a_manifest_is_counted_and_written(run: Run, environment: Path) -> None:
    collected(run, environment)
    answer = run("manifest", NAME, "--output", "trainable.arrow", "--json")
    assert answer.code == 0
    assert answer.json["allowed"] == 3
    rows = pa.ipc.open_stream((environment / "trainable.arrow").read_bytes()).read_all()
    assert rows.column("ordinal").to_pylist() == [0, 1, 2]
    shown = run("manifest", NAME)
    assert "3 examples" in shown.out


def test_vetting_and_retention_say_what_is_there(run: Run, environment: Path) -> None:
    collected(run, environment)
    vetted = run("vet", NAME)
    assert vetted.code == 1
    assert "cannot tell" in vetted.out
    assert run("retention", "due").code == 0
    assert run("retention", "due", "--json").json["due"] == []


def test_policies_are_tried(bare_run: Run, environment: Path) -> None:
    answer = bare_run("policy", "test", "--json")
    assert (answer.code, answer.json["wrong"]) == (0, [])
    assert answer.json["cases"] > 50
    own = environment / "own"
    own.mkdir()
    (own / "use.yaml").write_text("bases: {consent: {law: none of it}}\n")
    wrong = bare_run("policy", "test", "own")
    assert wrong.code == 1
    assert "is allow, not deny" in wrong.out
    (own / "use.yaml").write_text("bases: [\n")
    broken = bare_run("policy", "test", "own")
    assert broken.code == 1
    assert "use.yaml, line" in broken.err
    (own / "use.yaml").unlink()
    (own / "cards").mkdir()
    (own / "cards" / "dataset.yaml").write_text("title: Ours\n")
    asked = bare_run("policy", "test", "own")
    assert asked.code == 1
    assert "dataset.yaml, line 1: Object missing required field `intro`" in asked.err


def test_violations_are_written_as_a_feed(run: Run) -> None:
    feed = run("violations", "feed", "--state", "open", "--json")
    assert (feed.code, feed.json["items"]) == (0, [])
    assert feed.json["feed_url"].endswith("/violations/feed?state=open&limit=100")
    atom = run("violations", "feed", "--atom")
    assert atom.code == 0
    assert atom.out.startswith("<?xml")
    assert run("violations", "feed", "--atom", "--json").code == 2


def test_restrictions_and_suppressions_are_listed_placed_and_lifted(
    run: Run, environment: Path
) -> None:
    collected(run, environment)
    place = ("restrictions", "place", "--reason", "contested")
    assert run(*place).code == 2
    assert run(*place, "--dataset", NAME).code == 2
    of_batch = (*place, "--dataset", NAME, "--batch", "b1", "--ordinal", "0", "--ordinal", "2")
    made = run(*of_batch, "--subject", "email=ada@example.org", "--json")
    assert made.code == 0
    person, examples = made.json["restrictions"]
    assert (person["kind"], examples["examples"]) == ("subject", 2)
    assert run("decide", NAME, "--json").json["decision"] == "deny"
    shown = run("restrictions", "list", "--in-force")
    assert "s3://lake raw batch 1, 2 examples" in shown.out
    assert "ada" not in shown.out
    lifted = run("restrictions", "lift", examples["id"], "--reason", "corrected")
    assert (lifted.code, "corrected" in lifted.out) == (0, True)
    assert run("restrictions", "lift", examples["id"], "--reason", "again").code == 1
    assert len(run("restrictions", "list", "--ended", "--json").json["restrictions"]) == 1
    assert run("suppressions", "list", "--json").json["suppressions"] == []
    assert run("suppressions", "lift", examples["id"], "--reason", "consent").code == 1
