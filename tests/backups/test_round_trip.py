"""What was backed up is what is restored, on the other database too; keys are not among it."""

from __future__ import annotations

import pyarrow as pa
from sqlalchemy import Connection, select
from sqlmodel import SQLModel

from registry.app import check_everything
from registry.audit.tables import ENTRY
from registry.backups.archive import check_archive, each_member
from registry.backups.rows import LEFT_OUT, read_parts, read_table, snapshot, table_names
from registry.keys.tables import KEY_VERSION, NOT_IN_BACKUPS, KeyringHead
from registry.request import House
from registry.storage.columns import table_of
from registry.storage.database import Database
from registry.storage.residue import scrub_residue
from tests.backups.conftest import Place, Town, located
from tests.stores import Dump, dump

# What goes on by itself, or tells of the restore.
CHANGES = {"audit_entry", "audit_checkpoint", "audit_origin", "audit_tile", "restoration", "task"}
CHANGES |= {"schedule", "token", "judge_mark", "violation", "disposal_item"}


def state(database: Database) -> Dump:
    """Every row that a backup holds and nothing changes by itself."""
    tables = SQLModel.metadata.sorted_tables
    return dump(database, (t for t in tables if t.name not in LEFT_OUT | CHANGES))


def index_of(house: House) -> tuple[object, object]:
    """Everything in the index."""
    examples = [
        part.to_pylist() for number in (1, 2) for part in house.ledger.index.scan_batch(number)
    ]
    subjects = [part.to_pylist() for part in house.ledger.index.scan_subjects(1)]
    return examples, subjects


def objects_of(house: House) -> dict[str, bytes]:
    objects = house.ledger.objects
    names = (n for n in objects.names("") if not n.startswith(("index/", "audit/")))
    return {name: objects.get(name) for name in names}


def test_a_restored_registry_is_what_was_backed_up(town: Town, place: Place) -> None:
    before = state(town.house.database)
    (file, made), keys = town.backup(), town.keys()
    done = place.restore(file, keys, erasures=town.ledger)
    assert (done.examples, done.records, made.examples) == (5, 0, 5)
    assert done.objects >= 3
    with place.opened() as house:
        assert state(house.database) == before
        assert index_of(house) == index_of(town.house)
        assert objects_of(house) == objects_of(town.house)
        assert located(house, "ada") == located(town.house, "ada")
        assert len(located(house, "ada")) == 2
    assert not [f for f in check_everything(place.settings) if f.problems]


def test_the_same_kind_of_database_takes_it_too(town: Town, same_place: Place) -> None:
    before = state(town.house.database)
    (file, _made), keys = town.backup(), town.keys()
    same_place.restore(file, keys, erasures=town.ledger)
    with same_place.opened() as house:
        assert state(house.database) == before


def test_a_restored_registry_goes_on(town: Town, place: Place) -> None:
    """Numbers that a database gives by itself begin behind the greatest, and the journal grows."""
    (file, _made), keys = town.backup(), town.keys()
    place.restore(file, keys, erasures=town.ledger)
    with place.opened() as house:
        house.audit.catch_up()
        with house.database.read() as session:
            kinds = session.execute(select(ENTRY.c.kind).order_by(ENTRY.c.id)).scalars().all()
    assert {"backups.restore.begun", "backups.restore.finished"} <= set(kinds)
    assert kinds.index("backups.restore.begun") > 5


def test_a_backup_holds_no_key(town: Town) -> None:
    file, _made = town.backup()
    held = b"".join(part.read() for _name, _size, part in each_member(check_archive(file)))
    with town.house.database.read() as session:
        wrapped = session.execute(select(KEY_VERSION.c.wrapped)).scalars().all()
    assert wrapped
    assert not [key for key in wrapped if key in held]
    names = {name for name, _size, _file in each_member(check_archive(file))}
    assert not [t.name for t in NOT_IN_BACKUPS for name in names if f"catalog/{t.name}/" in name]


def test_what_no_batch_binds_is_left_out(town: Town, place: Place) -> None:
    index = town.house.ledger.index
    stray = next(iter(index.scan_batch(1)))
    addresses = pa.array([n + (7 << 32) for n in range(5)], pa.uint64())
    index.append(stray.set_column(0, stray.schema.field(0), addresses))
    assert index.count() == 10
    (file, made), keys = town.backup(), town.keys()
    place.restore(file, keys, erasures=town.ledger)
    with place.opened() as house:
        assert (made.examples, house.ledger.index.count()) == (5, 5)


def test_deleted_rows_are_in_no_backup(town: Town, place: Place) -> None:
    town.house.ledger.index.erase(located(town.house, "ada"))
    (file, made), keys = town.backup(), town.keys()
    place.restore(file, keys, erasures=town.ledger)
    with place.opened() as house:
        assert (made.examples, house.ledger.index.count(), located(house, "ada")) == (3, 3, [])


def counted(connection: Connection) -> dict[str, int]:
    """How many rows each table has for a backup."""
    return {
        name: sum(part.rows for part in read_parts(connection, read_table(connection, name)))
        for name in table_names(connection)
    }


def test_a_backup_is_one_moment(town: Town) -> None:
    """What is written while the catalog is copied is not in it, in any table."""
    with snapshot(town.house.database) as connection:
        before = counted(connection)
        town.pipeline.run("later", writes=[])
        assert counted(connection) == before
    with snapshot(town.house.database) as connection:
        assert counted(connection)["lineage_event"] == before["lineage_event"] + 1


def test_what_a_snapshot_sees_is_not_rewritten_meanwhile(postgres_database: Database) -> None:
    """A table that is rewritten is empty to an older snapshot (PostgreSQL, "Caveats" of MVCC)."""
    hasty = Database(
        postgres_database.url.render_as_string(hide_password=False), lock_timeout_seconds=0.2
    )
    try:
        with snapshot(postgres_database):
            assert not scrub_residue(hasty, [table_of(KeyringHead)])
        assert scrub_residue(postgres_database, [table_of(KeyringHead)])
    finally:
        hasty.close()
