"""What a hold keeps of an erase set, and that it stays in the scope."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session

from registry.erasure.scope.withheld import all_withheld, withheld
from registry.ledger.rowmap import RowMap
from registry.rights.holds import place_hold
from registry.rights.items import ItemAsked, find_item
from registry.storage.database import Database
from tests.erasure.cases import DAY, Case, by
from tests.ledger.pipelines import NAMESPACE

NOW = DAY + timedelta(days=20)


@pytest.fixture
def told(case: Case) -> Case:
    """Three people; everything is copied once."""
    case.enter("raw", [by("ann"), by("bob"), by("ann"), by("ann", "bob")])
    case.derive("clean", "raw", RowMap.identity(4))
    case.derive("packed", "clean", RowMap.lists([0, 2, 4], [0, 1, 2, 3], 4))
    case.settle()
    return case


def hold(session: Session, case: Case, asked: ItemAsked, *, matter: str = "a lawsuit") -> str:
    item = find_item(session, case.house.ledger.keyring, asked, path="items")
    placed = place_hold(
        session,
        [item],
        matter=matter,
        owner="legal",
        reason="evidence",
        ground="17_3_e",
        until=None,
        actor="tests",
        now=DAY,
    )
    return placed.id


def kept(case: Case, session: Session, *people: str) -> dict[str, list[int]]:
    scope = case.scope(session, *people, at=NOW)
    return case.named(session, dict(all_withheld(scope.withheld)))


def test_a_hold_against_erasure_withholds_per_item_and_the_rest_is_executed(
    told: Case, case_database: Database
) -> None:
    with case_database.write() as session:
        raw = told.dataset("raw")
        mine = hold(session, told, ItemAsked(NAMESPACE, raw, batch="b", ordinal=2))
        hold(session, told, ItemAsked(NAMESPACE, raw, batch="b", ordinal=1), matter="not ann's")
        scope = told.scope(session, "ann")
        (found,) = scope.withheld
        assert (found.hold_id, found.ground, found.matter) == (mine, "17_3_e", "a lawsuit")
        assert told.named(session, dict(found.examples)) == {"raw": [2]}
        assert told.erased(session, scope)["raw"] == [0, 2]
        session.rollback()


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"name": "clean"}, {"clean": [0, 2]}),
        ({"name": "clean", "version": 1}, {"clean": [0, 2]}),
        ({"name": "clean", "batch": "b"}, {"clean": [0, 2]}),
        ({"name": "packed", "batch": "b", "ordinal": 1}, {"packed": [1]}),
    ],
)
def test_a_hold_keeps_what_it_names(
    told: Case, case_database: Database, asked: dict[str, object], expected: dict[str, list[int]]
) -> None:
    with case_database.write() as session:
        named = {**asked, "name": told.dataset(str(asked["name"]))}
        hold(session, told, ItemAsked(NAMESPACE, **named))  # type: ignore[arg-type]
        assert kept(told, session, "ann") == expected
        session.rollback()


def test_a_hold_through_another_name_of_the_dataset_wins(
    case: Case, case_database: Database
) -> None:
    case.enter("raw", [by("ann")])
    identifiers = [{"namespace": NAMESPACE, "name": case.dataset("alias"), "type": "TABLE"}]
    symlinks = {"_producer": "https://x.y", "_schemaURL": "https://x.y", "identifiers": identifiers}
    named = {"namespace": NAMESPACE, "name": case.dataset("raw")}
    output = {**named, "facets": {"symlinks": symlinks}}
    case.run("name", [], output)
    case.settle()
    with case_database.write() as session:
        hold(session, case, ItemAsked(NAMESPACE, case.dataset("alias")))
        assert kept(case, session, "ann") == {"raw": [0]}
        session.rollback()


def test_a_held_person_keeps_their_examples_and_all_that_was_made_of_them(
    told: Case, case_database: Database
) -> None:
    with case_database.write() as session:
        hold(session, told, ItemAsked(subject=("email", told.email("ann"))))
        everything = {"raw": [0, 2], "clean": [0, 2], "packed": [0, 1]}
        assert kept(told, session, "ann") == everything
        assert kept(told, session, "ann", "bob")["packed"] == [0, 1]
        session.rollback()
    with case_database.write() as session:
        hold(session, told, ItemAsked(subject=("email", told.email("bob"))))
        # Ann's packed rows are bob's too.
        assert kept(told, session, "ann") == {"packed": [0, 1]}
        session.rollback()


def test_a_hold_on_a_person_counts_while_their_erasure_is_carried_out(
    case: Case, case_database: Database
) -> None:
    case.enter("raw", [by("ann"), by("bob"), by("ann")])
    case.derive("clean", "raw", RowMap.identity(3))
    case.settle()
    with case_database.read() as session:
        erase = case.scope(session, "ann").erase
        number = case.number(session, "raw")
    case.house.ledger.index.erase([number << 32])
    with case_database.write() as session:
        hold(session, case, ItemAsked(subject=("email", case.email("ann"))))
        ledger = case.house.ledger
        found = withheld(session, ledger, erase, keys=case.keys("ann"), at=NOW)
        assert case.named(session, dict(all_withheld(found))) == {"raw": [0, 2], "clean": [0, 2]}
        session.rollback()


def test_a_hold_that_has_ended_keeps_nothing(told: Case, case_database: Database) -> None:
    with case_database.write() as session:
        item = find_item(
            session,
            told.house.ledger.keyring,
            ItemAsked(NAMESPACE, told.dataset("raw")),
            path="items",
        )
        words = {"matter": "m", "owner": "o", "reason": "r", "ground": "17_3_b"}
        until = DAY + timedelta(days=5)
        place_hold(session, [item], **words, until=until, actor="tests", now=DAY)
        assert kept(told, session, "ann") == {}
        session.rollback()
