"""One fact changes, and exactly what rests on it changes in what is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from registry.cards.facts.keeping import GroundKeeper
from registry.cards.values import CardFacts, State
from registry.client.http import HttpClient
from registry.request import House
from tests.cards.lake import told
from tests.cards.reading import changed, facts_of, rows
from tests.clock import FrozenClock
from tests.erasure.town import KEYED, RIGHTS, built, consent, email, examples
from tests.ledger.erasures import erase, sets_of, work_off
from tests.ledger.pipelines import NAMESPACE, digest_of, parquet, written

LOG = {"audit.first_at", "audit.entries", "audit.head"}


@dataclass
class Town:
    """The town of the erasure tests, and what was read of `clean` before."""

    house: House
    client: HttpClient
    clock: FrozenClock
    numbers: dict[str, int]
    keeper: GroundKeeper = field(default_factory=GroundKeeper)

    def read(self) -> CardFacts:
        """The facts now; those that are kept are the same as those that are read anew."""
        anew = facts_of(self.house, "clean")
        assert facts_of(self.house, "clean", keeper=self.keeper).document() == anew.document()
        return anew


@pytest.fixture
def town(house: House, admin: HttpClient, frozen_clock: FrozenClock) -> Town:
    return Town(house, admin, frozen_clock, built(house, admin))


def said_again(town: Town, **more: Any) -> None:
    """The run of `raw` says again what it said, and more."""
    digest = digest_of(parquet(examples()))
    output = written("raw", "raw", examples=digest, **{**RIGHTS, **KEYED, **more})
    event = {
        "eventType": "COMPLETE",
        "eventTime": "2026-02-01T00:30:00Z",
        "producer": "https://example.org/tests",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": "0190a0f0-0000-7000-8000-000000000001"},
        "job": {"namespace": "tests", "name": "collect"},
        "outputs": [output],
    }
    town.client.post("/api/v1/lineage", event)
    work_off(town.house)


def add_license(town: Town) -> None:
    said_again(town, license="MIT")


def add_region(town: Town) -> None:
    said_again(town, region="eu-west-1")


def add_origin(town: Town) -> None:
    said_again(town, origin={"kind": "public", "uri": "https://x.example.org"})


def withdraw(town: Town) -> None:
    consent(town.house, "ann", "withdrawn")


def erase_a_row(town: Town) -> None:
    erase(town.house, sets_of(town.numbers, clean=[0]))


def verify_basis(town: Town) -> None:
    body = {
        "namespace": NAMESPACE,
        "name": "raw",
        "batch": "raw",
        "fact": "legal_basis",
        "value": "contract",
        "evidence": "sha256:" + "b" * 64,
    }
    town.client.post("/api/v1/rights/verifications", body)


def hold(town: Town) -> None:
    body = {
        "items": [{"namespace": NAMESPACE, "name": "clean"}],
        "matter": "case 7",
        "owner": "legal",
        "reason": "asked by the court",
        "ground": "17_3_e",
    }
    town.client.post("/api/v1/holds", body)


def decide(town: Town) -> None:
    asked = {"dataset": {"namespace": NAMESPACE, "name": "clean"}, "purpose": "model_training"}
    town.client.post("/api/v1/decisions", asked)


def share(town: Town) -> None:
    said = {"namespace": NAMESPACE, "name": "clean", "version": 1, "recipient": "acme"}
    town.client.post("/api/v1/register/shares", said)


def describe(town: Town) -> None:
    plain = {"_producer": "https://example.org", "_schemaURL": "https://example.org/f.json"}
    event = {
        "eventTime": "2026-02-01T00:40:00Z",
        "producer": "https://example.org/tests",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent",
        "dataset": {
            "namespace": NAMESPACE,
            "name": "clean",
            "facets": {"documentation": {**plain, "description": "Cleaned."}},
        },
    }
    town.client.post("/api/v1/lineage", event)


def train_again(town: Town) -> None:
    told(town.client, "train anew", 50, written("net2", "net2", exampleCount=1), reads=["clean"])
    work_off(town.house)


#: What cites the event that told of the batch `raw`: all that rests on it.
OF_RAW = {
    "origin.batches",
    "origin.kinds",
    "origin.sources",
    "origin.unresolved",
    "origin.collected_from",
    "origin.collected_until",
    "rights.effective_terms",
    "rights.conflicts",
    "rights.legal_bases",
    "rights.special_conditions",
    "rights.consent",
    "rights.consent_coverage",
    "rights.notices",
    "purposes.asserted",
    "personal.classes",
    "personal.coverage",
    "personal.subjects",
    "preparation.steps",
    "preparation.unrecorded",
    "preparation.filters",
    "synthetic.share",
    "lineage.upstream",
    "lineage.feedback_loops",
    "audit.controls",
}


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (withdraw, {"rights.consent", "rights.consent_coverage"}),
        (verify_basis, {"rights.legal_bases", "origin.batches", "rights.consent_coverage"}),
        (hold, {"rights.holds"}),
        (decide, {"purposes.decisions"}),
        (share, {"access.recipients"}),
        (describe, {"identity.description"}),
        (train_again, {"lineage.downstream"}),
        (add_license, OF_RAW | {"rights.licenses"}),
        (add_region, OF_RAW),
        (add_origin, OF_RAW | {"origin.services", "origin.crawls", "synthetic.generators"}),
    ],
    ids=lambda each: each.__name__ if callable(each) else "",
)
def test_one_fact_changes_and_exactly_what_cites_it(
    town: Town, act: Callable[[Town], None], expected: set[str]
) -> None:
    before = town.read()
    town.clock.advance(minutes=5)
    assert changed(before, town.read()) == set()
    act(town)
    after = town.read()
    assert changed(before, after) - LOG == expected
    assert before.digest != after.digest


def test_erasing_a_row_changes_what_counts_examples(town: Town) -> None:
    before = town.read()
    erase_a_row(town)
    after = town.read()
    found = changed(before, after)
    assert {"quantity.examples", "quantity.erased", "quantity.bytes", "rights.licenses"} <= found
    assert after["quantity.examples"].value == 5
    untouched = {"rights.effective_terms", "controller.name", "identity.mode", "policy.digest"}
    assert not found & untouched
    assert after["identity.content_digest"] == before["identity.content_digest"]


def test_a_withdrawn_consent_is_counted_and_names_nobody(town: Town) -> None:
    before = town.read()
    assert rows(before, "rights.consent") == [("model_training", "given", 3)]
    withdraw(town)
    after = town.read()
    counts = {row[1]: row[2] for row in rows(after, "rights.consent")}
    assert counts == {"given": 2, "withdrawn": 1}
    assert after["rights.consent_coverage"].value == pytest.approx(2 / 3)
    assert email("ann") not in str(after.document())


def test_a_licence_that_is_added_late_is_counted_again(town: Town) -> None:
    add_license(town)
    facts = town.read()
    assert [row[:2] for row in rows(facts, "rights.licenses")] == [("MIT", 6)]
    assert facts["quantity.by_split"].state is State.NOT_RECORDED
