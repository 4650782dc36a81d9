"""Makes, rotates and guards key versions; whatever changes them goes through here.

Rules:
1. Every change takes its turn on the one row of `keyring` and counts its revision up, so two
   changes never mix and every process notices (`registry.keys.keyring`).
2. A new version is written under at once; the one before it is *retiring*: read under, no more.
3. Whoever keeps something made under a version calls `require_live` in the transaction that makes
   it count. Destroying takes the same row for itself, so that nothing new can appear under a key
   between the last look and its end.
4. Every change is told to `record` in its own transaction: the audit journal is a floor above.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from registry.errors import ConflictError, KeyDestroyedError, NotFoundError
from registry.ids import fresh_id
from registry.keys.keyring import check_value, seal_key
from registry.keys.master import MasterKey
from registry.keys.sealing import KEY_BYTES
from registry.keys.tables import KEY_VERSION, KEYRING, KeyState, Purpose
from registry.storage.columns import changed_rows

#: Purposes with one version for ever, and why.
NEVER_ROTATED = {
    Purpose.ROOT: "every person's identifiers would be needed again",
    Purpose.DIGEST: "every example's content would be needed again",
}
LAST_VERSION = 65_535


class KeyChange(StrEnum):
    """What can happen to a key."""

    CREATED = "created"
    ROTATED = "rotated"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """A change of one key, named `purpose/version` or `record/id`."""

    change: KeyChange
    key: str
    at: datetime


Record = Callable[[Session, KeyEvent], None]


def make_first_keys(session: Session, master: MasterKey, *, now: datetime, record: Record) -> bool:
    """Give a database without keys version 1 of every purpose; False where it has keys.

    Two processes that start at once agree: the second waits for the first and makes nothing.
    Effects: rows; does not commit.
    """
    insert = sqlite.insert if session.connection().dialect.name == "sqlite" else postgresql.insert
    head = insert(KEYRING).values(id=1, check_value=check_value(master), revision=1, created_at=now)
    if changed_rows(session, head.on_conflict_do_nothing()) == 0:
        return False
    for purpose in Purpose:
        _insert(session, master, purpose, 1, now)
        record(session, KeyEvent(KeyChange.CREATED, f"{purpose}/1", now))
    return True


def add_version(
    session: Session, master: MasterKey, purpose: Purpose, *, now: datetime, record: Record
) -> int:
    """Make a new active version and let the active one retire; give its number.

    Raises ConflictError for a purpose that has one version for ever. Effects: rows; does not
    commit. Call `Keyring.refresh` after the commit; other processes follow within a second.
    """
    if purpose in NEVER_ROTATED:
        raise ConflictError(
            f"The key {purpose} is not rotated: {NEVER_ROTATED[purpose]}.",
            remedy="Rotate the keys subject, data or signing; this one never leaves the registry.",
        )
    take_turn(session)
    of_purpose = KEY_VERSION.c.purpose == purpose
    newest = session.execute(select(func.max(KEY_VERSION.c.version)).where(of_purpose)).scalar_one()
    if newest >= LAST_VERSION:
        raise ConflictError(
            f"The key {purpose} has {newest} versions, and there is room for no more.",
            remedy="Set up a new registry and import the events of this one.",
        )
    retire = update(KEY_VERSION).where(of_purpose, KEY_VERSION.c.state == KeyState.ACTIVE)
    session.execute(retire.values(state=KeyState.RETIRING))
    _insert(session, master, purpose, newest + 1, now)
    record(session, KeyEvent(KeyChange.ROTATED, f"{purpose}/{newest + 1}", now))
    return int(newest) + 1


def require_live(session: Session, purpose: Purpose, version: int) -> str:
    """Hold a version so that it cannot be destroyed before this transaction ends (rule 3).

    Gives the id of its row. Raises KeyDestroyedError, so that the caller makes what it has anew
    under the active version, and NotFoundError for a version that never was.
    """
    query = select(KEY_VERSION.c.id, KEY_VERSION.c.state).where(
        KEY_VERSION.c.purpose == purpose, KEY_VERSION.c.version == version
    )
    row = session.execute(query.with_for_update(read=True)).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no version {version} of the key {purpose}.",
            remedy="Make it anew under the active version.",
        )
    if row.state == KeyState.DESTROYED:
        raise KeyDestroyedError(
            f"The key {purpose}/{version} was destroyed while something was made under it.",
            remedy="Send the same again; it will be made under the active version.",
        )
    return str(row.id)


def take_turn(session: Session) -> None:
    """Be the only one who changes keys until this transaction ends (rule 1)."""
    statement = update(KEYRING).values(revision=KEYRING.c.revision + 1)
    if changed_rows(session, statement) != 1:
        raise NotFoundError(
            "This database holds no keys.", remedy="Start the registry once, so that it makes them."
        )


def _insert(
    session: Session, master: MasterKey, purpose: Purpose, version: int, now: datetime
) -> None:
    secret, public_key = secrets.token_bytes(KEY_BYTES), None
    if purpose is Purpose.SIGNING:
        private = Ed25519PrivateKey.generate()
        secret, public_key = private.private_bytes_raw(), private.public_key().public_bytes_raw()
    row = {
        "id": fresh_id(),
        "purpose": purpose,
        "version": version,
        "state": KeyState.ACTIVE,
        "wrapped": seal_key(master, purpose, version, secret),
        "public_key": public_key,
        "created_at": now,
    }
    session.execute(KEY_VERSION.insert().values(row))
