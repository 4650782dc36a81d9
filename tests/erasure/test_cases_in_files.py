"""The governance cases that executors are asked about, as stories of files, each with its number.

A story is steps by name; what is left in each file, the states of its tasks and the outcome follow.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from registry.actors.tables import Role
from registry.client.http import HttpClient
from registry.erasure.connectors.opening import Connectors
from registry.erasure.connectors.protocol import Connector, Erased, Ordinals, Target, Watch
from registry.erasure.connectors.trouble import Reason, StoppedError, Trouble
from registry.erasure.execution.carrying_out import carry_out
from registry.erasure.execution.in_files import erase_in_files
from registry.files import shipped
from registry.ledger.rowmap import NO_PARENT
from registry.request import House
from registry.rights.tables import ConsentEvent
from registry.settings import Settings
from registry.storage.columns import table_of
from tests.clock import FrozenClock
from tests.conftest import TokenMaker
from tests.erasure.test_in_files import said_of
from tests.erasure.town import KEYED, RIGHTS, consent, email, examples, lifted, told
from tests.erasure.working import REQUESTS, approved, filed, finished, plan, show
from tests.ledger.erasures import work_off
from tests.ledger.pipelines import NAMESPACE, mapped, parquet, written
from tests.ledger.test_binding_faults import put
from tests.stores import settings_on

RAW = [["ann"], ["bob"], ["ann", "bob"], ["cay"]]
OTHER = [["ann"], ["dan"]]
# `clean` is a copy of raw; `packed` has pairs of its rows; `merged` has raw with a map, and other
# without one.
ROWS = {"raw": 4, "other": 2, "clean": 4, "packed": 2, "merged": 6}
WHOLE = {name: list(range(rows)) for name, rows in ROWS.items()}
_consent = table_of(ConsentEvent)


class _Broken(Connectors):
    """Connectors that do not do what they are there for."""

    def of(self, target: Target) -> Connector:
        raise StoppedError(Reason.NOT_INSTALLED, "Its library was removed.")


class _FailsOnce:
    """A connector that is cut off in the first file that it is asked about."""

    def __init__(self, honest: Connector, seen: list[str]) -> None:
        self._honest = honest
        self._seen = seen
        self.find, self.check, self.prove = honest.find, honest.check, honest.prove

    def erase(
        self, target: Target, rows: Ordinals, watch: Watch, *, dry_run: bool = False
    ) -> Erased:
        if not self._seen:
            self._seen.append(target.uri)
            return Erased(trouble=Trouble(Reason.OUT_OF_REACH, "The store went away."))
        return self._honest.erase(target, rows, watch, dry_run=dry_run)


class _Failing(Connectors):
    seen: list[str] = []  # noqa: RUF012 - of the one test that is running

    def of(self, target: Target) -> Connector:
        return _FailsOnce(Connectors.of(self, target), self.seen)


class _FindsNothing(Connectors):
    """Connectors that erase nothing, and say so."""

    def of(self, target: Target) -> Connector:
        honest = Connectors.of(self, target)

        class Nothing:
            find, check, prove = honest.find, honest.check, honest.prove

            def erase(self, *_asked: object, **_how: object) -> Erased:
                return Erased(sha256=target.sha256)

        return Nothing()


@dataclass
class Lake:
    """Five datasets in JSON Lines of which each row says its number."""

    folder: Path
    house: House
    client: HttpClient
    second: HttpClient
    clock: FrozenClock
    request: str = ""
    hold: str = ""
    said: list[dict[str, str]] = field(default_factory=list)

    def left(self) -> dict[str, list[int]]:
        return {
            name: [
                json.loads(line)["row"]
                for line in (self.folder / f"{name}.jsonl").read_text("utf-8").splitlines()
            ]
            for name in ROWS
        }

    def states(self) -> dict[str, str]:
        """The state of each file's task by the name of its file."""
        found = [
            each for each in show(self.client, self.request)["tasks"] if each["kind"] == "file"
        ]
        return {Path(each["target"]).stem: each["state"] for each in found}

    def plan(self, *decisions: dict[str, str]) -> None:
        self.request = filed(self.client, email("ann"))
        approved(self.house, plan(self.client, self.request, *decisions))

    def begin(self) -> None:
        self.client.post(f"{REQUESTS}/{self.request}/execute", None)

    def work(self) -> None:
        """Everything that the queue has, and what waits for some hours to pass."""
        self.begin()
        work_off(self.house)
        finished(self.house, self.clock)

    def own(self) -> None:
        """What the registry itself holds, and no file."""
        self.begin()
        carry_out(self.house.hands, self.request)

    def files_with(self, connectors: type[Connectors]) -> None:
        """One round in the files by other connectors."""
        self.own()
        real = self.house.hands.connectors
        made = connectors(
            real.file_roots, real.credentials, real.s3_endpoint, real.s3_region, real.spool
        )
        erase_in_files(replace(self.house.hands, connectors=made), self.request)

    def place(self, name: str, **where: Any) -> None:
        """A hold on a dataset, or on an example of it."""
        body = {
            "items": [{"namespace": NAMESPACE, "name": name, **where}],
            "matter": "a lawsuit",
            "owner": "legal",
            "reason": "asked by the court",
            "ground": "17_3_e",
        }
        self.hold = str(self.client.post("/api/v1/holds", body)["id"])

    def lift(self) -> None:
        lifted(self.client, self.second, self.hold)
        work_off(self.house)
        finished(self.house, self.clock)


Step = Callable[[Lake], None]


def decided(decision: str, *reasons: str) -> Step:
    why = "ThirdPartyRightsImpaired: it is another's"
    said = [{"reason": each, "decision": decision, "why": why} for each in reasons]
    return lambda lake: lake.plan(*said)


def held(name: str, **where: Any) -> Step:
    return lambda lake: lake.place(name, **where)


def without(**gone: Sequence[int]) -> dict[str, list[int]]:
    """What is left of each file where these rows are gone."""
    return {
        name: [row for row in rows if row not in gone.get(name, ())] for name, rows in WHOLE.items()
    }


ALL = ("several_subjects", "unknown_step")
KEEP = decided("keep", *ALL)
GONE = without(raw=[0], clean=[0], packed=[0], merged=[0], other=[0])
DONE = dict.fromkeys(ROWS, "verified")
NOT_DONE = "partially_fulfilled"


@dataclass(frozen=True)
class Story:
    """Steps, and what they come to; `states` are those that are not *verified*."""

    steps: Sequence[Step]
    left: Mapping[str, Sequence[int]]
    outcome: str = "fulfilled"
    states: Mapping[str, str] = field(default_factory=dict)


STORIES = {
    "case 3: a hold that comes after approval keeps its rows in their files": Story(
        [KEEP, held("clean", batch="clean", ordinal=0), Lake.work],
        without(raw=[0], packed=[0], merged=[0], other=[0]),
        NOT_DONE,
        {"clean": "withheld"},
    ),
    "case 3: a hold that comes when rows are marked keeps them in their files": Story(
        [KEEP, Lake.own, held("clean"), Lake.work],
        without(raw=[0], packed=[0], merged=[0], other=[0]),
        NOT_DONE,
        {"clean": "withheld"},
    ),
    "case 3: a hold by another name of the dataset keeps them too": Story(
        [KEEP, Lake.own, held("alias"), Lake.work],
        without(clean=[0], packed=[0], merged=[0], other=[0]),
        NOT_DONE,
        {"raw": "withheld"},
    ),
    "case 3: what a hold kept leaves its file when the hold is lifted": Story(
        [KEEP, Lake.own, held("clean"), Lake.work, Lake.lift], GONE
    ),
    "case 5: what is kept of two people stays in every file": Story([KEEP, Lake.work], GONE),
    "case 5: what is erased of two people leaves every file it was copied to": Story(
        [
            lambda lake: lake.plan(
                {"reason": "several_subjects", "decision": "erase", "why": "agreed by both"},
                {"reason": "unknown_step", "decision": "keep", "why": "looked at"},
            ),
            Lake.work,
        ],
        without(raw=[0, 2], clean=[0, 2], packed=[0, 1], merged=[0, 2], other=[0]),
    ),
    "case 5: what nobody decided on stays, and is said": Story(
        [Lake.plan, Lake.work], GONE, NOT_DONE
    ),
    "case 10: an executor that fails half-way is begun again": Story(
        [KEEP, lambda lake: lake.files_with(_Failing), Lake.work], GONE
    ),
    "case 10: an executor that finds zero rows where some are is not believed": Story(
        [KEEP, lambda lake: lake.files_with(_FindsNothing)],
        WHOLE,
        "verifying",
        dict.fromkeys(ROWS, "failed_retryable"),
    ),
    "case 10: after one that found zero rows another one does it": Story(
        [KEEP, lambda lake: lake.files_with(_FindsNothing), Lake.work], GONE
    ),
    "case 10: files whose connector was removed are named, and nothing is touched": Story(
        [KEEP, lambda lake: lake.files_with(_Broken)],
        WHOLE,
        "verifying",
        dict.fromkeys(ROWS, "failed_final"),
    ),
    "case 10: when the connector is back the files are erased": Story(
        [KEEP, lambda lake: lake.files_with(_Broken), Lake.work], GONE
    ),
    "case 10: what is erased already is success": Story(
        [KEEP, lambda lake: lake.files_with(Connectors), Lake.work], GONE
    ),
    "case 20: of a merge with one map only rows that it proves leave the file": Story(
        [decided("keep", "several_subjects"), Lake.work], GONE, NOT_DONE
    ),
    "case 20: where a person decides so, the merged batch goes whole": Story(
        [
            lambda lake: lake.plan(
                {"reason": "several_subjects", "decision": "keep", "why": "it is another's"},
                {"reason": "unknown_step", "decision": "erase", "why": "nobody knows"},
            ),
            Lake.work,
        ],
        {**GONE, "merged": []},
    ),
}


@pytest.fixture
def lake_folder(tmp_path: Path) -> Path:
    folder = (tmp_path / "lake").resolve()
    folder.mkdir()
    return folder


@pytest.fixture
def packed() -> str:
    """What the rules say of rows that several examples were packed into."""
    return "erase"


@pytest.fixture
def settings(database_url: str, tmp_path: Path, lake_folder: Path, packed: str) -> Settings:
    """As usual, with these rules, and the lake is a place where the registry may erase."""
    rules = (shipped("policies") / "erasure.yaml").read_text("utf-8")
    (tmp_path / "policies").mkdir()
    said = rules.replace("  packed: erase ", f"  packed: {packed} ")
    (tmp_path / "policies" / "erasure.yaml").write_text(said, "utf-8")
    return replace(
        settings_on(database_url, tmp_path / "home"),
        file_roots=(str(lake_folder),),
        policies=str(tmp_path / "policies"),
    )


@pytest.fixture
def lake(
    house: House,
    admin: HttpClient,
    connect: Callable[[str], HttpClient],
    make_token: TokenMaker,
    frozen_clock: FrozenClock,
    lake_folder: Path,
) -> Lake:
    files = {}
    for name, rows in ROWS.items():
        path = lake_folder / f"{name}.jsonl"
        path.write_text("".join(f'{{"row": {row}}}\n' for row in range(rows)), "utf-8")
        files[name] = [said_of(path, rows)]
    _tell(admin, files)
    for person in ("ann", "bob", "cay"):
        consent(house, person, "given")
    work_off(house)
    frozen_clock.advance(hours=1)
    second = connect(make_token(Role.APPROVER, name="second"))
    _Failing.seen.clear()
    return Lake(lake_folder, house, admin, second, frozen_clock)


def _tell(admin: HttpClient, files: Mapping[str, Any]) -> None:
    """What became of the data: raw → clean, packed; raw and other → merged, with half a map."""
    said: dict[str, Any] = {**RIGHTS, **KEYED}
    for minute, (name, people, first) in enumerate((("raw", RAW, 0), ("other", OTHER, 50)), 1):
        digest = put(admin, parquet(examples(people, first=first)), "examples")
        output = written(name, name, examples=digest, files=files[name], **said)
        if name == "raw":
            other = {"namespace": NAMESPACE, "name": "alias", "type": "TABLE"}
            kind = {"_producer": "https://example.org", "_schemaURL": "https://example.org/s.json"}
            output["facets"] = {"symlinks": {**kind, "identifiers": [other]}}
        told(admin, f"collect-{name}", minute, output)
    maps = {
        "clean": {"form": "range", "first": 0, "count": 4, "size": 4},
        "packed": {"form": "lists", "offsets": [0, 2, 4], "parents": [0, 1, 2, 3], "size": 4},
        "merged": {"form": "take", "parents": [0, 1, 2, 3, NO_PARENT, NO_PARENT], "size": 4},
    }
    reads = {"clean": ["raw"], "packed": ["raw"], "merged": ["raw", "other"]}
    for minute, (name, row_map) in enumerate(maps.items(), 5):
        made = mapped([("raw", "raw")], row_map)
        output = written(name, name, maps=[made], files=files[name])
        told(admin, f"make-{name}", minute, output, reads=reads[name])


@pytest.mark.parametrize("name", STORIES)
def test_cases_of_executors(lake: Lake, name: str) -> None:
    story = STORIES[name]
    consents = _consents(lake.house)
    for step in story.steps:
        step(lake)
    assert lake.left() == story.left
    assert lake.states() == {**DONE, **story.states}
    assert show(lake.client, lake.request)["state"] == story.outcome
    # Nobody else's consent is touched by what becomes of an example that they share.
    assert _consents(lake.house) == consents == 3


#: Under a rule: the reason and rows that are reviewed, what is decided on it, what is left.
PACKED = [
    ("erase", None, None, [1]),
    ("review", "several_subjects", "keep", [0, 1]),
    ("redact", "packed_span", "keep", [0, 1]),
    ("redact", "packed_span", "erase", [1]),
]


@pytest.mark.parametrize(("packed", "reason", "decision", "left"), PACKED)
def test_rows_that_several_were_packed_into_follow_the_rule(
    lake: Lake, packed: str, reason: str | None, decision: str | None, left: list[int]
) -> None:
    """Row 0 of packed is of ann and bob; what cannot be cut out of it is put before a person."""
    lake.request = filed(lake.client, email("ann"))
    made = plan(lake.client, lake.request)
    found = {
        group["reason"]: batch["examples"]
        for group in made["review"]
        for each in group["by_dataset"]
        for batch in each["batches"]
        if batch["name"] == "packed"
    }
    # Row 1 was made of an example that names two people, whatever the rule.
    expected = {"several_subjects": 1}
    if reason is not None:
        expected[reason] = expected.get(reason, 0) + 1
    assert found == expected
    reasons = [group["reason"] for group in made["review"]]
    said = [
        {
            "reason": each,
            "decision": decision if each == reason and decision else "keep",
            "why": "ThirdPartyRightsImpaired: it is another's",
        }
        for each in reasons
    ]
    approved(lake.house, plan(lake.client, lake.request, *said))
    lake.work()
    assert lake.left()["packed"] == left
    assert show(lake.client, lake.request)["state"] == "fulfilled"


def _consents(house: House) -> int:
    with house.database.read() as session:
        return int(session.execute(select(func.count()).select_from(_consent)).scalar_one())
