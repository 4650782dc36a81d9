"""Approved plans take rows out of files: exactly theirs, and nothing is said that was not seen."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry.actors.tables import Role
from registry.client.http import HttpClient
from registry.erasure.certificate.facts import Outcome, TargetKind, TargetState
from registry.erasure.connectors.opening import Connectors
from registry.erasure.connectors.protocol import (
    Connector,
    Erased,
    Found,
    Ordinals,
    Proof,
    Target,
    Watch,
)
from registry.erasure.connectors.trouble import Trouble
from registry.erasure.execution.carrying_out import ROUNDS, carry_out
from registry.erasure.execution.in_files import erase_in_files
from registry.errors import ConflictError, InvalidInputError
from registry.request import House
from registry.settings import Settings
from tests.clock import FrozenClock
from tests.conftest import TokenMaker
from tests.erasure.town import KEYED, RIGHTS, email, examples, held, lifted, tasks, text, told
from tests.erasure.working import (
    REQUESTS,
    approved,
    certificate_of,
    executed,
    filed,
    finished,
    plan,
    show,
)
from tests.ledger.erasures import work_off
from tests.ledger.pipelines import NAMESPACE, mapped, parquet, written
from tests.ledger.test_binding_faults import put
from tests.stores import settings_on

PEOPLE = ["ann", "bob", "ann", "cay", "ann", "bob"]
FIRST_ROWS = 4


@dataclass
class Lake:
    """Files of two datasets: `raw` in two Parquet files, `clean`, a copy of it, in JSON Lines."""

    folder: Path
    house: House
    client: HttpClient
    clock: FrozenClock

    def people(self) -> dict[str, list[str]]:
        """Who the rows of each file are of, in their order."""
        found = {}
        for name in ("a.parquet", "b.parquet"):
            found[name] = pq.read_table(self.folder / name)["person"].to_pylist()
        lines = (self.folder / "clean.jsonl").read_text("utf-8").splitlines()
        found["clean.jsonl"] = [json.loads(line)["person"] for line in lines]
        return found

    def begun(self, person: str) -> str:
        """The case of a person, approved and taken up; nothing of it is done yet."""
        request_id = filed(self.client, email(person))
        approved(self.house, plan(self.client, request_id))
        self.client.post(f"{REQUESTS}/{request_id}/execute", None)
        return request_id

    def erased(self, person: str) -> str:
        """The case of a person, carried out."""
        request_id = self.begun(person)
        work_off(self.house)
        finished(self.house, self.clock)
        return request_id

    def files(self, request_id: str) -> dict[str, dict[str, Any]]:
        """The tasks of a case about files, by the name of the file."""
        found = [task for task in show(self.client, request_id)["tasks"] if task["kind"] == "file"]
        return {task["target"].rpartition("/")[2]: task for task in found}


def table() -> pa.Table:
    rows = examples([[person] for person in PEOPLE])
    return rows.select(["example_id", "content"]).append_column("person", pa.array(PEOPLE))


def said_of(path: Path, rows: int) -> dict[str, Any]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"uri": path.as_uri(), "sha256": f"sha256:{digest}", "rows": rows}


@pytest.fixture
def lake_folder(tmp_path: Path) -> Path:
    folder = (tmp_path / "lake").resolve()
    folder.mkdir()
    return folder


@pytest.fixture
def settings(database_url: str, tmp_path: Path, lake_folder: Path) -> Settings:
    """As usual, and the lake is a place where the registry may erase."""
    return replace(settings_on(database_url, tmp_path / "home"), file_roots=(str(lake_folder),))


@pytest.fixture
def lake(house: House, admin: HttpClient, frozen_clock: FrozenClock, lake_folder: Path) -> Lake:
    rows = table()
    pq.write_table(rows.slice(0, FIRST_ROWS), lake_folder / "a.parquet", row_group_size=2)
    pq.write_table(rows.slice(FIRST_ROWS), lake_folder / "b.parquet")
    lines = "".join(f"{json.dumps(row)}\n" for row in rows.to_pylist())
    (lake_folder / "clean.jsonl").write_text(lines, "utf-8")
    digest = put(admin, parquet(examples([[person] for person in PEOPLE])), "examples")
    files = [
        said_of(lake_folder / "a.parquet", FIRST_ROWS),
        said_of(lake_folder / "b.parquet", len(PEOPLE) - FIRST_ROWS),
    ]
    raw = written("raw", "raw", examples=digest, files=files, **RIGHTS, **KEYED)
    told(admin, "collect", 1, raw)
    same = {"form": "range", "first": 0, "count": len(PEOPLE), "size": len(PEOPLE)}
    files = [said_of(lake_folder / "clean.jsonl", len(PEOPLE))]
    clean = written("clean", "clean", maps=[mapped([("raw", "raw")], same)], files=files)
    told(admin, "clean", 2, clean, reads=["raw"])
    work_off(house)
    frozen_clock.advance(hours=1)
    return Lake(lake_folder, house, admin, frozen_clock)


@pytest.fixture
def second(connect: Callable[[str], HttpClient], make_token: TokenMaker) -> HttpClient:
    """Somebody else who may decide."""
    return connect(make_token(Role.APPROVER, name="second"))


def counts(task: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(task[name] for name in ("state", "expected", "found", "erased", "verified"))


def test_two_people_are_erased_one_after_the_other_from_the_same_files(lake: Lake) -> None:
    before = pq.read_table(lake.folder / "a.parquet").to_pylist()
    first = lake.erased("ann")
    assert lake.people() == {
        "a.parquet": ["bob", "cay"],
        "b.parquet": ["bob"],
        "clean.jsonl": ["bob", "cay", "bob"],
    }
    assert pq.read_table(lake.folder / "a.parquet").to_pylist() == [before[1], before[3]]
    second = lake.erased("bob")
    assert lake.people() == {"a.parquet": ["cay"], "b.parquet": [], "clean.jsonl": ["cay"]}
    left = json.loads((lake.folder / "clean.jsonl").read_text("utf-8"))
    assert left == before[3] == {"example_id": "example-number-3", "content": text(3), **CAY}
    for request_id, of_each in ((first, (2, 1, 3)), (second, (1, 1, 2))):
        files = lake.files(request_id)
        for name, count in zip(("a.parquet", "b.parquet", "clean.jsonl"), of_each, strict=True):
            assert counts(files[name]) == ("verified", count, count, count, count)
        assert show(lake.client, request_id)["state"] == "fulfilled"
        facts = certificate_of(lake.house, lake.client, request_id).facts
        assert facts.outcome is Outcome.FULFILLED
        told_of = [each for each in facts.targets if each.kind is TargetKind.FILE]
        assert [each.state for each in told_of] == [TargetState.VERIFIED] * 3


CAY = {"person": "cay"}


def test_rows_that_stay_are_found_where_they_lie_now(lake: Lake) -> None:
    lake.erased("ann")
    asked = {"dataset": {"namespace": NAMESPACE, "name": "raw"}, "direction": "backward"}
    answer = lake.client.post("/api/v1/trace", {**asked, "example_id": "example-number-3"})
    (source,) = answer["sources"]
    path = lake.folder / "a.parquet"
    assert source["file"] == {
        "uri": path.as_uri(),
        "row": 1,
        "sha256": f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}",
    }
    dataset = {"namespace": NAMESPACE, "name": "raw"}
    drawn = lake.client.post("/api/v1/samples", {"dataset": dataset, "size": 3, "seed": 1})
    assert [each["reread"] for each in drawn["examples"]] == ["identical"] * 3


def test_a_file_that_was_changed_outside_is_not_touched_until_it_is_as_recorded(
    lake: Lake,
) -> None:
    path = lake.folder / "a.parquet"
    recorded = path.read_bytes()
    pq.write_table(table().slice(0, FIRST_ROWS).take([3, 2, 1, 0]), path)
    changed = path.read_bytes()
    request_id = lake.erased("ann")
    assert path.read_bytes() == changed
    files = lake.files(request_id)
    assert counts(files["a.parquet"]) == ("changed_outside", 2, None, None, None)
    assert files["a.parquet"]["detail"].startswith("changed_outside: ")
    assert counts(files["b.parquet"]) == ("verified", 1, 1, 1, 1)
    assert show(lake.client, request_id)["state"] == "partially_fulfilled"
    path.write_bytes(recorded)
    executed(lake.house, lake.client, request_id)
    assert lake.people()["a.parquet"] == ["bob", "cay"]
    assert show(lake.client, request_id)["state"] == "fulfilled"


@pytest.mark.parametrize("was_moved", [False, True], ids=["as told", "changed since"])
def test_a_file_that_a_later_run_was_written_over_holds_that_run_alone(
    lake: Lake, was_moved: bool
) -> None:
    path = lake.folder / "clean.jsonl"
    rows = [{**row, "made": 2} for row in table().to_pylist()]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    same = {"form": "range", "first": 0, "count": len(PEOPLE), "size": len(PEOPLE)}
    maps, files = [mapped([("raw", "raw")], same)], [said_of(path, len(PEOPLE))]
    clean = written("clean", "clean", maps=maps, files=files)
    told(lake.client, "clean", 3, clean, reads=["raw"])
    work_off(lake.house)
    lake.clock.advance(hours=1)
    if was_moved:
        path.write_bytes(path.read_bytes() + b"\n")
    request_id = lake.erased("ann")
    found = [
        counts(task)
        for task in show(lake.client, request_id)["tasks"]
        if task["target"].endswith("clean.jsonl")
    ]
    if was_moved:
        assert [each[0] for each in found] == ["changed_outside"] * 2
        return
    assert sorted(found) == [("not_present", 3, 0, 0, 0), ("verified", 3, 3, 3, 3)]
    assert lake.people()["clean.jsonl"] == ["bob", "cay", "bob"]
    assert show(lake.client, request_id)["state"] == "fulfilled"
    # The next one finds what the first one left.
    request_id = lake.erased("bob")
    assert lake.people()["clean.jsonl"] == ["cay"]
    assert show(lake.client, request_id)["state"] == "fulfilled"


class _Lying:
    """A connector that says that it erased, and did not."""

    def __init__(self, honest: Connector) -> None:
        self._honest = honest

    def find(self, target: Target, rows: Ordinals, watch: Watch) -> Found:
        return self._honest.find(target, rows, watch)

    def check(self, target: Target) -> Trouble | None:
        return self._honest.check(target)

    def prove(self, target: Target, rows: Ordinals, watch: Watch) -> Proof:
        return self._honest.prove(target, rows, watch)

    def erase(
        self, target: Target, rows: Ordinals, watch: Watch, *, dry_run: bool = False
    ) -> Erased:
        return Erased(erased=int(rows.size), sha256=target.sha256)


class _Liars(Connectors):
    def of(self, target: Target) -> Connector:
        return _Lying(Connectors.of(self, target))


def test_a_connector_that_lies_is_not_believed(lake: Lake) -> None:
    request_id = lake.begun("ann")
    before = lake.people()
    hands = replace(lake.house.hands, connectors=_Liars(*_parts(lake.house.hands.connectors)))
    carry_out(hands, request_id)
    assert not erase_in_files(hands, request_id)
    states = {name: counts(task) for name, task in lake.files(request_id).items()}
    # A file that is what it was lost nothing.
    assert states["a.parquet"] == ("failed_retryable", 2, None, None, None)
    assert {state[0] for state in states.values()} == {"failed_retryable"}
    erase_in_files(hands, request_id, rounds=ROUNDS)
    assert {task["state"] for task in lake.files(request_id).values()} == {"failed_final"}
    assert lake.people() == before


def _parts(made: Connectors) -> tuple[Any, ...]:
    return made.file_roots, made.credentials, made.s3_endpoint, made.s3_region


@pytest.mark.parametrize("at", ["file intended", "file swapped", "file noted"])
@pytest.mark.parametrize("other_first", [False, True], ids=["goes on", "another goes first"])
def test_a_process_that_is_killed_in_a_file_leaves_nothing_half(
    lake: Lake, database_url: str, at: str, other_first: bool
) -> None:
    other = lake.begun("bob")
    request_id = lake.begun("ann")
    said = {
        "url": database_url,
        "home": str(lake.house.settings.home),
        "lake": str(lake.folder),
        "now": lake.clock.now.isoformat(),
        "request": request_id,
        "at": at,
    }
    command = [sys.executable, "-m", "tests.erasure.dying_in_files", json.dumps(said)]
    ended = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    for each in (other, request_id) if other_first else (request_id, other):
        carry_out(lake.house.hands, each)
        assert erase_in_files(lake.house.hands, each)
        if each == other and other_first:
            assert "bob" not in {who for some in lake.people().values() for who in some}
    assert lake.people() == {"a.parquet": ["cay"], "b.parquet": [], "clean.jsonl": ["cay"]}
    work_off(lake.house)
    finished(lake.house, lake.clock)
    for each, of_each in ((request_id, (2, 1, 3)), (other, (1, 1, 2))):
        found = [counts(task) for _, task in sorted(lake.files(each).items())]
        assert found == [("verified", n, n, n, n) for n in of_each]
        assert show(lake.client, each)["state"] == "fulfilled"


def test_what_a_hold_keeps_stays_in_its_file_until_the_hold_is_lifted(
    lake: Lake, house: House, admin: HttpClient, second: HttpClient
) -> None:
    hold = held(admin, "raw", 0, "a case in court")
    request_id = lake.erased("ann")
    assert lake.people()["a.parquet"] == ["ann", "bob", "cay"]
    assert counts(lake.files(request_id)["a.parquet"]) == ("withheld", 2, 1, 1, 1)
    assert show(admin, request_id)["state"] == "partially_fulfilled"
    lifted(admin, second, hold)
    work_off(house)
    finished(house, lake.clock)
    assert lake.people()["a.parquet"] == ["bob", "cay"]
    assert counts(lake.files(request_id)["a.parquet"]) == ("verified", 2, 2, 2, 2)
    assert show(admin, request_id)["state"] == "fulfilled"


def test_a_copy_and_a_file_out_of_reach_are_for_people_who_record_what_they_did(
    lake: Lake, house: House, admin: HttpClient
) -> None:
    bound = {
        "namespace": NAMESPACE,
        "name": "raw",
        "uri": str(lake.folder / "copy.parquet"),
        "executor": "files",
        "key_column": "example_id",
        "by_key": True,
    }
    admin.post("/api/v1/erasure-targets", bound)
    request_id = lake.begun("ann")
    out_of_reach = replace(house, settings=replace(house.settings, file_roots=()))
    work_off(out_of_reach)
    finished(out_of_reach, lake.clock)
    files = lake.files(request_id)
    assert {task["state"] for task in files.values()} == {"pending"}
    assert "REGISTRY_FILE_ROOTS" in files["a.parquet"]["detail"]
    assert "REGISTRY_FILE_ROOTS" in files["copy.parquet"]["detail"]
    assert lake.people()["a.parquet"] == ["ann", "bob", "ann", "cay"]
    assert show(admin, request_id)["state"] == "partially_fulfilled"
    with pytest.raises(InvalidInputError, match="cannot say"):
        record(admin, request_id, files["a.parquet"], "acknowledged")
    for task in files.values():
        record(admin, request_id, task, "verified")
    with pytest.raises(ConflictError, match="verified since"):
        record(admin, request_id, files["a.parquet"], "verified")
    work_off(out_of_reach)
    assert counts(lake.files(request_id)["a.parquet"]) == ("verified", 2, 2, 2, 2)
    assert show(admin, request_id)["state"] == "fulfilled"
    assert tasks(admin, request_id)["own_data ledger"]["state"] == "verified"


def record(client: HttpClient, request_id: str, task: Mapping[str, Any], state: str) -> None:
    said = {"state": state, "evidence": "ticket 17"}
    client.post(f"{REQUESTS}/{request_id}/tasks/{task['id']}/record", said)


def numbers_of(folder: Path) -> dict[str, int]:
    """The inode of each file: another one after each writing."""
    return {path.name: path.stat().st_ino for path in sorted(folder.iterdir())}


def test_requests_that_touch_the_same_files_have_them_written_once(lake: Lake) -> None:
    first, second = lake.begun("ann"), lake.begun("bob")
    hands, before = lake.house.hands, numbers_of(lake.folder)
    for each in (first, second):
        carry_out(hands, each)
    assert erase_in_files(hands, first)
    written = numbers_of(lake.folder)
    assert all(written[name] != number for name, number in before.items())
    # Both have left; only the one that wrote has said so.
    assert lake.people() == {"a.parquet": ["cay"], "b.parquet": [], "clean.jsonl": ["cay"]}
    assert {task["state"] for task in lake.files(first).values()} == {"verified"}
    assert {task["state"] for task in lake.files(second).values()} == {"pending"}
    assert erase_in_files(hands, second)
    assert numbers_of(lake.folder) == written
    work_off(lake.house)
    finished(lake.house, lake.clock)
    certificates = set()
    for each, of_each in ((first, (2, 1, 3)), (second, (1, 1, 2))):
        found = [counts(task) for _, task in sorted(lake.files(each).items())]
        assert found == [("verified", n, n, n, n) for n in of_each]
        assert show(lake.client, each)["state"] == "fulfilled"
        certificates.add(certificate_of(lake.house, lake.client, each).facts.number)
    assert len(certificates) == 2


def test_what_is_not_marked_or_kept_by_a_hold_is_not_taken_along(lake: Lake) -> None:
    first, second, third = (lake.begun(each) for each in ("ann", "bob", "cay"))
    hands = lake.house.hands
    for each in (first, second):
        carry_out(hands, each)
    # Of bob's rows the first is in a.parquet; of cay nothing is marked yet.
    hold = held(lake.client, "raw", 5, "a case in court")
    erase_in_files(hands, first)
    assert lake.people() == {
        "a.parquet": ["cay"],
        "b.parquet": ["bob"],
        "clean.jsonl": ["cay"],
    }, hold
    for each in (second, third):
        carry_out(hands, each)
        erase_in_files(hands, each)
    assert lake.people() == {"a.parquet": [], "b.parquet": ["bob"], "clean.jsonl": []}
    assert counts(lake.files(second)["b.parquet"])[0] == "withheld"


def test_work_on_files_waits_for_others_as_long_as_the_setting_says(lake: Lake) -> None:
    waiting = replace(lake.house.settings, erase_together_seconds=300)
    house = replace(lake.house, settings=waiting)
    before = lake.people()
    lake.begun("ann")
    work_off(house)
    lake.clock.advance(minutes=4)
    lake.begun("bob")
    work_off(house)
    assert lake.people() == before
    lake.clock.advance(minutes=1)
    work_off(house)
    assert lake.people() == {"a.parquet": ["cay"], "b.parquet": [], "clean.jsonl": ["cay"]}


@pytest.mark.parametrize("column", ["content", "person"], ids=["right", "another"])
def test_contents_are_checked_by_their_digests_before_rows_leave_a_file(
    lake: Lake, column: str
) -> None:
    """Where the rows of a file do not lie as the batch says, none of them is touched."""
    bound = {"namespace": NAMESPACE, "name": "raw", "uri": str(lake.folder), "executor": "files"}
    lake.client.post("/api/v1/erasure-targets", {**bound, "content_column": column})
    before = lake.people()
    request_id = lake.erased("ann")
    task = lake.files(request_id)["a.parquet"]
    if column == "content":
        assert counts(task) == ("verified", 2, 2, 2, 2)
        assert lake.people()["a.parquet"] == ["bob", "cay"]
        assert show(lake.client, request_id)["state"] == "fulfilled"
        return
    assert task["state"] == "changed_outside"
    assert task["detail"].startswith("content_differs: ")
    assert {**lake.people(), "clean.jsonl": []} == {**before, "clean.jsonl": []}
    assert show(lake.client, request_id)["state"] == "partially_fulfilled"
