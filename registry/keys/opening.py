"""Opens the keyring when the registry starts, or refuses the start.

Rules:
1. Keys that exist and no master key: it is lost, and the start is refused. A wrong master key:
   refused as well. New keys are made for a database without keys only.
2. An embedded home without a master key gets one, with a warning on stderr, before anything is
   wrapped under it, so that a crash in between leaves a key without a use and never the reverse.
"""

from __future__ import annotations

import sys
from typing import TextIO

from sqlalchemy import select

from registry.clock import Clock
from registry.errors import MasterKeyError
from registry.keys.keyring import Keyring, check_master
from registry.keys.master import MASTER_KEY_FILE, MasterKey, make_master_key, read_master_key
from registry.keys.tables import KEYRING
from registry.keys.versions import Record, make_first_keys
from registry.settings import Settings
from registry.storage.database import Database


def open_keyring(
    settings: Settings,
    database: Database,
    *,
    clock: Clock,
    record: Record,
    stderr: TextIO | None = None,
) -> Keyring:
    """The keyring of a migrated database; an empty one gets its first keys.

    Raises SettingsError for a master key that is missing or cannot be used, MasterKeyError for one
    that is lost or wrong, TamperedError for a wrapped key that was changed. Effects: commits.
    """
    master = read_master_key(settings)
    if master is None:
        master = _first_master_key(settings, database, stderr or sys.stderr)
    with database.read() as session:
        is_empty = check_master(session, master) is None
    if is_empty:
        now, chosen = clock(), master
        database.transact(lambda session: make_first_keys(session, chosen, now=now, record=record))
    keyring = Keyring(database, master, clock)
    keyring.check()
    return keyring


def _first_master_key(settings: Settings, database: Database, stderr: TextIO) -> MasterKey:
    path = settings.home / MASTER_KEY_FILE
    with database.read() as session:
        made_at = session.execute(select(KEYRING.c.created_at)).scalar_one_or_none()
    if made_at is not None:
        # A process that started at the same time may have made it since we looked.
        master = read_master_key(settings)
        if master is not None:
            return master
        raise MasterKeyError(
            f"The master key is lost: this database has keys since {made_at:%Y-%m-%d}, and there "
            f"is no {path}.",
            remedy="Put the file back, or set REGISTRY_MASTER_KEY to what it held. No new key will "
            "be made, because none opens what is there.",
        )
    master = make_master_key(settings.home)
    print(
        f"The master key was made in {path} (only you can read it). Keep a copy in another place:\n"
        "without it nobody can find a person's examples again, and backups leave it out.",
        file=stderr,
    )
    return master
