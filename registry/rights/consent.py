"""Consent: append-only events per person and purpose, recorded and read.

Rules (the governance page, "Consent"):
1. Events are added, never changed. Out of order, from the future, twice or contradictory: all are
   kept, and `consent_state` says what they come to.
2. An identifier arrives in a body, becomes a subject key, and is forgotten.
3. A purpose must be known and a status one of the ten. `expires_at` lies after `at`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.errors import InvalidInputError
from registry.keys.identifiers import parse_scheme
from registry.keys.keyring import Keyring
from registry.keys.subjects import live_subject_keys, new_subject_key
from registry.keys.tables import Purpose
from registry.keys.versions import require_live
from registry.moments import to_micros
from registry.rights.consent_state import Consent, Said, consent_at
from registry.rights.purposes import Purposes
from registry.rights.statuses import ConsentStatus
from registry.rights.tables import ConsentEvent
from registry.storage.bulk import insert_rows
from registry.storage.columns import table_of

TEXT_LIMIT = 2_000
COLUMNS = (
    "subject_key",
    "key_version",
    "purpose",
    "status",
    "at",
    "expires_at",
    "received_at",
    "notice",
    "evidence",
    "jurisdiction",
    "explicit",
    "controller",
    "recorded_by",
)
_event = table_of(ConsentEvent)


@dataclass(frozen=True, slots=True)
class ConsentSaid:
    """An event as it is sent; `scheme` and `value` are the person's identifier."""

    scheme: str
    value: str
    purpose: str
    status: str
    at: datetime
    expires_at: datetime | None = None
    notice: str | None = None
    evidence: str | None = None
    jurisdiction: str | None = None
    explicit: bool | None = None
    controller: str | None = None


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """An event as it is kept, without the key of the person."""

    id: int
    purpose: str
    status: ConsentStatus
    at: datetime
    expires_at: datetime | None
    received_at: datetime
    notice: str | None
    evidence: str | None
    jurisdiction: str | None
    explicit: bool | None
    controller: str | None

    @property
    def said(self) -> Said:
        """The event as it is judged."""
        return Said(self.purpose, self.status, self.at, self.id, self.expires_at)


def record_consents(
    session: Session,
    keyring: Keyring,
    purposes: Purposes,
    said: Sequence[ConsentSaid],
    *,
    actor: str,
    now: datetime,
) -> int:
    """Record events, all or none; how many.

    Raises InvalidInputError with the place (`$[3].purpose`) of the first that cannot be taken.
    Effects: one entry in the journal; does not commit.
    """
    versions: set[int] = set()
    rows = []
    for place, event in enumerate(said):
        where = f"$[{place}]"
        check_event(event, purposes, where)
        scheme = parse_scheme(event.scheme, path=f"{where}.subject.scheme")
        made = new_subject_key(keyring, scheme, event.value, path=f"{where}.subject.value")
        versions.add(made.version)
        rows.append(
            (
                made.key,
                made.version,
                event.purpose,
                event.status,
                to_micros(event.at),
                None if event.expires_at is None else to_micros(event.expires_at),
                to_micros(now),
                event.notice,
                event.evidence,
                event.jurisdiction,
                None if event.explicit is None else int(event.explicit),
                event.controller,
                actor,
            )
        )
    for version in sorted(versions):
        require_live(session, Purpose.SUBJECT, version)
    insert_rows(session, _event, COLUMNS, rows)
    counts: dict[str, int] = {}
    for event in said:
        counts[event.status] = counts.get(event.status, 0) + 1
    facts = {"events": len(rows), "statuses": counts}
    append_entries(session, [Entry(EntryKind.CONSENT_RECORDED, actor, facts)], at=now)
    return len(rows)


def check_event(event: ConsentSaid, purposes: Purposes, path: str) -> None:
    """Raise InvalidInputError where an event breaks rule 3 or holds too long a text."""
    purposes.require(event.purpose, path=f"{path}.purpose")
    if event.status not in list(ConsentStatus):
        raise InvalidInputError(
            f"{event.status[:40]!r} is no status of consent.",
            remedy=f"Choose one of: {', '.join(ConsentStatus)}.",
            path=f"{path}.status",
        )
    if event.expires_at is not None and event.expires_at <= event.at:
        raise InvalidInputError(
            "The consent would expire before it was given.",
            remedy="Give an `expires_at` after `at`, or none.",
            path=f"{path}.expires_at",
        )
    for name in ("notice", "evidence", "jurisdiction", "controller"):
        text: str | None = getattr(event, name)
        if text is not None and (len(text) > TEXT_LIMIT or "\x00" in text):
            raise InvalidInputError(
                f"{name} has {len(text)} characters, and {TEXT_LIMIT} may be, none of them NUL.",
                remedy="Give a reference or a digest instead of the text itself.",
                path=f"{path}.{name}",
            )


def consents_of(session: Session, subject_keys: Iterable[bytes]) -> list[ConsentRecord]:
    """Every event of one person, given all their live keys, in order of arrival."""
    names = tuple(ConsentRecord.__dataclass_fields__)
    query = select(*(_event.c[name] for name in names))
    mine = query.where(_event.c.subject_key.in_(list(subject_keys)))
    found = []
    for row in session.execute(mine.order_by(_event.c.id)):
        values = {name: getattr(row, name) for name in names}
        values["status"] = ConsentStatus(row.status)
        values["explicit"] = None if row.explicit is None else bool(row.explicit)
        found.append(ConsentRecord(**values))
    return found


def consent_of(
    session: Session,
    keyring: Keyring,
    purposes: Purposes,
    subject: tuple[str, str],
    purpose: str,
    *,
    as_of: datetime,
    known_at: datetime | None = None,
) -> Consent:
    """Where a person's (scheme, identifier) consent stands at `as_of`, by what is known now, or by
    what was at `known_at`.

    Raises InvalidInputError for an unknown scheme or purpose, or a bad identifier.
    """
    purposes.require(purpose)
    events = person_events(session, keyring, subject)
    said = [e.said for e in events if known_at is None or e.received_at <= known_at]
    return consent_at(said, purposes, purpose, at=as_of)


def person_events(
    session: Session, keyring: Keyring, subject: tuple[str, str]
) -> list[ConsentRecord]:
    """Every event of a person (scheme, identifier). Raises InvalidInputError."""
    scheme = parse_scheme(subject[0], path="subject.scheme")
    keys = live_subject_keys(keyring, scheme, subject[1], path="subject.value")
    return consents_of(session, keys)
