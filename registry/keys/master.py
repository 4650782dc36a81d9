"""The master key: where it comes from, and how an embedded home gets one.

Rules (CONTRACTS, "Settings"):
1. It is 32 random bytes, in base64 or hex, in REGISTRY_MASTER_KEY or in the file that
   REGISTRY_MASTER_KEY_FILE names; an embedded home keeps it in `<home>/master.key` (0600).
2. On PostgreSQL it must be set, because several processes share it.
3. It is made only where nothing is wrapped under another one yet (`registry.keys.keyring` asks).
   The file is complete before it has its name, so that two processes that start at once agree.
4. It is never printed, and no message holds any part of it.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from registry.errors import SettingsError, SetupError
from registry.keys.sealing import KEY_BYTES
from registry.settings import Settings

MASTER_KEY_FILE = "master.key"
HOW_TO_MAKE_ONE = "32 random bytes in base64 (openssl rand -base64 32) or hex"
# 32 random bytes have fewer different values than this once in 10^50 times; `changeme` always.
_FEWEST_VALUES = 8


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The 32 bytes under which every other key is wrapped; `origin` says where they were found."""

    secret: bytes = field(repr=False)
    origin: str


def read_master_key(settings: Settings) -> MasterKey | None:
    """The master key of these settings; None where an embedded home has none yet.

    Raises SettingsError for one that is set twice, unreadable, malformed or missing (rule 2).
    """
    if settings.master_key and settings.master_key_file:
        raise SettingsError(
            "REGISTRY_MASTER_KEY and REGISTRY_MASTER_KEY_FILE are both set.",
            remedy="Unset one of them, so that it is clear which key counts.",
        )
    if settings.master_key:
        return parse_master_key(settings.master_key, "REGISTRY_MASTER_KEY")
    if settings.master_key_file:
        return _read_file(Path(settings.master_key_file).expanduser())
    if not settings.embedded:
        raise SettingsError(
            "REGISTRY_MASTER_KEY is not set, and a registry on PostgreSQL needs it.",
            remedy=f"Set it to {HOW_TO_MAKE_ONE}, the same for every server and worker, and keep "
            "a copy elsewhere.",
        )
    path = settings.home / MASTER_KEY_FILE
    return _read_file(path) if path.exists() else None


def parse_master_key(text: str, origin: str) -> MasterKey:
    """Decode base64 (either alphabet, padded or not) or hex. Raises SettingsError."""
    text = text.strip()
    secret = _decode(text)
    if secret is None or len(secret) != KEY_BYTES:
        held = "text of another form" if secret is None else f"{len(secret)} bytes"
        raise SettingsError(
            f"{origin} holds {held}, and a master key is 32 bytes.",
            remedy=f"Give {HOW_TO_MAKE_ONE}.",
        )
    if len(set(secret)) < _FEWEST_VALUES:
        raise SettingsError(
            f"{origin} holds 32 bytes of only {len(set(secret))} values; a master key is random.",
            remedy=f"Give {HOW_TO_MAKE_ONE}.",
        )
    return MasterKey(secret, origin)


def make_master_key(home: Path) -> MasterKey:
    """Make `<home>/master.key` durably, or read the one another process just made.

    Raises SetupError where the home does not take it.
    """
    path = home / MASTER_KEY_FILE
    draft = home / f".{MASTER_KEY_FILE}.{secrets.token_hex(8)}"
    try:
        _write_durably(draft, base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        _sync_folder(home)
    except OSError as error:
        raise SetupError(
            f"The master key cannot be written to {path}: {error.strerror}.",
            remedy="Give this user the home, or set REGISTRY_MASTER_KEY.",
        ) from error
    return _read_file(path)


def _read_file(path: Path) -> MasterKey:
    try:
        text = path.read_text("ascii")
    except OSError as error:
        raise SettingsError(
            f"The master key file {path} cannot be read: {error.strerror}.",
            remedy="Correct the path or its permissions; without this key nothing opens.",
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"The master key file {path} is not text.", remedy=f"Give it {HOW_TO_MAKE_ONE}."
        ) from error
    return parse_master_key(text, str(path))


def _decode(text: str) -> bytes | None:
    try:
        if len(text) == 2 * KEY_BYTES:
            return bytes.fromhex(text)
        plain = text.translate(str.maketrans("-_", "+/")).rstrip("=")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (ValueError, binascii.Error):
        return None


def _write_durably(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
