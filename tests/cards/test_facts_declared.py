"""What people state and the systems behind the data, as facts: held, contradicted, expired."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from registry.cards.desk import find_version
from registry.cards.values import CardFacts, EvidenceKind, Fact, Grade, State, Table
from registry.client.http import HttpClient
from registry.request import House
from tests.clock import FrozenClock
from tests.rights.asking import NAMESPACE

RAW = {"namespace": NAMESPACE, "name": "raw"}
SYSTEMS = "/api/v1/ai-systems"


def facts(house: House, number: int = 2) -> CardFacts:
    with house.database.read() as session:
        version = find_version(session, NAMESPACE, "raw", number)
    return house.cards.facts(version)


def say(client: HttpClient, kind: str, text: str = "", **said: Any) -> dict[str, Any]:
    body = {**RAW, "kind": kind, "text": text, **said}
    made: dict[str, Any] = client.post("/api/v1/statements", body)
    return made


def system(client: HttpClient, name: str = "tutor", role: str = "train", **said: Any) -> None:
    client.request("PUT", f"{SYSTEMS}/{name}", json={"name": name.title(), **said})
    client.post(f"{SYSTEMS}/{name}/uses", {**RAW, "version": 2, "role": role})


def test_a_statement_is_declared_by_its_author_with_its_place_in_the_log(
    steward: HttpClient, house: House, frozen_clock: FrozenClock
) -> None:
    made = say(steward, "citation", "So.")
    house.audit.catch_up()
    fact = facts(house)["statement.citation"]
    assert (fact.state, fact.value, fact.grade) == (State.KNOWN, "So.", Grade.DECLARED)
    assert (fact.as_of, fact.note) == (frozen_clock(), "Stated by ada on 1 March 2026.")
    (on,) = fact.evidence
    assert (on.kind, on.id) == (EvidenceKind.STATEMENT, made["id"])
    assert on.audit_index is not None


def test_two_people_who_say_different_things_are_no_answer(
    steward: HttpClient, owner: HttpClient, house: House
) -> None:
    say(steward, "citation", "So.")
    say(owner, "citation", "So.")
    assert facts(house)["statement.citation"].state is State.KNOWN
    other = say(owner, "citation", "Not so.")
    fact = facts(house)["statement.citation"]
    assert (fact.state, fact.value, len(fact.evidence)) == (State.CONTRADICTED, None, 2)
    assert fact.note == "Stated by ada on 1 March 2026 and grace on 1 March 2026."
    steward.post(f"/api/v1/statements/{other['id']}/withdraw", {"reason": "Wrong."})
    assert facts(house)["statement.citation"].value == "So."


def test_what_expired_is_told_beside_the_gap(
    steward: HttpClient, house: House, frozen_clock: FrozenClock
) -> None:
    say(steward, "citation", "So.", expires_at="2026-03-02T00:00:00Z")
    frozen_clock.advance(days=2)
    fact = facts(house)["statement.citation"]
    assert fact.state is State.NOT_RECORDED
    assert fact.note == "The statement of ada expired on 2 March 2026."


@pytest.mark.parametrize(
    ("value", "state", "shown"), [(True, State.DECLARED_NONE, None), (False, State.KNOWN, False)]
)
def test_a_yes_to_that_there_is_none_is_declared_none(
    steward: HttpClient, house: House, value: bool, state: State, shown: bool | None
) -> None:
    say(steward, "labels_none", value=value)
    fact = facts(house)["statement.labels_none"]
    assert (fact.state, fact.value) == (state, shown)
    assert "by ada on 1 March 2026" in (fact.note or "")


def test_a_statement_on_one_version_is_no_fact_of_another(
    steward: HttpClient, house: House
) -> None:
    say(steward, "citation", "So.", version=1)
    assert facts(house, 1)["statement.citation"].value == "So."
    assert facts(house, 2)["statement.citation"].state is State.NOT_RECORDED


def test_a_system_gives_its_provider_purpose_and_clock(steward: HttpClient, house: House) -> None:
    system(
        steward,
        provider="Acme Ltd",
        market_dates=["2026-08-02"],
        base_models=[{"name": "base-7b", "uri": "https://example.org/base"}],
        is_open=False,
        version="2",
    )
    found = facts(house)
    assert found["provider.name"].value == "Acme Ltd"
    assert (found["system.is_open"].state, found["system.is_open"].value) == (State.KNOWN, False)
    assert found["system.market_date"].value == date(2026, 8, 2)
    assert found["system.keep_until"].value == date(2036, 8, 2)
    assert found["provider.contact"].state is State.NOT_RECORDED
    table = found["system.systems"].value
    assert isinstance(table, Table)
    base = "base-7b (https://example.org/base)"
    assert table.rows == (("tutor", "Tutor", "2", "train", date(2026, 8, 2), base),)
    assert facts(house, 1)["provider.name"].state is State.NOT_RECORDED


def states(*found: Fact) -> list[State]:
    return [fact.state for fact in found]


def test_what_systems_say_differently_stands_side_by_side_or_contradicts(
    steward: HttpClient, house: House
) -> None:
    system(steward, provider="Acme Ltd", is_open=True)
    system(steward, "judge", "test", provider="Other Ltd", is_open=False)
    found = facts(house)
    assert found["provider.name"].value == "Other Ltd; Acme Ltd"
    assert found["system.is_open"].state is State.CONTRADICTED
    assert found["system.is_open"].note == "The systems differ (Judge: no, Tutor: yes)."


def test_a_system_that_is_not_on_the_market_starts_no_clock(
    steward: HttpClient, house: House
) -> None:
    names = ("system.market_date", "system.keep_until")
    system(steward)
    assert states(*(facts(house)[name] for name in names)) == [State.NOT_RECORDED] * 2
    system(steward, market_dates=[], base_models=[])
    found = facts(house)
    assert states(*(found[name] for name in names)) == [State.NOT_APPLICABLE] * 2
    assert found["system.market_date"].note == "Not on the Union market: Tutor."
    table = found["system.systems"].value
    assert isinstance(table, Table)
    assert table.rows[0][-2:] == ("none", "none")
