"""Which examples of an erase set a hold keeps (DESIGN §1.12; the governance page, cases 2 and 3).

Rules (GDPR Art. 17(3)):
1. A hold keeps what it names: whole batches (of a dataset or a version, under every name), or
   single examples; and of a held person, under every live version of their key, their examples and
   all that was made of them.
2. Where a held person asks for erasure themself and some of it was carried out already, what was
   made of examples that left the index is kept too: nobody can say any more whose these were.
3. What is held stays in the scope; it is asked again in each transaction that removes something.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlmodel import Session

from registry.erasure.scope.ledger_world import indexed_among
from registry.erasure.scope.sets import Sets, add, as_addresses, as_sets, common, merged, without
from registry.keys.keyring import Keyring
from registry.keys.subjects import translator
from registry.keys.tables import Purpose
from registry.ledger.closure import push_forward
from registry.ledger.opened import Ledger
from registry.ledger.rowmap import Role
from registry.rights.holds import HeldSubject, held_subjects, holds_on
from registry.rights.tables import Ground


@dataclass(frozen=True, slots=True)
class Withheld:
    """What one hold keeps of an erase set."""

    hold_id: str
    ground: Ground
    matter: str
    examples: Sets


def withheld(
    session: Session,
    ledger: Ledger,
    erase: Sets,
    *,
    keys: Collection[bytes],
    at: datetime,
) -> tuple[Withheld, ...]:
    """What of `erase` is held at `at`, by hold. `keys`: the live subject keys of who asks.

    Cost: as `holds_on`; where a person is held, their examples and what was made of them besides.
    """
    kept: dict[str, Sets] = {}
    about: dict[str, tuple[Ground, str]] = {}
    for held in holds_on(session, erase, at=at):
        rows = erase[held.batch_number]
        if held.ordinal is not None:
            rows = rows[rows == np.uint32(held.ordinal)]
        if rows.size:
            about[held.hold_id] = (held.ground, held.matter)
            add(kept.setdefault(held.hold_id, {}), {held.batch_number: rows})
    people: dict[str, list[HeldSubject]] = {}
    for person in held_subjects(session, at=at):
        people.setdefault(person.hold_id, []).append(person)
    for hold_id, some in people.items():
        theirs = _of_people(session, ledger, erase, some, frozenset(keys))
        if theirs:
            about[hold_id] = (some[0].ground, some[0].matter)
            add(kept.setdefault(hold_id, {}), theirs)
    return tuple(Withheld(hold, *about[hold], sets) for hold, sets in sorted(kept.items()))


def all_withheld(held: Iterable[Withheld]) -> Sets:
    """Everything that some hold keeps."""
    return merged(each.examples for each in held)


def _of_people(
    session: Session,
    ledger: Ledger,
    erase: Sets,
    people: Iterable[HeldSubject],
    asked: frozenset[bytes],
) -> Sets:
    """What of an erase set is a held person's (rules 1 and 2)."""
    found: list[Sets] = []
    for person in people:
        keys = live_keys_of(ledger.keyring, person)
        starts = [as_sets(ledger.index.find_subjects(keys).addresses)]
        if not asked.isdisjoint(keys):
            starts.append(_left_the_index(session, ledger, erase))
        graph, roles = ledger.graph, (Role.DUPLICATE_OF,)
        reached = push_forward(session, graph, merged(starts), without=roles).reached
        found.append(common(erase, reached))
    return merged(found)


def _left_the_index(session: Session, ledger: Ledger, erase: Sets) -> Sets:
    """Examples that entered with an identity of their own, and have none any more."""
    indexed = indexed_among(session, erase)
    entered = {number: rows for number, rows in erase.items() if number in indexed}
    there = ledger.index.rows(as_addresses(entered), [])
    return without(entered, as_sets(there.column("address").to_numpy()))


def live_keys_of(keyring: Keyring, person: HeldSubject) -> list[bytes]:
    """The keys of a held person under every live version.

    Raises KeyDestroyedError for a version that was destroyed.
    """
    written = keyring.of_version(Purpose.SUBJECT, person.key_version)
    return [
        person.subject_key
        if key.version == person.key_version
        else translator(written, key)(person.subject_key)
        for key in keyring.live(Purpose.SUBJECT)
    ]
