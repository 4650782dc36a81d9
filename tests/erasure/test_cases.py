"""The cases of the governance page over HTTP, from filing to certificate, each by its sentence.

Cases that one room decides alone are proven there: 5, 6, 7, 20 and the end of 12 in `test_scope`,
11 in `test_identity` and `test_decisions`, 12 in `test_identity`, 14 in `test_decisions`, the keys
of 16 in `test_shredding`, aliases and people of 3 in `test_withheld`, the door of 9 in
`tests/rights/test_turning_away`, 10 in `test_execution_faults`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from registry.actors.tables import Role
from registry.app import check_everything
from registry.audit.key_changes import recording_as
from registry.client.http import HttpClient
from registry.erasure.case.intake import day_of
from registry.erasure.certificate.facts import Disposition, Outcome, RecipientState
from registry.erasure.execution.aftermath import KnownBackup
from registry.erasure.execution.carrying_out import begin, carry_out
from registry.erasure.outcome.concluding import conclude
from registry.errors import ConflictError
from registry.keys.tables import Purpose
from registry.ledger.erasing import read_holes
from registry.request import House
from registry.rights.restrictions import protected_addresses, restricted_subjects
from registry.rights.tables import Suppression
from registry.storage.columns import table_of
from tests.clock import FrozenClock
from tests.conftest import TokenMaker
from tests.erasure.filing import entries
from tests.erasure.town import (
    KEYED,
    RIGHTS,
    built,
    carried_out,
    consent,
    done_by_people,
    email,
    examples,
    held,
    keep,
    lifted,
    tasks,
    told,
    trainable,
)
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
from tests.ledger.erasures import index_rows, work_off
from tests.ledger.pipelines import parquet, written
from tests.ledger.test_binding_faults import put

KEPT = keep("several_subjects")
_suppression = table_of(Suppression)


@pytest.fixture
def town(house: House, admin: HttpClient, frozen_clock: FrozenClock) -> dict[str, int]:
    """The numbers of the town's batches."""
    numbers = built(house, admin)
    frozen_clock.advance(hours=1)
    return numbers


@pytest.fixture
def second(connect: Callable[[str], HttpClient], make_token: TokenMaker) -> HttpClient:
    """Somebody else who may decide."""
    return connect(make_token(Role.APPROVER, name="second"))


def gone(house: House, town: dict[str, int]) -> dict[str, list[int]]:
    """What is erased, by the names of batches."""
    with house.database.read() as session:
        holes = read_holes(session, town.values())
    return {name: holes[n].ordinals().tolist() for name, n in sorted(town.items()) if n in holes}


def suppressions(house: House) -> list[Any]:
    with house.database.read() as session:
        return list(session.execute(select(_suppression).order_by(_suppression.c.id)))


def test_case_1_consent_withdrawn_after_training(
    house: House, admin: HttpClient, town: dict[str, int], frozen_clock: FrozenClock
) -> None:
    """Excluded from the next manifest at once; the past run stays listed; each model that saw it
    gets a disposition with owner and date.
    """
    assert trainable(admin) == 5
    consent(house, "ann", "withdrawn")
    assert trainable(admin) == 2
    request_id = filed(admin, email("ann"))
    made = plan(admin, request_id)
    (seen,) = made["models"]
    assert (seen["name"], seen["job"], seen["state"]) == ("net", "tests train", "saw")
    approved(house, made)
    executed(house, admin, request_id)
    finished(house, frozen_clock, rounds=2)
    assert gone(house, town) == {"clean": [0, 4], "raw": [0, 4]}
    assert show(admin, request_id)["state"] == "partially_fulfilled"
    assert certificate_of(house, admin, request_id).facts.models[0].disposition is None
    with house.database.read() as session:
        assert set(protected_addresses(session, town.values())) == set(town.values())
    done_by_people(house, admin, request_id)
    shown = show(admin, request_id)
    (net,) = certificate_of(house, admin, request_id).facts.models
    assert (net.disposition, net.owner) == (Disposition.RETRAIN, "modelling")
    assert str(net.due_on) == "2026-05-01"
    # What two people share, nobody decided on: nothing of it was erased, and that is said.
    assert shown["state"] == "partially_fulfilled"
    assert tasks(admin, request_id)["review several_subjects"]["state"] == "pending"


def test_case_2_hold_against_erasure_is_per_item_and_lifting_it_resumes_by_itself(
    house: House,
    admin: HttpClient,
    second: HttpClient,
    town: dict[str, int],
    frozen_clock: FrozenClock,
) -> None:
    """The rest is erased and answered in time; then nothing is left, and it is fulfilled."""
    hold = held(admin, "clean", 4, "a lawsuit")
    request_id = filed(admin, email("ann"))
    carried_out(house, admin, request_id, KEPT)
    finished(house, frozen_clock, rounds=2)
    done_by_people(house, admin, request_id)
    assert gone(house, town) == {"clean": [0], "raw": [0, 4]}
    first = show(admin, request_id)
    assert first["state"] == "partially_fulfilled"
    facts = certificate_of(house, admin, request_id).facts
    (kept,) = facts.withheld
    assert (kept.examples, kept.ground) == (1, "17_3_e")
    assert tasks(admin, request_id)["own_data ledger"]["verified"] == 3
    # The person's examples stay out of every manifest meanwhile.
    assert trainable(admin) == 2
    lifted(admin, second, hold)
    work_off(house)
    finished(house, frozen_clock, rounds=2)
    assert gone(house, town) == {"clean": [0, 4], "raw": [0, 4]}
    shown = tasks(admin, request_id)
    assert shown[f"own_data hold:{hold}"]["verified"] == 1
    assert shown["own_data ledger"]["verified"] == 3
    after = show(admin, request_id)
    assert after["state"] == "fulfilled"
    facts = certificate_of(house, admin, request_id).facts
    assert (facts.outcome, facts.withheld) == (Outcome.FULFILLED, ())
    with house.database.read() as session:
        assert protected_addresses(session, town.values()) == {}
        assert restricted_subjects(session) == []
    # Nothing changed since, so nothing is certified anew; and what is over stays as it is.
    certified = len(after["certificates"])
    finished(house, frozen_clock, rounds=1)
    assert len(show(admin, request_id)["certificates"]) == certified
    model = shown["model file://lake"]["id"]
    said = {"disposition": "none", "owner": "x", "due_on": "2026-05-01", "reason": "no"}
    with pytest.raises(ConflictError, match="is fulfilled since"):
        admin.post(f"{REQUESTS}/{request_id}/tasks/{model}/dispose", said)
    assert [each for each in check_everything(house.settings) if each.problems] == []


def test_case_3_a_hold_that_is_placed_while_a_request_executes_wins(
    house: House,
    admin: HttpClient,
    second: HttpClient,
    town: dict[str, int],
    frozen_clock: FrozenClock,
) -> None:
    """Also one that comes beside another; what both keep is counted once."""
    request_id = filed(admin, email("ann"))
    made = plan(admin, request_id)
    assert made["withheld"] == []
    approved(house, made)
    first = held(admin, "raw", 0, "a lawsuit")
    executed(house, admin, request_id)
    finished(house, frozen_clock, rounds=2)
    assert gone(house, town) == {"clean": [0, 4], "raw": [4]}
    other = held(admin, "raw", 0, "another lawsuit")
    lifted(admin, second, first)
    finished(house, frozen_clock, rounds=2)
    assert gone(house, town)["raw"] == [4]
    shown = tasks(admin, request_id)
    assert shown[f"own_data hold:{other}"]["state"] == "withheld"
    assert shown[f"own_data hold:{first}"]["verified"] == 0
    assert shown["own_data ledger"]["verified"] == 3
    assert show(admin, request_id)["state"] == "partially_fulfilled"
    lifted(admin, second, other)
    finished(house, frozen_clock, rounds=2)
    assert gone(house, town)["raw"] == [0, 4]
    assert tasks(admin, request_id)[f"own_data hold:{other}"]["verified"] == 1
    assert certificate_of(house, admin, request_id).facts.withheld == ()


def test_case_8_backups_are_deferred_with_an_end_date(
    house: House, admin: HttpClient, town: dict[str, int], frozen_clock: FrozenClock
) -> None:
    request_id = filed(admin, email("ann"))
    approved(house, plan(admin, request_id, KEPT))
    now = house.clock()
    backup = KnownBackup("backup of Monday", now + timedelta(days=30))
    house.database.transact(
        lambda session: begin(
            session, request_id, backups=[backup], today=day_of(now), actor="tests", now=now
        )
    )
    finished(house, frozen_clock, rounds=2)
    done_by_people(house, admin, request_id)
    facts = certificate_of(house, admin, request_id).facts
    assert [(each.name, each.until) for each in facts.backups] == [
        ("backup of Monday", day_of(now) + timedelta(days=30))
    ]
    assert facts.outcome is Outcome.PARTIALLY_FULFILLED
    task = tasks(admin, request_id)["backup backup"]["id"]
    said = {"state": "not_present", "evidence": "the archive was deleted: ticket 4"}
    admin.post(f"{REQUESTS}/{request_id}/tasks/{task}/record", said)
    work_off(house)
    facts = certificate_of(house, admin, request_id).facts
    assert (facts.outcome, facts.backups) == (Outcome.FULFILLED, ())


def test_cases_9_and_17_an_erased_record_stays_out_and_the_log_outlives_the_person(
    house: House, admin: HttpClient, town: dict[str, int], frozen_clock: FrozenClock
) -> None:
    """Suppressed at the door, told, and let in again by an explicit lift alone. The pseudonymous
    fact stays in the audit log, the payload goes, and the tree still verifies.
    """
    asked = {"subject": {"scheme": "email", "value": email("ann")}}
    admin.post("/api/v1/subjects/locate", asked)
    request_id = filed(admin, email("ann"))
    carried_out(house, admin, request_id)
    finished(house, frozen_clock, rounds=2)
    assert tasks(admin, request_id)["own_data audit_log"]["verified"] == 1
    assert [each for each in check_everything(house.settings) if each.problems] == []
    known = suppressions(house)
    # The person, and the two texts that were erased.
    assert sorted(row.kind for row in known) == ["digest", "digest", "subject"]
    assert set(certificate_of(house, admin, request_id).facts.suppressions) == {
        row.id for row in known
    }
    again = put(admin, parquet(examples([["ann"], [], ["dan"]])), "examples")
    told(admin, "again", 9, written("again", "again", examples=again, **RIGHTS, **KEYED))
    work_off(house)
    names = {row["example_id"] for row in index_rows(house).values()} - {None}
    assert names == {"example-number-1", "example-number-2", "example-number-3"} | {
        "example-number-5"
    }
    raised = [v["kind"] for v in admin.get("/api/v1/violations")["violations"]]
    assert "suppressed_example_sent_again" in raised
    for row in known:
        path = f"/api/v1/suppressions/{row.id}/lift"
        admin.post(path, {"reason": "new consent"})
    anew = put(admin, parquet(examples([["ann"]], first=40)), "examples")
    told(admin, "anew", 10, written("anew", "anew", examples=anew, **RIGHTS, **KEYED))
    work_off(house)
    assert "example-number-40" in {row["example_id"] for row in index_rows(house).values()}


def test_cases_12_and_13_a_late_request_is_executed_and_its_duplicates_are_answered(
    house: House, admin: HttpClient, town: dict[str, int], frozen_clock: FrozenClock
) -> None:
    request_id = filed(admin, email("ann"))
    early = filed(admin, email("ann"))
    made = plan(admin, request_id)
    frozen_clock.advance(days=60)
    late = filed(admin, email("ann"))
    assert show(admin, request_id)["overdue"]
    with pytest.raises(ConflictError, match="is duplicate"):
        plan(admin, early)
    approved(house, made)
    executed(house, admin, request_id)
    finished(house, frozen_clock, rounds=2)
    shown = show(admin, request_id)
    assert (shown["state"], shown["overdue"]) == ("partially_fulfilled", False)
    answered = admin.get(f"{REQUESTS}/{early}/letters")["letters"]
    assert [each["kind"] for each in answered] == ["acknowledgement", "completion"]
    assert request_id not in answered[1]["text"]
    # What came after the plan goes its own way.
    assert show(admin, late)["state"] == "received"


def test_case_15_a_person_is_found_and_stays_out_while_their_key_rotates(
    house: House, admin: HttpClient, town: dict[str, int], frozen_clock: FrozenClock
) -> None:
    request_id = filed(admin, email("ann"))
    approved(house, plan(admin, request_id))
    record = recording_as("tests")
    house.database.transact(
        lambda session: house.rotation.begin(session, Purpose.SUBJECT, record=record)
    )
    house.keyring.refresh()
    executed(house, admin, request_id)
    assert gone(house, town) == {"clean": [0, 4], "raw": [0, 4]}
    house.rotation.move(Purpose.SUBJECT, lambda _progress: None)
    finished(house, frozen_clock, rounds=2)
    assert house.rotation.is_finished(Purpose.SUBJECT)
    assert {row.key_version for row in suppressions(house) if row.kind == "subject"} == {2}
    again = put(admin, parquet(examples([["ann"]], first=30)), "examples")
    told(admin, "again", 9, written("again", "again", examples=again, **RIGHTS, **KEYED))
    work_off(house)
    assert "example-number-30" not in {r["example_id"] for r in index_rows(house).values()}


def test_case_18_a_recipient_who_cannot_be_reached_is_recorded_with_the_reason(
    house: House, admin: HttpClient, town: dict[str, int], frozen_clock: FrozenClock
) -> None:
    request_id = filed(admin, email("ann"))
    carried_out(house, admin, request_id, KEPT)
    finished(house, frozen_clock, rounds=2)
    task = tasks(admin, request_id)["recipient acme"]["id"]
    path = f"{REQUESTS}/{request_id}/tasks/{task}"
    notice = admin.post(f"{path}/notice", None)["text"]
    assert "file://lake raw raw: 2 of batch 1" in notice
    # They never had the copy, and are not told that there is one.
    assert "clean" not in notice
    admin.post(f"{path}/record", {"state": "impossible", "evidence": "dissolved in 2025"})
    work_off(house)
    (acme,) = certificate_of(house, admin, request_id).facts.recipients
    assert (acme.state, acme.reason) == (RecipientState.IMPOSSIBLE, "dissolved in 2025")
    done_by_people(house, admin, request_id)
    assert show(admin, request_id)["state"] == "fulfilled"


def test_case_19_a_policy_that_is_edited_after_the_approval_changes_nothing(
    house: House, admin: HttpClient, town: dict[str, int], frozen_clock: FrozenClock
) -> None:
    request_id = filed(admin, email("ann"))
    carried = plan(admin, request_id)
    approved(house, carried)
    said = house.requests.erasure.said
    wide = msgspec.structs.replace(said.duplicates, minimum_bytes=2**40)
    gdpr = said.regimes["gdpr"]
    short = msgspec.structs.replace(
        gdpr, suppression=msgspec.structs.replace(gdpr.suppression, period="P1D")
    )
    edited = msgspec.structs.replace(said, duplicates=wide, regimes={**said.regimes, "gdpr": short})
    now = house.clock()
    house.database.transact(
        lambda session: begin(
            session, request_id, backups=[], today=day_of(now), actor="tests", now=now
        )
    )
    hands = house.hands
    carry_out(replace(hands, rules=replace(hands.rules, said=edited)), request_id)
    rows = suppressions(house)
    assert len(rows) == 3
    assert {row.until.year for row in rows} == {2029}
    assert gone(house, town) == {"clean": [0, 4], "raw": [0, 4]}


def test_a_request_that_finds_nobody_is_fulfilled_and_less_so_where_nobody_could_search(
    house: House, admin: HttpClient, town: dict[str, int], frozen_clock: FrozenClock
) -> None:
    nobody = filed(admin, "nobody@example.org")
    carried_out(house, admin, nobody)
    finished(house, frozen_clock, rounds=2)
    shown = show(admin, nobody)
    assert shown["state"] == "fulfilled"
    facts = certificate_of(house, admin, nobody).facts
    assert (facts.outcome, facts.not_searched, facts.withheld) == (Outcome.FULFILLED, (), ())
    told(admin, "dark", 12, written("dark", "dark", exampleCount=7, **RIGHTS))
    work_off(house)
    other = filed(admin, "nobody.else@example.org")
    carried_out(house, admin, other)
    finished(house, frozen_clock, rounds=2)
    facts = certificate_of(house, admin, other).facts
    assert facts.outcome is Outcome.PARTIALLY_FULFILLED
    assert [each.dataset for each in facts.not_searched] == ["file://lake dark"]


@pytest.mark.parametrize("right", ["restriction", "objection", "access"])
def test_a_right_that_removes_nothing_is_concluded_by_its_task(
    house: House, admin: HttpClient, frozen_clock: FrozenClock, right: str
) -> None:
    request_id = filed(admin, email("ann"), right=right)
    work_off(house)
    shown = show(admin, request_id)
    if right == "access":
        # Nobody answered yet, and the clock runs on.
        assert (shown["state"], shown["certificates"]) == ("received", [])
        frozen_clock.advance(days=60)
        assert show(admin, request_id)["overdue"]
        (task,) = shown["tasks"]
        said = {"state": "verified", "evidence": "sent on paper"}
        admin.post(f"{REQUESTS}/{request_id}/tasks/{task['id']}/record", said)
        work_off(house)
    assert show(admin, request_id)["state"] == "fulfilled"
    facts = certificate_of(house, admin, request_id).facts
    assert (facts.outcome, facts.plan) == (Outcome.FULFILLED, None)
    with house.database.read() as session:
        assert bool(restricted_subjects(session)) == (right != "access")
    assert [kind for kind, _ in entries(house, "erasure.certificate")] == [
        "erasure.certificate.issued"
    ]


def test_an_outcome_is_not_stated_before_the_registrys_own_work(
    house: House, admin: HttpClient, town: dict[str, int]
) -> None:
    """A model is disposed of before the queue comes to the case."""
    request_id = filed(admin, email("ann"))
    approved(house, plan(admin, request_id))
    admin.post(f"{REQUESTS}/{request_id}/execute", None)
    task = tasks(admin, request_id)["model file://lake"]["id"]
    said = {"disposition": "none", "owner": "x", "due_on": "2026-05-01", "reason": "retired"}
    admin.post(f"{REQUESTS}/{request_id}/tasks/{task}/dispose", said)
    case = conclude(house.hands, request_id, actor="tests")
    assert (case.state.value, show(admin, request_id)["certificates"]) == ("executing", [])


def test_a_denied_request_has_a_certificate_too(
    house: House, admin: HttpClient, second: HttpClient
) -> None:
    request_id = filed(admin, email("ann"))
    reasons = {"justification": "ProcessExcessive", "reasons": "asked every day"}
    second.post(f"{REQUESTS}/{request_id}/deny", reasons)
    facts = certificate_of(house, admin, request_id).facts
    assert (facts.outcome, facts.justification) == (Outcome.DENIED, "ProcessExcessive")
