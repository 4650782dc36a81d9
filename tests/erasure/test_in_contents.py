"""Batches of which nobody recorded the people are read for them, and the plan is extended."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry.actors.tables import Role
from registry.audit.key_changes import recording_as
from registry.client.http import HttpClient
from registry.erasure.certificate.facts import Outcome
from registry.erasure.execution.carrying_out import carry_out
from registry.erasure.execution.in_contents import scan_contents
from registry.erasure.execution.in_files import erase_in_files
from registry.errors import ConflictError, ForbiddenError
from registry.keys.tables import Purpose
from registry.request import House
from registry.settings import Settings
from tests.clock import FrozenClock
from tests.conftest import TokenMaker
from tests.erasure.test_in_files import said_of
from tests.erasure.town import KEYED, RIGHTS, done_by_people, email, examples, told, trainable
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

PHONE = "+49 171 1234567"
# What stands in the rows of `web`; rows 0 to 3 lie in one file, the others in a second.
TEXTS = [
    f"write to {email('ann').upper()} about it",
    "nobody is named here",
    f"{email('bob')} wrote this",
    "a number of whoever it is: 0171 1234567",
    f"<{email('ann')}> again",
    "the end",
]
FIRST_ROWS = 4
ROWS = range(len(TEXTS))


@dataclass
class Web:
    """`raw`, keyed, of ann and bob; `web`, whose people nobody recorded, and `copy` of it."""

    folder: Path
    house: House
    client: HttpClient
    clock: FrozenClock

    def left(self) -> dict[str, list[int]]:
        """Which rows each file still has."""
        found = {
            name: pq.read_table(self.folder / name)["row"].to_pylist()
            for name in ("a.parquet", "b.parquet")
        }
        lines = (self.folder / "copy.jsonl").read_text("utf-8").splitlines()
        return {**found, "copy.jsonl": [json.loads(line)["row"] for line in lines]}

    def begun(self, request_id: str) -> str:
        """A case, approved and taken up; nothing of it is done yet."""
        approved(self.house, plan(self.client, request_id))
        self.client.post(f"{REQUESTS}/{request_id}/execute", None)
        return request_id

    def worked(self, request_id: str) -> dict[str, Any]:
        """The case after all that there is was done, also by people, and after some hours."""
        work_off(self.house)
        finished(self.house, self.clock)
        done_by_people(self.house, self.client, request_id)
        return show(self.client, request_id)

    def shown(self, request_id: str) -> dict[str, Any]:
        return show(self.client, request_id)

    def scan(self, request_id: str) -> dict[str, Any]:
        """The task about `web`."""
        (found,) = [t for t in self.shown(request_id)["tasks"] if t["kind"] == "content_scan"]
        return found

    def approve(self, request_id: str) -> None:
        """Approve the newest plan as somebody else than who filed it."""
        made = {"id": request_id, "plan": self.shown(request_id)["plan"]["plan"]}
        approved(self.house, made)

    def located(self, person: str) -> int:
        asked = {"subject": {"scheme": "email", "value": email(person)}}
        return int(self.client.post("/api/v1/subjects/locate", asked)["examples"])


def erased(shown: dict[str, Any]) -> dict[str, int]:
    """How many examples a plan erases, by dataset."""
    return {each["name"]: each["examples"] for each in shown["erase"]["by_dataset"]}


@pytest.fixture
def web_folder(tmp_path: Path) -> Path:
    folder = (tmp_path / "web").resolve()
    folder.mkdir()
    return folder


@pytest.fixture
def settings(database_url: str, tmp_path: Path, web_folder: Path) -> Settings:
    """As usual, and the folder is a place where the registry may read and erase."""
    return replace(settings_on(database_url, tmp_path / "home"), file_roots=(str(web_folder),))


@pytest.fixture
def web(house: House, admin: HttpClient, frozen_clock: FrozenClock, web_folder: Path) -> Web:
    rows = pa.table({"row": list(ROWS), "text": TEXTS})
    pq.write_table(rows.slice(0, FIRST_ROWS), web_folder / "a.parquet")
    pq.write_table(rows.slice(FIRST_ROWS), web_folder / "b.parquet")
    # The copy says nothing of the people: it is reached by its map alone.
    lines = "".join(f'{{"row": {row}}}\n' for row in ROWS)
    (web_folder / "copy.jsonl").write_text(lines, "utf-8")
    digest = put(admin, parquet(examples([["ann"], ["bob"]])), "examples")
    told(admin, "collect", 1, written("raw", "raw", examples=digest, **RIGHTS, **KEYED))
    files = [
        said_of(web_folder / "a.parquet", FIRST_ROWS),
        said_of(web_folder / "b.parquet", len(TEXTS) - FIRST_ROWS),
    ]
    said = {"personalData": "none", "license": "CC-BY-4.0", "exampleCount": len(TEXTS)}
    told(admin, "crawl", 2, written("web", "web", files=files, **said))
    same = {"form": "range", "first": 0, "count": len(TEXTS), "size": len(TEXTS)}
    files = [said_of(web_folder / "copy.jsonl", len(TEXTS))]
    copy = written("copy", "copy", maps=[mapped([("web", "web")], same)], files=files)
    told(admin, "copy", 3, copy, reads=["web"])
    work_off(house)
    frozen_clock.advance(hours=1)
    return Web(web_folder, house, admin, frozen_clock)


WHOLE = {"a.parquet": [0, 1, 2, 3], "b.parquet": [4, 5], "copy.jsonl": list(ROWS)}


def test_what_a_scan_finds_extends_the_plan_and_goes_when_that_is_approved(web: Web) -> None:
    request_id = filed(web.client, email("ann"))
    first = plan(web.client, request_id)
    assert erased(first) == {"raw": 1}
    assert [each["name"] for each in first["not_searched"]] == ["web"]
    approved(web.house, first)
    executed(web.house, web.client, request_id)
    web.worked(request_id)
    shown = web.shown(request_id)
    assert shown["state"] == "pending_approval"
    document = shown["plan"]["document"]
    assert (shown["plan"]["revision"], shown["plan"]["made_by"]) == (2, "system")
    assert erased(document) == {"raw": 1, "web": 2, "copy": 2}
    assert (document["not_searched"], document["searched"]["scanned"]) == ([], 1)
    assert web.scan(request_id)["state"] == "verified"
    assert web.left() == WHOLE
    assert web.located("ann") == 2
    web.approve(request_id)
    web.worked(request_id)
    assert web.left() == {
        "a.parquet": [1, 2, 3],
        "b.parquet": [5],
        "copy.jsonl": [1, 2, 3, 5],
    }
    assert web.shown(request_id)["state"] == "fulfilled"
    assert web.located("ann") == 0
    facts = certificate_of(web.house, web.client, request_id).facts
    assert (facts.outcome, facts.not_searched) == (Outcome.FULFILLED, ())
    assert facts.plan is not None
    assert facts.plan.digest == shown["plan"]["plan"]
    # A second request of hers finds the batch searched, and nothing to do.
    again = plan(web.client, filed(web.client, email("ann")))
    assert (erased(again), again["not_searched"]) == ({}, [])


def test_without_hits_the_scan_is_verified_and_the_request_fulfilled(web: Web) -> None:
    request_id = web.begun(filed(web.client, email("cay")))
    web.worked(request_id)
    scan = web.scan(request_id)
    assert (scan["state"], scan["found"]) == ("verified", 0)
    assert web.shown(request_id)["state"] == "fulfilled"
    assert web.shown(request_id)["plan"]["revision"] == 1
    assert web.left() == WHOLE


def test_nobody_approves_the_extension_of_what_they_filed(
    web: Web, connect: Callable[[str], HttpClient], make_token: TokenMaker
) -> None:
    both = connect(make_token(Role.DATA_OWNER, Role.APPROVER, name="both"))
    request_id = filed(both, email("ann"))
    web.begun(request_id)
    web.worked(request_id)
    digest = web.shown(request_id)["plan"]["plan"]
    with pytest.raises(ForbiddenError, match="nobody decides on what they filed"):
        both.post(f"{REQUESTS}/{request_id}/approve", {"plan": digest})
    assert web.shown(request_id)["state"] == "pending_approval"
    assert web.left() == WHOLE


@pytest.mark.parametrize("way", ["deny", "cancel"])
def test_a_request_of_which_something_was_erased_is_not_ended_by_its_extension(
    web: Web, connect: Callable[[str], HttpClient], make_token: TokenMaker, way: str
) -> None:
    request_id = web.begun(filed(web.client, email("ann")))
    web.worked(request_id)
    approver = connect(make_token(Role.APPROVER, Role.DATA_OWNER, name="second"))
    body = {"reasons": "it is withdrawn", "justification": "IdentityVerificationFailure"}
    if way == "cancel":
        del body["justification"]
    with pytest.raises(ConflictError, match="was being carried out"):
        approver.post(f"{REQUESTS}/{request_id}/{way}", body)


def test_data_that_cannot_be_read_was_not_searched_and_what_can_be_is(web: Web) -> None:
    path = web.folder / "b.parquet"
    recorded = path.read_bytes()
    pq.write_table(pa.table({"row": [4, 5], "text": ["other", "rows"]}), path)
    request_id = web.begun(filed(web.client, email("ann")))
    web.worked(request_id)
    scan = web.scan(request_id)
    assert (scan["state"], scan["found"]) == ("not_searched", 1)
    assert "changed_outside" in scan["detail"]
    assert "registry erasure execute" in scan["detail"]
    document = web.shown(request_id)["plan"]["document"]
    assert erased(document) == {"raw": 1, "web": 1, "copy": 1}
    assert [each["name"] for each in document["not_searched"]] == ["web"]
    web.approve(request_id)
    web.worked(request_id)
    assert web.left()["a.parquet"] == [1, 2, 3]
    assert web.shown(request_id)["state"] == "partially_fulfilled"
    facts = certificate_of(web.house, web.client, request_id).facts
    assert [each.dataset for each in facts.not_searched] == [f"{NAMESPACE} web"]
    # Once it can be read, it is, and the rest is found.
    path.write_bytes(recorded)
    executed(web.house, web.client, request_id)
    web.worked(request_id)
    assert web.shown(request_id)["state"] == "pending_approval"
    assert erased(web.shown(request_id)["plan"]["document"]) == {"raw": 1, "web": 2, "copy": 2}
    web.approve(request_id)
    web.worked(request_id)
    assert web.left()["b.parquet"] == [5]
    assert web.shown(request_id)["state"] == "fulfilled"
    assert web.scan(request_id)["found"] == 2


def test_files_outside_the_roots_are_not_read(web: Web, house: House) -> None:
    request_id = web.begun(filed(web.client, email("ann")))
    elsewhere = replace(house, settings=replace(house.settings, file_roots=()))
    work_off(elsewhere)
    finished(elsewhere, web.clock)
    scan = web.scan(request_id)
    assert (scan["state"], scan["found"]) == ("not_searched", 0)
    assert "REGISTRY_FILE_ROOTS" in scan["detail"]
    assert web.shown(request_id)["state"] == "partially_fulfilled"


@pytest.mark.parametrize("decision", ["keep", "erase"])
def test_what_may_name_the_person_is_decided_on_by_a_person(web: Web, decision: str) -> None:
    subjects = [{"scheme": "phone", "value": PHONE}]
    request_id = web.begun(filed(web.client, email("ann"), subjects=subjects))
    web.worked(request_id)
    document = web.shown(request_id)["plan"]["document"]
    assert erased(document) == {}
    (group,) = document["review"]
    assert (group["reason"], group["examples"]) == ("may_be_named", 2)
    said = {"reason": "may_be_named", "decision": decision, "why": "looked at the number"}
    made = plan(web.client, request_id, said)
    web.approve(request_id)
    web.worked(request_id)
    assert web.shown(request_id)["state"] == "fulfilled"
    rows = web.left()["a.parquet"]
    assert rows == ([0, 1, 2, 3] if decision == "keep" else [0, 1, 2])
    assert (made["erase"]["examples"], made["review"]) == (0 if decision == "keep" else 2, [])


def test_a_row_that_two_people_are_named_in_is_reviewed(web: Web) -> None:
    text = f"{email('bob')} and {email('ann')}"
    path = web.folder / "b.parquet"
    pq.write_table(pa.table({"row": [4, 5], "text": [text, "the end"]}), path)
    files = [said_of(web.folder / "a.parquet", FIRST_ROWS), said_of(path, 2)]
    said = {"exampleCount": len(TEXTS), **RIGHTS}
    told(web.client, "crawl", 2, written("web", "again", files=files, **said))
    work_off(web.house)
    web.clock.advance(hours=1)
    other = web.begun(filed(web.client, email("ann")))
    web.worked(other)
    request_id = web.begun(filed(web.client, email("bob")))
    shown = web.worked(request_id)
    assert shown["state"] == "pending_approval"
    reasons = {each["reason"]: each["examples"] for each in shown["plan"]["document"]["review"]}
    assert reasons == {"several_subjects": 1}


def test_what_was_found_is_in_no_manifest_from_then_on(web: Web) -> None:
    before = trainable(web.client, "web")
    assert before == len(TEXTS)
    request_id = web.begun(filed(web.client, email("ann")))
    web.worked(request_id)
    assert trainable(web.client, "web") == before - 2


def test_no_identifier_is_kept_in_the_clear(web: Web, tmp_path: Path) -> None:
    request_id = web.begun(filed(web.client, email("ann")))
    web.worked(request_id)
    assert web.shown(request_id)["state"] == "pending_approval"
    for path in sorted((tmp_path / "home").rglob("*")):
        if path.is_file():
            content = path.read_bytes().lower()
            assert email("ann").encode() not in content, path


def test_links_that_a_scan_made_move_with_the_keys(web: Web) -> None:
    request_id = web.begun(filed(web.client, email("ann")))
    web.worked(request_id)
    assert web.located("ann") == 2
    rotation, record = web.house.rotation, recording_as("tests")
    web.house.database.transact(lambda s: rotation.begin(s, Purpose.SUBJECT, record=record))
    web.house.keyring.refresh()
    # What is found while the keys move is under the new one already.
    other = web.begun(filed(web.client, email("bob")))
    assert web.worked(other)["state"] == "pending_approval"
    rotation.move(Purpose.SUBJECT, lambda _progress: None)
    assert rotation.is_finished(Purpose.SUBJECT)
    rotation.destroy(Purpose.SUBJECT, 1, record=record)
    assert (web.located("ann"), web.located("bob")) == (2, 1)
    web.approve(request_id)
    web.worked(request_id)
    assert web.left()["b.parquet"] == [5]
    assert web.shown(request_id)["state"] == "fulfilled"


@pytest.mark.parametrize("at", ["file reading", "rows linked", "scan noted", "extending the plan"])
def test_a_process_that_is_killed_while_it_reads_loses_and_doubles_nothing(
    web: Web, database_url: str, at: str
) -> None:
    request_id = web.begun(filed(web.client, email("ann")))
    said = {
        "url": database_url,
        "home": str(web.house.settings.home),
        "lake": str(web.folder),
        "now": web.clock.now.isoformat(),
        "request": request_id,
        "at": at,
        "work": "contents",
    }
    command = [sys.executable, "-m", "tests.erasure.dying_in_files", json.dumps(said)]
    ended = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    web.worked(request_id)
    assert web.shown(request_id)["state"] == "pending_approval"
    assert web.shown(request_id)["plan"]["revision"] == 2
    assert erased(web.shown(request_id)["plan"]["document"]) == {"raw": 1, "web": 2, "copy": 2}
    with web.house.database.read():
        assert web.house.ledger.index.subjects.count(None) == 3
    web.approve(request_id)
    web.worked(request_id)
    assert web.shown(request_id)["state"] == "fulfilled"
    assert web.left()["b.parquet"] == [5]


class _StoppedError(Exception):
    """Stands for a process that ended."""


def test_every_step_may_break_off_and_be_done_again(web: Web) -> None:
    request_id = web.begun(filed(web.client, email("ann")))
    hands = web.house.hands
    carry_out(hands, request_id)
    erase_in_files(hands, request_id)
    for stop in range(1, 200):
        steps = iter(range(stop))

        def report(_said: str, steps: Any = steps) -> None:
            if next(steps, None) is None:
                raise _StoppedError

        try:
            scan_contents(replace(hands, report=report), request_id)
            break
        except _StoppedError:
            continue
    assert stop > 5
    assert web.shown(request_id)["plan"]["revision"] == 2
    assert web.house.ledger.index.subjects.count(None) == 3
    assert web.scan(request_id)["found"] == 2
