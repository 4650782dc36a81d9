"""Holds: placed by one person, lifted by two, over every name of a dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from registry.actors.tables import Role
from registry.client.http import HttpClient
from registry.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from registry.keys.identifiers import Scheme
from registry.keys.subjects import new_subject_key
from registry.request import House
from registry.rights.holds import held_subjects, holds_on
from tests.clock import FrozenClock
from tests.conftest import TokenMaker
from tests.rights.asking import NAMESPACE, person, write_batch

PATH = "/api/v1/holds"
Connect = Callable[[str], HttpClient]
RAW = {"namespace": NAMESPACE, "name": "raw"}


def placed(client: HttpClient, *items: dict[str, Any], **changed: Any) -> dict[str, Any]:
    body = {
        "items": list(items),
        "matter": "Case 7",
        "owner": "legal",
        "reason": "asked by the court",
        "ground": "17_3_e",
        **changed,
    }
    hold: dict[str, Any] = client.post(PATH, body)
    return hold


def held(house: House, *batches: int) -> set[tuple[int, int | None]]:
    with house.database.read() as session:
        found = holds_on(session, batches, at=house.clock())
    return {(each.batch_number, each.ordinal) for each in found}


@pytest.fixture
def lake(admin: HttpClient) -> HttpClient:
    """A registry with `raw` in two versions (batches 1 and 2) and `other` (batch 3)."""
    write_batch(admin, "raw", "one", minute=1)
    write_batch(admin, "raw", "two", minute=2)
    write_batch(admin, "other", "one", minute=3)
    return admin


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (RAW, {(1, None), (2, None)}),
        ({**RAW, "version": 1}, {(1, None)}),
        ({**RAW, "version": 2}, {(1, None), (2, None)}),
        ({**RAW, "batch": "two"}, {(2, None)}),
        ({**RAW, "batch": 1}, {(1, None)}),
        ({**RAW, "batch": "one", "ordinal": 17}, {(1, 17)}),
    ],
)
def test_a_hold_is_on_what_it_names(
    lake: HttpClient, house: House, item: dict[str, Any], expected: set[tuple[int, int | None]]
) -> None:
    hold = placed(lake, item)
    assert (hold["state"], hold["holds"]) == ("active", True)
    assert held(house, 1, 2, 3) == expected


def test_a_hold_is_over_all_names_of_a_dataset(lake: HttpClient, house: House) -> None:
    write_batch(lake, "table", "one", minute=4, symlinks=("raw",))
    placed(lake, {"namespace": NAMESPACE, "name": "table"})
    assert held(house, 1, 2, 3, 4) == {(1, None), (2, None), (4, None)}


def test_a_person_is_held_as_a_pseudonym(lake: HttpClient, house: House) -> None:
    hold = placed(lake, {"subject": person(1)})
    assert hold["items"][0]["kind"] == "subject"
    assert "person-1" not in str(hold)
    key = new_subject_key(house.keyring, Scheme.EMAIL, person(1)["value"])
    with house.database.read() as session:
        (found,) = held_subjects(session, at=house.clock())
    assert (found.subject_key, found.key_version) == (key.key, key.version)


def test_a_hold_ends_by_two_people(
    lake: HttpClient, house: House, connect: Connect, make_token: TokenMaker
) -> None:
    hold = placed(lake, RAW)
    path = f"{PATH}/{hold['id']}/lift"
    other = connect(make_token(Role.APPROVER, name="second"))
    with pytest.raises(ConflictError, match="is active"):
        other.post(f"{path}/approve")
    asked = lake.post(path, {"reason": "the case is closed"})
    assert (asked["state"], asked["holds"]) == ("lift_asked", True)
    assert held(house, 1) == {(1, None)}
    with pytest.raises(ForbiddenError, match="nobody decides on what they filed"):
        lake.post(f"{path}/approve")
    with pytest.raises(ConflictError):
        lake.post(path, {"reason": "again"})
    assert other.post(f"{path}/refuse")["state"] == "active"
    lake.post(path, {"reason": "the case is closed"})
    assert other.post(f"{path}/approve")["holds"] is False
    assert held(house, 1) == set()
    with pytest.raises(ConflictError, match="is lifted"):
        other.post(f"{path}/approve")
    assert [each["state"] for each in lake.get(PATH)["holds"]] == ["lifted"]
    assert lake.get(PATH, {"state": "active"})["holds"] == []


def test_a_hold_ends_by_itself_at_its_time(
    lake: HttpClient, house: House, frozen_clock: FrozenClock
) -> None:
    placed(lake, RAW, until="2026-03-02T00:00:00Z")
    assert held(house, 1) == {(1, None)}
    frozen_clock.advance(days=1)
    assert held(house, 1) == set()
    assert lake.get(PATH)["holds"][0]["holds"] is False


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"ground": "17_3_a"}, InvalidInputError),
        ({"ground": ""}, InvalidInputError),
        ({"matter": " "}, InvalidInputError),
        ({"reason": ""}, InvalidInputError),
        ({"until": "2026-02-01T00:00:00Z"}, InvalidInputError),
        ({"items": []}, InvalidInputError),
        ({"items": [{}]}, InvalidInputError),
        ({"items": [{**RAW, "subject": person(1)}]}, InvalidInputError),
        ({"items": [{**RAW, "version": 1, "batch": "one"}]}, InvalidInputError),
        ({"items": [{**RAW, "ordinal": 1}]}, InvalidInputError),
        ({"items": [{**RAW, "version": 9}]}, NotFoundError),
        ({"items": [{**RAW, "batch": "nine"}]}, NotFoundError),
        ({"items": [{**RAW, "batch": 3}]}, NotFoundError),
        ({"items": [{"namespace": NAMESPACE, "name": "nowhere"}]}, NotFoundError),
        ({"items": [{"subject": {"scheme": "shoe", "value": "44"}}]}, InvalidInputError),
    ],
)
def test_a_hold_that_says_too_little_is_refused(
    lake: HttpClient, house: House, changed: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        placed(lake, RAW, **changed)
    assert held(house, 1, 2, 3) == set()


def test_who_may_place_and_lift(lake: HttpClient, connect: Connect, make_token: TokenMaker) -> None:
    pipeline = connect(make_token(Role.PIPELINE, name="etl"))
    with pytest.raises(ForbiddenError):
        placed(pipeline, RAW)
    with pytest.raises(ForbiddenError):
        pipeline.get(PATH)
    owner = connect(make_token(Role.DATA_OWNER, name="owner"))
    hold = placed(owner, RAW)
    owner.post(f"{PATH}/{hold['id']}/lift", {"reason": "done"})
    second = connect(make_token(Role.DATA_OWNER, name="second"))
    with pytest.raises(ForbiddenError):
        second.post(f"{PATH}/{hold['id']}/lift/approve")


def test_a_hold_that_is_not_there(lake: HttpClient) -> None:
    with pytest.raises(NotFoundError):
        lake.post(f"{PATH}/0197a0e2-0000-7000-8000-000000000001/lift", {"reason": "x"})
    with pytest.raises(InvalidInputError):
        lake.post(f"{PATH}/%00/lift", {"reason": "x"})
