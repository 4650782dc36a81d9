"""What may stand between a plan and a copy: each ends in a named state, nothing is half done."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from registry.actors.tables import Role
from registry.client.http import HttpClient
from registry.erasure.execution.carrying_out import carry_out
from registry.erasure.execution.in_files import erase_in_files
from registry.request import House
from tests.clock import FrozenClock
from tests.conftest import TokenMaker
from tests.erasure.copied import PEOPLE, TABLE, Copied, copied, counts, table_of
from tests.erasure.town import KEYED, RIGHTS, examples, held, lifted, told
from tests.erasure.working import REQUESTS, executed, show
from tests.ledger.erasures import work_off
from tests.ledger.pipelines import mapped, parquet, written
from tests.ledger.test_binding_faults import put

KEY = {"key_column": "example_id"}
ANN = PEOPLE.count("ann")


@pytest.fixture
def second(connect: Callable[[str], HttpClient], make_token: TokenMaker) -> HttpClient:
    """Somebody else who may decide."""
    return connect(make_token(Role.APPROVER, name="second"))


@dataclass(frozen=True)
class Case:
    """What is done to a copy that is bound, and what becomes of its task."""

    bind: Callable[[Copied], str]
    state: str
    words: str


def lines(lake: Copied, **said: Any) -> str:
    known = {"by_key": True, **KEY, **said}
    return lake.bind("files", str(lake.folder / "copy.jsonl"), **known)


def table(lake: Copied, **said: Any) -> str:
    known = {"table": TABLE, "credential": "warehouse", **KEY, **said}
    return lake.bind("sql", "sql:warehouse", **known)


def gone(lake: Copied) -> str:
    (lake.folder / "copy.jsonl").unlink()
    return lines(lake)


def emptied(lake: Copied) -> str:
    (lake.folder / "copy.jsonl").write_bytes(b"")
    return lines(lake)


def cut(lake: Copied) -> str:
    path = lake.folder / "copy.parquet"
    path.write_bytes((lake.folder / "a.parquet").read_bytes()[:-20])
    return lake.bind("files", str(path), by_key=True, **KEY)


def doubled(lake: Copied) -> str:
    path = lake.folder / "copy.jsonl"
    path.write_text(path.read_text("utf-8") * 2, "utf-8")
    return lines(lake)


def read_only(lake: Copied) -> str:
    (lake.folder / "copy.jsonl").chmod(0o400)
    return lines(lake)


def linked(lake: Copied) -> str:
    (lake.folder / "other.jsonl").hardlink_to(lake.folder / "copy.jsonl")
    return lines(lake)


def behind(lake: Copied) -> str:
    (lake.folder / "link").symlink_to(lake.folder.parent)
    return lake.bind("files", str(lake.folder / "link" / "copy.jsonl"), by_key=True, **KEY)


def above(lake: Copied) -> str:
    return lake.bind("files", f"{lake.folder}/../copy.jsonl", by_key=True, **KEY)


def over_batch(lake: Copied) -> str:
    return lake.bind("files", str(lake.folder), by_key=True, **KEY)


def removed(lake: Copied) -> str:
    found = lines(lake)
    return f"-{found}"


def second_batch(lake: Copied) -> str:
    """Another batch that has the ids of the first one again, with texts of nobody who is named."""
    rows = examples([[]] * len(PEOPLE), first=1_000)
    rows = rows.set_column(0, "example_id", examples([[]] * len(PEOPLE))["example_id"])
    digest = put(lake.client, parquet(rows), "examples")
    more = written("raw", "more", examples=digest, mode="append", **RIGHTS, **KEYED)
    told(lake.client, "again", 5, more)
    work_off(lake.house)
    return lines(lake)


def two_by_position(lake: Copied) -> str:
    digest = put(lake.client, parquet(examples([["eve"]], first=100)), "examples")
    more = written("raw", "more", examples=digest, mode="append", **RIGHTS, **KEYED)
    told(lake.client, "again", 5, more)
    work_off(lake.house)
    return lines(lake, by_key=False)


CASES = {
    "a copy that is gone": Case(gone, "changed_outside", "gone: "),
    "zero bytes": Case(emptied, "failed_final", "nothing_found: "),
    "cut short": Case(cut, "changed_outside", "truncated: "),
    "another key column": Case(
        lambda lake: lines(lake, key_column="content"), "failed_final", "nothing_found: "
    ),
    "no line has the column": Case(
        lambda lake: lines(lake, key_column="uid"), "failed_final", "key_column_missing: "
    ),
    "no such column": Case(
        lambda lake: table(lake, key_column="id"), "failed_final", "key_column_missing: "
    ),
    "no such table": Case(lambda lake: table(lake, table="rows"), "changed_outside", "gone: "),
    "no such credential": Case(
        lambda lake: table(lake, credential="other"), "failed_final", "credential_missing: "
    ),
    "keys twice": Case(doubled, "failed_final", "duplicate_keys: "),
    "read-only": Case(read_only, "failed_final", "read_only: "),
    "another name": Case(linked, "failed_final", "more_names: "),
    "behind a symlink": Case(behind, "pending", "REGISTRY_FILE_ROOTS"),
    "a way up": Case(above, "pending", "REGISTRY_FILE_ROOTS"),
    "the files of the batch": Case(over_batch, "pending", "Files of a batch lie in it"),
    "a binding that was removed": Case(removed, "pending", "Its binding was removed"),
    "by hand": Case(
        lambda lake: lake.bind("manual", "the tape in the cellar"), "pending", "by hand"
    ),
    "an id of a row that stays": Case(second_batch, "failed_final", "duplicate_keys: "),
    "several batches by position": Case(two_by_position, "failed_final", "not_recorded: "),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_stands_in_the_way_has_a_name(lake: Copied, case: Case) -> None:
    made = case.bind(lake)
    request_id = lake.begun("ann")
    if made.startswith("-"):
        lake.client.request("DELETE", f"/api/v1/erasure-targets/{made[1:]}")
    path = lake.folder / "copy.jsonl"
    before = path.read_bytes() if path.exists() else b""
    rows = lake.in_warehouse(f'SELECT * FROM "{TABLE}"')
    carry_out(lake.house.hands, request_id)
    erase_in_files(lake.house.hands, request_id)
    task = copy_of(lake, request_id)
    assert task["state"] == case.state, task
    assert case.words in task["detail"]
    assert (path.read_bytes() if path.exists() else b"") == before
    assert lake.in_warehouse(f'SELECT * FROM "{TABLE}"') == rows
    lake.go_on()
    assert show(lake.client, request_id)["state"] == "partially_fulfilled"
    said = {"state": "verified", "evidence": "ticket 17"}
    lake.client.post(f"{REQUESTS}/{request_id}/tasks/{task['id']}/record", said)
    work_off(lake.house)
    assert copy_of(lake, request_id)["evidence"] == "ticket 17"
    assert copy_of(lake, request_id)["detail"] == "Recorded by a person, with evidence."
    assert show(lake.client, request_id)["state"] == "fulfilled"
    assert lake.names_kept() == []


def copy_of(lake: Copied, request_id: str) -> dict[str, Any]:
    """The task of the one copy."""
    tasks = show(lake.client, request_id)["tasks"]
    (task,) = [each for each in tasks if each["target"].startswith("copy:")]
    return dict(task)


def test_what_was_in_the_way_is_tried_again(lake: Copied) -> None:
    path = lake.folder / "copy.jsonl"
    path.rename(lake.folder / "elsewhere.jsonl")
    lines(lake)
    request_id = lake.erased("ann")
    assert copy_of(lake, request_id)["state"] == "changed_outside"
    (lake.folder / "elsewhere.jsonl").rename(path)
    executed(lake.house, lake.client, request_id)
    assert counts(copy_of(lake, request_id)) == ("verified", ANN, ANN, ANN, ANN)
    assert "ann" not in {row["person"] for row in lake.rows()["lines"]}
    assert show(lake.client, request_id)["state"] == "fulfilled"


def test_a_binding_that_was_wrong_is_made_anew_and_carried_out(lake: Copied) -> None:
    wrong = lines(lake, key_column="content")
    request_id = lake.erased("ann")
    assert copy_of(lake, request_id)["state"] == "failed_final"
    lake.client.request("DELETE", f"/api/v1/erasure-targets/{wrong}")
    right = lines(lake)
    executed(lake.house, lake.client, request_id)
    tasks = {each["target"].split(" ")[0]: each for each in show(lake.client, request_id)["tasks"]}
    assert counts(tasks[f"copy:{right}"]) == ("verified", ANN, ANN, ANN, ANN)
    assert "ann" not in {row["person"] for row in lake.rows()["lines"]}
    before = tasks[f"copy:{wrong}"]
    assert (before["state"], before["detail"][:23]) == ("pending", "Its binding was removed")
    said = {"state": "not_present", "evidence": "was the same file, bound with a wrong column"}
    lake.client.post(f"{REQUESTS}/{request_id}/tasks/{before['id']}/record", said)
    work_off(lake.house)
    assert show(lake.client, request_id)["state"] == "fulfilled"


def test_a_copy_in_the_order_of_the_batch_is_erased_by_position(lake: Copied) -> None:
    """The second erasure hits the right rows after positions moved, also without any key."""
    rows = table_of(PEOPLE)
    path = lake.folder / "mirror.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows.to_pylist()), "utf-8")
    first = lake.bind("files", str(path), **KEY)
    left = rows.to_pylist()
    for person in ("ann", "bob", "cay"):
        request_id = lake.erased(person)
        left = [row for row in left if row["person"] != person]
        assert [json.loads(line) for line in path.read_text("utf-8").splitlines()] == left
        theirs = PEOPLE.count(person)
        assert counts(copy_of(lake, request_id)) == ("verified", *[theirs] * 4)
        if person == "bob":
            # Its digest is known by now, and that is enough.
            lake.client.request("DELETE", f"/api/v1/erasure-targets/{first}")
            lake.bind("files", str(path))
    # Somebody changes it: it is not what was left, so nothing of it is touched.
    path.write_text("".join(f"{json.dumps(row)}\n" for row in reversed(left)), "utf-8")
    before = path.read_bytes()
    request_id = lake.erased("dan")
    assert copy_of(lake, request_id)["detail"].startswith("changed_outside: ")
    assert path.read_bytes() == before


def test_keys_are_checked_in_the_files_of_a_batch(lake: Copied) -> None:
    """A binding covers them, so that the ids are checked against its key column."""
    right = lake.bind("files", str(lake.folder), **KEY)
    request_id = lake.erased("ann")
    assert {task["state"] for task in lake.tasks(request_id).values()} == {"verified"}
    assert lake.rows()["a"] == [row for row in lake.rows()["a"] if row["person"] != "ann"]
    lake.client.request("DELETE", f"/api/v1/erasure-targets/{right}")
    lake.bind("files", lake.folder.as_uri(), key_column="person")
    before = lake.rows()
    request_id = lake.erased("bob")
    found = lake.tasks(request_id)
    assert set(found) == {"a.parquet", "b.parquet"}
    assert {task["detail"].partition(":")[0] for task in found.values()} == {"keys_differ"}
    assert lake.rows() == before


def test_what_a_hold_keeps_stays_in_every_copy(
    lake: Copied, admin: HttpClient, second: HttpClient
) -> None:
    lake.bind_all("lines", "sql")
    hold = held(admin, "raw", PEOPLE.index("ann"), "a case in court")
    request_id = lake.erased("ann")
    for name in ("copy.jsonl", "sql:warehouse"):
        task = lake.tasks(request_id)[name]
        assert counts(task) == ("withheld", ANN, ANN - 1, ANN - 1, ANN - 1)
        assert task["detail"] == "1 of its rows are kept by a hold."
    for name in ("lines", "sql"):
        assert [row["person"] for row in lake.rows()[name]].count("ann") == 1
    assert lake.names_kept() != []
    lifted(admin, second, hold)
    lake.go_on()
    for name in ("copy.jsonl", "sql:warehouse"):
        assert counts(lake.tasks(request_id)[name]) == ("verified", ANN, ANN, ANN, ANN)
    for name in ("lines", "sql"):
        assert "ann" not in {row["person"] for row in lake.rows()[name]}
    assert show(admin, request_id)["state"] == "fulfilled"
    assert lake.names_kept() == []


def test_a_row_of_two_requests_leaves_once_and_both_wait_for_it(
    house: House, admin: HttpClient, frozen_clock: FrozenClock, lake_folder: Path
) -> None:
    people = ["ann", "ann+bob", "bob", "cay"]
    lake = copied(house, admin, frozen_clock, lake_folder, people)
    lake.bind_all("lines", "sql")
    erase = {"reason": "several_subjects", "decision": "erase", "why": "both asked for it"}
    first, second = (lake.begun(person, erase) for person in ("ann", "bob"))
    carry_out(house.hands, first)
    carry_out(house.hands, second)
    # The ledger has lost what the second would need to know its rows by.
    assert not erase_in_files(house.hands, second)
    for name in ("copy.jsonl", "sql:warehouse"):
        task = lake.tasks(second)[name]
        assert (task["state"], task["detail"][:6]) == ("failed_retryable", "busy: ")
    assert erase_in_files(house.hands, first)
    assert erase_in_files(house.hands, second)
    for request_id in (first, second):
        for name in ("copy.jsonl", "sql:warehouse"):
            assert counts(lake.tasks(request_id)[name]) == ("verified", 2, 2, 2, 2)
    for name in ("lines", "sql"):
        assert [row["person"] for row in lake.rows()[name]] == ["cay"]


TWICE = [0, 0, 1, 1, 2, 2, 3, 3]
MAPS = {
    "in another order": ({"form": "take", "parents": [3, 0, 1, 2], "size": 4}, ["cay", "bob"]),
    "two rows of each": (
        {"form": "lists", "offsets": list(range(9)), "parents": TWICE, "size": 4},
        None,
    ),
}


@pytest.mark.parametrize(("row_map", "left"), MAPS.values(), ids=MAPS)
def test_examples_without_ids_go_by_those_of_their_source(
    house: House,
    admin: HttpClient,
    frozen_clock: FrozenClock,
    lake_folder: Path,
    row_map: dict[str, Any],
    left: list[str] | None,
) -> None:
    """Where an id is that of two rows of a copy, nothing is touched."""
    people = ["ann", "bob", "ann", "cay"]
    lake = copied(house, admin, frozen_clock, lake_folder, people)
    maps = [mapped([("raw", "raw")], row_map, "transformed")]
    told(admin, "clean", 4, written("clean", "clean", maps=maps), reads=["raw"])
    work_off(house)
    rows = table_of(people).take(row_map["parents"]).to_pylist()
    path = lake_folder / "clean.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    before = path.read_bytes()
    lake.bind("files", str(path), by_key=True, name="clean", **KEY)
    request_id = lake.erased("ann")
    task = copy_of(lake, request_id)
    if left is None:
        assert task["detail"].startswith("duplicate_keys: ")
        assert path.read_bytes() == before
        return
    assert counts(task) == ("verified", 2, 2, 2, 2)
    after = [json.loads(line)["person"] for line in path.read_text("utf-8").splitlines()]
    assert after == left
