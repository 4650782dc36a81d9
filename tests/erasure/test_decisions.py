"""A request is decided over HTTP: by a second person, on one plan, in time or overdue."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert

from registry.actors.tables import Role
from registry.canonical import canonical_json, digest_text
from registry.client.http import HttpClient
from registry.erasure.case.cases import change_case, read_case
from registry.erasure.lifecycle import RequestState
from registry.erasure.tables import ErasurePlan
from registry.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from registry.ids import fresh_id
from registry.request import House
from registry.rights.restrictions import Marked, protect_evidence, protected_addresses
from registry.storage.columns import table_of
from tests.clock import FrozenClock
from tests.conftest import TokenMaker
from tests.erasure.filing import entries, restricted

PATH = "/api/v1/erasure-requests"
Connect = Callable[[str], HttpClient]
PLAIN = {"erase": {"examples": 3}, "review": [], "withheld": []}
LATER = {"justification": "ProcessExcessive", "reasons": "asked every day"}


@pytest.fixture
def owner(connect: Connect, make_token: TokenMaker) -> HttpClient:
    """A data owner and approver: who files must not decide, whatever they hold."""
    return connect(make_token(Role.DATA_OWNER, Role.APPROVER, name="owner"))


@pytest.fixture
def approver(connect: Connect, make_token: TokenMaker) -> HttpClient:
    """Somebody else who may decide."""
    return connect(make_token(Role.APPROVER, name="approver"))


def filed(client: HttpClient, number: int = 1, **changed: Any) -> dict[str, Any]:
    """File a request over HTTP."""
    body = {
        "right": "erasure",
        "regime": "gdpr",
        "subjects": [{"scheme": "email", "value": f"person-{number}@example.org"}],
        "channel": "portal",
        "identity": "authenticated",
        **changed,
    }
    answer: dict[str, Any] = client.post(PATH, body)
    return answer


def planned(
    house: House, request_id: str, document: dict[str, Any] = PLAIN, revision: int = 1
) -> str:
    """Give a request a plan, as planning does; the plan's digest."""
    packed = canonical_json({**document, "request": request_id, "revision": revision})
    row = {
        "id": fresh_id(),
        "request_id": request_id,
        "revision": revision,
        "digest": hashlib.sha256(packed).digest(),
        "document": packed.decode(),
        "policy": "sha256:" + "0" * 64,
        "made_by": "planner",
        "made_at": house.clock(),
    }

    def work(session: Any) -> None:
        session.execute(insert(table_of(ErasurePlan)).values(row))
        case = change_case(
            session,
            read_case(session, request_id, held=True),
            state=RequestState.SCOPING,
            plan_id=row["id"],
        )
        change_case(session, case, state=RequestState.PENDING_APPROVAL)

    house.database.transact(work)
    return digest_text(bytes(row["digest"]))  # type: ignore[arg-type]


def test_case_14_filer_and_approver_are_two_people(
    house: House, owner: HttpClient, approver: HttpClient
) -> None:
    case = filed(owner)
    plan = planned(house, case["id"])
    for verb, body in (("approve", {"plan": plan}), ("deny", LATER)):
        with pytest.raises(ForbiddenError, match="nobody decides on what they filed"):
            owner.post(f"{PATH}/{case['id']}/{verb}", body)
    refused = [facts for kind, facts in entries(house, "policy.action.refused")]
    assert [each["why"] for each in refused] == ["filed_by_the_same"] * 2
    shown = approver.post(f"{PATH}/{case['id']}/approve", {"plan": plan})
    assert shown["state"] == "approved"
    assert shown["approved_by"] != shown["filed_by"]
    assert shown["timeline"][-1]["detail"] == {"plan": plan, "revision": 1}


def test_an_approval_is_of_one_plan(house: House, owner: HttpClient, approver: HttpClient) -> None:
    case = filed(owner)
    path = f"{PATH}/{case['id']}/approve"
    with pytest.raises(ConflictError, match="is received; an approval needs"):
        approver.post(path, {"plan": "sha256:" + "0" * 64})
    old = planned(house, case["id"])
    house.database.transact(
        lambda session: (
            change_case(session, read_case(session, case["id"]), state=RequestState.SCOPING)
            and None
        )
    )
    new = planned(house, case["id"], {**PLAIN, "erase": {"examples": 4}}, revision=2)
    with pytest.raises(ConflictError) as caught:
        approver.post(path, {"plan": old})
    assert old in caught.value.detail
    assert new in caught.value.detail
    with pytest.raises(InvalidInputError, match="no SHA-256"):
        approver.post(path, {"plan": "the plan"})
    assert approver.post(path, {"plan": new})["plan"]["revision"] == 2
    with pytest.raises(ConflictError, match="is approved"):
        approver.post(path, {"plan": new})


def test_case_11_an_unverified_request_is_not_approved_also_as_a_duplicate(
    house: House, owner: HttpClient, approver: HttpClient
) -> None:
    case = filed(owner, identity="to_verify")
    filed(owner, reference="mine")
    with pytest.raises(ConflictError, match="Nobody verified who asks"):
        approver.post(f"{PATH}/{case['id']}/approve", {"plan": "sha256:" + "0" * 64})
    assert owner.get(f"{PATH}/{case['id']}")["duplicate_of"] is None
    shown = owner.post(f"{PATH}/{case['id']}/verify-identity", {"method": "by letter"})
    assert shown["state"] == "duplicate"
    with pytest.raises(ConflictError, match="is duplicate"):
        approver.post(f"{PATH}/{case['id']}/approve", {"plan": "sha256:" + "0" * 64})


def test_plain_plans_are_approved_as_a_group_each_by_itself(
    house: House, owner: HttpClient, approver: HttpClient
) -> None:
    cases = [filed(owner, number) for number in range(5)]
    plans = [planned(house, case["id"]) for case in cases[:2]]
    plans.append(planned(house, cases[2]["id"], {**PLAIN, "withheld": [{"ground": "17_3_e"}]}))
    plans.append(planned(house, cases[3]["id"], {**PLAIN, "review": [{"reason": "aggregate"}]}))
    items = [{"id": case["id"], "plan": plan} for case, plan in zip(cases, plans, strict=False)]
    items[1]["plan"] = plans[0]
    items.append({"id": cases[4]["id"], "plan": plans[0]})
    items.append({"id": "none", "plan": plans[0]})
    answer = approver.post(f"{PATH}/approvals", items)["approvals"]
    assert [each["approved"] for each in answer] == [True] + [False] * 5
    assert [each["code"] for each in answer[1:]] == ["conflict"] * 4 + ["not_found"]
    assert "withheld" in answer[2]["detail"]
    assert "review" in answer[3]["detail"]
    assert all(each["remedy"] for each in answer[1:])
    states = [owner.get(f"{PATH}/{case['id']}")["state"] for case in cases]
    assert states == ["approved", *["pending_approval"] * 3, "received"]
    own = owner.post(f"{PATH}/approvals", [{"id": cases[1]["id"], "plan": plans[1]}])
    assert [each["code"] for each in own["approvals"]] == ["forbidden"]
    assert approver.post(f"{PATH}/{cases[2]['id']}/approve", {"plan": plans[2]})["approved_by"]


def test_a_refusal_has_a_reason_frees_the_data_and_lets_the_duplicate_go_on(
    house: House, owner: HttpClient, approver: HttpClient
) -> None:
    case, twin, third = (filed(owner, reference=name) for name in ("a", "b", "c"))
    assert [each["state"] for each in (case, twin, third)] == ["received", *["duplicate"] * 2]
    house.database.transact(
        lambda session: protect_evidence(
            session, [Marked(7, None)], case_id=case["id"], actor="lead", now=house.clock()
        )
    )
    path = f"{PATH}/{case['id']}"
    with pytest.raises(InvalidInputError, match="no reason to refuse") as caught:
        approver.post(f"{path}/deny", {**LATER, "justification": "Because"})
    assert "LegalClaimImpaired" in caught.value.remedy
    with pytest.raises(InvalidInputError, match="holds an identifier"):
        approver.post(f"{path}/deny", {**LATER, "reasons": "person-1@example.org again"})
    shown = approver.post(f"{path}/deny", LATER)
    assert (shown["state"], shown["justification"]) == ("denied", "ProcessExcessive")
    (letter,) = [
        each for each in owner.get(f"{path}/letters")["letters"] if each["kind"] == "refusal"
    ]
    assert "asked every day" in letter["text"]
    assert "complain" in letter["text"]
    with house.database.read() as session:
        assert protected_addresses(session, [7]) == {}
    assert owner.get(f"{PATH}/{twin['id']}")["state"] == "received"
    third_now = owner.get(f"{PATH}/{third['id']}")
    assert (third_now["state"], third_now["duplicate_of"]) == ("duplicate", twin["id"])
    assert restricted(house) == 1
    with pytest.raises(ConflictError, match="is denied"):
        approver.post(f"{path}/deny", LATER)


def test_a_withdrawn_request_is_over(house: House, owner: HttpClient) -> None:
    case = filed(owner)
    shown = owner.post(f"{PATH}/{case['id']}/cancel", {"reasons": "changed their mind"})
    assert shown["state"] == "cancelled"
    assert restricted(house) == 0
    assert filed(owner, reference="again")["state"] == "received"
    with pytest.raises(ConflictError, match="is cancelled"):
        owner.post(f"{PATH}/{case['id']}/cancel", {"reasons": "again"})


def test_an_extension_is_told_inside_the_first_period_and_once(
    owner: HttpClient, frozen_clock: FrozenClock
) -> None:
    case, late = filed(owner, 1), filed(owner, 2)
    frozen_clock.advance(days=31)
    path = f"{PATH}/{case['id']}"
    shown = owner.post(f"{path}/extend", {"reasons": "forty copies"})
    assert shown["due"]["date"] == "2026-06-01"
    assert (shown["extended"], shown["overdue"]) == (True, False)
    texts = [each["text"] for each in owner.get(f"{path}/letters")["letters"]]
    assert "forty copies" in texts[1]
    assert "1 June 2026" in " ".join(texts[1].split())
    with pytest.raises(ConflictError, match="it is extended once"):
        owner.post(f"{path}/extend", {"reasons": "more"})
    frozen_clock.advance(days=1)
    with pytest.raises(ConflictError, match="extended by 2026-04-01, and it is 2026-04-02"):
        owner.post(f"{PATH}/{late['id']}/extend", {"reasons": "late"})


def test_case_13_a_passed_deadline_stops_nothing_and_is_loudly_overdue(
    house: House, owner: HttpClient, approver: HttpClient, frozen_clock: FrozenClock
) -> None:
    case = filed(owner)
    frozen_clock.advance(days=60)
    assert owner.get(PATH, {"overdue": "true"})["totalCount"] == 1
    assert owner.get(f"{PATH}/status")["overdue"] == 1
    plan = planned(house, case["id"])
    shown = approver.post(f"{PATH}/{case['id']}/approve", {"plan": plan})
    assert (shown["state"], shown["overdue"]) == ("approved", True)
    assert "registry_erasure_overdue 1" in _metrics(owner)


def _metrics(client: HttpClient) -> str:
    return client.request("GET", "/metrics").text


def test_lists_are_cut_and_chosen(
    house: House, owner: HttpClient, frozen_clock: FrozenClock
) -> None:
    for number in range(3):
        filed(owner, number, right="access" if number else "erasure")
        frozen_clock.advance(days=1)
    whole = owner.get(PATH)
    assert [each["received_at"][:10] for each in whole["requests"]] == [
        "2026-03-03",
        "2026-03-02",
        "2026-03-01",
    ]
    first = owner.get(PATH, {"limit": "2"})
    rest = owner.get(PATH, {"limit": "2", "after": first["next"]})
    assert first["requests"] + rest["requests"] == whole["requests"]
    assert (first["totalCount"], rest["next"]) == (3, None)
    for params, count in (
        ({"right": "access"}, 2),
        ({"state": "received"}, 3),
        ({"state": "denied"}, 0),
        ({"due_before": "2026-04-02"}, 1),
        ({"overdue": "false"}, 3),
        ({"project": "default"}, 3),
        ({"project": "nowhere"}, 0),
    ):
        assert owner.get(PATH, params)["totalCount"] == count, params
    assert owner.get(f"{PATH}/status")["requests"]["received"] == 3
    assert owner.get(f"{PATH}/status")["next_due"] == "2026-04-01"


def test_who_does_not_work_on_a_request_does_not_find_it(
    house: House, owner: HttpClient, admin: HttpClient, connect: Connect, make_token: TokenMaker
) -> None:
    case = filed(owner)
    admin.post("/api/v1/projects", {"name": "elsewhere"})
    roles = (Role.DATA_OWNER, Role.APPROVER, Role.AUDITOR)
    other = connect(make_token(*roles, project="elsewhere", name="other"))
    assert other.get(PATH)["totalCount"] == 0
    for call in (
        lambda: other.get(f"{PATH}/{case['id']}"),
        lambda: other.get(f"{PATH}/{case['id']}/letters"),
        lambda: other.post(f"{PATH}/{case['id']}/deny", LATER),
        lambda: other.post(f"{PATH}/{case['id']}/cancel", {"reasons": "x"}),
    ):
        with pytest.raises(NotFoundError):
            call()
    with pytest.raises(NotFoundError, match="no project 'default'"):
        filed(other, project="default")
    with pytest.raises(NotFoundError, match="no project '\\*'"):
        filed(other, project="*")
    mine = filed(other, 9, project="elsewhere")
    assert other.get(f"{PATH}/{mine['id']}")["project"] == "elsewhere"
    auditor = connect(make_token(Role.AUDITOR, name="auditor"))
    assert "person-1" not in str(auditor.get(f"{PATH}/{case['id']}"))
    for role in (Role.STEWARD, Role.ADMINISTRATOR, Role.VIEWER, Role.PIPELINE):
        with pytest.raises(ForbiddenError):
            connect(make_token(role, name=role.value)).get(PATH)


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"subjects": []}, "subjects"),
        ({"subjects": [{"scheme": "fax", "value": "1"}]}, "subjects[0].scheme"),
        ({"received_at": "2026-02-01T00:00:00"}, "body.received_at"),
        ({"right": "oblivion"}, "body.right"),
        ({"regime": "lgpd"}, "body.regime"),
        ({"identity": "verified"}, "body.identity"),
        ({"surprise": 1}, "body.surprise"),
    ],
)
def test_a_body_that_cannot_be_taken_is_named_with_its_place(
    owner: HttpClient, changed: dict[str, Any], path: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        filed(owner, **changed)
    assert caught.value.path == path


def test_a_million_people_in_one_request_are_refused_in_words(owner: HttpClient) -> None:
    many = [{"scheme": "external", "value": str(number)} for number in range(20_000)]
    with pytest.raises(InvalidInputError, match=r"1 to 100 .* and this one 20000"):
        filed(owner, subjects=many)


def test_there_is_no_certificate_before_the_end(owner: HttpClient) -> None:
    case = filed(owner)
    with pytest.raises(NotFoundError, match="has no certificate\\."):
        owner.get(f"{PATH}/{case['id']}/certificate")


def test_a_filing_over_http_is_idempotent_and_says_when_it_is_due(owner: HttpClient) -> None:
    first = filed(owner, reference="T-1")
    assert first["due"]["date"] == "2026-04-01"
    assert set(first) == {"id", "state", "due"}
    assert filed(owner, reference="T-1") == first
    ccpa = filed(owner, 2, regime="ccpa")
    assert ccpa["due"]["confirm_by"] == "2026-03-13"
