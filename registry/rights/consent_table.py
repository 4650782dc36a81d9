"""Where everybody's consent to a purpose stands, read at once, for questions about many examples.

The rules are those of `consent_state`, which a property test holds this to; here they work on
columns: about a microsecond an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlmodel import Session

from registry.keys.keyring import Keyring
from registry.moments import from_micros, to_micros
from registry.rights.purposes import Purposes
from registry.rights.statuses import PERMITTING, UNANSWERED, ConsentStatus
from registry.rights.suppression import under_active_version
from registry.rights.tables import ConsentEvent
from registry.storage.columns import table_of

_event = table_of(ConsentEvent)
STATUSES = tuple(ConsentStatus)
_CODES = {status.value: code for code, status in enumerate(STATUSES)}
_PERMITS = np.array([status in PERMITTING for status in STATUSES])
_UNANSWERED = np.array([status in UNANSWERED for status in STATUSES])
_INVALIDATED = STATUSES.index(ConsentStatus.INVALIDATED)
_EXPIRED = STATUSES.index(ConsentStatus.EXPIRED)
NOT_RECORDED = -1
_NEVER = int(np.iinfo(np.int64).max)
Codes = npt.NDArray[np.int8]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ConsentTable:
    """`keys`: n distinct subject keys under the active version, 16 bytes each, sorted as bytes;
    `statuses`: n int8, places in `STATUSES`. Who is not in it has nothing recorded. `changes_at`:
    when an event begins or ends next, so that until then all of it stays as it is.
    """

    keys: tuple[bytes, ...]
    statuses: Codes
    changes_at: datetime | None = None

    @property
    def permits(self) -> npt.NDArray[np.bool_]:
        """For each key, whether the use is permitted."""
        return np.asarray(_PERMITS[self.statuses])

    def permitted(self) -> frozenset[bytes]:
        """The keys of those who permit."""
        return frozenset(key for key, yes in zip(self.keys, self.permits, strict=True) if yes)


@dataclass(frozen=True, slots=True)
class _Events:
    """Columns of n events; `person` and `purpose` are places in lists, times microseconds."""

    person: Numbers
    purpose: Numbers
    status: Codes
    at: Numbers
    ends: Numbers
    arrival: Numbers

    def where(self, chosen: npt.NDArray[np.bool_]) -> _Events:
        return _Events(*(getattr(self, name)[chosen] for name in self.__slots__))


def read_consents(
    session: Session,
    keyring: Keyring,
    purposes: Purposes,
    purpose: str,
    *,
    as_of: datetime,
    known_at: datetime | None = None,
) -> ConsentTable:
    """Where each person's consent to a purpose stands at `as_of`.

    Raises InvalidInputError for an unknown purpose. Cost: every event on the purposes that matter.
    """
    purposes.require(purpose)
    implied = purposes.implied(purpose)
    names = sorted({name for each in implied for name in purposes.covering(each)})
    keys, events = _read(session, keyring, names, known_at)
    places = {name: place for place, name in enumerate(names)}
    at = to_micros(as_of)
    own: Codes | None = None
    result = np.full(len(keys), NOT_RECORDED, np.int8)
    for each in (purpose, *(name for name in implied if name != purpose)):
        covering = [places[name] for name in purposes.covering(each)]
        found = _of_one(events.where(np.isin(events.purpose, covering)), len(keys), at)
        if own is None:
            own = result = found
            continue
        overruled = (own >= 0) & _PERMITS[result] & (found >= 0) & ~_PERMITS[found]
        result = np.where(overruled, found, result).astype(np.int8)
    recorded = result >= 0
    kept = tuple(key for key, there in zip(keys, recorded.tolist(), strict=True) if there)
    return ConsentTable(kept, result[recorded], _next_change(events, at))


def _next_change(events: _Events, at: int) -> datetime | None:
    """When one of these events begins or ends after `at`; None where none does."""
    ahead = [int(m[m > at].min(initial=_NEVER)) for m in (events.at, events.ends)]
    return None if min(ahead) == _NEVER else from_micros(min(ahead))


def _of_one(events: _Events, people: int, at: int) -> Codes:
    """The status for each person by these events alone; NOT_RECORDED where there is none."""
    result = np.full(people, NOT_RECORDED, np.int8)
    past = events.where(events.at <= at)
    for some in (past, past.where(~_UNANSWERED[past.status])):
        forbids = ~_PERMITS[some.status]
        order = np.lexsort((some.arrival, forbids, some.at, some.person))
        status = some.status[order].copy()
        status[_PERMITS[status] & (some.ends[order] <= at)] = _EXPIRED
        # Of several assignments to one place the last stays: it is the one that counts.
        result[some.person[order]] = status
    undone = (events.status == _INVALIDATED) & (events.at > at)
    result[events.person[undone]] = _INVALIDATED
    return result


def _read(
    session: Session, keyring: Keyring, names: Sequence[str], known_at: datetime | None
) -> tuple[list[bytes], _Events]:
    columns = ("key_version", "subject_key", "purpose", "status", "at", "expires_at", "id")
    query = select(*(_raw(name) for name in columns)).where(_event.c.purpose.in_(names))
    if known_at is not None:
        query = query.where(_event.c.received_at <= known_at)
    rows = session.execute(query.order_by(_event.c.key_version)).all()
    by_version: dict[int, list[bytes]] = {}
    for row in rows:
        by_version.setdefault(row[0], []).append(bytes(row[1]))
    people = under_active_version(keyring, by_version)
    keys = sorted(set(people))
    person_of = {key: place for place, key in enumerate(keys)}
    purpose_of = {name: place for place, name in enumerate(names)}
    count = len(rows)
    return keys, _Events(
        np.fromiter((person_of[key] for key in people), np.int64, count),
        np.fromiter((purpose_of[row[2]] for row in rows), np.int64, count),
        np.fromiter((_CODES[row[3]] for row in rows), np.int8, count),
        np.fromiter((row[4] for row in rows), np.int64, count),
        np.fromiter((_NEVER if row[5] is None else row[5] for row in rows), np.int64, count),
        np.fromiter((row[6] for row in rows), np.int64, count),
    )


def _raw(name: str) -> Any:
    """A column as the driver has it: moments as microseconds."""
    from sqlalchemy import BigInteger, type_coerce

    column = _event.c[name]
    return type_coerce(column, BigInteger) if name in ("at", "expires_at") else column
