"""Where each person's consent to a purpose stands, of everything that was ever said. Pure.

Rules (the governance page, "Consent"):
1. Events count by the time they tell of, then by arrival; one from the future does not count yet.
   `invalidated` reaches past use: it ends what was given before it, as of any day.
2. What is said of a purpose counts for those that it implies. An end of a narrower purpose is a no
   to the wider one as a whole; a yes to a narrower one is no yes to the wider.
3. Asking and putting off change nothing that was said before; only who said nothing else has not
   answered.
4. A consent ends at its `expires_at`. An objection stands until the person agrees again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from registry.policy.facts import Standing

_MEANS = {
    "given": Standing.GIVEN,
    "renewed": Standing.GIVEN,
    "refused": Standing.ENDED,
    "withdrawn": Standing.ENDED,
    "revoked": Standing.ENDED,
    "expired": Standing.ENDED,
    "invalidated": Standing.ENDED,
    "requested": Standing.PENDING,
    "deferred": Standing.PENDING,
    "objected": Standing.OBJECTED,
}
INVALIDATED = "invalidated"


class Said(NamedTuple):
    """A consent event: times in microseconds; `order` is that of arrival."""

    person: bytes
    purpose: str
    status: str
    at: int
    expires_at: int | None
    explicit: bool | None
    order: int


class Stands(NamedTuple):
    """Where a person stands, and when that changes by itself (microseconds), if it does."""

    consent: Standing
    explicit: bool | None


class Standings(NamedTuple):
    """Everybody who said something; `changes_at`: when time alone changes an answer (µs)."""

    people: dict[bytes, Stands]
    changes_at: int | None


def stand(
    events: Iterable[Said], *, covering: frozenset[str], narrower: frozenset[str], at: int, now: int
) -> Standings:
    """Where everybody stands at `at`, as known at `now` (µs). Cost: one pass, and a sort by person.

    `covering`: the purpose and those that imply it; `narrower`: those that it implies.
    """
    latest: dict[tuple[bytes, str], tuple[int, int, Standing, bool | None]] = {}
    pending: set[bytes] = set()
    changes: list[int] = []
    for said in events:
        if said.purpose not in covering and said.purpose not in narrower:
            continue
        if said.at > at and not (said.status == INVALIDATED and said.at <= now):
            changes.append(said.at)
            continue
        means = _MEANS[said.status]
        if means is Standing.PENDING:
            if said.purpose in covering:
                pending.add(said.person)
            continue
        if means is Standing.GIVEN and said.expires_at is not None:
            if said.expires_at <= at:
                means = Standing.ENDED
            else:
                changes.append(said.expires_at)
        key = (said.person, said.purpose)
        entry = (said.at, said.order, means, said.explicit)
        known = latest.get(key)
        if known is None or entry[:2] > known[:2]:
            latest[key] = entry
    people = _by_person(latest, covering)
    for person in pending:
        people.setdefault(person, Stands(Standing.PENDING, None))
    return Standings(people, min(changes, default=None))


def _by_person(
    latest: dict[tuple[bytes, str], tuple[int, int, Standing, bool | None]],
    covering: frozenset[str],
) -> dict[bytes, Stands]:
    """Of each person the last word on any purpose that counts (rule 2)."""
    found: dict[bytes, tuple[int, int, Standing, bool | None]] = {}
    for (person, purpose), entry in latest.items():
        if purpose not in covering and entry[2] is Standing.GIVEN:
            continue
        known = found.get(person)
        if known is None or entry[:2] > known[:2]:
            found[person] = entry
    return {person: Stands(entry[2], entry[3]) for person, entry in found.items()}
