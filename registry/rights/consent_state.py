"""What a person's recorded consent comes to for a purpose at a moment. Pure.

Rules (the governance page, "Consent"; W3C DPV statuses):
1. Only `given` and `renewed` permit, and not from their `expires_at` on. Nothing recorded is None:
   unknown, hence no.
2. The last event up to the moment counts, by the time of what it tells, not of its arrival; one
   from the future counts from its time on. At the same moment what forbids outweighs what permits,
   then the one that arrived later counts. So the order of arrival cannot turn a no into a yes.
3. What is said of a wider purpose is said of every purpose it implies. Who asks for the wider one
   asks for all it implies: a later no to one of them is a no to the wider.
4. `requested` and `deferred` change nothing where consent stands: they are no answer yet.
5. `invalidated` reaches back: it undoes every consent before it, for past moments too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from registry.rights.purposes import Purposes
from registry.rights.statuses import PERMITTING, UNANSWERED, ConsentStatus


@dataclass(frozen=True, slots=True)
class Said:
    """An event as it is judged; `arrival` counts up in the order of arrival."""

    purpose: str
    status: ConsentStatus
    at: datetime
    arrival: int
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """Where consent to a purpose stands. `status` None: nothing was recorded."""

    status: ConsentStatus | None
    since: datetime | None = None
    expires_at: datetime | None = None
    decided_by: int | None = None

    @property
    def permits(self) -> bool:
        """Whether the use is permitted as far as consent goes."""
        return self.status in PERMITTING


NOTHING = Consent(None)


def consent_at(
    events: Iterable[Said], purposes: Purposes, purpose: str, *, at: datetime
) -> Consent:
    """Where a person's consent to a purpose stands at `at` (rules 1 to 5)."""
    known = list(events)
    own = _of_one(known, purposes.covering(purpose), at)
    if not own.permits:
        return own
    for narrower in purposes.implied(purpose):
        found = _of_one(known, purposes.covering(narrower), at)
        if not found.permits:
            return found
    return own


def _of_one(events: Sequence[Said], names: Sequence[str], at: datetime) -> Consent:
    mine = [event for event in events if event.purpose in names]
    undone = [e for e in mine if e.status is ConsentStatus.INVALIDATED and e.at > at]
    if undone:
        last = max(undone, key=_weight)
        return Consent(last.status, last.at, None, last.arrival)
    past = [event for event in mine if event.at <= at]
    answers = [event for event in past if event.status not in UNANSWERED]
    if not answers and not past:
        return NOTHING
    last = max(answers or past, key=_weight)
    expired = last.expires_at is not None and last.expires_at <= at and last.status in PERMITTING
    if expired:
        return Consent(ConsentStatus.EXPIRED, last.expires_at, last.expires_at, last.arrival)
    return Consent(last.status, last.at, last.expires_at, last.arrival)


def _weight(event: Said) -> tuple[datetime, bool, int]:
    """The order of rule 2."""
    return event.at, event.status not in PERMITTING, event.arrival
