"""Violations are raised once, seen again, and settled by somebody for a reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from registry.actors.tables import Role
from registry.catalog.names import dataset_id
from registry.client.http import HttpClient
from registry.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from registry.request import House
from registry.rights.violations import Breach, raise_violation
from tests.clock import FrozenClock
from tests.conftest import TokenMaker
from tests.rights.asking import NAMESPACE, write_batch

PATH = "/api/v1/violations"


def breach(house: House, sameness: str = "no_origin/1", **changed: Any) -> str | None:
    said = {"kind": "no_origin", "detail": "Batch 1 of raw has no origin.", **changed}
    with house.database.write() as session:
        return raise_violation(
            session, Breach(sameness=sameness, **said), actor="system", now=house.clock()
        )


def one(client: HttpClient) -> dict[str, Any]:
    (found,) = client.get(PATH)["violations"]
    shown: dict[str, Any] = found
    return shown


def test_a_violation_is_raised_once_and_seen_again(
    admin: HttpClient, house: House, frozen_clock: FrozenClock
) -> None:
    write_batch(admin, "raw", "one")
    raw = dataset_id(NAMESPACE, "raw")
    assert breach(house, dataset_id=raw, number=1, facts={"examples": 3})
    frozen_clock.advance(days=1)
    assert breach(house, dataset_id=raw) is None
    found = one(admin)
    assert (found["namespace"], found["dataset"], found["version"]) == (NAMESPACE, "raw", 1)
    assert (found["state"], found["times"], found["facts"]) == ("open", 2, {"examples": 3})
    assert found["seen_at"] > found["raised_at"]
    assert admin.get(f"{PATH}/{found['id']}") == found


def test_open_acknowledged_resolved_and_open_again(admin: HttpClient, house: House) -> None:
    path = f"{PATH}/{breach(house)}"
    assert admin.post(f"{path}/acknowledge")["state"] == "acknowledged"
    with pytest.raises(ConflictError, match="is acknowledged"):
        admin.post(f"{path}/acknowledge")
    with pytest.raises(InvalidInputError):
        admin.post(f"{path}/resolve", {"why": " "})
    assert admin.post(f"{path}/resolve", {"why": "origin added"})["why"] == "origin added"
    with pytest.raises(ConflictError, match="is resolved"):
        admin.post(f"{path}/accept", {"why": "x", "until": "2027-01-01T00:00:00Z"})
    assert breach(house) is not None
    found = one(admin)
    assert (found["state"], found["why"], found["acknowledged_by"]) == ("open", None, None)


def test_an_accepted_one_stays_so_until_its_date(
    admin: HttpClient, house: House, frozen_clock: FrozenClock
) -> None:
    path = f"{PATH}/{breach(house)}"
    with pytest.raises(InvalidInputError, match="has passed"):
        admin.post(f"{path}/accept", {"why": "known", "until": "2026-02-01T00:00:00Z"})
    until = (frozen_clock() + timedelta(days=10)).isoformat()
    assert admin.post(f"{path}/accept", {"why": "known", "until": until})["state"] == "accepted"
    frozen_clock.advance(days=9)
    assert breach(house) is None
    assert one(admin)["state"] == "accepted"
    frozen_clock.advance(days=1)
    assert breach(house) is not None
    assert one(admin)["state"] == "open"


def test_violations_come_in_pages_and_by_filter(
    admin: HttpClient, house: House, frozen_clock: FrozenClock
) -> None:
    admin.post("/api/v1/projects", {"name": "speech"})
    project = project_id(house)
    for number in range(5):
        frozen_clock.advance(minutes=number % 2)
        breach(house, f"a/{number}", project_id=project if number < 2 else None)
    breach(house, "b/1", kind="late")
    first = admin.get(PATH, {"limit": 4})
    assert first["totalCount"] == 6
    rest = admin.get(PATH, {"limit": 4, "after": first["next"]})
    seen = [each["id"] for each in first["violations"] + rest["violations"]]
    assert len(set(seen)) == 6
    assert rest["next"] is None
    assert admin.get(PATH, {"kind": "late"})["totalCount"] == 1
    assert admin.get(PATH, {"project": "speech"})["totalCount"] == 2
    assert admin.get(PATH, {"project": "nowhere"})["totalCount"] == 0
    assert admin.get(PATH, {"state": "resolved"})["violations"] == []
    for wrong in ({"state": "gone"}, {"kind": "\x00"}, {"after": "x"}):
        with pytest.raises(InvalidInputError):
            admin.get(PATH, wrong)


def project_id(house: House) -> str:
    from sqlalchemy import select

    from registry.actors.tables import Project
    from registry.storage.columns import table_of

    table = table_of(Project)
    with house.database.read() as session:
        found = session.execute(select(table.c.id).where(table.c.name == "speech"))
        return str(found.scalar_one())


def test_who_may_settle(
    admin: HttpClient,
    house: House,
    connect: Callable[[str], HttpClient],
    make_token: TokenMaker,
) -> None:
    path = f"{PATH}/{breach(house)}"
    with pytest.raises(ForbiddenError):
        connect(make_token(Role.VIEWER, name="viewer")).post(f"{path}/acknowledge")
    with pytest.raises(NotFoundError):
        admin.get(f"{PATH}/0197a0e2-0000-7000-8000-000000000001")
