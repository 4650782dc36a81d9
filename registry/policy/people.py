"""Which state each person is in, of whom anything was ever said, for questions about many examples.

A person of whom nothing was said has the state `UNKNOWN_PERSON`; keys are compared under every live
version (`gather` rule 2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlmodel import Session

from registry.keys.keyring import Keyring
from registry.keys.subjects import SUBJECT_KEY_BYTES, translator
from registry.keys.tables import Purpose
from registry.policy.facts import Question, Standing, standing_of
from registry.policy.masks import CODE_OF, STATES, UNKNOWN_PERSON, Places
from registry.policy.policy_set import PolicySet
from registry.rights.consent_table import STATUSES, read_consents
from registry.rights.holds import held_subjects, next_hold_end
from registry.rights.restrictions import restricted_subjects
from registry.rights.statuses import PERMITTING
from registry.rights.suppression import (
    next_suppression_end,
    read_suppressed,
    under_active_version,
)
from registry.rights.tables import ConsentEvent
from registry.storage.columns import table_of

if TYPE_CHECKING:
    from registry.ledger.sweep import Store

Codes = npt.NDArray[np.uint8]
_event = table_of(ConsentEvent)
# A code is ((consent · 3 + explicit) · 2 + restricted) · 2 … in the order of `masks.STATES`.
_CONSENT, _EXPLICIT, _RESTRICTED, _SUPPRESSED, _HELD = 24, 8, 4, 2, 1


@dataclass(frozen=True, slots=True)
class PersonStates:
    """`keys`: n subject keys in one buffer, 16 bytes each; `codes`: n uint8 (`masks.STATES`).

    `changes_at`: until when they stay so if nobody writes anything; None: for ever.
    """

    keys: bytes
    codes: Codes
    changes_at: datetime | None = None

    @property
    def seen(self) -> frozenset[int]:
        """Every state that somebody is in, that of whom nothing was said included."""
        return frozenset({UNKNOWN_PERSON, *np.unique(self.codes).tolist()})


_PLACES = np.array([1 + list(Standing).index(standing_of(status)) for status in STATUSES], np.uint8)


def read_people(
    session: Session, keyring: Keyring, policies: PolicySet, question: Question
) -> PersonStates:
    """The state of everybody of whom anything is recorded. Cost: about a microsecond an event."""
    table = read_consents(session, keyring, policies.purposes, question.purpose, as_of=question.at)
    codes = dict(zip(table.keys, (_PLACES[table.statuses] * _CONSENT).tolist(), strict=True))
    for key, explicit in _explicit(session, keyring, question).items():
        if key in codes:
            codes[key] += _EXPLICIT * (2 if explicit else 1)
    at, known_at = question.at, question.known_at
    listed = read_suppressed(session, keyring, at=at, known_at=known_at)
    for keys, flag in (
        (_keys(keyring, restricted_subjects(session, known_at=known_at)), _RESTRICTED),
        (listed.subject_keys, _SUPPRESSED),
        (_keys(keyring, held_subjects(session, at=at, known_at=known_at)), _HELD),
    ):
        for key in keys:
            codes[key] = codes.get(key, 0) | flag
    changes_at = earliest(
        table.changes_at,
        next_suppression_end(session, at=question.at),
        next_hold_end(session, at=question.at),
    )
    return replace(_under_live_versions(keyring, codes), changes_at=changes_at)


def earliest(*moments: datetime | None) -> datetime | None:
    """The first of these moments; None where there is none."""
    return min((moment for moment in moments if moment is not None), default=None)


def _keys(keyring: Keyring, rows: Iterable[Any]) -> set[bytes]:
    by_version: dict[int, list[bytes]] = {}
    for row in rows:
        by_version.setdefault(row.key_version, []).append(bytes(row.subject_key))
    return set(under_active_version(keyring, by_version))


def _explicit(session: Session, keyring: Keyring, question: Question) -> dict[bytes, bool]:
    """Of those whose last consent says whether it was explicit, what it says."""
    query = (
        select(_event.c.key_version, _event.c.subject_key, _event.c.explicit)
        .where(
            _event.c.purpose.in_(sorted(question.covering)),
            _event.c.status.in_([status.value for status in PERMITTING]),
            _event.c.at <= question.at,
            _event.c.explicit.is_not(None),
        )
        .order_by(_event.c.at, _event.c.id)
    )
    rows = session.execute(query).all()
    by_version: dict[int, list[bytes]] = {}
    for row in rows:
        by_version.setdefault(row[0], []).append(bytes(row[1]))
    active = {
        version: iter(under_active_version(keyring, {version: keys}))
        for version, keys in by_version.items()
    }
    return {next(active[row[0]]): bool(row[2]) for row in rows}


def _under_live_versions(keyring: Keyring, codes: dict[bytes, int]) -> PersonStates:
    keys = b"".join(codes)
    values = np.fromiter(codes.values(), np.uint8, len(codes))
    active = keyring.active(Purpose.SUBJECT)
    joined, times = [keys], 1
    for key in keyring.live(Purpose.SUBJECT) if codes else ():
        if key.version != active.version:
            joined.append(translator(active, key)(keys))
            times += 1
    return PersonStates(b"".join(joined), np.tile(values, times))


@dataclass(frozen=True, slots=True)
class BatchPeople:
    """Who is in a batch: where they are, and the distinct keys, 16 bytes each in one buffer."""

    places: Places
    keys: bytes


def scan_people(store: Store, number: int) -> BatchPeople:
    """The people of a batch as the index has them. Cost: 20 bytes an entry read, 8 kept."""
    import pyarrow as pa

    parts = list(store.index.scan_subjects(number))
    if not parts:
        return BatchPeople(Places.of(np.empty(0, np.uint32), np.empty(0, np.int32)), b"")
    rows = pa.concat_tables(parts)
    addresses = rows.column("address").to_numpy()
    encoded = rows.column("subject_key").combine_chunks().dictionary_encode()
    who = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32)
    places = Places.of(addresses.astype(np.uint32), who)
    return BatchPeople(places, b"".join(encoded.dictionary.to_pylist()))


def people_of(store: Store, number: int) -> BatchPeople:
    """As `scan_people`, remembered until the index's table of subjects changes in any way."""
    version = store.index.subjects.ask(lambda dataset: int(dataset.version), 0)

    def scan() -> tuple[BatchPeople, int]:
        found = scan_people(store, number)
        return found, 12 * found.places.ordinals.size + len(found.keys)

    return store.remembered(f"people:{number}", version, scan)


def codes_of(people: BatchPeople, states: PersonStates) -> Codes:
    """The state of each distinct person of a batch."""
    count = len(people.keys) // SUBJECT_KEY_BYTES
    if not states.codes.size:
        return np.full(count, UNKNOWN_PERSON, np.uint8)
    import pyarrow.compute as pc

    found = pc.index_in(_array(people.keys), value_set=_array(states.keys))
    places = found.fill_null(states.codes.size).to_numpy(zero_copy_only=False)
    codes: Codes = np.append(states.codes, np.uint8(UNKNOWN_PERSON))[places]
    return codes


def _array(keys: bytes) -> Any:
    import pyarrow as pa

    count = len(keys) // SUBJECT_KEY_BYTES
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(SUBJECT_KEY_BYTES), count, [None, pa.py_buffer(keys)]
    )


assert CODE_OF[STATES[_CONSENT]] == _CONSENT
