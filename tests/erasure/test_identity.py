"""Who asks: cases 11 and 12, questions to the person, and the clock that may stand still."""

from __future__ import annotations

import threading
from dataclasses import fields
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from registry.audit.key_changes import recording_as
from registry.erasure.case.cases import Case
from registry.erasure.case.identifiers import kept_keys
from registry.erasure.case.identity import ask_information, take_answer
from registry.erasure.case.request_rules import RequestRules
from registry.erasure.case.taking_up import settle_duplicates
from registry.erasure.lifecycle import Regime, RequestState, Right
from registry.errors import ConflictError, InvalidInputError, NotFoundError
from registry.keys.tables import Purpose
from registry.request import House
from tests.clock import FrozenClock
from tests.erasure.filing import (
    CHECKER,
    RULES,
    case_now,
    desk_of,
    entries,
    file,
    letters,
    person,
    restricted,
    steps,
    unverified,
    verified,
)

S = RequestState
PAUSING: RequestRules = msgspec.structs.replace(RULES, pause_for_identity=True)


def asked(house: House, case: Case, rules: RequestRules = RULES, words: str = "Which?") -> Case:
    desk = desk_of(house, rules)
    return house.database.transact(
        lambda session: ask_information(
            session, desk, case.id, question=words, actor=CHECKER, now=house.clock()
        )
    )


def answered(house: House, case: Case, rules: RequestRules = RULES, words: str = "This.") -> Case:
    desk = desk_of(house, rules)
    return house.database.transact(
        lambda session: take_answer(
            session, desk, case.id, answer=words, actor=CHECKER, now=house.clock()
        )
    )


def test_from_the_verified_identity_on_the_person_is_restricted(house: House) -> None:
    case = unverified(house)
    assert restricted(house) == 0
    made = verified(house, case)
    assert (made.state, made.verified_by) == (S.RECEIVED, CHECKER)
    assert restricted(house) == 1
    assert steps(house, case.id) == ["request.filed", "letter.made", "identity.verified"]
    assert "identity card" not in str(entries(house))
    with pytest.raises(ConflictError, match="is known: verified"):
        verified(house, case)


def test_case_11_an_unverified_person_learns_nothing_and_blocks_nobody(
    house: House, frozen_clock: FrozenClock
) -> None:
    """The same rows, words and steps for somebody there is data of and for somebody else."""
    known = file(house, person(1), reference="known").case
    frozen_clock.advance(seconds=1)
    first = unverified(house, person(1), reference="a")
    other = unverified(house, person(2), reference="b")
    assert steps(house, first.id) == steps(house, other.id)
    same = {field.name for field in fields(Case)} - {"id", "reference", "record_key"}
    assert all(getattr(first, name) == getattr(other, name) for name in same)
    texts = [letters(house, each)[0].replace(each.id, "ID") for each in (first, other)]
    assert texts[0] == texts[1]
    # It blocks nobody: the person's own request goes its way, whichever was there first.
    later = file(house, person(2), reference="c").case
    assert (later.state, later.canonical_id) == (S.RECEIVED, None)
    assert case_now(house, other.id).state is S.AWAITING_IDENTITY
    assert case_now(house, known.id) == known


def test_case_12_the_first_verified_one_is_canonical_and_both_get_an_answer(
    house: House, frozen_clock: FrozenClock
) -> None:
    first = unverified(house, person(1), reference="a")
    frozen_clock.advance(seconds=1)
    second = file(house, person(1), reference="b").case
    assert second.state is S.RECEIVED
    frozen_clock.advance(seconds=1)
    made = verified(house, first)
    assert (made.state, made.canonical_id) == (S.DUPLICATE, second.id)
    assert restricted(house) == 1
    assert [len(letters(house, each)) for each in (made, second)] == [1, 1]


@pytest.mark.parametrize(
    "said",
    [
        {"right": Right.ACCESS},
        {"regime": Regime.CCPA},
        {"subjects": (person(1), person(2))},
        {"subjects": (("external", "person-1@example.org"),)},
    ],
)
def test_another_right_regime_or_set_of_people_is_no_duplicate(
    house: House, said: dict[str, Any]
) -> None:
    file(house, person(1), reference="a")
    assert file(house, **said).case.state is S.RECEIVED


def test_two_requests_at_once_leave_one_canonical(house: House) -> None:
    start, made = threading.Barrier(4), []

    def one(number: int) -> None:
        start.wait(60)
        made.append(file(house, person(1), reference=f"r{number}").case)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    states = sorted(case.state for case in made)
    assert states == [S.DUPLICATE, S.DUPLICATE, S.DUPLICATE, S.RECEIVED]
    assert restricted(house) == 1


def test_the_same_reference_at_once_is_one_request(house: House) -> None:
    start, made = threading.Barrier(4), []

    def one() -> None:
        start.wait(60)
        made.append(file(house, person(1), reference="T-1"))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert len({filed.case.id for filed in made}) == 1
    assert sum(filed.is_new for filed in made) == 1


def test_case_15_a_duplicate_is_found_while_the_subject_key_rotates(house: House) -> None:
    first = file(house, person(1), reference="a").case
    record = recording_as(CHECKER)
    house.database.transact(
        lambda session: house.rotation.begin(session, Purpose.SUBJECT, record=record)
    )
    house.keyring.refresh()
    between = file(house, person(1), reference="b").case
    house.rotation.move(Purpose.SUBJECT, lambda _said: None)
    after = file(house, person(1), reference="c").case
    assert {between.canonical_id, after.canonical_id} == {first.id}
    with house.database.read() as session:
        (moved,) = kept_keys(session, first.id)
    assert moved.version == 2
    # The same reference is still known to be the same request.
    assert not file(house, person(1), reference="a").is_new


def test_duplicates_are_answered_with_the_request_or_go_on_alone(
    house: House, frozen_clock: FrozenClock
) -> None:
    canonical = file(house, person(1), reference="a").case
    early = file(house, person(1), reference="b").case
    frozen_clock.advance(days=1)
    planned_at = house.clock()
    frozen_clock.advance(days=1)
    late = file(house, person(1), reference="c").case
    assert {early.state, late.state} == {S.DUPLICATE}

    house.database.transact(
        lambda session: settle_duplicates(
            session,
            desk_of(house),
            canonical,
            known_until=planned_at,
            letter=lambda: f"The request {canonical.id} is answered.",
            actor=CHECKER,
            now=house.clock(),
        )
    )
    assert case_now(house, early.id).closed_at == house.clock()
    assert len(letters(house, early)) == 2
    # The canonical one is still open here, so the later one is its duplicate again.
    assert case_now(house, late.id).state is S.DUPLICATE
    assert "duplicate.resumed" in steps(house, late.id)


def test_a_question_stops_the_case_and_an_answer_lets_it_go_on(house: House) -> None:
    case = unverified(house)
    assert asked(house, case).state is S.AWAITING_INFORMATION
    assert asked(house, case, words="And when?").paused_at is None
    assert answered(house, case).state is S.AWAITING_IDENTITY
    made = verified(house, case)
    assert asked(house, made).state is S.AWAITING_INFORMATION
    assert restricted(house) == 1
    assert answered(house, made).state is S.RECEIVED
    with pytest.raises(ConflictError, match="is received; an answer"):
        answered(house, made)
    assert "Which?" not in str(entries(house))


def test_the_month_stands_still_where_the_rules_say_so(
    house: House, frozen_clock: FrozenClock
) -> None:
    case = unverified(house)
    frozen_clock.advance(days=3)
    paused = asked(house, case, PAUSING)
    assert paused.paused_at == house.clock()
    frozen_clock.advance(days=40)
    assert not case_now(house, case.id).is_overdue(house.clock().date())
    made = verified(house, case, PAUSING)
    assert (made.paused_at, made.paused_days) == (None, 40)
    # 2026-04-01 and 40 days: 2026-05-11, a Monday.
    assert made.due_on.isoformat() == "2026-05-11"
    assert "stood still for 40 days" in made.due_because
    assert steps(house, case.id)[2:] == [
        "information.asked",
        "clock.paused",
        "clock.resumed",
        "identity.verified",
    ]


@pytest.mark.parametrize("regime", Regime)
def test_the_clock_runs_on_where_it_must(
    house: House, frozen_clock: FrozenClock, regime: Regime
) -> None:
    rules = PAUSING if regime is Regime.CCPA else RULES
    case = unverified(house, regime=regime)
    assert asked(house, case, rules).paused_at is None
    frozen_clock.advance(days=100)
    made = verified(house, case, rules)
    assert made.due_on == case.due_on
    assert made.is_overdue(house.clock().date())


@pytest.mark.parametrize("words", ["", " ", "x" * 2001, "I am Person-1@example.org", "a\x00b"])
def test_words_that_cannot_be_kept_are_refused(house: House, words: str) -> None:
    case = unverified(house)
    with pytest.raises(InvalidInputError) as caught:
        asked(house, case, words=words)
    assert caught.value.path == "question"
    assert case_now(house, case.id) == case


def test_a_request_that_is_not_there_is_not_found(house: House) -> None:
    case = unverified(house)
    gone = Case(**{**{f.name: getattr(case, f.name) for f in fields(Case)}, "id": "none"})
    with pytest.raises(NotFoundError, match="no request 'none'"):
        verified(house, gone)


def test_a_clock_that_was_asked_twice_counts_once(house: House, frozen_clock: FrozenClock) -> None:
    case = unverified(house)
    asked(house, case, PAUSING)
    frozen_clock.advance(days=2)
    asked(house, case, PAUSING)
    frozen_clock.advance(days=2)
    made = answered(house, case, PAUSING)
    assert made.paused_days == 4
    assert made.due_on - case.due_on >= timedelta(days=4)
