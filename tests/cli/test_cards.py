"""`registry card …`: the documents of a version, from their gaps to a signed revision."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry.wire.facets import BATCH
from tests.cli.conftest import Run
from tests.lineage.making import run_event
from tests.rights.asking import facet

RAW = "s3://lake raw"


@pytest.fixture
def lake(run: Run, environment: Path) -> Path:
    """A home with a dataset."""
    batch = {BATCH: facet(BATCH, batch="all", license="CC0-1.0")}
    output = {"namespace": "s3://lake", "name": "raw", "outputFacets": batch}
    event = run_event(outputs=[output])
    Path("events.ndjson").write_text(json.dumps(event))
    assert run("events", "import", "events.ndjson").code == 0
    return environment


@pytest.mark.usefixtures("lake")
def test_a_card_goes_to_stdout_or_to_a_file(run: Run) -> None:
    shown = run("card", RAW)
    assert (shown.code, shown.out[:2]) == (0, "# "), shown.err
    assert run("card", "show", RAW, "--kind", "article-10").code == 0
    assert run("card", "--model", RAW, "--format", "croissant").out.startswith("{")
    assert run("card", RAW, "--json").json["kind"] == "dataset"
    written = run("card", RAW, "--format", "html", "--output", "card.html")
    assert (written.out, "card.html" in written.err) == ("", True)
    assert Path("card.html").read_text().lower().startswith("<!doctype html>")
    both = (RAW, "--gaps", "--publish")
    for wrong in ((RAW, "--format", "pdf"), (), ("raw",), (RAW, "--model", RAW), both):
        assert run("card", "show", *wrong).code == 2
    refused = run("card", RAW, "--kind", "birthday")
    assert (refused.code, "training-summary" in refused.err) == (1, True)
    assert run("card", RAW, "--version", "7").code == 1


@pytest.mark.usefixtures("lake")
def test_gaps_are_listed_and_can_fail_a_build(run: Run) -> None:
    shown = run("card", RAW, "--gaps", "--kind", "article-10")
    assert "registry statement add --kind intended_use" in shown.out
    assert "questions are answered" in shown.err
    assert run("card", RAW, "--gaps", "--json").json["gaps"]
    assert run("card", RAW, "--gaps", "--fail-on-gaps").code == 1
    assert run("card", RAW, "--fail-on-gaps", "--output", "card.md").code == 1
    assert Path("card.md").exists()


@pytest.mark.usefixtures("lake")
def test_a_card_from_its_publication_to_its_proof(run: Run) -> None:
    made = run("card", RAW, "--publish", "--json")
    assert made.code == 0, made.err
    card = made.json["id"]
    again = run("card", RAW, "--publish", "--format", "html", "--output", "card.html", "--json")
    assert again.json["id"] == card
    assert made.json["digest"] in Path("card.html").read_text()
    assert "the clock of no system has begun" in run("card", "revision", card).out
    assert run("statement", "add", RAW, "--kind", "citation", "--text", "So.").code == 0
    listed = run("card", "revisions", RAW)
    assert (card in listed.out, "yes" in listed.out) == (True, True)
    changed = run("card", "diff", card, "--against", "now")
    assert "From revision 1 to now: 1 fact changed." in changed.out
    assert run("card", "diff", card).code == 1
    assert run("card", "diff", card, "--against", "now", "--json").json["after"] is None
    assert run("card", "revision", card, "--format", "md").out.startswith("# ")
    assert run("card", "revision", card, "--signed", "--output", "card.json").code == 0
    assert run("card", RAW, "--format", "bundle", "--output", "card.zip").code == 0
    assert run("keys", "export-public", "--output", "keys.txt").code == 0
    for file in ("card.json", "card.zip"):
        verified = run("card", "verify", file, "--key", "keys.txt")
        assert (verified.code, "It verifies" in verified.out) == (0, True), verified.err
        assert run("card", "verify", file, "--key", "keys.txt", "--json").json["verified"]
        data = bytearray(Path(file).read_bytes())
        data[len(data) // 2] ^= 1
        Path(file).write_bytes(data)
        assert run("card", "verify", file, "--key", "keys.txt").code == 1


@pytest.mark.usefixtures("lake")
def test_a_signed_statement_verifies_offline(run: Run) -> None:
    made = run("statement", "add", RAW, "--kind", "citation", "--text", "So.", "--json").json
    assert run("statement", "show", made["id"], "--output", "said.json").code == 0
    assert run("keys", "export-public", "--output", "keys.txt").code == 0
    assert "So." in run("card", "verify", "said.json", "--key", "keys.txt").out
    Path("keys.txt").write_bytes(b"\xff")
    refused = run("card", "verify", "said.json", "--key", "keys.txt")
    assert (refused.code, "is not text" in refused.err) == (1, True)


@pytest.mark.usefixtures("lake")
def test_a_card_from_elsewhere_is_taken_in(run: Run) -> None:
    text = "---\nlicense: mit\n---\n# Raw\n\n## Bias, Risks, and Limitations\n\nFew children.\n"
    Path("README.md").write_text(text)
    taken = run("card", "import", "README.md", "--dataset", RAW)
    assert (taken.code, "Few children." in taken.out) == (0, True), taken.err
    assert "Kept as it is" in taken.err
    assert run("card", "import", "README.md", "--dataset", RAW, "--json").json["form"]
    assert run("card", "import", "nowhere.md", "--dataset", RAW).code == 1
