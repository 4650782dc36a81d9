"""What keys cost: subject keys and digests of columns, a look-up, sealing, and a rotation.

Budgets: 10^6 distinct identifiers in a few seconds; what keys take of recording an example (10^6
people in 10^7 rows, each with a digest) well under the microsecond that the whole may take. Run it
with `python -m benchmarks.keys`; figures are the best of several rounds, on one thread.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table
from sqlmodel import Session

from registry.clock import system_clock
from registry.keys.digests import ContentDigests
from registry.keys.envelope import make_record_key
from registry.keys.holders import SqlSubjectKeys
from registry.keys.identifiers import Scheme
from registry.keys.keyring import Keyring
from registry.keys.opening import open_keyring
from registry.keys.rotation import Rotation
from registry.keys.subject_columns import SubjectColumns
from registry.keys.subjects import encrypt_blocks, live_subject_keys, translator
from registry.keys.tables import Purpose
from registry.keys.versions import KeyEvent
from registry.settings import Settings
from registry.storage.bulk import insert_rows
from registry.storage.database import Database
from registry.storage.migrate import upgrade_schema

ROUNDS = 3
PEOPLE = 1_000_000
ROWS = 10_000_000
ROW_GROUP = 65_536
HELD = 100_000
SPELLINGS: dict[Scheme, str] = {
    Scheme.EMAIL: "Person{}@Example.org ",
    Scheme.PHONE: "+49 (0)30 {:08d}",
    Scheme.ACCOUNT: "github/person-{}",
    Scheme.NATIONAL_ID: "de: {:09d}-x",
    Scheme.URL: "https://Example.org/people/{}",
    Scheme.EXTERNAL: "person-{}",
}
HOLDER = Table(
    "held",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("subject_key", LargeBinary(16), nullable=False),
    Column("key_version", Integer, nullable=False),
)


def measure(what: str, work: Callable[[], object], count: int, rounds: int = ROUNDS) -> None:
    """Print the best of several runs: seconds, seconds of this process's CPU, and each one's share.

    The second figure is what the work costs where neighbours keep the machine busy.
    """
    clocks, cpus = [], []
    for _ in range(rounds):
        began, busy = time.perf_counter(), time.process_time()
        work()
        clocks.append(time.perf_counter() - began)
        cpus.append(time.process_time() - busy)
    each = min(cpus) / count * 1e9
    print(f"{what:52} {min(clocks):8.3f} s {min(cpus):8.3f} s of CPU {each:8.0f} ns each")


def ignore(_session: Session, _event: KeyEvent) -> None:
    """Stands where the audit journal is told of changes."""


@contextmanager
def opened() -> Iterator[tuple[Database, Keyring]]:
    """An embedded registry with its keys in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        settings = Settings(home=Path(folder))
        database = Database(settings.database)
        upgrade_schema(database)
        yield (
            database,
            open_keyring(settings, database, clock=system_clock, record=ignore, stderr=nowhere),
        )
        database.close()


def measure_columns(keyring: Keyring) -> None:
    """10^6 distinct identifiers of each scheme, and the same people again."""
    for scheme, spelling in SPELLINGS.items():
        column = pa.array([spelling.format(number) for number in range(PEOPLE)])

        def key(scheme: Scheme = scheme, column: pa.Array = column) -> None:
            assert not SubjectColumns(keyring).keys_of(scheme, column).refused

        measure(f"subject keys, {PEOPLE:,} distinct, {scheme}", key, PEOPLE)


def measure_recording(keyring: Keyring) -> None:
    """10^7 rows of 10^6 people in row groups, with their digests: keys' share of recording."""
    column = pa.array([SPELLINGS[Scheme.EMAIL].format(number) for number in range(PEOPLE)])
    who = np.random.default_rng(1).integers(0, PEOPLE, ROW_GROUP * 16)
    groups = [
        column.take(pa.array(who[at : at + ROW_GROUP])) for at in range(0, who.size, ROW_GROUP)
    ]
    hashed = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(32), ROW_GROUP, [None, pa.py_buffer(os.urandom(32 * ROW_GROUP))]
    )
    count = ROWS // ROW_GROUP

    def key_people() -> None:
        columns = SubjectColumns(keyring)
        for number in range(count):
            columns.keys_of(Scheme.EMAIL, groups[number % len(groups)])

    def key_digests() -> None:
        digests = ContentDigests(keyring)
        for _ in range(count):
            digests.keyed_column(hashed)

    measure(f"subject keys, {ROWS:,} rows in groups of {ROW_GROUP:,}", key_people, ROWS)
    measure(f"keyed digests, {ROWS:,} rows", key_digests, ROWS)


def measure_small(database: Database, keyring: Keyring) -> None:
    """One look-up, one seal, and re-keying a buffer."""

    def look_up() -> None:
        for number in range(10_000):
            live_subject_keys(keyring, Scheme.EMAIL, f"person{number}@example.org")

    with database.write() as session:
        sealer = make_record_key(session, keyring, now=system_clock())

    def seal() -> None:
        for _ in range(10_000):
            sealer.open(sealer.seal(b"ada@example.org", context="c"), context="c")

    active = keyring.active(Purpose.SUBJECT)
    buffer = os.urandom(16 * ROWS)
    translate = translator(active, active)
    measure("look-up keys of one person", look_up, 10_000)
    measure("seal and open a value", seal, 10_000)
    measure(f"re-key a buffer of {ROWS:,}", lambda: translate(buffer), ROWS)


def measure_rotation(database: Database, keyring: Keyring) -> None:
    """Rotate with 10^5 rows in a table."""
    HOLDER.metadata.create_all(database.engine)
    old = keyring.active(Purpose.SUBJECT)
    blocks = encrypt_blocks(old.require_secret(), os.urandom(16 * HELD))
    rows = [(number, blocks[16 * number : 16 * number + 16], 1) for number in range(HELD)]
    with database.write() as session:
        insert_rows(session, HOLDER, ("id", "subject_key", "key_version"), list(rows))
    rotation = Rotation(database, keyring, system_clock, [SqlSubjectKeys(database, HOLDER)])
    with database.write() as session:
        rotation.begin(session, Purpose.SUBJECT, record=ignore)
    keyring.refresh()

    def move() -> None:
        assert rotation.move(Purpose.SUBJECT, lambda _said: None) == {"held": HELD}

    measure(f"move {HELD:,} rows to a new version (SQLite)", move, HELD, rounds=1)


def main() -> None:
    """Print every figure."""
    with opened() as (database, keyring):
        measure_columns(keyring)
        measure_recording(keyring)
        measure_small(database, keyring)
        measure_rotation(database, keyring)


if __name__ == "__main__":
    main()
