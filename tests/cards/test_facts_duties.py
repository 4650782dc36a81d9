"""What people asked for, must keep, were given and decided, as facts of what it concerns."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.cards.facts.reading import read_facts
from registry.cards.facts.world import Parts
from registry.cards.values import CardFacts, EvidenceKind, Grade, State
from registry.catalog.names import dataset_id
from registry.client.http import HttpClient
from registry.policy.policy_set import load_policies
from registry.request import House
from registry.rights.violations import Breach, raise_violation
from tests.cards.reading import facts_of, rows
from tests.clock import FrozenClock
from tests.erasure.town import (
    built,
    carried_out,
    done_by_people,
    email,
    keep,
)
from tests.erasure.working import filed, plan
from tests.ledger.erasures import work_off
from tests.ledger.pipelines import NAMESPACE

RULES = """
rules:
  - name: personal-two-years
    scope: {personal_data: [personal, special]}
    trigger: recorded
    duration: P2Y
    action: erase
    rank: maximum
    legal_basis: GDPR Art. 5(1)(e)
  - name: elsewhere
    scope: {namespace: "other://*"}
    trigger: recorded
    duration: P1D
    legal_basis: none
event_log: P3Y
"""


@pytest.fixture
def numbers(house: House, admin: HttpClient) -> dict[str, int]:
    return built(house, admin)


@pytest.mark.parametrize("days", [0, 6])
def test_a_request_is_counted_with_its_outcome_its_days_and_where_else_it_went(
    house: House, admin: HttpClient, numbers: dict[str, int], frozen_clock: FrozenClock, days: int
) -> None:
    assert facts_of(house, "raw")["erasure.requests"].state is State.ZERO
    request = filed(admin, email("cay"))
    made = plan(admin, request)
    reasons = sorted({each["reason"] for each in made["review"]})
    frozen_clock.advance(days=days)
    carried_out(house, admin, request, *(keep(reason) for reason in reasons))
    done_by_people(house, admin, request)
    frozen_clock.advance(hours=1)
    work_off(house)
    raw = facts_of(house, "raw")
    found = rows(raw, "erasure.requests")
    assert [row[0] for row in found] == ["erasure"]
    assert found[0][2:] == (1, 1)
    assert [(e.kind, e.id) for e in raw["erasure.requests"].evidence] == [
        (EvidenceKind.REQUEST, request)
    ]
    assert raw["quantity.erased"].value == 1
    propagated = rows(raw, "erasure.propagated")
    assert (f"{NAMESPACE} net", 1, "model", "retrain") in propagated
    assert {row[0] for row in propagated} == {f"{NAMESPACE} clean", f"{NAMESPACE} net"}
    assert raw["erasure.notified"].value == 1
    median = raw["erasure.median_days"]
    assert (median.state, median.value) == (State.KNOWN, days)
    assert email("cay") not in str(raw.document())


def test_a_hold_a_violation_and_a_recipient_are_listed(
    house: House, admin: HttpClient, numbers: dict[str, int]
) -> None:
    item = {"namespace": NAMESPACE, "name": "raw", "version": 1}
    body = {
        "items": [item],
        "matter": "case 7",
        "owner": "legal",
        "reason": "asked",
        "ground": "17_3_e",
    }
    admin.post("/api/v1/holds", body)
    breach = Breach("unmapped_step", "x:1", "It happened.", batch_number=numbers["raw"])
    key = dataset_id(NAMESPACE, "raw")
    with house.database.write() as session:
        about = Breach(breach.kind, breach.sameness, breach.detail, dataset_id=key)
        raise_violation(session, about, actor="tests", now=house.clock())
    facts = facts_of(house, "raw")
    assert rows(facts, "rights.holds") == [("17_3_e", "case 7", None, 1)]
    assert rows(facts, "rights.violations") == [("unmapped_step", 1, house.clock())]
    assert [row[:2] for row in rows(facts, "access.recipients")] == [("Acme Ltd.", "recipient")]
    clean = facts_of(house, "clean")
    assert clean["rights.holds"].state is State.ZERO
    assert clean["access.recipients"].state is State.ZERO


def test_the_register_and_the_last_decision_for_each_purpose_are_given(
    house: House, admin: HttpClient, numbers: dict[str, int]
) -> None:
    said = {"name": "Training", "controller": "Example GmbH", "purposes": ["model_training"]}
    admin.request("PUT", "/api/v1/register/activities/training", json=said)
    asked = {"dataset": {"namespace": NAMESPACE, "name": "raw"}, "purpose": "model_training"}
    made = [admin.post("/api/v1/decisions", asked)["id"] for _ in range(2)]
    facts = facts_of(house, "raw")
    assert facts["controller.name"].value == "Example GmbH"
    assert facts["controller.name"].grade is Grade.DECLARED
    assert facts["controller.name"].note is not None
    assert rows(facts, "controller.activities")[0][:4] == (
        "training",
        "Training",
        None,
        "model_training",
    )
    decided = facts["purposes.decisions"]
    assert [row[:2] for row in rows(facts, "purposes.decisions")] == [
        ("model_training", "cannot_tell")
    ]
    assert [each.id for each in decided.evidence] == [made[-1]]


def limited(house: House, folder: Path) -> CardFacts:
    """The facts of `raw` under rules of retention."""
    (folder / "retention.yaml").write_text(RULES)
    parts = Parts(house.ledger, load_policies(folder))
    with house.database.read() as session:
        return read_facts(session, parts, dataset_id(NAMESPACE, "raw"), 1, now=house.clock())


def test_a_limit_of_retention_has_its_day_and_what_is_past_it_is_overdue(
    house: House,
    admin: HttpClient,
    numbers: dict[str, int],
    tmp_path: Path,
    frozen_clock: FrozenClock,
) -> None:
    none = facts_of(house, "raw")
    assert none["retention.rules"].state is State.ZERO
    assert none["retention.overdue"].state is State.NOT_APPLICABLE
    facts = limited(house, tmp_path)
    assert [row[0] for row in rows(facts, "retention.rules")] == ["personal-two-years"]
    assert facts["retention.overdue"].state is State.ZERO
    expires = facts["retention.expires_at"].value
    assert str(expires).startswith("2028-02-01")
    assert "events: P3Y" in str(facts["retention.logs"].value)
    frozen_clock.advance(days=2 * 366)
    assert limited(house, tmp_path)["retention.overdue"].value == 1
