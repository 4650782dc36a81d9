"""Whole cases on generated pipelines: exactly the erase set goes, and everything else stays."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pyarrow as pa
import pytest

from registry.app import check_everything, create_app
from registry.client.http import HttpClient
from registry.client.inprocess import InProcessTransport
from registry.erasure.rules import load_rules
from registry.errors import ErasedError
from registry.ledger.erasing import read_holes
from registry.request import House
from registry.wire.facets import BATCH
from tests.clock import FrozenClock
from tests.erasure.naive import Naive
from tests.erasure.telling import RECEIVED_MINUTE, Telling, email
from tests.erasure.test_ledger_world import asked_of, worth_telling
from tests.erasure.working import REQUESTS, approved, executed, finished, plan, show
from tests.erasure.worlds import Address, Rows, Story, story_of
from tests.ledger.conftest import s3_options as s3_options
from tests.ledger.erasures import work_off
from tests.ledger.pipelines import NAMESPACE, Pipeline
from tests.live import LiveServer, Registry, open_registry
from tests.stores import copy_sqlite, settings_on

RULES = load_rules().said
RECEIVED = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(minutes=RECEIVED_MINUTE)
FREE = {"license": "CC0-1.0", "personalData": "none"}
TRACED = 40


class Licensed(Telling):
    """A story whose batches may be used by anybody, as far as their runs say what they read."""

    def _output(self, batch: Rows) -> dict[str, Any]:
        output = super()._output(batch)
        output["outputFacets"][BATCH] |= FREE
        return output


@dataclass(frozen=True)
class Holder:
    """As much of a live server as a pipeline needs."""

    registry: Registry


@dataclass
class Lake:
    """A registry on a frozen clock, its client, and a pipeline that reports to it."""

    house: House
    client: HttpClient
    clock: FrozenClock
    pipeline: Pipeline

    def told(self, seed: int) -> Licensed:
        """A story in which nothing came too late to be known."""
        story = story_of(seed)
        story = replace(story, limit=max(story.batches))
        telling = Licensed(self.pipeline, seed, story)
        telling.tell()
        work_off(self.house)
        return telling

    def numbers(self, telling: Telling) -> dict[int, int]:
        with self.house.database.read() as session:
            return telling.numbers(session)

    def erased(self, telling: Telling) -> set[Address]:
        """What of a story is erased."""
        numbers = self.numbers(telling)
        with self.house.database.read() as session:
            holes = read_holes(session, numbers.values())
        return {
            (told, row)
            for told, number in numbers.items()
            if number in holes
            for row in holes[number].ordinals().tolist()
        }

    def trainable(self, telling: Telling) -> set[Address]:
        """What of a story its manifests hold."""
        back = {number: told for told, number in self.numbers(telling).items()}
        found: set[Address] = set()
        for told, batch in telling.story.batches.items():
            if batch.is_model:
                continue
            dataset = {"namespace": NAMESPACE, "name": telling.dataset(told)}
            asked = {"dataset": dataset, "purpose": "model_training"}
            data = self.client.request("POST", "/api/v1/manifests", json=asked).content
            with pa.ipc.open_stream(data) as stream:
                table = stream.read_all()
            names = ("batch", "ordinal")
            pairs = zip(*(table.column(name).to_pylist() for name in names), strict=True)
            found |= {(back[number], row) for number, row in pairs}
        return found

    def is_traced(self, telling: Telling, at: Address) -> bool:
        """Whether an example has a trace; else it says that it was erased."""
        told, row = at
        dataset = {"namespace": NAMESPACE, "name": telling.dataset(told)}
        asked = {"dataset": dataset, "address": {"batch": "b", "ordinal": row}}
        try:
            return bool(self.client.post("/api/v1/trace", asked))
        except ErasedError:
            return False


@dataclass(frozen=True)
class Asking:
    """As much of an HTTP client as a pipeline needs."""

    client: HttpClient

    def put(self, path: str, **said: Any) -> httpx.Response:
        return self.client.request("PUT", path, **said)

    def post(self, path: str, **said: Any) -> httpx.Response:
        return self.client.request("POST", path, **said)


@pytest.fixture
def lake(house: House, admin: HttpClient, frozen_clock: FrozenClock) -> Lake:
    return lake_of(house, admin, frozen_clock)


def lake_of(house: House, client: HttpClient, clock: FrozenClock) -> Lake:
    """A pipeline that reports to a house without a server."""
    server = cast("LiveServer", Holder(Registry(house, "")))
    return Lake(house, client, clock, Pipeline(server, cast("httpx.Client", Asking(client))))


def worth(count: int) -> list[int]:
    """Stories in which something is erased, and something is reviewed."""
    return [seed for seed in range(2_000) if worth_telling(seed)][:count]


def erase(lake: Lake, telling: Licensed) -> None:
    """A whole case of the people of a story, up to its outcome."""
    people = [
        {"scheme": "email", "value": email(telling.seed, each)}
        for each in sorted(asked_of(telling.seed))
    ]
    body = {
        "right": "erasure",
        "regime": "gdpr",
        "subjects": people,
        "channel": "portal",
        "identity": "authenticated",
        "received_at": RECEIVED.isoformat(),
    }
    request_id = str(lake.client.post(REQUESTS, body)["id"])
    approved(lake.house, plan(lake.client, request_id))
    executed(lake.house, lake.client, request_id)
    finished(lake.house, lake.clock, rounds=2)
    shown = show(lake.client, request_id)
    tasks = {each["target"]: each for each in shown["tasks"]}
    assert tasks["ledger"]["state"] == "verified", tasks["ledger"]
    assert tasks["ledger"]["verified"] == len(naive_of(telling).erase)
    assert shown["state"] in ("partially_fulfilled", "fulfilled")


def naive_of(telling: Telling) -> Naive:
    return Naive(telling.story, asked_of(telling.seed), RULES)


def held_to_brute_force(lake: Lake, seeds: list[int]) -> None:
    """Tell stories, erase people of each, and compare all that is left with what was."""
    for seed in seeds:
        telling = lake.told(seed)
        naive, before = naive_of(telling), lake.trainable(telling)
        erase(lake, telling)
        assert lake.erased(telling) == naive.erase, seed
        reviewed: set[Address] = set().union(*naive.review.values())
        after = lake.trainable(telling)
        # What came later too: their own is restricted with all that was made of it, and what has
        # the content of something erased is suppressed.
        contents = {naive.digest(at) for at in naive.erase} - {None}
        later = {at for at in naive.all if naive.digest(at) in contents}
        theirs = naive.made_of(later | {at for at in naive.all if naive.people(at) & naive.asked})
        assert before - naive.erase - reviewed - theirs <= after, seed
        assert after <= before - naive.erase, seed
        story: Story = telling.story
        everything = [
            (number, row)
            for number, batch in sorted(story.batches.items())
            if not batch.is_model
            for row in range(batch.rows)
        ]
        others = [at for at in everything if at not in naive.erase]
        for at in others[:: max(1, len(others) // TRACED)]:
            assert lake.is_traced(telling, at), (seed, at)
        for at in sorted(naive.erase)[:TRACED]:
            assert not lake.is_traced(telling, at), (seed, at)
    assert [each for each in check_everything(lake.house.settings) if each.problems] == []


def test_exactly_the_erase_set_of_generated_pipelines_is_gone(lake: Lake) -> None:
    held_to_brute_force(lake, worth(4))


def test_exactly_the_erase_set_is_gone_from_a_bucket(
    sqlite_template: Path,
    tmp_path: Path,
    frozen_clock: FrozenClock,
    monkeypatch: pytest.MonkeyPatch,
    s3_options: dict[str, str],
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anyone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    home = tmp_path / "home"
    settings = replace(
        settings_on(copy_sqlite(sqlite_template, home), home),
        ledger_url=f"s3://lake/{uuid.uuid4().hex}/ledger",
        s3_endpoint=s3_options["aws_endpoint"],
        s3_region="us-east-1",
    )
    with open_registry(settings, clock=frozen_clock, every_role=False) as opened:
        house = opened.house
        app = create_app(settings, clock=frozen_clock, house=house, background=False)
        transport = InProcessTransport(app, app.router.lifespan_context(app))
        client = HttpClient("http://registry.test", opened.token, transport=transport)
        try:
            held_to_brute_force(lake_of(house, client, frozen_clock), worth(1))
        finally:
            transport.close()
