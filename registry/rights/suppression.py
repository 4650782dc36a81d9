"""The suppression list: what must not come in again after it was erased.

Rules (the governance page, case 9; CCPA Regulations §7022(e)):
1. An entry is a person (subject key) or one content (keyed digest), with the regime and the basis
   it stands on, and an end where the regime sets one.
2. Only an explicit lift (new consent, say) ends it before its time.
3. Keys are compared under the version that is active: what a rotation has not moved yet is
   translated while it is read, so nobody slips through while one runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, insert, or_, select, update
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.errors import NotFoundError
from registry.ids import fresh_id
from registry.keys.keyring import Keyring
from registry.keys.subjects import SUBJECT_KEY_BYTES, translator
from registry.keys.tables import Purpose
from registry.rights.tables import Suppression, SuppressionKind
from registry.storage.columns import changed_rows, table_of

_table = table_of(Suppression)


@dataclass(frozen=True, slots=True)
class Basis:
    """Why an entry stands: regime and basis in words, the case it comes of, and its end."""

    regime: str
    basis: str
    case_id: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Suppressed:
    """What is suppressed at one moment; subject keys are of the active version."""

    subject_keys: frozenset[bytes]
    digests: frozenset[bytes]

    def __bool__(self) -> bool:
        return bool(self.subject_keys or self.digests)


def suppress(
    session: Session,
    *,
    subject_keys: Sequence[tuple[bytes, int]] = (),
    digests: Sequence[bytes] = (),
    basis: Basis,
    actor: str,
    now: datetime,
) -> list[str]:
    """Add entries for subject keys (16 bytes, version) and keyed digests (32 bytes); their ids.

    Whoever gives subject keys holds their version (`require_live`) in this transaction. Effects:
    one entry in the journal; does not commit.
    """
    shared: dict[str, object] = {
        "regime": basis.regime,
        "basis": basis.basis,
        "case_id": basis.case_id,
        "until": basis.until,
        "recorded_by": actor,
        "recorded_at": now,
        "subject_key": None,
        "key_version": None,
        "digest": None,
    }
    people, contents = SuppressionKind.SUBJECT.value, SuppressionKind.DIGEST.value
    rows = [
        *(
            {**shared, "id": fresh_id(), "kind": people, "subject_key": key, "key_version": version}
            for key, version in subject_keys
        ),
        *({**shared, "id": fresh_id(), "kind": contents, "digest": each} for each in digests),
    ]
    if not rows:
        return []
    session.execute(insert(_table), rows)
    facts = {
        "case": basis.case_id or "",
        "regime": basis.regime,
        "subjects": len(subject_keys),
        "digests": len(digests),
    }
    append_entries(session, [Entry(EntryKind.SUPPRESSION_ADDED, actor, facts)], at=now)
    return [str(row["id"]) for row in rows]


def lift_suppression(
    session: Session, suppression_id: str, *, reason: str, actor: str, now: datetime
) -> None:
    """End an entry. Raises NotFoundError where none is in force.

    Effects: one entry in the journal; does not commit.
    """
    mine = (_table.c.id == suppression_id) & _table.c.lifted_at.is_(None)
    values = {"lifted_at": now, "lifted_by": actor, "lift_reason": reason}
    if not changed_rows(session, update(_table).where(mine).values(values)):
        raise NotFoundError(
            f"No suppression {suppression_id[:80]!r} is in force.",
            remedy="See which entries there are.",
            path="id",
        )
    facts = {"suppression": suppression_id}
    append_entries(session, [Entry(EntryKind.SUPPRESSION_LIFTED, actor, facts)], at=now)


def _in_force(at: datetime, known_at: datetime | None = None) -> ColumnElement[bool]:
    """That an entry is in force at `at`, as far as was recorded by `known_at` (None: by now)."""
    ends = or_(_table.c.until.is_(None), _table.c.until > at)
    if known_at is None:
        return _table.c.lifted_at.is_(None) & ends
    lifted_later = or_(_table.c.lifted_at.is_(None), _table.c.lifted_at > known_at)
    return (_table.c.recorded_at <= known_at) & lifted_later & ends


def next_suppression_end(session: Session, *, at: datetime) -> datetime | None:
    """When the next entry ends by itself after `at`, lifted ones too; None where none does."""
    query = select(func.min(_table.c.until)).where(_table.c.until > at)
    found: datetime | None = session.execute(query).scalar_one()
    return found


def any_suppressed(session: Session, *, at: datetime) -> bool:
    """Whether anything is suppressed at all. Cost: little where nothing ever was."""
    return session.execute(select(_table.c.id).where(_in_force(at)).limit(1)).first() is not None


def is_suppressed(
    session: Session,
    *,
    subject_keys: Iterable[bytes] = (),
    digest: bytes | None = None,
    at: datetime,
) -> bool:
    """Whether one of a person's live keys, or a keyed digest, is suppressed. Cost: an index."""
    meant: list[ColumnElement[bool]] = []
    if keys := list(subject_keys):
        meant.append(_table.c.subject_key.in_(keys))
    if digest is not None:
        meant.append(_table.c.digest == digest)
    if not meant:
        return False
    query = select(func.count()).select_from(_table).where(_in_force(at), or_(*meant))
    return bool(session.execute(query).scalar_one())


def read_suppressed(
    session: Session, keyring: Keyring, *, at: datetime, known_at: datetime | None = None
) -> Suppressed:
    """Everything that is suppressed at `at`, for questions about many at once (rule 3).

    `known_at` leaves out what was added or lifted after it; without it nothing that is in force is
    left out, whatever clock recorded it. Cost: in proportion to the list, 100 bytes an entry.
    """
    query = select(_table.c.key_version, _table.c.subject_key, _table.c.digest).where(
        _in_force(at, known_at)
    )
    by_version: dict[int, list[bytes]] = {}
    digests: set[bytes] = set()
    for version, key, digest in session.execute(query):
        if key is not None:
            by_version.setdefault(version, []).append(bytes(key))
        if digest is not None:
            digests.add(bytes(digest))
    keys = under_active_version(keyring, by_version)
    return Suppressed(frozenset(keys), frozenset(digests))


def under_active_version(keyring: Keyring, by_version: dict[int, list[bytes]]) -> list[bytes]:
    """Subject keys of any live versions, each as it is under the active one, version by version.

    Raises KeyDestroyedError for a version that was destroyed.
    """
    active = keyring.active(Purpose.SUBJECT)
    made: list[bytes] = []
    for version, keys in sorted(by_version.items()):
        if version == active.version:
            made += keys
            continue
        old = keyring.of_version(Purpose.SUBJECT, version)
        joined = translator(old, active)(b"".join(keys))
        made += (
            joined[at : at + SUBJECT_KEY_BYTES] for at in range(0, len(joined), SUBJECT_KEY_BYTES)
        )
    return made
