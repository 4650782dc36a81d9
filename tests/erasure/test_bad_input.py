"""What cannot be done with a case ends in a named error with a remedy, and leaves nothing half."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from registry.actors.tables import Role
from registry.client.http import HttpClient
from registry.erasure.certificate.document import verify
from registry.errors import NotVerifiedError, RegistryError
from registry.request import House
from tests.clock import FrozenClock
from tests.conftest import TokenMaker
from tests.erasure.town import built, done_by_people, email, keep, tasks
from tests.erasure.working import REQUESTS, approved, executed, filed, finished, keys_of, plan, show
from tests.ledger.erasures import work_off
from tests.stores import dump_all

NO = {"disposition": "none", "owner": "x", "due_on": "2026-05-01", "reason": "retired"}
DID = {"state": "verified", "evidence": "ticket 3"}
NOBODY = "00000000-0000-4000-8000-000000000000"
SPENT = "ack_" + "0" * 43


def refused(house: House, ask: Callable[[], object], code: str, words: str) -> None:
    """Hold a call to an error of that code, in words, with a remedy; nothing is written of it."""
    before = dump_all(house.database)
    with pytest.raises(RegistryError, match=words) as caught:
        ask()
    assert caught.value.code == code
    assert caught.value.remedy
    after = dump_all(house.database)
    for table in ("audit_entry",):
        # A refusal may be recorded, and nothing else.
        del before[table], after[table]
    assert after == before


@pytest.fixture
def town(house: House, admin: HttpClient, frozen_clock: FrozenClock) -> dict[str, int]:
    numbers = built(house, admin)
    frozen_clock.advance(hours=1)
    return numbers


@pytest.fixture
def approver(connect: Callable[[str], HttpClient], make_token: TokenMaker) -> HttpClient:
    return connect(make_token(Role.APPROVER, name="approver"))


def test_what_is_asked_too_early_of_the_wrong_thing_or_twice_is_refused(
    house: House, admin: HttpClient, approver: HttpClient, town: dict[str, int]
) -> None:
    def post(path: str, body: Any = None, client: HttpClient = admin) -> Callable[[], object]:
        return lambda: client.post(path, body)

    unverified = filed(admin, email("cay"), identity="to_verify")
    access = filed(admin, email("cay"), right="access")
    request_id = filed(admin, email("ann"))
    mine, other = f"{REQUESTS}/{request_id}", f"{REQUESTS}/{unverified}"
    work_off(house)
    refused(house, post(f"{other}/plan"), "conflict", "Nobody verified who asks")
    refused(house, post(f"{other}/execute"), "conflict", "has no plan")
    refused(house, post(f"{REQUESTS}/{access}/plan"), "conflict", "only erasure has a plan")
    refused(house, post(f"{REQUESTS}/{NOBODY}/plan"), "not_found", "There is no request")
    refused(house, post(f"{mine}/execute"), "conflict", "has no plan")
    refused(house, lambda: admin.get(f"{mine}/certificate"), "not_found", "has no certificate")
    refused(house, lambda: admin.get(f"{mine}/members", {"batch": 1}), "conflict", "has no plan")
    made = plan(admin, request_id)
    assert {each["reason"] for each in made["review"]} == {"several_subjects"}
    decided = keep("several_subjects")
    for wrong, words in (
        ([keep("aggregate")], "Nothing is reviewed for the reason"),
        ([keep("no such reason")], "Nothing is reviewed for the reason"),
        ([decided, decided], "decided on twice"),
        ([{**decided, "why": f"because {email('ann')} says so"}], "holds an identifier"),
    ):
        refused(house, post(f"{mine}/plan", {"decisions": wrong}), "invalid_input", words)
    anew = plan(admin, request_id, decided)
    refused(house, post(f"{mine}/execute"), "conflict", "is pending_approval; carrying it out")
    approve = f"{mine}/approve"
    refused(house, post(approve, {"plan": made["plan"]}, approver), "conflict", made["plan"])
    refused(house, post(approve, {"plan": anew["plan"]}), "forbidden", "nobody decides on what")
    refused(house, post(approve, {"plan": "nonsense"}, approver), "invalid_input", "plan|digest")
    approver.post(approve, {"plan": anew["plan"]})
    admin.post(f"{mine}/execute", None)
    refused(house, post(f"{mine}/plan"), "conflict", "is executing; a plan needs")
    refused(house, post(f"{mine}/cancel", {"reasons": "no"}), "conflict", "is executing")


def test_a_task_takes_only_what_belongs_to_it_and_once(
    house: House, admin: HttpClient, town: dict[str, int], frozen_clock: FrozenClock
) -> None:
    def post(path: str, body: Any = None) -> Callable[[], object]:
        return lambda: admin.post(path, body)

    access = filed(admin, email("cay"), right="access")
    request_id = filed(admin, email("ann"))
    approved(house, plan(admin, request_id, keep("several_subjects")))
    executed(house, admin, request_id)
    finished(house, frozen_clock, rounds=2)
    own = {name: task["id"] for name, task in tasks(admin, request_id).items()}
    path = f"{REQUESTS}/{request_id}/tasks"
    ledger, net, acme = own["own_data ledger"], own["model file://lake"], own["recipient acme"]
    (copy,) = show(admin, access)["tasks"]
    refused(house, post(f"{path}/{copy['id']}/record", DID), "not_found", "in this request")
    refused(house, post(f"{path}/{ledger}/dispose", NO), "conflict", "this is for a model")
    refused(house, post(f"{path}/{ledger}/record", DID), "invalid_input", "A person cannot say")
    refused(house, post(f"{path}/{net}/record", DID), "invalid_input", "A person cannot say")
    refused(house, post(f"{path}/{net}/notice"), "conflict", "has nobody to be told")
    words = {**NO, "reason": f"it knew {email('ann')}"}
    refused(house, post(f"{path}/{net}/dispose", words), "invalid_input", "holds an identifier")
    acknowledged = "/api/v1/erasure-acknowledgements"
    body = {"secret": SPENT, "evidence": "ticket 1"}
    refused(house, post(acknowledged, body), "not_found", "No notice has this")
    first = admin.post(f"{path}/{acme}/notice", None)["secret"]
    secret = admin.post(f"{path}/{acme}/notice", None)["secret"]
    refused(house, post(acknowledged, {**body, "secret": first}), "not_found", "No notice has this")
    admin.post(acknowledged, {**body, "secret": secret})
    refused(house, post(acknowledged, {**body, "secret": secret}), "conflict", "already")
    refused(house, post(f"{path}/{acme}/notice"), "conflict", "is acknowledged")
    batch = own["manual batch:1"]
    admin.post(f"{path}/{batch}/record", DID)
    refused(house, post(f"{path}/{batch}/record", DID), "conflict", "is verified since")
    done_by_people(house, admin, request_id)
    assert show(admin, request_id)["state"] == "fulfilled"
    refused(house, post(f"{path}/{net}/dispose", NO), "conflict", "is fulfilled since")
    refused(house, post(f"{REQUESTS}/{request_id}/execute"), "conflict", "is fulfilled; carrying")
    refused(house, post(f"{REQUESTS}/{request_id}/plan"), "conflict", "is fulfilled; a plan")
    whole = admin.request("GET", f"{REQUESTS}/{request_id}/certificate").content
    for place in range(0, len(whole), len(whole) // 7):
        edited = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        with pytest.raises(NotVerifiedError):
            verify(edited, keys_of(house))
