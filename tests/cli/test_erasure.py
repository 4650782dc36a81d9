"""`registry erasure …` as a data owner types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.settings import Settings
from tests.cli.conftest import Run

PERSON = "email=person-1@example.org"
FILE = """\
\ufeffreference,email,phone,right,received_at,purposes
T-1,person-1@example.org,,,2026-03-01T08:00:00Z,
T-2,person-2@example.org,+49 30 123456,objection,,"research, evaluation"
T-3,,,,,
T-4,not an address,,,,
T-5,person-5@example.org,,,2026-03-01T08:00:00,
,person-6@example.org,,,,

T-7,person-7@example.org
T-8,person-8@example.org,,oblivion,,
"""


def test_a_request_is_filed_shown_and_ended(run: Run, environment: Path) -> None:
    filed = run("erasure", "request", PERSON, "--reference", "T-1", "--json").json
    assert filed["state"] == "awaiting_identity"
    again = run("erasure", "request", PERSON, "--reference", "T-1")
    assert again.code == 0
    assert filed["id"] in again.out
    assert "Because" in again.out
    verified = run("erasure", "verify", filed["id"], "--method", "called back", "--json").json
    assert verified["state"] == "received"
    assert run("erasure", "ask", filed["id"], "--question", "Since when?").code == 0
    assert run("erasure", "ask", filed["id"], "--answer", "Since May.").code == 0
    assert run("erasure", "ask", filed["id"]).code == 2
    extended = run("erasure", "extend", filed["id"], "--reasons", "forty copies")
    assert "extended" in extended.out
    shown = run("erasure", "show", filed["id"])
    assert "request.filed" in shown.out
    assert "person-1" not in shown.out
    assert "1" in run("erasure", "status").out
    assert run("erasure", "status", "--json").json["requests"]["received"] == 1
    assert filed["id"] in run("erasure", "list", "--state", "received").out
    assert run("erasure", "list", "--overdue", "--json").json == {"requests": [], "totalCount": 0}
    texts = run("erasure", "letters", filed["id"])
    assert "forty copies" in texts.out
    early = run("erasure", "shred", filed["id"])
    assert early.code == 1
    assert "its identifiers are needed" in early.err
    assert run("erasure", "cancel", filed["id"], "--reasons", "withdrawn").code == 0
    assert "was destroyed at" in run("erasure", "shred", filed["id"]).out
    gone = run("erasure", "letters", filed["id"])
    assert (gone.code, "was destroyed at" in gone.err) == (1, True)


def test_what_is_left_to_do_is_shown_with_the_id_by_which_it_is_recorded(
    run: Run, environment: Path
) -> None:
    filed = run("erasure", "request", PERSON, "--right", "access", "--identity", "authenticated")
    assert filed.code == 0, filed.err
    (case,) = run("erasure", "list", "--json").json["requests"]
    (task,) = run("erasure", "show", case["id"], "--json").json["tasks"]
    shown = run("erasure", "show", case["id"]).out
    assert task["id"] in shown
    assert task["detail"] in shown
    done = ("--state", "verified", "--evidence", "ticket 12")
    assert run("erasure", "task", "record", case["id"], task["id"], *done).code == 0
    after = run("erasure", "show", case["id"]).out
    assert task["target"] in after
    assert task["id"] not in after


def test_who_filed_decides_nothing_and_is_told_so(run: Run, environment: Path) -> None:
    filed = run("erasure", "request", PERSON, "--identity", "authenticated", "--json").json
    plan = "sha256:" + "0" * 64
    alone = run("erasure", "approve", filed["id"], "--plan", plan)
    assert alone.code == 1
    assert "nobody decides on what they filed" in alone.err
    several = run("erasure", "approve", f"{filed['id']}={plan}", "--json")
    assert several.code == 1
    assert several.json["approvals"][0]["code"] == "forbidden"
    told = run("erasure", "approve", f"{filed['id']}={plan}")
    assert "0 plans approved, 1 refused." in told.out
    assert run("erasure", "approve", filed["id"]).code == 2
    reasons = ("--justification", "ProcessExcessive", "--reasons", "again")
    assert run("erasure", "deny", filed["id"], *reasons).code == 1


def test_a_case_goes_from_its_plan_to_its_certificate_without_a_server(
    run: Run, environment: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = run("erasure", "request", PERSON, "--identity", "authenticated", "--json").json["id"]
    early = run("erasure", "execute", case)
    assert (early.code, "Remedy" in early.err) == (1, True), early.err
    plan = run("erasure", "plan", case, "--json").json["plan"]
    other = run("token", "create", "other", "--role", "approver", "--json").json["token"]
    with monkeypatch.context() as as_other:
        as_other.setenv("REGISTRY_TOKEN", other)
        assert run("erasure", "approve", case, "--plan", plan).code == 0
    told = run("erasure", "execute", case).err
    assert ("registry worker --until-idle" in told) is settings.embedded
    assert run("worker", "--until-idle").code == 0
    assert run("erasure", "show", case, "--json").json["state"] == "fulfilled"
    assert run("erasure", "certificate", case, "--output", "certificate.json").code == 0
    keys = run("keys", "export-public", "--output", "keys.txt")
    assert (keys.code, keys.out) == (0, "Wrote 1 public key to keys.txt.\n")
    verified = run("certificate", "verify", "certificate.json", "--key", "keys.txt")
    assert verified.code == 0


def test_a_file_is_taken_row_by_row_and_twice_is_once(run: Run, environment: Path) -> None:
    (environment / "requests.csv").write_text(FILE, "utf-8")
    options = ("--identity", "authenticated", "--channel", "letter", "--json")
    answer = run("erasure", "import", "requests.csv", *options)
    assert answer.code == 1
    found = answer.json
    assert [(each["line"], each["state"]) for each in found["requests"]] == [
        (2, "received"),
        (3, "received"),
    ]
    assert [(each["line"], each["field"]) for each in found["rejections"]] == [
        (4, "subjects"),
        (5, "subjects[0].value"),
        (6, "body.received_at"),
        (7, None),
        (9, None),
        (10, "body.right"),
    ]
    assert "not an address" not in answer.out
    again = run("erasure", "import", "requests.csv", *options).json
    assert again["requests"] == found["requests"]
    assert run("erasure", "list", "--json").json["totalCount"] == 2
    plain = run("erasure", "import", "requests.csv", *options[:-1])
    assert "2 requests taken, 6 rejected." in plain.out
    assert "Line 7: it has no reference" in plain.err


def test_a_header_that_a_request_has_not_is_refused(run: Run, environment: Path) -> None:
    for header, words in (
        ("reference,mail", "a column 'mail'"),
        ("email", "no column `reference`"),
        ("reference,email,email", "the column 'email' twice"),
        ("", "no column `reference`"),
    ):
        (environment / "wrong.csv").write_text(f"{header}\nT-1,a\n")
        answer = run("erasure", "import", "wrong.csv")
        assert (answer.code, words in answer.err) == (1, True), answer.err
    assert run("erasure", "import", "absent.csv").code == 1


def test_a_person_in_a_quoted_cell_over_lines_keeps_the_numbers(
    run: Run, environment: Path
) -> None:
    text = 'reference,scheme,value\n"T\n1",external,one\nT-2,fax,two\nT-3,external,three\n'
    (environment / "requests.csv").write_text(text)
    found = run("erasure", "import", "requests.csv", "--json").json
    assert [each["line"] for each in found["requests"]] == [2, 5]
    assert [each["line"] for each in found["rejections"]] == [4]
