"""A case from its filing to its certificate, on a ledger that holds what the case is about."""

from __future__ import annotations

import pytest

from registry.client.http import HttpClient
from registry.erasure.certificate.facts import Outcome, TargetState
from registry.request import House
from tests.clock import FrozenClock
from tests.erasure.working import (
    approved,
    certificate_of,
    executed,
    finished,
    planned,
    show,
)
from tests.ledger.erasures import chain, index_rows


@pytest.fixture
def numbers(house: House, admin: HttpClient) -> dict[str, int]:
    return chain(house, admin)


def test_a_person_is_erased_from_the_ledger_and_it_says_partially_fulfilled_while_files_remain(
    house: House, admin: HttpClient, numbers: dict[str, int], frozen_clock: FrozenClock
) -> None:
    frozen_clock.advance(hours=1)
    made = planned(admin, "u1@example.org")
    # Rows 1, 5 and 9 of raw are theirs; cut keeps even rows; named is made of rows 0, 1, 2 and
    # 11, 10, 9; packed is an aggregate, which a person decides on.
    assert made["erase"]["examples"] >= 3
    assert {each["reason"] for each in made["review"]} >= {"aggregate"}
    approved(house, made)
    executed(house, admin, made["id"])
    finished(house, frozen_clock)
    request = show(admin, made["id"])
    tasks = {each["target"]: each for each in request["tasks"]}
    assert tasks["ledger"]["state"] == "verified", tasks["ledger"]
    assert tasks["ledger"]["verified"] == made["erase"]["examples"]
    assert request["state"] == "partially_fulfilled"
    held = {row["example_id"] for row in index_rows(house).values()}
    assert not held & {f"example-number-{row}" for row in (1, 5, 9)}
    certificate = certificate_of(house, admin, made["id"])
    assert certificate.facts.outcome is Outcome.PARTIALLY_FULFILLED
    states = {target.name: target.state for target in certificate.facts.targets}
    assert states["ledger"] is TargetState.VERIFIED
