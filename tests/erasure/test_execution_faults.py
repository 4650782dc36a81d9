"""Carrying a plan out may break at every step; done again, it ends as one that nothing disturbed.

One registry holds a person for each break. Each person's case breaks once, at another step, as one
that was not kept and as one that was; then the queue does what is left, and all end alike.
"""

from __future__ import annotations

import contextlib
import copy
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import select

from registry.app import check_everything
from registry.client.http import HttpClient
from registry.erasure.case.intake import day_of
from registry.erasure.execution.carrying_out import begin, carry_out
from registry.erasure.execution.hands import Hands
from registry.erasure.outcome.concluding import conclude
from registry.erasure.tables import ErasureCertificate
from registry.errors import ConflictError, StorageUnavailableError
from registry.request import House
from registry.rights.tables import Suppression
from registry.storage.columns import table_of
from registry.workers.loop import Workers
from registry.workers.tasks import HANDLERS
from tests.clock import FrozenClock
from tests.erasure.town import KEYED, RIGHTS, email, examples, tasks, told
from tests.erasure.working import approved, filed, finished, plan, show
from tests.ledger.erasures import index_rows, work_off
from tests.ledger.pipelines import NAMESPACE, mapped, parquet, written
from tests.ledger.test_binding_faults import Breaker, Breaking, BrokenError, altered, put

_suppression, _certificate = table_of(Suppression), table_of(ErasureCertificate)
OF_LEDGER = {kind: work for kind, work in HANDLERS.items() if kind.value.startswith("ledger.")}
# What is known, kept; the mark, listed. The object's two parts; the index; the tasks that follow.
# The event log and the journal, listed. What was erased is noted, and what was found.
FIRST = [
    *("put", "transact", "put"),
    *("put_file", "put_file", "delete", "delete", "transact"),
    *("transact", "transact", "put", "transact", "transact"),
]
# The same with nothing left to take away, but that the list names what others took out of the same
# event since; then what is known is forgotten, and the outcome stated.
LAST = [
    "put",
    "transact",
    "put",
    "delete",
    "delete",
    "transact",
    "transact",
    "transact",
    "delete",
    "transact",
]


@dataclass
class Faults:
    """A registry with one example, and a copy of it, for each of some people."""

    house: House
    client: HttpClient
    clock: FrozenClock
    people: Iterator[str] = field(init=False)
    rows: int = field(init=False)

    def __post_init__(self) -> None:
        names = [f"person{number}" for number in range(2 * (len(FIRST) + len(LAST)) + 6)]
        self.people = iter(names)
        rows = self.rows = len(names)
        digest = put(self.client, parquet(examples([[name] for name in names])), "examples")
        told(self.client, "collect", 1, written("raw", "raw", examples=digest, **RIGHTS, **KEYED))
        same = {"form": "range", "first": 0, "count": rows, "size": rows}
        maps = [mapped([("raw", "raw")], same)]
        told(self.client, "clean", 2, written("clean", "clean", maps=maps), reads=["raw"])
        # An event that names every example, and an entry for each person who was looked up.
        note = {"_producer": "https://example.org", "_schemaURL": "https://example.org/note.json"}
        spoken = {f"row{row}": f"look at example-number-{row}." for row in range(rows)}
        facets = {"facets": {"note": {**note, **spoken}}}
        told(self.client, "note", 3, {"namespace": NAMESPACE, "name": "notes", **facets})
        for name in names:
            asked = {"subject": {"scheme": "email", "value": email(name)}}
            self.client.post("/api/v1/subjects/locate", asked)
        work_off(self.house)
        self.clock.advance(hours=1)

    def begun(self) -> str:
        """The case of another person, that somebody begins to carry out; the queue waits."""
        request_id = filed(self.client, email(next(self.people)))
        approved(self.house, plan(self.client, request_id))
        now = self.house.clock()
        self.house.database.transact(
            lambda session: begin(
                session, request_id, backups=[], today=day_of(now), actor="tests", now=now
            )
        )
        return request_id

    def round(self, request_id: str, breaker: Breaker) -> list[str]:
        """One round as the worker does it, up to where it breaks; its steps."""
        hands = broken(self.house.hands, breaker)
        with contextlib.suppress(BrokenError):
            if carry_out(hands, request_id):
                conclude(hands, request_id, actor="tests")
        return breaker.steps

    def let_ledger_work(self) -> None:
        """Let the tasks of the ledger be done, and the time pass that they wait for."""
        for _ in range(2):
            Workers(self.house, threads=1, handlers=OF_LEDGER).work_off()
            self.clock.advance(minutes=70)

    def came_to(self, request_id: str) -> dict[str, Any]:
        """All that a case comes to, but for ids and times."""
        with self.house.database.read() as session:
            mine = _suppression.c.case_id == request_id
            kept = session.execute(select(_suppression.c.kind).where(mine)).scalars()
            query = select(_certificate.c.outcome, _certificate.c.envelope.is_not(None))
            issued = session.execute(query.where(_certificate.c.request_id == request_id))
            shown = {"suppressions": sorted(kept), "certificates": [tuple(row) for row in issued]}
        case = show(self.client, request_id)
        counts = ("state", "expected", "found", "erased", "verified")
        ended = {
            name: tuple(task[each] for each in counts)
            for name, task in tasks(self.client, request_id).items()
        }
        steps = [each["kind"] for each in case["timeline"]]
        return {**shown, "tasks": ended, "state": case["state"], "steps": steps}


def broken(hands: Hands, breaker: Breaker) -> Hands:
    """The tools, each write of which goes through a breaker."""
    index: Any = copy.copy(hands.ledger.index)
    index.examples = Breaking(index.examples, breaker, "delete")
    index.subjects = Breaking(index.subjects, breaker, "delete")
    objects: Any = Breaking(hands.ledger.objects, breaker, "put", "put_file", "delete")
    ledger = altered(hands.ledger, index=index, objects=objects)
    database: Any = Breaking(hands.database, breaker, "transact")
    return replace(hands, ledger=ledger, database=database)


def every_break(steps: list[str]) -> Iterator[Breaker]:
    for step in range(1, len(steps) + 1):
        yield Breaker(step, kept=False)
        yield Breaker(step, kept=True)


@pytest.fixture
def faults(house: House, admin: HttpClient, frozen_clock: FrozenClock) -> Faults:
    return Faults(house, admin, frozen_clock)


def test_carrying_out_may_break_at_every_step(faults: Faults) -> None:
    # The first case of all begins the list beside the ledger.
    first = faults.begun()
    faults.round(first, Breaker())
    undisturbed = faults.begun()
    assert faults.round(undisturbed, Breaker()) == FIRST
    cases = [undisturbed]
    for breaking in every_break(FIRST):
        cases.append(faults.begun())
        faults.round(cases[-1], breaking)
    late = [faults.begun() for _ in range(2 * len(LAST) + 2)]
    for each in late:
        faults.round(each, Breaker())
    faults.let_ledger_work()
    assert faults.round(late[0], Breaker()) == LAST
    for each, breaking in zip(late[1:-1], every_break(LAST), strict=True):
        faults.round(each, breaking)
    finished(faults.house, faults.clock, rounds=4)
    expected = faults.came_to(undisturbed)
    # The example and its copy; in one event; one entry of a look-up.
    assert expected["tasks"]["own_data ledger"] == ("verified", 2, 2, 2, 2)
    assert expected["tasks"]["own_data event_log"] == ("verified", None, 1, 1, 1)
    assert expected["tasks"]["own_data audit_log"] == ("verified", None, 1, 1, 1)
    assert expected["suppressions"] == ["digest", "subject"]
    assert expected["certificates"] == [("partially_fulfilled", True)]
    everybody = [first, *cases, *late]
    for at, each in enumerate(everybody):
        assert faults.came_to(each) == expected, at
    left = {address & 0xFFFF for address in index_rows(faults.house)}
    assert left == set(range(len(everybody), faults.rows))
    assert list(faults.house.ledger.objects.names("erasures/known")) == []
    assert [each for each in check_everything(faults.house.settings) if each.problems] == []


def test_two_workers_at_once_on_the_same_case(faults: Faults) -> None:
    request_id = faults.begun()
    hands = faults.house.hands
    for _ in range(2):
        together = threading.Barrier(2, timeout=60)
        wrong: list[Exception] = []

        def work(together: threading.Barrier = together, wrong: list[Exception] = wrong) -> None:
            together.wait()
            try:
                if carry_out(hands, request_id):
                    conclude(hands, request_id, actor="tests")
            except (ConflictError, StorageUnavailableError):
                # The other one was faster, or in the way: the queue tries again.
                pass
            except Exception as error:  # noqa: BLE001 - told in the test's own thread
                wrong.append(error)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(120)
        assert wrong == []
        faults.let_ledger_work()
    finished(faults.house, faults.clock, rounds=3)
    came = faults.came_to(request_id)
    assert came["tasks"]["own_data ledger"] == ("verified", 2, 2, 2, 2)
    assert came["tasks"]["own_data event_log"] == ("verified", None, 1, 1, 1)
    assert came["suppressions"] == ["digest", "subject"]
    assert came["certificates"] == [("partially_fulfilled", True)]
    assert came["steps"].count("erasure.letter.made") == 2


# Words of the reports between the steps, in their order; one run after another is killed at each.
KILLED_AT = ("examples objects looked at", "rows of the index erased", "entries looked at")


def test_a_process_that_is_killed_between_steps_leaves_nothing_half(
    faults: Faults, database_url: str
) -> None:
    request_id = faults.begun()
    said = {
        "url": database_url,
        "home": str(faults.house.settings.home),
        "now": faults.clock.now.isoformat(),
        "request": request_id,
    }
    for at in KILLED_AT:
        asked = json.dumps({**said, "at": at})
        command = [sys.executable, "-m", "tests.erasure.killed", asked]
        ended = subprocess.run(command, capture_output=True, timeout=120, check=False)
        assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    finished(faults.house, faults.clock, rounds=4)
    came = faults.came_to(request_id)
    assert came["tasks"]["own_data ledger"] == ("verified", 2, 2, 2, 2)
    assert came["tasks"]["own_data event_log"] == ("verified", None, 1, 1, 1)
    assert came["tasks"]["own_data audit_log"] == ("verified", None, 1, 1, 1)
    assert came["suppressions"] == ["digest", "subject"]
    assert came["certificates"] == [("partially_fulfilled", True)]
