"""People list, place and lift restrictions and suppressions, and learn nobody's identifier."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert

from registry.catalog.names import dataset_id
from registry.catalog.version_tables import BatchNumber
from registry.client.http import HttpClient
from registry.errors import ConflictError, InvalidInputError, NotFoundError
from registry.keys.identifiers import Scheme
from registry.keys.subjects import new_subject_key
from registry.request import House
from registry.rights.restrictions import Marked, restrict_examples, restricted_addresses
from registry.rights.suppression import Basis, is_suppressed, suppress
from registry.storage.columns import table_of
from tests.api.town import furnish, open_town
from tests.clock import FrozenClock
from tests.rights.asking import NAMESPACE, person, write_batch

RESTRICTIONS, SUPPRESSIONS = "/api/v1/restrictions", "/api/v1/suppressions"
RAW = {"namespace": NAMESPACE, "name": "raw", "batch": "one"}
ABSENT = "0197a0e2-0000-7000-8000-000000000001"


def placed(client: HttpClient, *items: dict[str, Any]) -> list[dict[str, Any]]:
    body = {"items": list(items), "reason": "accuracy contested"}
    made: list[dict[str, Any]] = client.post(RESTRICTIONS, body)["restrictions"]
    return made


def listed(client: HttpClient, path: str = RESTRICTIONS, **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(path, asked)[path.rpartition("/")[2]]
    return found


def test_examples_and_people_are_restricted_until_somebody_lifts_it(
    admin: HttpClient, house: House, frozen_clock: FrozenClock
) -> None:
    write_batch(admin, "raw", "one", exampleCount=9)
    people, examples = placed(
        admin, {**RAW, "ordinal": 5}, {**RAW, "ordinal": 2}, {"subject": person(1)}
    )
    assert (people["kind"], people["batch"], people["examples"]) == ("subject", None, None)
    assert (examples["kind"], examples["name"], examples["examples"]) == ("address", "raw", 2)
    assert examples["in_force"]
    number = examples["batch"]
    with house.database.read() as session:
        marked = restricted_addresses(session, [number])[number].ordinals
    assert marked is not None
    assert marked.tolist() == [2, 5]
    frozen_clock.advance(days=1)
    path = f"{RESTRICTIONS}/{examples['id']}/lift"
    lifted = admin.post(path, {"reason": "corrected"})
    assert (lifted["in_force"], lifted["lift_reason"]) == (False, "corrected")
    assert lifted["lifted_at"] > lifted["recorded_at"]
    with house.database.read() as session:
        assert restricted_addresses(session, [number]) == {}
    with pytest.raises(ConflictError, match="is lifted since"):
        admin.post(path, {"reason": "again"})
    assert [each["id"] for each in listed(admin, in_force="true")] == [people["id"]]
    assert [each["id"] for each in listed(admin, in_force="false")] == [examples["id"]]
    shown = str(listed(admin)) + str(lifted)
    assert person(1)["value"] not in shown
    assert "key" not in shown


def test_a_batch_as_a_whole_takes_its_examples_along(admin: HttpClient, house: House) -> None:
    write_batch(admin, "raw", "one")
    (made,) = placed(admin, {**RAW, "ordinal": 5}, RAW, {**RAW, "ordinal": 7})
    assert (made["kind"], made["examples"]) == ("batch", None)
    with house.database.read() as session:
        assert restricted_addresses(session, [made["batch"]])[made["batch"]].ordinals is None


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ({"namespace": NAMESPACE, "name": "raw"}, InvalidInputError),
        ({"namespace": NAMESPACE, "name": "raw", "version": 1}, InvalidInputError),
        ({"namespace": NAMESPACE, "name": "raw", "batch": "two"}, NotFoundError),
        ({"namespace": NAMESPACE, "name": "nothing", "batch": 1}, NotFoundError),
        ({"subject": {"scheme": "email", "value": "no address"}}, InvalidInputError),
        ({"subject": {"scheme": "star sign", "value": "leo"}}, InvalidInputError),
        ({}, InvalidInputError),
    ],
)
def test_what_cannot_be_restricted_is_refused_and_nothing_is_kept(
    admin: HttpClient, item: dict[str, Any], error: type[Exception]
) -> None:
    write_batch(admin, "raw", "one")
    with pytest.raises(error):
        placed(admin, RAW, item)
    assert listed(admin) == []


def test_lifting_needs_a_reason_and_something_to_lift(admin: HttpClient) -> None:
    write_batch(admin, "raw", "one")
    (made,) = placed(admin, RAW)
    with pytest.raises(InvalidInputError):
        admin.post(f"{RESTRICTIONS}/{made['id']}/lift", {"reason": " "})
    for path in (RESTRICTIONS, SUPPRESSIONS):
        with pytest.raises(NotFoundError):
            admin.post(f"{path}/{ABSENT}/lift", {"reason": "over"})


def test_what_a_case_or_the_door_restricted_is_not_lifted_by_hand(
    admin: HttpClient, house: House
) -> None:
    write_batch(admin, "raw", "one")
    some = [Marked(1, np.array([3], np.uint32))]
    with house.database.write() as session:
        now = house.clock()
        restrict_examples(session, some, reason="open", case_id="case-1", actor="x", now=now)
        restrict_examples(session, some, reason="suppressed", actor="x", now=now)
    for made in listed(admin):
        with pytest.raises(ConflictError):
            admin.post(f"{RESTRICTIONS}/{made['id']}/lift", {"reason": "please"})
    assert [each["reason"] for each in listed(admin, case="case-1")] == ["open"]
    assert len(listed(admin, in_force="true")) == 2


def suppressed(house: House, number: int, **said: Any) -> bytes:
    key = new_subject_key(house.keyring, Scheme.EMAIL, person(number)["value"])
    with house.database.write() as session:
        suppress(
            session,
            subject_keys=[(key.key, key.version)],
            basis=Basis("gdpr", "erased on request", **said),
            actor="x",
            now=house.clock(),
        )
    return key.key


def test_new_consent_lets_a_suppression_be_lifted(
    admin: HttpClient, house: House, frozen_clock: FrozenClock
) -> None:
    key = suppressed(house, 1, case_id="case-1")
    frozen_clock.advance(minutes=1)
    suppressed(house, 2, until=house.clock() + timedelta(days=1))
    frozen_clock.advance(days=2)
    ended, standing = listed(admin, SUPPRESSIONS)
    assert (ended["in_force"], standing["in_force"]) == (False, True)
    assert (standing["regime"], standing["basis"]) == ("gdpr", "erased on request")
    assert [e["id"] for e in listed(admin, SUPPRESSIONS, in_force="true")] == [standing["id"]]
    assert [e["id"] for e in listed(admin, SUPPRESSIONS, in_force="false")] == [ended["id"]]
    assert [e["id"] for e in listed(admin, SUPPRESSIONS, case="case-1")] == [standing["id"]]
    lifted = admin.post(f"{SUPPRESSIONS}/{standing['id']}/lift", {"reason": "new consent"})
    assert (lifted["in_force"], lifted["lift_reason"]) == (False, "new consent")
    with house.database.read() as session:
        assert not is_suppressed(session, subject_keys=[key], at=house.clock())
    with pytest.raises(ConflictError):
        admin.post(f"{SUPPRESSIONS}/{standing['id']}/lift", {"reason": "new consent"})
    shown = str(listed(admin, SUPPRESSIONS))
    assert key.hex() not in shown
    assert "key" not in shown


@pytest.mark.parametrize("path", [RESTRICTIONS, SUPPRESSIONS])
def test_the_lists_come_in_pages(
    admin: HttpClient, house: House, frozen_clock: FrozenClock, path: str
) -> None:
    write_batch(admin, "raw", "one")
    for number in range(5):
        if path == RESTRICTIONS:
            placed(admin, {**RAW, "ordinal": number})
        else:
            suppressed(house, number)
        frozen_clock.advance(seconds=number % 2)
    seen, after = [], None
    while True:
        page = admin.get(path, {"limit": 2, "after": after})
        seen += [each["id"] for each in page[path.rpartition("/")[2]]]
        assert page["totalCount"] == 5
        after = page["next"]
        if after is None:
            break
    assert seen == [each["id"] for each in listed(admin, path)]
    assert len(set(seen)) == 5


def test_restrictions_are_seen_by_who_sees_the_dataset(house: House) -> None:
    with open_town(house) as town:
        furnish(town)
        about = dataset_id("s3://speech", "clean")
        with house.database.write() as session:
            row = {"number": 77, "dataset_id": about, "run_id": bytes(16), "name": "one"}
            session.execute(insert(table_of(BatchNumber)).values(row))
        item = {"namespace": "s3://speech", "name": "clean", "batch": 77}
        body = {"items": [item], "reason": "x"}
        assert town.ask("neighbour", "POST", RESTRICTIONS, json=body).status_code == 404
        made = town.ask("steward", "POST", RESTRICTIONS, json=body)
        assert made.status_code == 201, made.text
        (one,) = made.json()["restrictions"]
        for who, count in (("auditor", 1), ("neighbour", 0)):
            found = town.ask(who, "GET", RESTRICTIONS).json()
            assert (len(found["restrictions"]), found["totalCount"]) == (count, count)
        path = f"{RESTRICTIONS}/{one['id']}/lift"
        assert town.ask("neighbour", "POST", path, json={"reason": "x"}).status_code == 404
        assert town.ask("auditor", "POST", path, json={"reason": "x"}).status_code == 403
        assert town.ask("steward", "POST", path, json={"reason": "x"}).status_code == 200
