"""What the audit log costs: durable appends, giving places, proofs, and verifying everything.

Budgets: 5,000 durable entries a second, a proof in 5 ms at 10^7 entries, 200,000 entries a second
verified. Run it with `python -m benchmarks.audit`, at 10^6 entries; `--large` takes 10^7.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlmodel import Session

from benchmarks.ingest import POSTGRES
from registry.audit.check import check_log
from registry.audit.documents import document, leaf_data
from registry.audit.events import EntryKind
from registry.audit.journal import append_encoded
from registry.audit.merkle import leaf_hash, verify_inclusion
from registry.audit.notes import VerifierKey
from registry.audit.sequencer import AuditLog
from registry.audit.tables import ENTRY
from registry.audit.tree import append_leaves, prove_consistency, prove_inclusion
from registry.clock import system_clock
from registry.keys.keyring import Keyring
from registry.keys.master import MasterKey
from registry.keys.tables import Purpose
from registry.keys.versions import KeyEvent, make_first_keys
from registry.storage.bulk import insert_rows
from registry.storage.database import Database
from registry.storage.migrate import upgrade_schema
from registry.storage.objects import Objects

SIZE, LARGE = 1_000_000, 10_000_000
APPENDED, GROUP = 20_000, 100
FILLED_AT_ONCE = 50_000
PROOFS = 500
KIND, ACTOR = EntryKind.LINEAGE_EVENT_RECEIVED, "0197a0e2-0000-7000-8000-000000000001"
_COLUMNS = ("at", "kind", "actor", "leaf_data", "salt", "payload", "leaf_index")


def payload(number: int) -> bytes:
    """What the entry of an event holds, in size and form."""
    digest = hashlib.sha256(number.to_bytes(8, "big")).hexdigest()
    return f'{{"event":"sha256:{digest}","project":"default","state":"projected"}}'.encode()


@contextmanager
def opened(url: str | None) -> Iterator[tuple[Database, AuditLog]]:
    """An empty log with keys, on SQLite in a folder of its own or on PostgreSQL."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(url or f"sqlite:///{folder}/registry.db")
        upgrade_schema(database)
        master = MasterKey(secrets.token_bytes(32), "the benchmark")

        def ignore(_session: Session, _event: KeyEvent) -> None:
            return

        with database.write() as session:
            make_first_keys(session, master, now=system_clock(), record=ignore)
        keyring = Keyring(database, master, system_clock)
        objects = Objects(str(Path(folder) / "ledger"))
        yield database, AuditLog(database, objects, keyring, system_clock, actor=ACTOR)
        database.close()


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and seconds of this process's CPU."""
    began, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - busy


def tell(what: str, count: int, spent: tuple[float, float]) -> None:
    """Print what so many took."""
    clock, busy = spent
    rates = f"{count / clock:12,.0f}/s {count / busy:12,.0f}/s of CPU"
    print(f"{what:56} {clock:8.3f} s {rates}", flush=True)


def measure_appends(database: Database, log: AuditLog) -> None:
    """Entries in transactions of 100, each durable; then their places, and a checkpoint."""

    def append() -> None:
        for first in range(0, APPENDED, GROUP):
            some = [(KIND, ACTOR, payload(first + at)) for at in range(GROUP)]
            with database.write() as session:
                append_encoded(session, some, at=system_clock())

    tell(f"append {APPENDED:,} durable entries, {GROUP} a transaction", APPENDED, timed(append))
    tell(f"give {APPENDED:,} entries their places and sign", APPENDED, timed(log.catch_up))


def fill(database: Database, log: AuditLog, size: int) -> None:
    """Entries with their places and tree, past the journal, so that filling takes not too long."""
    begun = log.catch_up().size
    salt, at = secrets.token_bytes(32), 1_800_000_000_000_000
    for first in range(begun, size, FILLED_AT_ONCE):
        rows, leaves = [], []
        for index in range(first, min(first + FILLED_AT_ONCE, size)):
            facts = payload(index)
            data = leaf_data(salt, document(ACTOR, at, facts, KIND))
            rows.append((at, KIND.value, ACTOR, data, salt, facts, index))
            leaves.append(leaf_hash(data))
        with database.write() as session:
            insert_rows(session, ENTRY, _COLUMNS, rows)
            append_leaves(session, first, leaves)
    log.catch_up()


def measure_proofs(database: Database, size: int) -> None:
    """Proofs of entries all over the log, each in a session of its own; and of growth."""
    times, grown = [], []
    for number in range(PROOFS):
        index = number * 7_919_993 % size
        began = time.perf_counter()
        with database.read() as session:
            proof = prove_inclusion(session, index, size)
        times.append(time.perf_counter() - began)
        verify_inclusion(proof.leaf_hash, index, size, proof.hashes, proof.root)
        began = time.perf_counter()
        with database.read() as session:
            prove_consistency(session, index + 1, size)
        grown.append(time.perf_counter() - began)
    for what, each in (("inclusion", sorted(times)), ("consistency", sorted(grown))):
        middle, late = 1000 * each[PROOFS // 2], 1000 * each[PROOFS * 99 // 100]
        what = f"{what} proof at {size:,} entries"
        print(f"{what:56} {middle:8.2f} ms p50 {late:8.2f} ms p99", flush=True)


def measure_check(database: Database, log: AuditLog, keyring_keys: list[VerifierKey]) -> None:
    """Everything again from raw rows."""
    kept = list(log.kept.all())

    def check() -> None:
        with database.read() as session:
            report = check_log(session, keyring_keys, kept)
        assert not report.findings, report.findings
        held.append(report.entries)

    held: list[int] = []
    spent = timed(check)
    tell(f"verify {held[0]:,} entries from raw rows", held[0], spent)


def run(name: str, url: str | None, size: int) -> None:
    """Every figure of one database."""
    print(f"{name}")
    with opened(url) as (database, log):
        measure_appends(database, log)
        fill(database, log, size)
        measure_proofs(database, size)
        versions = log.keyring.versions(Purpose.SIGNING)
        keys = [VerifierKey(None, key.public_key) for key in versions if key.public_key]
        measure_check(database, log, keys)


def main() -> None:
    """Print every figure."""
    size = LARGE if "--large" in sys.argv else SIZE
    run("SQLite", None, size)
    if url := os.environ.get(POSTGRES):
        run("PostgreSQL", url, size)


if __name__ == "__main__":
    main()
