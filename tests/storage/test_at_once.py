"""Background work does not wait for another process, and leaves a connection as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from registry.errors import StorageUnavailableError
from registry.storage.database import Database
from tests.stores import copy_sqlite, held

# Far more than a test may take: whoever waits for the lock fails by the test's own patience.
LOCK_TIMEOUT_SECONDS = 3_600.0


@pytest.fixture
def embedded(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    url = copy_sqlite(sqlite_template, tmp_path / "home")
    database = Database(url, lock_timeout_seconds=LOCK_TIMEOUT_SECONDS)
    yield database
    database.close()


def test_a_held_database_is_not_waited_for(embedded: Database) -> None:
    url = embedded.url.render_as_string(hide_password=False)
    with (
        held(url),
        pytest.raises(StorageUnavailableError, match="locked"),
        embedded.write(at_once=True),
    ):
        pytest.fail("the database is held")
    with embedded.write(at_once=True) as session:
        patience = session.execute(text("PRAGMA busy_timeout")).scalar_one()
    assert patience == LOCK_TIMEOUT_SECONDS * 1000
