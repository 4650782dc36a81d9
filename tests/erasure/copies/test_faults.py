"""Whatever breaks off in a copy goes on, and what a connector says of itself is not believed."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest

from registry.client.http import HttpClient
from registry.erasure.connectors.opening import Connectors
from registry.erasure.connectors.protocol import Connector, Erased, Ordinals, Target, Watch
from registry.erasure.execution.carrying_out import carry_out
from registry.erasure.execution.in_files import erase_in_files
from registry.request import House
from tests.clock import FrozenClock
from tests.erasure.copied import PEOPLE, Copied, copied, counts
from tests.erasure.working import show
from tests.ledger.test_binding_faults import Breaker, Breaking, BrokenError

# Where a process is killed: after what was intended, in the midst, and before it looks again.
KILLED_AT = (
    "files copy intended",
    "files copy swapped",
    "huggingface copy swapped",
    "lance copy swapped",
    "sql copy intended",
    "sql copy swapped",
    "sql copy noted",
)
# What one round writes to the database for a file and two copies: it begins each, keeps what it
# intends, what it erased, and what it saw.
STEPS = ["transact"] * 4 * 3
MANY = tuple(f"person{number}" for number in range(2 * len(STEPS) + 3))


@pytest.fixture
def crowd(house: House, admin: HttpClient, frozen_clock: FrozenClock, lake_folder: Path) -> Copied:
    """A row for each of many people."""
    return copied(house, admin, frozen_clock, lake_folder, MANY)


def all_gone(crowd: Copied, requests: list[str], people: list[str], *unbound: str) -> None:
    """Exactly these people are gone from all that is bound, and their cases say so."""
    for name, rows in crowd.rows().items():
        if name in unbound:
            continue
        left = sorted(row["person"] for row in rows)
        half = len(MANY) // 2
        asked = {"a": MANY[:half], "b": MANY[half:]}.get(name, MANY)
        assert left == sorted(set(asked) - set(people)), name
    for request_id in requests:
        found = crowd.tasks(request_id)
        assert {counts(task) for task in found.values()} == {("verified", 1, 1, 1, 1)}, found
        assert show(crowd.client, request_id)["state"] == "fulfilled"
    assert crowd.names_kept() == []


def test_erasing_in_copies_may_break_at_every_step(crowd: Copied) -> None:
    crowd.bind_all("set", "sql")
    hands = crowd.house.hands
    cases, people = [], list(MANY[: 2 * len(STEPS) + 1])
    breakers = [Breaker()]
    for step in range(1, len(STEPS) + 1):
        breakers += [Breaker(step, kept=False), Breaker(step, kept=True)]
    for person, breaker in zip(people, breakers, strict=True):
        cases.append(crowd.begun(person))
        carry_out(hands, cases[-1])
        database: Any = Breaking(hands.database, breaker, "transact")
        broken = replace(hands, database=database)
        with contextlib.suppress(BrokenError):
            erase_in_files(broken, cases[-1])
        if not breaker.step:
            assert breaker.steps == STEPS
    crowd.go_on()
    all_gone(crowd, cases, people, "lines", "lance")


def test_a_process_that_is_killed_in_a_copy_leaves_nothing_half(
    crowd: Copied, database_url: str
) -> None:
    crowd.bind_all()
    cases, people = [], list(MANY[: len(KILLED_AT)])
    for person, at in zip(people, KILLED_AT, strict=True):
        cases.append(crowd.begun(person))
        said = {
            "url": database_url,
            "home": str(crowd.house.settings.home),
            "lake": str(crowd.folder),
            "credentials": crowd.house.settings.credentials_file,
            "now": crowd.clock.now.isoformat(),
            "request": cases[-1],
            "at": at,
        }
        command = [sys.executable, "-m", "tests.erasure.dying_in_files", json.dumps(said)]
        ended = subprocess.run(command, capture_output=True, timeout=120, check=False)
        assert ended.returncode == -signal.SIGKILL, (at, ended.stderr.decode())
    crowd.go_on()
    all_gone(crowd, cases, people)


class _Lying:
    """A connector that does with a copy what it is asked, and says something else."""

    def __init__(self, honest: Connector, says: Callable[[Erased], Erased], does: bool) -> None:
        self._honest, self._says, self._does = honest, says, does

    def __getattr__(self, name: str) -> Any:
        return getattr(self._honest, name)

    def erase(
        self, target: Target, rows: Ordinals, watch: Watch, *, dry_run: bool = False
    ) -> Erased:
        some = rows if self._does else rows[:-1]
        done = self._honest.erase(target, some, watch, dry_run=dry_run)
        return self._says(done)


@dataclass(frozen=True)
class _Liars(Connectors):
    says: Callable[[Erased], Erased] = lambda done: done
    does: bool = True

    def of(self, target: Target) -> Connector:
        honest = Connectors.of(self, target)
        return _Lying(honest, self.says, self.does) if target.is_keyed else honest


# What it says of what it did, and whether it did it: all that was asked, or all but one row.
LIES: dict[str, tuple[Callable[[Erased], Erased], bool, str]] = {
    "erased all, says one less": (
        lambda done: replace(done, erased=done.erased - 1),
        True,
        "rows are said to be erased",
    ),
    "erased one less, says all": (
        lambda done: replace(done, erased=done.erased + 1),
        False,
        "remains: ",
    ),
    "erased one less, says so": (lambda done: done, False, "remains: "),
}


@pytest.mark.parametrize(("says", "does", "words"), LIES.values(), ids=LIES)
def test_a_connector_that_lies_is_found_out(
    lake: Copied, says: Callable[[Erased], Erased], does: bool, words: str
) -> None:
    lake.bind_all("lines", "sql")
    request_id = lake.begun("ann")
    honest = lake.house.hands
    parts = {each.name: getattr(honest.connectors, each.name) for each in fields(Connectors)}
    liars = replace(honest, connectors=_Liars(**parts, says=says, does=does))
    carry_out(honest, request_id)
    assert not erase_in_files(liars, request_id)
    found = lake.tasks(request_id)
    for name in ("copy.jsonl", "sql:warehouse"):
        assert found[name]["state"] == "failed_retryable"
        assert words in found[name]["detail"]
    assert erase_in_files(honest, request_id)
    theirs = PEOPLE.count("ann")
    found = lake.tasks(request_id)
    for name in ("copy.jsonl", "sql:warehouse"):
        assert counts(found[name]) == ("verified", theirs, theirs, theirs, theirs)
    after = lake.rows()
    assert not [row for name in ("lines", "sql") for row in after[name] if row["person"] == "ann"]
