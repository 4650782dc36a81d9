"""Destroys keys, so that what they made can never be read again, and lists what was destroyed.

Rules:
1. Only a retiring version is destroyed, and only when nothing is held under it any more; the last
   look is taken while nobody can make anything new under it (`registry.keys.versions`, rule 3).
2. The row stays, without the key. These rows are the list that a restore replays: a key that comes
   back with an older copy of the tables is destroyed again before anything is answered.
3. Destroying twice is success: what was asked for is so.
4. After the commit the key's bytes still lie in the database's files; whoever commits calls
   `registry.storage.residue.scrub_residue` with `registry.keys.tables.NOT_IN_BACKUPS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import literal, select, update
from sqlmodel import Session

from registry.errors import ConflictError, NotFoundError
from registry.keys.tables import KEY_VERSION, RECORD_KEY, KeyState, Purpose
from registry.keys.versions import NEVER_ROTATED, KeyChange, KeyEvent, Record, take_turn
from registry.storage.columns import changed_rows


class HoldsKeys(Protocol):
    """A place that holds what was made under versions of a key."""

    @property
    def name(self) -> str:
        """How counts and messages call it, such as `suppression`."""

    def remaining(self, from_version: int) -> int:
        """How much is held under that version, as committed now; exact."""


@dataclass(frozen=True, slots=True)
class DestroyedKey:
    """A key that must never come back; `name` is `purpose/version` or `record/id`."""

    name: str
    destroyed_at: datetime


def destroy_version(
    session: Session,
    purpose: Purpose,
    version: int,
    holders: Sequence[HoldsKeys],
    *,
    now: datetime,
    record: Record,
) -> bool:
    """Destroy a retiring version; False where that was done before. Does not commit (rule 4).

    Raises ConflictError for the active version, for one that is still in use (with the counts of
    each place), and for a purpose with one version; NotFoundError.
    """
    if purpose in NEVER_ROTATED:
        raise ConflictError(
            f"The key {purpose} has one version for ever and is not destroyed alone.",
            remedy="To end this registry, destroy its master key.",
        )
    take_turn(session)
    mine = (KEY_VERSION.c.purpose == purpose) & (KEY_VERSION.c.version == version)
    state = session.execute(select(KEY_VERSION.c.state).where(mine).with_for_update()).scalar()
    if state is None:
        raise NotFoundError(
            f"There is no version {version} of the key {purpose}.",
            remedy="Say `registry keys list` to see the versions there are.",
        )
    match KeyState(state):
        case KeyState.DESTROYED:
            return False
        case KeyState.ACTIVE:
            raise ConflictError(
                f"The key {purpose}/{version} is the one that is written under.",
                remedy=f"Rotate first: registry keys rotate --purpose {purpose}",
            )
        case KeyState.RETIRING:
            _require_unused(purpose, version, holders)
    gone = {"state": KeyState.DESTROYED, "wrapped": None, "destroyed_at": now}
    session.execute(update(KEY_VERSION).where(mine).values(gone))
    record(session, KeyEvent(KeyChange.DESTROYED, f"{purpose}/{version}", now))
    return True


def destroy_record_key(session: Session, key_id: str, *, now: datetime, record: Record) -> bool:
    """Destroy a record key (crypto-shredding); False where that was done before.

    Raises NotFoundError. Effects: one row; does not commit (rule 4).
    """
    mine = RECORD_KEY.c.id == key_id
    statement = update(RECORD_KEY).where(mine, RECORD_KEY.c.wrapped.is_not(None))
    if changed_rows(session, statement.values(wrapped=None, destroyed_at=now)) == 1:
        record(session, KeyEvent(KeyChange.DESTROYED, f"record/{key_id}", now))
        return True
    if session.execute(select(RECORD_KEY.c.id).where(mine)).first() is None:
        raise NotFoundError(
            f"There is no record key {key_id}.", remedy="Look which registry the record is of."
        )
    return False


def destroyed_keys(session: Session) -> list[DestroyedKey]:
    """Every key that was ever destroyed, by time; what is kept beside backups."""
    versions = select(
        KEY_VERSION.c.purpose, KEY_VERSION.c.version, KEY_VERSION.c.destroyed_at
    ).where(KEY_VERSION.c.state == KeyState.DESTROYED)
    records = select(RECORD_KEY.c.id, RECORD_KEY.c.destroyed_at).where(
        RECORD_KEY.c.wrapped.is_(None)
    )
    found = [
        DestroyedKey(f"{row.purpose}/{row.version}", row.destroyed_at)
        for row in session.execute(versions)
    ]
    found += [
        DestroyedKey(f"record/{row.id}", row.destroyed_at) for row in session.execute(records)
    ]
    return sorted(found, key=lambda key: (key.destroyed_at, key.name))


def replay_destroyed(session: Session, destroyed: Iterable[DestroyedKey], *, record: Record) -> int:
    """Destroy again what an older copy of the tables brought back; how many keys that were.

    A key that the copy does not know is passed over. The moment stays that of the first time. An
    active version among them raises ConflictError: the copy is older than the rotation, and must
    be rotated first. Effects: rows; does not commit (rule 4).
    """
    take_turn(session)
    return sum(_destroy_again(session, key, record) for key in destroyed)


def _destroy_again(session: Session, key: DestroyedKey, record: Record) -> int:
    kind, _, which = key.name.partition("/")
    gone: dict[str, object] = {"wrapped": None, "destroyed_at": key.destroyed_at}
    if kind == "record":
        statement = update(RECORD_KEY).where(
            RECORD_KEY.c.id == which, RECORD_KEY.c.wrapped.is_not(None)
        )
    else:
        mine = (KEY_VERSION.c.purpose == kind) & (KEY_VERSION.c.version == int(which))
        active = select(literal(1)).where(mine, KEY_VERSION.c.state == KeyState.ACTIVE)
        if session.execute(active).first() is not None:
            raise ConflictError(
                f"The destroyed key {key.name} came back as the one that is written under.",
                remedy=f"Rotate first: registry keys rotate --purpose {kind}",
            )
        statement = update(KEY_VERSION).where(mine, KEY_VERSION.c.state == KeyState.RETIRING)
        gone["state"] = KeyState.DESTROYED
    if changed_rows(session, statement.values(gone)) == 0:
        return 0
    record(session, KeyEvent(KeyChange.DESTROYED, key.name, key.destroyed_at))
    return 1


def _require_unused(purpose: Purpose, version: int, holders: Sequence[HoldsKeys]) -> None:
    counts: Mapping[str, int] = {each.name: each.remaining(version) for each in holders}
    held = {name: count for name, count in counts.items() if count}
    if held:
        where = ", ".join(f"{count} in {name}" for name, count in sorted(held.items()))
        raise ConflictError(
            f"The key {purpose}/{version} is still in use: {where}.",
            remedy="Moving them to the active version was queued; destroy it when that is done.",
        )
