"""A decision as of a day counts the duties of that day: those placed later do not, nor lifts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import numpy as np
import pytest
from sqlmodel import Session

from registry.keys.identifiers import Scheme
from registry.keys.subjects import new_subject_key
from registry.request import House
from registry.rights.holds import approve_lift, ask_to_lift, place_hold
from registry.rights.items import Item
from registry.rights.restrictions import (
    Marked,
    lift_restriction,
    restrict_examples,
    restrict_subject,
)
from registry.rights.suppression import Basis, lift_suppression, suppress
from registry.rights.tables import ItemKind
from tests.ledger.pipelines import Pipeline
from tests.live import LiveServer
from tests.policy.asking import allowed, ask, collect, consent, examples, person

SAID = {"legalBasis": "consent", "license": "CC-BY-4.0", "personalData": "personal"}
PLACED, LIFTED = datetime(2026, 1, 10, tzinfo=UTC), datetime(2026, 1, 20, tzinfo=UTC)
BEFORE, BETWEEN, AFTER = "2026-01-05T00:00:00Z", "2026-01-15T00:00:00Z", "2026-01-25T00:00:00Z"
Lift = Callable[[Session], None]
Place = Callable[[House, Session, int], Lift]


@pytest.fixture
def consented(server: LiveServer) -> Iterator[Pipeline]:
    """Four examples of two people who agreed."""
    with server.client() as client:
        pipeline = Pipeline(server, client)
        collect(pipeline, examples(4, [[0], [1], [0], [1]]), **SAID)
        for number in range(2):
            consent(pipeline, number, "given")
        pipeline.settle()
        yield pipeline


def restricted_batch(_house: House, session: Session, batch: int) -> Lift:
    marked = [Marked(batch, np.array([1], np.uint32))]
    (made,) = restrict_examples(session, marked, reason="contested", actor="x", now=PLACED)
    return lambda later: lift_restriction(later, made, actor="x", now=LIFTED)


def restricted_person(house: House, session: Session, _batch: int) -> Lift:
    key = new_subject_key(house.keyring, Scheme.EMAIL, person(1))
    made = restrict_subject(
        session, key.key, key.version, reason="contested", actor="x", now=PLACED
    )
    return lambda later: lift_restriction(later, made, actor="x", now=LIFTED)


def suppressed_person(house: House, session: Session, _batch: int) -> Lift:
    key = new_subject_key(house.keyring, Scheme.EMAIL, person(1))
    (made,) = suppress(
        session,
        subject_keys=[(key.key, key.version)],
        basis=Basis("gdpr", "erased"),
        actor="x",
        now=PLACED,
    )
    return lambda later: lift_suppression(later, made, reason="agreed", actor="x", now=LIFTED)


def held_batch(_house: House, session: Session, batch: int) -> Lift:
    hold = place_hold(
        session,
        [Item(ItemKind.BATCH, batch_number=batch)],
        matter="m",
        owner="o",
        reason="r",
        ground="17_3_e",
        until=None,
        actor="x",
        now=PLACED,
    )

    def lift(later: Session) -> None:
        ask_to_lift(later, hold.id, reason="over", actor="x", now=LIFTED)
        approve_lift(later, hold.id, actor="y", now=LIFTED)

    return lift


@pytest.mark.parametrize(
    "place", [restricted_batch, restricted_person, suppressed_person, held_batch]
)
def test_a_duty_counts_from_when_it_was_placed_until_it_was_lifted(
    consented: Pipeline, place: Place
) -> None:
    house = consented.server.registry.house
    batch = allowed(consented)[0][0]
    with house.database.write() as session:
        lift = place(house, session, batch)
    assert decided(consented) == ["allow", "deny", "deny", "deny"]
    with house.database.write() as session:
        lift(session)
    assert decided(consented) == ["allow", "deny", "allow", "allow"]
    assert len(allowed(consented)) == 4


def test_what_was_turned_away_was_never_to_be_used(consented: Pipeline) -> None:
    house = consented.server.registry.house
    batch = allowed(consented)[0][0]
    marked = [Marked(batch, np.array([1], np.uint32))]
    with house.database.write() as session:
        restrict_examples(session, marked, reason="suppressed", actor="x", now=PLACED)
    assert decided(consented) == ["deny"] * 4


def decided(pipeline: Pipeline) -> list[str]:
    """The decisions before, between, after, and of now."""
    past = [ask(pipeline, "decisions", as_of=at)["decision"] for at in (BEFORE, BETWEEN, AFTER)]
    return [*past, ask(pipeline, "decisions")["decision"]]
