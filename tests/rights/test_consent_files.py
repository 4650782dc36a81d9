"""`registry consent import` reads three kinds of files and tells what was not taken by its line."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry.cli.consent_file import file_digest, read_chunks
from registry.errors import InvalidInputError
from tests.cli.conftest import Run, bare_run, environment, run

__all__ = ["bare_run", "environment", "run"]

CSV = """scheme,value,purpose,status,at,notice
email,ada@example.org,model_training,given,2026-01-01T00:00:00Z,"in two
lines"
email,no address,model_training,given,2026-01-01T00:00:00Z,

email,bob@example.org,model_training,given,2026-01-01T00:00:00Z
email,eve@example.org,research,withdrawn,2026-01-01T00:00:00Z,v3
"""
NDJSON = """\
{"subject": {"scheme": "email", "value": "ada@example.org"}, "purpose": "research", \
"status": "given", "at": "2026-01-01T00:00:00Z", "explicit": true}

nothing
{"scheme": "email", "value": "bob@example.org", "purpose": "research", "status": "given", \
"at": "2026-01-01T00:00:00Z", "shoe": 44}
{"scheme": "email", "value": "eve@example.org", "purpose": "walking", "status": "given", \
"at": "2026-01-01T00:00:00Z"}
"""


def test_a_csv_file_is_imported_and_what_is_wrong_is_told_by_line(
    run: Run, environment: Path
) -> None:
    (environment / "c.csv").write_text(CSV)
    answer = run("consent", "import", "c.csv", "--json")
    assert answer.code == 1
    assert (answer.json["accepted"], answer.json["rejected"]) == (2, 2)
    assert [each["number"] for each in answer.json["rejections"]] == [4, 6]
    assert "5 cells, and the header 6" in answer.json["rejections"][1]["reason"]
    again = run("consent", "import", "c.csv", "--json")
    assert (again.json["accepted"], again.json["skipped"]) == (2, 4)
    assert again.json["rejections"] == []


def test_an_ndjson_file_is_imported(run: Run, environment: Path) -> None:
    (environment / "c.ndjson").write_text(NDJSON)
    answer = run("consent", "import", "c.ndjson", "--json")
    assert (answer.json["accepted"], answer.json["rejected"]) == (1, 3)
    assert {each["number"]: each["field"] for each in answer.json["rejections"]} == {
        3: "subject",
        4: "subject",
        5: "purpose",
    }
    assert "shoe" in answer.json["rejections"][1]["reason"]


def test_a_parquet_file_is_imported(run: Run, environment: Path) -> None:
    people = [{"scheme": "external", "value": f"person {n}"} for n in range(5)]
    at = pa.array([1_767_225_600_000_000] * 5, pa.timestamp("us", "UTC"))
    table = pa.table(
        {
            "subject": people,
            "purpose": ["research"] * 5,
            "status": ["given"] * 4 + ["perhaps"],
            "at": at,
            "explicit": [True, False, None, True, True],
        }
    )
    pq.write_table(table, environment / "c.parquet")
    answer = run("consent", "import", "c.parquet", "--json")
    assert (answer.json["accepted"], answer.json["rejected"]) == (4, 1)
    assert answer.json["rejections"][0]["number"] == 5
    assert "person" not in answer.out.replace("'perhaps'", "")


def test_a_file_is_read_alike_in_chunks_of_any_size(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(CSV)
    for size in (1, 2, 3, 50):
        for skip in range(5):
            chunks = list(read_chunks(path, skip=skip, rows=size))
            numbers = [number for chunk in chunks for number in chunk.numbers]
            assert numbers == [2, 4, 6, 7][skip:]
            assert [chunk.first for chunk in chunks][:1] == ([skip] if skip < 4 else [])


@pytest.mark.parametrize(
    ("name", "content"),
    [("c.txt", ""), ("c.csv", "shoe\n44\n"), ("c.parquet", "no parquet")],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert len(file_digest(path)) == 71
    with pytest.raises(InvalidInputError):
        list(read_chunks(path, skip=0))


def test_holds_and_violations_are_asked_by_command(run: Run) -> None:
    ask = ("hold", "place", "--matter", "Case 7", "--owner", "legal", "--reason", "court")
    placed = run(*ask, "--ground", "17_3_e", "--subject", "email=ada@example.org", "--json")
    assert placed.json["state"] == "active"
    asked = run("hold", "lift", placed.json["id"], "--reason", "closed", "--json")
    assert asked.json["state"] == "lift_asked"
    refused = run("hold", "lift", placed.json["id"], "--approve")
    assert refused.code == 1
    assert "nobody decides on what they filed" in refused.err
    assert placed.json["id"] in run("hold", "list").out
    assert run(*ask, "--ground", "17_3_a", "--subject", "email=a@example.org").code == 1
    assert run("hold", "lift", placed.json["id"]).code == 2
    assert run("violations", "list", "--json").json == {"violations": [], "totalCount": 0}
    assert run("violations", "show", "0197a0e2-0000-7000-8000-000000000001").code == 1
