"""Suppressions, restrictions and evidence: asked at the door and by every manifest."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from registry.audit.key_changes import recording_as
from registry.errors import NotFoundError
from registry.keys.identifiers import Scheme
from registry.keys.subjects import live_subject_keys, new_subject_key
from registry.keys.tables import Purpose
from registry.request import House
from registry.rights.ordinals import pack_ordinals, unpack_ordinals
from registry.rights.restrictions import (
    Marked,
    lift_restriction,
    protect_evidence,
    protected_addresses,
    release_evidence,
    restrict_examples,
    restrict_subject,
    restricted_addresses,
    restricted_subjects,
)
from registry.rights.suppression import (
    Basis,
    any_suppressed,
    is_suppressed,
    lift_suppression,
    read_suppressed,
    suppress,
)
from tests.clock import FrozenClock

BASIS = Basis("ccpa", "record of the request, §7022(e)", "case-1")


def suppress_person(house: House, name: str, basis: Basis = BASIS) -> str:
    made = new_subject_key(house.keyring, Scheme.EXTERNAL, name)
    with house.database.write() as session:
        (found,) = suppress(
            session,
            subject_keys=[(made.key, made.version)],
            basis=basis,
            actor="tester",
            now=house.clock(),
        )
    return found


def suppressed(house: House, name: str) -> bool:
    keys = live_subject_keys(house.keyring, Scheme.EXTERNAL, name)
    with house.database.read() as session:
        return is_suppressed(session, subject_keys=keys, at=house.clock())


def test_a_suppression_holds_until_it_is_lifted_or_ends(
    house: House, frozen_clock: FrozenClock
) -> None:
    with house.database.read() as session:
        assert not any_suppressed(session, at=frozen_clock())
    found = suppress_person(house, "ada")
    suppress_person(house, "bob", Basis("gdpr", "b", until=frozen_clock() + timedelta(days=1)))
    assert (suppressed(house, "ada"), suppressed(house, "bob")) == (True, True)
    assert not suppressed(house, "eve")
    with house.database.write() as session:
        lift_suppression(session, found, reason="new consent", actor="tester", now=frozen_clock())
    frozen_clock.advance(days=1)
    assert (suppressed(house, "ada"), suppressed(house, "bob")) == (False, False)
    with house.database.write() as session, pytest.raises(NotFoundError):
        lift_suppression(session, found, reason="again", actor="tester", now=frozen_clock())


def test_a_suppressed_content_is_known_by_its_keyed_digest(house: House) -> None:
    digest = bytes(range(32))
    with house.database.write() as session:
        suppress(session, digests=[digest], basis=BASIS, actor="tester", now=house.clock())
    with house.database.read() as session:
        assert is_suppressed(session, digest=digest, at=house.clock())
        assert not is_suppressed(session, digest=bytes(32), at=house.clock())
        assert not is_suppressed(session, at=house.clock())


def test_nobody_slips_through_while_keys_rotate(house: House) -> None:
    suppress_person(house, "ada")
    for moved in (False, True):
        if moved:
            house.rotation.move(Purpose.SUBJECT, lambda _text: None)
        else:
            with house.database.write() as session:
                house.rotation.begin(session, Purpose.SUBJECT, record=recording_as("system"))
            house.keyring.refresh()
        assert suppressed(house, "ada")
        with house.database.read() as session:
            found = read_suppressed(session, house.keyring, at=house.clock())
        now = new_subject_key(house.keyring, Scheme.EXTERNAL, "ada")
        assert now.version == 2
        assert found.subject_keys == {now.key}
    assert house.rotation.is_finished(Purpose.SUBJECT)


def ordinals(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.uint32)


def test_restricted_examples_of_a_batch_add_up(house: House) -> None:
    with house.database.write() as session:
        first, _ = restrict_examples(
            session,
            [Marked(1, ordinals(5, 3)), Marked(2, None)],
            reason="accuracy contested",
            actor="tester",
            now=house.clock(),
        )
        restrict_examples(
            session,
            [Marked(1, ordinals(3, 9)), Marked(2, ordinals(1))],
            reason="objection",
            actor="tester",
            now=house.clock(),
        )
    with house.database.write() as session:
        found = restricted_addresses(session, [1, 2, 3])
        assert set(found) == {1, 2}
        assert found[1].ordinals is not None
        assert found[1].ordinals.tolist() == [3, 5, 9]
        assert found[2].ordinals is None
        lift_restriction(session, first, actor="tester", now=house.clock())
        left = restricted_addresses(session, [1])[1].ordinals
        assert left is not None
        assert left.tolist() == [3, 9]


def test_a_person_is_restricted_as_a_pseudonym(house: House) -> None:
    made = new_subject_key(house.keyring, Scheme.EXTERNAL, "ada")
    with house.database.write() as session:
        restrict_subject(
            session, made.key, made.version, reason="x", actor="tester", now=house.clock()
        )
        (found,) = restricted_subjects(session)
    assert (found.subject_key, found.key_version) == (made.key, made.version)


def test_evidence_is_kept_until_its_case_closes(house: House) -> None:
    now = house.clock()
    with house.database.write() as session:
        protect_evidence(
            session, [Marked(1, ordinals(1))], case_id="case-1", actor="tester", now=now
        )
        assert set(protected_addresses(session, [1, 2])) == {1}
        assert release_evidence(session, "case-1", actor="tester", now=now) == 1
        assert release_evidence(session, "case-1", actor="tester", now=now) == 0
        assert protected_addresses(session, [1]) == {}


def test_ordinals_come_back_sorted_and_once() -> None:
    packed = pack_ordinals(ordinals(7, 2**32 - 1, 0, 7))
    assert unpack_ordinals(packed).tolist() == [0, 7, 2**32 - 1]
