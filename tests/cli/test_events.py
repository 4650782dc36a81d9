"""Events come in from a file, whole or resumed, and quarantined ones are decided on."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from registry.errors import UnavailableError
from tests.cli.conftest import Run


def event(number: int, *, namespace: str = "etl", output: str = "s3://lake") -> dict[str, Any]:
    return {
        "eventType": "COMPLETE",
        "eventTime": f"2026-02-01T00:{number // 60:02}:{number % 60:02}Z",
        "producer": "https://example.org/test",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": f"0197a0e2-0000-7000-8000-{number:012}"},
        "job": {"namespace": namespace, "name": f"job-{number}"},
        "outputs": [{"namespace": output, "name": f"data-{number}"}],
    }


def write(path: Path, *events: object) -> Path:
    lines = (each if isinstance(each, str) else json.dumps(each) for each in events)
    text = "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["events.ndjson", "events.ndjson.gz"])
def test_events_are_taken_and_the_same_again_are_the_same(
    run: Run, environment: Path, name: str
) -> None:
    path = write(environment / name, *(event(n) for n in range(3)))
    first = run("events", "import", str(path))
    assert (first.code, first.out) == (0, "3 events taken, 0 rejected.\n")
    again = run("events", "import", str(path), "--json")
    assert (again.code, again.json["taken"]) == (0, 3)
    assert run("db", "rebuild", "--json").json == {"events": 3}
    assert list(environment.glob("*.import-state*")) == []


def test_a_rejected_line_is_told_and_does_not_stop_the_rest(run: Run, environment: Path) -> None:
    path = write(environment / "events.ndjson", event(1), "{bad", '{"eventTime": 5}', event(2))
    answer = run("events", "import", str(path))
    assert (answer.code, answer.out) == (1, "2 events taken, 2 rejected.\n")
    assert "Number 2: " in answer.err
    assert "Number 3: " in answer.err
    rejections = run("events", "import", str(path), "--json").json["rejections"]
    assert [each["number"] for each in rejections] == [2, 3]
    assert all(each["reason"] and each["code"] for each in rejections)


@pytest.mark.parametrize("wrap", ["{}", "[{}]", "{}\n{}"])
def test_a_pretty_printed_file_is_taken_whole(run: Run, environment: Path, wrap: str) -> None:
    one, other = (json.dumps(event(number), indent=2) for number in (1, 2))
    path = environment / "events.json"
    path.write_text(wrap.replace("{}", "one", 1).replace("{}", other).replace("one", one, 1))
    answer = run("events", "import", str(path))
    taken = "2 events" if "\n" in wrap else "1 event"
    assert (answer.code, answer.out) == (0, f"{taken} taken, 0 rejected.\n")


def test_of_many_rejected_lines_the_first_are_told_and_the_rest_counted(
    run: Run, environment: Path
) -> None:
    path = write(environment / "events.ndjson", *["{bad"] * 50, event(1))
    answer = run("events", "import", str(path))
    assert (answer.code, answer.out) == (1, "1 event taken, 50 rejected.\n")
    assert answer.err.count("Number ") == 20
    assert "30 more were rejected" in answer.err


def test_an_import_goes_on_where_it_stopped(
    run: Run, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import registry.cli.event_import as module

    path = write(environment / "events.ndjson", *(event(n) for n in range(10)), "{bad")
    monkeypatch.setattr(module, "CHUNK_EVENTS", 4)
    post, calls = module._post, []

    def away_at_the_third(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise UnavailableError("Gone.", remedy="Wait.")
        return post(*arguments)

    monkeypatch.setattr(module, "_post", away_at_the_third)
    monkeypatch.setattr(module, "PAUSES_SECONDS", ())
    stopped = run("events", "import", str(path))
    assert (stopped.code, stopped.out) == (1, "")
    assert "Error: Gone." in stopped.err
    resumed = run("events", "import", str(path), "--json")
    assert "Going on after number 8 (8 were taken before)." in resumed.err
    assert resumed.code == 1
    assert resumed.json | {"rejections": []} == {
        "taken": 10,
        "quarantined": 0,
        "rejected": 1,
        "skipped": 8,
        "rejections": [],
    }
    assert run("db", "rebuild", "--json").json == {"events": 10}


def test_an_event_outside_its_project_waits_for_a_decision(
    run: Run, environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("project", "create", "speech")
    run("project", "claim", "add", "speech", "s3://speech")
    run("project", "create", "vision")
    sender = run("token", "create", "etl", "--role", "pipeline", "--project", "vision").out.strip()
    path = write(environment / "events.ndjson", *(event(n, output="s3://speech") for n in (1, 2)))
    with monkeypatch.context() as as_sender:
        as_sender.setenv("REGISTRY_TOKEN", sender)
        answer = run("events", "import", str(path))
    assert (answer.code, answer.out) == (0, "2 events taken, 0 rejected.\n")
    assert "2 wait: registry events quarantine list" in answer.err
    listed = run("events", "quarantine", "list", "--json").json
    assert (listed["totalCount"], len(listed["events"])) == (2, 2)
    first, second = (each["event"] for each in listed["events"])
    assert {each["reason"] for each in listed["events"]} == {"outside_project"}
    table = run("events", "quarantine", "list").out.splitlines()
    assert table[1].split()[:1] == [first]
    assert run("events", "quarantine", "list", "--limit", "1").err == (
        "1 of 2; more with --limit.\n"
    )
    assert run("events", "quarantine", "release", first, "--json").json["state"] == "projected"
    rejected = run("events", "quarantine", "reject", second)
    assert (rejected.code, rejected.out.split()[-1]) == (0, "rejected")
    assert run("events", "quarantine", "list", "--json").json == {"events": [], "totalCount": 0}
    assert run("events", "quarantine", "list").err == "No event is in quarantine.\n"
    again = run("events", "quarantine", "release", second)
    assert again.code == 1
