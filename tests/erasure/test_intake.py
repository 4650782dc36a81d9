"""A request comes in: idempotent, sealed, dated, and the same whether there is data or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text

from registry.audit.tables import AuditEntry
from registry.erasure.case.identifiers import kept_keys, open_identifiers
from registry.erasure.case.post import LetterFacts
from registry.erasure.case.request_rules import load_request_rules
from registry.erasure.lifecycle import Identity, Regime, RequestState, Right
from registry.erasure.tables import ErasureIdentifier, ErasureRequest, ErasureStep, ErasureTask
from registry.errors import ConflictError, InvalidInputError, PolicyError
from registry.keys.identifiers import Scheme
from registry.keys.subjects import live_subject_keys
from registry.request import House
from registry.rights.consent import person_events
from registry.storage.columns import table_of
from tests.clock import FrozenClock
from tests.erasure.filing import (
    case_now,
    entries,
    file,
    letters,
    person,
    restricted,
    steps,
    unverified,
)

S = RequestState


def count(house: House, model: Any) -> int:
    with house.database.read() as session:
        return int(session.execute(select(func.count()).select_from(table_of(model))).scalar_one())


def test_a_request_is_dated_acknowledged_and_restricts_at_once(house: House) -> None:
    case = file(house).case
    assert (case.state, case.identity) == (S.RECEIVED, Identity.AUTHENTICATED)
    assert case.due_on.isoformat() == "2026-04-01"
    assert "Received on Sunday 2026-03-01" in case.due_because
    assert steps(house, case.id) == ["request.filed", "letter.made"]
    (letter,) = letters(house, case)
    assert "tell you what we did by 1 April 2026" in " ".join(letter.split())
    assert restricted(house) == 1


def test_an_identifier_is_kept_sealed_and_as_a_key_and_nowhere_else(house: House) -> None:
    given = ("email", " Ada.Lovelace@Example.ORG ")
    case = file(house, given, reference="T-1").case
    with house.database.read() as session:
        (kept,) = kept_keys(session, case.id)
        (opened,) = open_identifiers(session, house.keyring, case)
        assert kept.key in live_subject_keys(house.keyring, Scheme.EMAIL, given[1])
        assert (opened.value, opened.form) == (given[1], "ada.lovelace@example.org")
        for model in (ErasureRequest, ErasureIdentifier, ErasureStep, ErasureTask, AuditEntry):
            for row in session.execute(text(f'SELECT * FROM "{model.__tablename__}"')):
                assert b"ovelace" not in b"|".join(
                    each if isinstance(each, bytes) else str(each).encode() for each in row
                )
    assert "ovelace" not in str(entries(house))


def test_the_same_reference_twice_is_the_same_request_and_answer(house: House) -> None:
    first = file(house, person(1), ("phone", "+49 30 123456"), reference="T-1")
    again = file(house, ("phone", "0049 30 123456"), person(1), reference="T-1")
    assert (first.is_new, again.is_new) == (True, False)
    assert again.case == case_now(house, first.case.id)
    assert (count(house, ErasureRequest), restricted(house)) == (1, 2)
    other = file(house, person(2), reference="T-1", channel="letter")
    assert other.is_new
    with pytest.raises(ConflictError, match="'T-1' already, which asks"):
        file(house, person(2), reference="T-1")
    with pytest.raises(ConflictError, match="something else"):
        file(house, person(1), ("phone", "+49 30 123456"), reference="T-1", right=Right.RESTRICTION)


def test_an_identifier_that_is_given_twice_counts_once(house: House) -> None:
    case = file(house, person(1), ("email", "PERSON-1@example.org ")).case
    with house.database.read() as session:
        assert len(kept_keys(session, case.id)) == 1


MANY = tuple(person(number) for number in range(101))


@pytest.mark.parametrize(
    ("said", "path", "words"),
    [
        ({"subjects": ()}, "subjects", "1 to 100 identifiers of a person, and this one 0"),
        ({"subjects": MANY}, "subjects", "and this one 101"),
        ({"subjects": (("fax", "1"),)}, "subjects[0].scheme", "'fax' is no scheme"),
        ({"subjects": (person(), ("email", "ada"))}, "subjects[1].value", "name@domain"),
        ({"channel": " "}, "channel", "it needs 1 to 200"),
        ({"channel": "from person-1@example.org"}, "channel", "holds an identifier"),
        ({"reference": "PERSON-1@EXAMPLE.ORG"}, "reference", "holds an identifier"),
        ({"reference": "x" * 201}, "reference", "201 characters"),
        ({"received_at": datetime(2026, 3, 2, tzinfo=UTC)}, "received_at", "it is 2026-03-01"),
        ({"received_at": datetime(1999, 3, 2, tzinfo=UTC)}, "received_at", "before 2000"),
        ({"region": "XX"}, "region", "public holidays"),
        ({"purposes": ("research",)}, "purposes", "an objection"),
        ({"purposes": ("war",), "right": Right.OBJECTION}, "purposes[0]", "no purpose"),
    ],
)
def test_what_cannot_be_taken_is_named_with_its_place(
    house: House, said: dict[str, Any], path: str, words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words) as caught:
        file(house, **said)
    assert caught.value.path == path
    assert caught.value.remedy
    assert "person-1" not in caught.value.detail
    assert count(house, ErasureRequest) == 0


def test_a_region_moves_the_deadline_and_is_kept(house: House, frozen_clock: FrozenClock) -> None:
    frozen_clock.now = datetime(2026, 3, 5, tzinfo=UTC)
    received = datetime(2026, 3, 3, 23, 59, tzinfo=UTC)
    case = file(house, region="de", received_at=received).case
    assert (case.region, case.due_on.isoformat()) == ("DE", "2026-04-07")
    ccpa = file(house, region="US-CA", received_at=received, regime=Regime.CCPA).case
    assert ccpa.due_on == received.date() + timedelta(days=45)


def test_an_objection_is_recorded_for_the_purposes_that_are_named(house: House) -> None:
    file(house, person(1), right=Right.OBJECTION, purposes=("research",), reference="a")
    file(house, person(2), right=Right.OBJECTION, reference="b")
    with house.database.read() as session:
        named = person_events(session, house.keyring, person(1))
        every = person_events(session, house.keyring, person(2))
    assert [(each.purpose, each.status.value) for each in named] == [("research", "objected")]
    assert {each.purpose for each in every} == set(house.policies.current().purposes.entries)
    assert restricted(house) == 2


@pytest.mark.parametrize(
    ("right", "task", "count_restricted"),
    [
        (Right.ERASURE, [], 1),
        (Right.RESTRICTION, [("own_data", "restriction", "verified")], 1),
        (Right.OBJECTION, [("own_data", "objection", "verified")], 1),
        (Right.ACCESS, [("manual", "copy", "pending")], 0),
    ],
)
def test_each_right_is_taken_up_in_its_way(
    house: House, right: Right, task: list[tuple[str, str, str]], count_restricted: int
) -> None:
    file(house, right=right)
    tasks = table_of(ErasureTask)
    with house.database.read() as session:
        rows = session.execute(select(tasks.c.kind, tasks.c.target, tasks.c.state)).all()
    assert [tuple(row) for row in rows] == task
    assert restricted(house) == count_restricted


def test_nothing_is_kept_of_a_request_that_fails_half_way(house: House) -> None:
    def broken(_facts: LetterFacts) -> str:
        raise RuntimeError("the printer is on fire")

    with pytest.raises(RuntimeError):
        file(house, render=broken)
    assert (count(house, ErasureRequest), restricted(house)) == (0, 0)
    assert entries(house, "erasure") == []


def test_an_unverified_request_waits(house: House) -> None:
    case = unverified(house)
    assert (case.state, case.verified_at) == (S.AWAITING_IDENTITY, None)
    assert restricted(house) == 0
    (letter,) = letters(house, case)
    assert "we must be sure that the request is yours" in " ".join(letter.split())


@pytest.mark.parametrize(
    ("text_of_file", "words"),
    [
        ("justifications: {}", "no justification"),
        ("justifications: {a: {law: x}}", "line 1"),
        ("justifications: {a: {law: x, label: y}}\nregions: {gdpr: XX}", "public holidays"),
        ("justifications: {a: {law: x, label: y}}\nregions: {lgpd: BR}", "lgpd"),
        ("justifications: {a: {law: x, label: y}}\nidentifiers_kept: 6", "requests.yaml"),
        ("justifications: {a: {law: x, label: y}}\nidentifiers_kept: ever", "ever"),
        ("justifications: {a: {law: x, label: y}}\ndue_soon_days: -1", "below zero"),
        ("justifications: {a: {law: x, label: y}}\npause: true", "`pause`"),
    ],
)
def test_rules_that_cannot_be_used_are_refused(
    tmp_path: Any, text_of_file: str, words: str
) -> None:
    (tmp_path / "requests.yaml").write_text(text_of_file)
    with pytest.raises(PolicyError, match=words):
        load_request_rules(tmp_path)
