"""The keyring as a file of its own, sealed under the master key; backups hold no keys.

Rules (DESIGN §6; the governance page, case 15):
1. The file holds the keyring's rows, their keys wrapped as they rest, and is sealed once more as a
   whole, so that it cannot be changed. Without the master key it is noise.
2. A key that was destroyed after the file was made is in it still, until the file is gone: it is a
   backup with an end date, and a restore destroys the key again before anything is answered.
3. Several files are one set of keys: what any of them knows to be destroyed ends so, and until then
   the newest that has a key gives it.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import select
from sqlmodel import Session

from registry.backups.archive import Written, refuse_existing, settle
from registry.errors import InvalidInputError, MasterKeyError, NotFoundError
from registry.keys.master import MasterKey
from registry.keys.sealing import SealBrokenError, seal, unseal
from registry.keys.tables import KEY_VERSION, KEYRING, RECORD_KEY, KeyState, Purpose
from registry.moments import from_micros, to_micros

_MAGIC = b"lineage-registry/keys/1\n"
_PLACE = b"registry/key-file"


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A row of `key_version`; `wrapped` is None for a destroyed key, and where none is known."""

    id: str
    purpose: str
    version: int
    state: str
    wrapped: bytes | None
    public_key: bytes | None
    created_at: datetime
    destroyed_at: datetime | None

    @property
    def name(self) -> str:
        """How messages call it: `subject/2`."""
        return f"{self.purpose}/{self.version}"


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A row of `record_key`."""

    id: str
    wrapped_by: str
    wrapped: bytes | None
    created_at: datetime
    destroyed_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The keys of a registry at one moment."""

    made_at: datetime
    check_value: bytes
    revision: int
    created_at: datetime
    versions: tuple[VersionRow, ...]
    records: tuple[RecordRow, ...]


def read_keys(session: Session, *, now: datetime) -> KeyFile:
    """The keyring as it is. Raises NotFoundError for a database without keys."""
    head = session.execute(select(KEYRING)).one_or_none()
    if head is None:
        raise NotFoundError(
            "This database holds no keys.", remedy="Start the registry once, so that it makes them."
        )
    return KeyFile(
        made_at=now,
        check_value=head.check_value,
        revision=head.revision,
        created_at=head.created_at,
        versions=tuple(
            VersionRow(**row) for row in session.execute(select(KEY_VERSION)).mappings()
        ),
        records=tuple(RecordRow(**row) for row in session.execute(select(RECORD_KEY)).mappings()),
    )


def without_keys(row: VersionRow) -> dict[str, Any]:
    """What a backup says of a version: everything but the key."""
    return {name: value for name, value in _shown(row).items() if name != "wrapped"}


def read_facts(shown: Mapping[str, Any]) -> VersionRow:
    """The inverse of `without_keys`. Raises KeyError, TypeError or ValueError for another shape."""
    return VersionRow(**_meant({**shown, "wrapped": None}))


def write_key_file(path: Path, keys: KeyFile, master: MasterKey) -> Written:
    """Write a new file (0600). Raises ConflictError where there is one of that name."""
    refuse_existing(path)
    document = {
        **{name: getattr(keys, name) for name in ("revision",)},
        "made_at": to_micros(keys.made_at),
        "created_at": to_micros(keys.created_at),
        "check_value": base64.b64encode(keys.check_value).decode(),
        "versions": [_shown(row) for row in keys.versions],
        "records": [_shown(row) for row in keys.records],
    }
    content = _MAGIC + seal(master.secret, msgspec.json.encode(document), _PLACE)
    draft = path.parent / f".{path.name}.{secrets.token_hex(6)}.part"
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        settle(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return Written(sha256(content).digest(), len(content))


def read_key_file(path: Path, master: MasterKey) -> KeyFile:
    """The keys of a file.

    Raises NotFoundError where there is none, InvalidInputError for a file of another kind, and
    MasterKeyError where it does not open.
    """
    if not path.is_file():
        raise NotFoundError(
            f"There is no key file {path}.", remedy="Name a file of: registry keys backup FILE."
        )
    content = path.read_bytes()
    if not content.startswith(_MAGIC):
        raise InvalidInputError(
            f"{path} is no key file.", remedy="Name a file of: registry keys backup FILE."
        )
    try:
        plain = unseal(master.secret, content[len(_MAGIC) :], _PLACE)
        shown = msgspec.json.decode(plain, type=dict[str, Any])
        return KeyFile(
            made_at=from_micros(shown["made_at"]),
            check_value=base64.b64decode(shown["check_value"]),
            revision=shown["revision"],
            created_at=from_micros(shown["created_at"]),
            versions=tuple(VersionRow(**_meant(each)) for each in shown["versions"]),
            records=tuple(RecordRow(**_meant(each)) for each in shown["records"]),
        )
    except SealBrokenError as error:
        raise MasterKeyError(
            f"The key file {path} does not open under the master key of {master.origin}.",
            remedy="Give the master key of the registry that made it; or the file was changed.",
        ) from error
    except (KeyError, TypeError, ValueError, msgspec.DecodeError) as error:
        raise InvalidInputError(
            f"The key file {path} has another form than this program reads.",
            remedy="A newer program wrote it: use that one.",
        ) from error


def merged(files: Sequence[KeyFile]) -> tuple[KeyFile, dict[str, datetime]]:
    """One set of keys of several files of one registry (rule 3), and what must be destroyed again.

    The second: ids of versions that a newer file knows to be destroyed and an older one still has.
    They come back as retiring, so that what is under them can be moved first. Raises
    InvalidInputError for files of two registries.
    """
    newest_first = sorted(files, key=lambda file: file.made_at, reverse=True)
    newest = newest_first[0]
    roots = {row.id for file in files for row in file.versions if row.purpose == Purpose.ROOT}
    if len(roots) != 1:
        raise InvalidInputError(
            "The key files are of different registries.", remedy="Give files of one registry."
        )
    versions: dict[str, VersionRow] = {}
    records: dict[str, RecordRow] = {}
    ended: dict[str, datetime] = {}
    for file in newest_first:
        for version in file.versions:
            known = versions.setdefault(version.id, version)
            if known.wrapped is None and version.wrapped is not None and known.destroyed_at:
                ended[version.id] = known.destroyed_at
                versions[version.id] = version
        for record in file.records:
            records.setdefault(record.id, record)
    return (
        KeyFile(
            made_at=newest.made_at,
            check_value=newest.check_value,
            revision=newest.revision,
            created_at=newest.created_at,
            versions=tuple(standing(versions.values())),
            records=tuple(records.values()),
        ),
        ended,
    )


def standing(rows: Any) -> list[VersionRow]:
    """The rows with their states: of each purpose the last version that has a key is active."""
    held = [row for row in rows if row.wrapped is not None]
    last = {p: max((r.version for r in held if r.purpose == p), default=0) for p in Purpose}
    made = []
    for row in rows:
        values = {name: getattr(row, name) for name in VersionRow.__slots__}
        if row.wrapped is not None:
            is_last = row.version == last[Purpose(row.purpose)]
            values["state"] = (KeyState.ACTIVE if is_last else KeyState.RETIRING).value
            values["destroyed_at"] = None
        made.append(VersionRow(**values))
    return sorted(made, key=lambda row: (row.purpose, row.version))


def _shown(row: VersionRow | RecordRow) -> dict[str, Any]:
    shown: dict[str, Any] = {name: getattr(row, name) for name in row.__slots__}
    for name, value in shown.items():
        if isinstance(value, bytes):
            shown[name] = base64.b64encode(value).decode()
        elif isinstance(value, datetime):
            shown[name] = to_micros(value)
    return shown


def _meant(shown: Mapping[str, Any]) -> dict[str, Any]:
    meant = dict(shown)
    for name in ("wrapped", "public_key"):
        if meant.get(name) is not None:
            meant[name] = base64.b64decode(meant[name], validate=True)
    for name in ("created_at", "destroyed_at"):
        if meant.get(name) is not None:
            meant[name] = from_micros(meant[name])
    return meant
