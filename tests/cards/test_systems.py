"""AI systems are kept in revisions, and say which versions they use and how long that is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select

from registry.actors.accounts import SYSTEM
from registry.actors.projects import create_project
from registry.actors.tables import Role
from registry.cards.declared.systems import AiSystemView, kept_until, systems_of
from registry.cards.declared.tables import AiSystem
from registry.catalog.lookup import find_dataset
from registry.client.http import HttpClient
from registry.errors import (
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    RegistryError,
)
from registry.request import House
from registry.storage.columns import table_of
from tests.clock import FrozenClock
from tests.conftest import TokenMaker
from tests.rights.asking import NAMESPACE, write_batch

PATH = "/api/v1/ai-systems"
RAW = {"namespace": NAMESPACE, "name": "raw"}


def put(client: HttpClient, system: str = "tutor", **said: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.request("PUT", f"{PATH}/{system}", json=said).json()
    return answer


def use(client: HttpClient, role: str = "train", system: str = "tutor", **said: Any) -> Any:
    return client.post(f"{PATH}/{system}/uses", {**RAW, "role": role, **said})


def systems(house: House, version: int | None = None, name: str = "raw") -> list[AiSystemView]:
    with house.database.read() as session:
        dataset = find_dataset(session, NAMESPACE, name)
        return systems_of(session, dataset.id, version)


def test_a_system_is_kept_in_revisions(
    steward: HttpClient, house: House, frozen_clock: FrozenClock
) -> None:
    first = put(
        steward,
        name="Tutor",
        provider="Acme Ltd",
        contact="documentation@acme.example",
        market_dates=["2027-03-01", "2026-01-31", "2026-01-31"],
        base_models=[{"name": "base-7b", "uri": "https://example.org/base"}],
        is_open=False,
        size_class="sme",
    )
    assert first["market_dates"] == ["2026-01-31", "2027-03-01"]
    assert (first["revision"], first["keep_until"]) == (1, "2037-03-01")
    assert (first["is_open"], first["continuous_training"]) == (False, None)
    second = put(steward, version="2", is_open=None, market_dates=[])
    assert (second["revision"], second["name"], second["provider"]) == (2, "Tutor", "Acme Ltd")
    assert (second["is_open"], second["market_dates"], second["keep_until"]) == (None, [], None)
    assert second["base_models"] == first["base_models"]
    assert steward.get(f"{PATH}/tutor") == second
    assert steward.get(PATH) == {"systems": [second]}
    with house.database.read() as session:
        table = table_of(AiSystem)
        assert session.execute(select(func.count()).select_from(table)).scalar_one() == 2
    assert put(steward, retired=True)["retired"]
    assert put(steward, version=None)["version"] is None


def test_what_a_system_uses_is_found_by_its_version(steward: HttpClient, house: House) -> None:
    put(steward, name="Tutor")
    use(steward, version=1)
    shown = use(steward, "test", version=2)
    assert use(steward, "test", version=2) == shown
    use(steward, "input")
    put(steward, "judge", name="Judge")
    use(steward, "validation", "judge", version=2)
    assert [each.id for each in systems(house, 1)] == ["tutor"]
    assert [each.id for each in systems(house, 2)] == ["judge", "tutor"]
    assert [each.id for each in systems(house)] == ["judge", "tutor"]
    (tutor,) = systems(house, 1)
    assert [(each.version, each.role) for each in tutor.uses] == [
        (1, "train"),
        (2, "test"),
        (None, "input"),
    ]
    use(steward, "input", ended=True)
    use(steward, "test", version=2, ended=True)
    assert [each.id for each in systems(house, 2)] == ["judge"]
    put(steward, retired=True)
    assert [(each.id, each.retired) for each in systems(house, 1)] == [("tutor", True)]


def test_a_revision_has_its_place_in_the_log(steward: HttpClient, house: House) -> None:
    put(steward, name="Tutor")
    use(steward)
    house.audit.catch_up()
    (view,) = systems(house)
    assert view.audit_index is not None


@pytest.mark.parametrize(
    ("days", "kept"),
    [
        ([], None),
        (["2026-08-02"], date(2036, 8, 2)),
        (["2027-01-01", "2026-08-02"], date(2037, 1, 1)),
        (["2028-02-29"], date(2038, 3, 1)),
    ],
)
def test_documentation_is_kept_ten_years_from_the_last_day_on_the_market(
    steward: HttpClient, house: House, days: list[str], kept: date | None
) -> None:
    put(steward, name="Tutor", market_dates=days)
    put(steward, "draft", name="Draft")
    for name in ("tutor", "draft"):
        use(steward, system=name)
    assert kept_until(systems(house)) == kept


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"provider": "Acme"}, "has no name yet"),
    "a size that there is not": ({"name": "T", "size_class": "huge"}, "no size of a provider"),
    "a link that is a script": (
        {"name": "T", "base_models": [{"name": "b", "uri": "javascript:alert(1)"}]},
        "is no link",
    ),
    "a person in the purpose": (
        {"name": "T", "intended_purpose": "for person-7@example.org"},
        "an e-mail address",
    ),
    "a day that there is not": ({"name": "T", "market_dates": ["2026-02-30"]}, "market_dates"),
    "a member that nobody knows": ({"name": "T", "color": "red"}, "color"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_recorded_is_refused_and_nothing_is_kept(
    steward: HttpClient, case: str
) -> None:
    said, words = REFUSED[case]
    with pytest.raises(InvalidInputError, match=words) as refused:
        put(steward, **said)
    assert refused.value.remedy
    assert steward.get(PATH) == {"systems": []}


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"role": "eat"}, InvalidInputError),
        ({"version": 3}, NotFoundError),
        ({"name": "nowhere"}, NotFoundError),
        ({"ended": True}, NotFoundError),
    ],
)
def test_a_use_of_what_is_not_there_is_refused(
    steward: HttpClient, said: dict[str, Any], error: type[RegistryError]
) -> None:
    put(steward, name="Tutor")
    with pytest.raises(error):
        steward.post(f"{PATH}/tutor/uses", {**RAW, "role": "train", **said})
    with pytest.raises(NotFoundError):
        use(steward, system="nobody")
    assert steward.get(f"{PATH}/tutor")["uses"] == []


def test_who_does_not_see_a_dataset_learns_only_that_there_is_one(
    steward: HttpClient, connect: Callable[[str], HttpClient], make_token: TokenMaker, house: House
) -> None:
    put(steward, name="Tutor")
    use(steward)
    with house.database.write() as session:
        create_project(session, name="other", actor=SYSTEM, now=house.clock())
    other = connect(make_token(Role.VIEWER, project="other", name="stranger"))
    shown = other.get(f"{PATH}/tutor")
    assert (shown["uses"], shown["beyond_scope"], shown["name"]) == ([], True, "Tutor")
    assert steward.get(f"{PATH}/tutor")["beyond_scope"] is False


@pytest.mark.parametrize("role", Role)
def test_who_edits_the_register_records_systems(
    connect: Callable[[str], HttpClient], make_token: TokenMaker, role: Role
) -> None:
    client = connect(make_token(role, name="somebody"))
    write_batch(connect(make_token(Role.STEWARD, name="ada")), "raw", "one")
    if role in (Role.STEWARD, Role.DATA_OWNER):
        put(client, name="Tutor")
        assert use(client)["revision"] == 2
        return
    with pytest.raises(ForbiddenError):
        put(client, name="Tutor")
    with pytest.raises(ForbiddenError):
        use(client)
