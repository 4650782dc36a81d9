"""The keys of this registry in memory: which version of each purpose is written and read under.

Rules:
1. Keys rest sealed under the master key, each bound to its purpose and version; a sealed key that
   was changed, or put in the place of another, raises TamperedError.
2. A master key that does not open the check value is another one: MasterKeyError. Nothing here
   ever makes keys anew.
3. An answer is at most one second old, so a rotated or destroyed key is noticed in every process
   within a second; that costs one indexed row a second. A process that is idle keeps what it has
   in memory until it asks again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from sqlalchemy import select
from sqlmodel import Session

from registry.clock import Clock
from registry.errors import KeyDestroyedError, MasterKeyError, NotFoundError, TamperedError
from registry.keys.master import MasterKey
from registry.keys.sealing import SealBrokenError, seal, unseal
from registry.keys.tables import KEY_VERSION, KEYRING, KeyState, Purpose
from registry.storage.database import Database

KEPT = timedelta(seconds=1)
_CHECK_TEXT = b"lineage-registry"
_CHECK_PLACE = b"registry/keyring/check"


@dataclass(frozen=True, slots=True)
class Key:
    """A version of a purpose's key. `secret`: 32 bytes, None once it is destroyed.

    `public_key`: 32 bytes, of signing keys only.
    """

    id: str
    purpose: Purpose
    version: int
    state: KeyState
    created_at: datetime
    destroyed_at: datetime | None
    public_key: bytes | None
    secret: bytes | None = field(repr=False)

    @property
    def name(self) -> str:
        """How messages and entries call it: `subject/2`."""
        return f"{self.purpose}/{self.version}"

    def require_secret(self) -> bytes:
        """The 32 bytes. Raises KeyDestroyedError."""
        if self.secret is None:
            raise KeyDestroyedError(
                f"The key {self.name} was destroyed at {self.destroyed_at:%Y-%m-%d %H:%M} UTC.",
                remedy="What it sealed can never be read again; that was the purpose.",
            )
        return self.secret


@dataclass(frozen=True, slots=True)
class _Known:
    revision: int
    keys: Mapping[str, Key]


class Keyring:
    """Reads keys. Thread-safe; what it gives is at most a second old."""

    def __init__(self, database: Database, master: MasterKey, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._known: _Known | None = None
        self._known_at: datetime | None = None
        self.master = master

    def active(self, purpose: Purpose) -> Key:
        """The version that is written under; there is always one."""
        return self.live(purpose)[0]

    def live(self, purpose: Purpose) -> tuple[Key, ...]:
        """Every version that is read under: the active one first, then from new to old."""
        live = [k for k in self.versions(purpose) if k.state is not KeyState.DESTROYED]
        if not live or live[0].state is not KeyState.ACTIVE:
            raise TamperedError(
                f"No key of the purpose {purpose} is active, and one always is.",
                remedy="Rows of the table key_version were changed: restore them from a copy.",
            )
        return tuple(live)

    def versions(self, purpose: Purpose) -> tuple[Key, ...]:
        """Every version there ever was, destroyed ones too, from new to old."""
        keys = [key for key in self._fresh().keys.values() if key.purpose is purpose]
        return tuple(sorted(keys, key=lambda key: key.version, reverse=True))

    def of_version(self, purpose: Purpose, version: int) -> Key:
        """One version. Raises NotFoundError for one that never was, KeyDestroyedError."""
        found = self._find(purpose, version)
        if found is None:
            self.refresh()  # another process may have made it this very second
            found = self._find(purpose, version)
        if found is None:
            raise NotFoundError(
                f"There is no version {version} of the key {purpose}.",
                remedy="Say `registry keys list` to see the versions there are.",
            )
        found.require_secret()
        return found

    def with_id(self, key_id: str) -> Key:
        """The key with this row id. Raises as `of_version`."""
        found = self._fresh().keys.get(key_id)
        if found is None:
            self.refresh()
            found = self._fresh().keys.get(key_id)
        if found is None:
            raise NotFoundError(
                f"There is no key {key_id}.",
                remedy="It belongs to another registry: look where the value came from.",
            )
        found.require_secret()
        return found

    def check(self) -> None:
        """Read and open every key. Raises MasterKeyError, TamperedError."""
        for purpose in Purpose:
            self.live(purpose)

    def refresh(self) -> None:
        """Forget what is known, so that this process sees its own change at once."""
        with self._lock:
            self._known_at = None

    def _find(self, purpose: Purpose, version: int) -> Key | None:
        return next((key for key in self.versions(purpose) if key.version == version), None)

    def _fresh(self) -> _Known:
        now = self._clock()
        with self._lock:
            # A clock that was set back must not keep an answer alive.
            age = None if self._known_at is None else now - self._known_at
            if self._known is None or age is None or not timedelta() <= age < KEPT:
                with self._database.read() as session:
                    self._known = _read(session, self.master, self._known)
                self._known_at = now
            return self._known


def seal_key(master: MasterKey, purpose: Purpose, version: int, secret: bytes) -> bytes:
    """A key as it rests in its row (rule 1)."""
    return seal(master.secret, secret, _place(purpose, version))


def check_value(master: MasterKey) -> bytes:
    """What `check_master` is held to: a constant, sealed under the master key."""
    return seal(master.secret, _CHECK_TEXT, _CHECK_PLACE)


def check_master(session: Session, master: MasterKey) -> int | None:
    """The revision of the keyring; None where the database has no keys yet.

    Raises MasterKeyError where the keys are wrapped under another master key.
    """
    head = session.execute(select(KEYRING)).one_or_none()
    if head is None:
        return None
    try:
        unseal(master.secret, head.check_value, _CHECK_PLACE)
    except SealBrokenError as error:
        raise MasterKeyError(
            f"The master key of {master.origin} is not the one that the keys in this database, "
            f"made on {head.created_at:%Y-%m-%d}, are wrapped under.",
            remedy="Set the registry up with the key it was made with. No other key opens it, and "
            "no new one will be made.",
        ) from error
    return int(head.revision)


def _read(session: Session, master: MasterKey, known: _Known | None) -> _Known:
    revision = check_master(session, master)
    if revision is None:
        raise MasterKeyError(
            "This database holds no keys.",
            remedy="Start the registry once, so that it makes them, then try again.",
        )
    if known is not None and known.revision == revision:
        return known
    rows = session.execute(select(KEY_VERSION))
    keys = {
        row.id: Key(
            id=row.id,
            purpose=(purpose := Purpose(row.purpose)),
            version=row.version,
            state=KeyState(row.state),
            created_at=row.created_at,
            destroyed_at=row.destroyed_at,
            public_key=row.public_key,
            secret=_open(master, purpose, row.version, row.wrapped),
        )
        for row in rows
    }
    return _Known(revision, MappingProxyType(keys))


def _open(master: MasterKey, purpose: Purpose, version: int, wrapped: bytes | None) -> bytes | None:
    if wrapped is None:
        return None
    try:
        return unseal(master.secret, wrapped, _place(purpose, version))
    except SealBrokenError as error:
        raise TamperedError(
            f"The sealed key {purpose}/{version} was changed, or belongs to another version.",
            remedy="Restore this row of the table key_version from a copy; the master key is the "
            "right one.",
        ) from error


def _place(purpose: Purpose, version: int) -> bytes:
    return f"registry/key/{purpose}/{version}".encode()
