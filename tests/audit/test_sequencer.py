"""Every entry gets one place, two sequencers never fork the log, and ending anywhere is mended."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlmodel import Session

from registry.audit.checkpoint import open_checkpoint
from registry.audit.journal import append_entries
from registry.audit.merkle import root_hash, verify_consistency, verify_inclusion
from registry.audit.sequencer import ENTRIES_AT_ONCE, place_some
from registry.audit.signing import latest_checkpoint
from registry.audit.tables import CHECKPOINT, ENTRY, ORIGIN
from registry.audit.tree import prove_consistency, prove_inclusion
from registry.errors import InvalidInputError, StorageUnavailableError, TamperedError
from registry.storage.database import Database
from registry.storage.objects import Objects
from tests.audit.logs import Site, entries

PATIENCE_SECONDS = 60


def origins(site: Site) -> list[tuple[int, str]]:
    with site.database.read() as session:
        rows = session.execute(select(ORIGIN).order_by(ORIGIN.c.number))
        return [(row.number, row.reason) for row in rows]


def test_entries_get_their_places_and_a_checkpoint(site: Site) -> None:
    site.write(5)
    log = site.log()
    signed = log.catch_up()
    leaves = site.check()
    # The entry about the origin came last.
    assert (signed.size, signed.number, len(leaves)) == (6, 1, 6)
    checkpoint = open_checkpoint(signed.note, site.keys())
    assert (checkpoint.size, checkpoint.root) == (6, root_hash(leaves))
    assert checkpoint.origin.startswith("lineage-registry/")
    kept = log.kept.newest()
    assert kept is not None
    assert kept.note == signed.note


def test_a_round_without_work_changes_nothing(site: Site) -> None:
    site.write(3)
    log = site.log()
    first = log.catch_up()
    log.turn()
    assert site.log().catch_up() == first
    assert origins(site) == [(1, "first")]


def test_a_turn_takes_what_came_since(site: Site) -> None:
    log = site.log()
    log.turn()
    for number in range(4):
        site.write(3, first=number)
        log.turn()
        assert len(site.check()) == 1 + 3 * (number + 1)


def test_many_entries_are_taken_in_some_at_a_time(site: Site) -> None:
    site.write(2 * ENTRIES_AT_ONCE + 300)
    assert site.log().catch_up().size == len(site.check())


def test_a_transaction_that_ends_late_is_not_passed_over(site: Site) -> None:
    if site.database.is_sqlite:
        pytest.skip("SQLite has one writer: ids are committed in order")
    log = site.log()
    with site.database.write() as late:
        append_entries(late, entries(2), at=site.clock())
        late.flush()
        site.write(3, first=10)
        before = log.catch_up()
    after = log.catch_up()
    assert (before.size, after.size) == (4, 6)
    assert len(site.check()) == 6


def test_proofs_of_the_stored_tree_hold(site: Site) -> None:
    site.write(700)
    log = site.log()
    first = log.catch_up()
    site.write(1400, first=700)
    second = log.catch_up()
    leaves = site.check()
    with site.database.read() as session:
        for index in (0, 1, 255, 256, 600, 700, 1500, second.size - 1):
            for size in {first.size, 1024, 1025, second.size}:
                if index >= size:
                    continue
                proof = prove_inclusion(session, index, size)
                assert proof.leaf_hash == leaves[index]
                assert proof.root == root_hash(leaves[:size])
                verify_inclusion(leaves[index], index, size, proof.hashes, proof.root)
        for old in (1, 255, 256, 257, first.size, 1024, second.size):
            grown = prove_consistency(session, old, second.size)
            assert grown.first_root == root_hash(leaves[:old])
            verify_consistency(old, second.size, grown.hashes, grown.first_root, grown.second_root)
        for wrong in ((second.size, second.size), (0, second.size + 1), (-1, 5), (0, 0)):
            with pytest.raises(InvalidInputError):
                prove_inclusion(session, *wrong)
        for wrong in ((0, 5), (6, 5), (5, second.size + 1)):
            with pytest.raises(InvalidInputError):
                prove_consistency(session, *wrong)


def test_a_tree_that_lost_a_tile_says_so(site: Site) -> None:
    site.write(700)
    signed = site.log().catch_up()
    site.run("DELETE FROM audit_tile WHERE level = 0 AND number = 1")
    with site.database.read() as session, pytest.raises(TamperedError, match="tile 0/1"):
        prove_inclusion(session, 300, signed.size)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM audit_tile WHERE level = 1",
        "DELETE FROM audit_tile WHERE level = 0 AND number = 2",
        "UPDATE audit_tile SET hashes = salt FROM audit_entry WHERE level = 1 AND leaf_index = 0",
    ],
)
def test_a_broken_tree_does_not_grow(site: Site, change: str) -> None:
    site.write(700)
    site.log().catch_up()
    site.run(change)
    site.write(300, first=700)
    with pytest.raises(TamperedError, match="stored tree"):
        site.log().catch_up()


def test_two_sequencers_at_once_never_fork_the_log(site: Site) -> None:
    url = site.database.url.render_as_string(hide_password=False)
    one, other = (Database(url, lock_timeout_seconds=PATIENCE_SECONDS) for _ in range(2))
    site = replace(site, database=one)
    logs = [site.log(), site.log(database=other)]
    failures: list[BaseException] = []
    done = threading.Event()

    def sequence(which: int) -> None:
        try:
            while not done.wait(0.005):
                logs[which].catch_up()
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=sequence, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for number in range(30):
        site.write(7, first=7 * number)
    done.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert failures == []
    signed = logs[0].catch_up()
    leaves = site.check()
    assert origins(site) == [(1, "first")]
    assert signed.size == len(leaves) == 211
    with site.database.read() as session:
        for row in session.execute(select(CHECKPOINT)):
            assert row.root == root_hash(leaves[: row.size])
    one.close()
    other.close()


class FaultError(Exception):
    """Something ended the work here."""


@contextmanager
def ending_at(database: Database, number: int) -> Iterator[list[int]]:
    """End the work at the so manieth statement or commit of this database; counts them."""
    count = [0]

    def step(*_: Any) -> None:
        count[0] += 1
        if count[0] == number:
            raise FaultError

    event.listen(database.engine, "before_cursor_execute", step)
    event.listen(database.engine, "commit", step)
    try:
        yield count
    finally:
        event.remove(database.engine, "before_cursor_execute", step)
        event.remove(database.engine, "commit", step)


def test_a_sequencer_that_ends_at_any_step_is_mended_by_the_next(site: Site) -> None:
    log = site.log()
    log.catch_up()
    number = steps = 0
    while True:
        number += 1
        site.write(2, first=number)
        with ending_at(site.database, number) as count, suppress(FaultError):
            site.log().catch_up()
        site.log().catch_up()
        leaves = site.check()
        assert origins(site) == [(1, "first")]
        with site.database.read() as session:
            signed = latest_checkpoint(session)
        assert signed is not None
        assert signed.root == root_hash(leaves)
        if count[0] < number:
            steps = count[0]
            break
    assert steps > 10


class Broken(Objects):
    """A store that fails to keep a checkpoint, or keeps it and then fails."""

    keeps = False

    def put(self, name: str, content: bytes) -> None:
        if self.keeps:
            super().put(name, content)
        raise StorageUnavailableError("The bucket is gone.", remedy="Wait.")


@pytest.mark.parametrize("keeps", [False, True])
def test_a_store_that_fails_is_caught_up_with(site: Site, keeps: bool) -> None:
    log = site.log()
    log.catch_up()
    broken = Broken(str(site.folder))
    broken.keeps = keeps
    site.write(3)
    failing = site.log(objects=broken)
    with pytest.raises(StorageUnavailableError):
        failing.turn()
    site.check()
    signed = site.log().catch_up()
    kept = log.kept.newest()
    assert kept is not None
    assert kept.note == signed.note
    assert origins(site) == [(1, "first")]


def test_a_lost_store_gets_the_newest_checkpoint_again(site: Site) -> None:
    log = site.log()
    log.catch_up()
    shutil.rmtree(site.folder / "audit")
    site.write(1)
    signed = log.catch_up()
    kept = log.kept.newest()
    assert kept is not None
    assert (kept.note, origins(site)) == (signed.note, [(1, "first")])


CUT_SHORT = (
    "DELETE FROM audit_checkpoint",
    "DELETE FROM audit_tile",
    "UPDATE audit_entry SET leaf_index = NULL",
    "DELETE FROM audit_entry WHERE id > 4",
)
REWRITTEN = (
    "DELETE FROM audit_checkpoint",
    "DELETE FROM audit_tile",
    "DELETE FROM audit_entry WHERE id = 2",
    "UPDATE audit_entry SET leaf_index = NULL",
)


@pytest.mark.parametrize(
    ("statements", "written", "reason"),
    [(CUT_SHORT, 0, "behind"), (CUT_SHORT, 50, "forked"), (REWRITTEN, 50, "forked")],
)
def test_a_restored_database_opens_a_new_origin(
    site: Site, statements: tuple[str, ...], written: int, reason: str
) -> None:
    site.write(9)
    before = site.log().catch_up()
    name = open_checkpoint(before.note, site.keys()).origin
    site.run(*statements)
    site.write(written, first=100)
    after = site.log().catch_up()
    assert origins(site) == [(1, "first"), (2, reason)]
    assert open_checkpoint(after.note, site.keys()).origin == f"{name}/2"
    site.check()
    with site.database.read() as session:
        opened = select(ENTRY.c.payload).where(ENTRY.c.kind == "audit.origin.opened")
        *_, told = session.execute(opened.order_by(ENTRY.c.id)).scalars()
    assert f'"origin":"{name}","root"'.encode() in told
    assert f'"reason":"{reason}"'.encode() in told
    # It goes on under the new name, and what was kept under the old one is still there.
    site.write(1, first=999)
    log = site.log()
    assert log.catch_up().number == 2
    assert [each.number for each in log.kept.all()] == [1, 2]
    assert origins(site) == [(1, "first"), (2, reason)]


def test_a_database_restored_behind_its_second_origin_opens_a_third(site: Site) -> None:
    site.write(9)
    log = site.log()
    log.catch_up()
    site.run(*REWRITTEN)
    site.log().catch_up()
    site.run("DELETE FROM audit_checkpoint", "DELETE FROM audit_origin WHERE number = 2")
    site.log().catch_up()
    assert origins(site) == [(1, "first"), (3, "foreign")]


def test_an_emptied_database_does_not_take_the_old_name(site: Site) -> None:
    site.write(9)
    site.log().catch_up()
    tables = ("audit_checkpoint", "audit_origin", "audit_tile", "audit_entry")
    site.run(*(f"DELETE FROM {table}" for table in tables))
    site.log().catch_up()
    assert origins(site) == [(2, "foreign")]


def test_a_checkpoint_that_nobody_here_signed_opens_a_new_origin(site: Site) -> None:
    site.write(2)
    log = site.log()
    log.catch_up()
    (path,) = (site.folder / "audit").rglob("*.note")
    path.write_text(path.read_text("utf-8").replace("\n3\n", "\n2\n"), "utf-8")
    assert site.log().catch_up().number == 2
    assert origins(site) == [(1, "first"), (2, "unsigned")]
    path.write_bytes(b"\xff\xfe not a note")
    assert site.log().catch_up().number == 2


def test_the_turn_is_taken_by_one_transaction_at_a_time(site: Site) -> None:
    """A sequencer in the middle of its work keeps others waiting, and they go on from its end."""
    log = site.log()
    log.catch_up()
    inside, go_on = threading.Event(), threading.Event()

    def hold(session: Session) -> None:
        assert place_some(session) == 3
        inside.set()
        assert go_on.wait(PATIENCE_SECONDS)

    site.write(3)
    first = threading.Thread(target=lambda: site.database.transact(hold))
    first.start()
    assert inside.wait(PATIENCE_SECONDS)
    second = threading.Thread(target=log.catch_up)
    second.start()
    go_on.set()
    for thread in (first, second):
        thread.join(PATIENCE_SECONDS)
    assert len(site.check()) == 4
