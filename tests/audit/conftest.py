"""A log for each test, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlmodel import Session

from registry.keys.keyring import Keyring
from registry.keys.master import MasterKey
from registry.keys.versions import KeyEvent, make_first_keys
from registry.storage.database import Database
from tests.audit.logs import Site
from tests.clock import FrozenClock


@pytest.fixture
def site(database: Database, frozen_clock: FrozenClock, tmp_path: Path) -> Site:
    """An empty log with keys, and nothing kept outside."""

    def ignore(_session: Session, _event: KeyEvent) -> None:
        return

    master = MasterKey(bytes(range(32)), "the test")
    with database.write() as session:
        make_first_keys(session, master, now=frozen_clock(), record=ignore)
    keyring = Keyring(database, master, frozen_clock)
    return Site(database, keyring, frozen_clock, tmp_path / "ledger")
