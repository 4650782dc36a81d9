"""What is left of erased examples is found, wherever it lies; what cannot be told is said."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import update

from registry.client.http import HttpClient
from registry.ids import fresh_id
from registry.ledger.closure import Sets
from registry.ledger.remainders import Known, Remains
from registry.ledger.remains import find_remains, read_known
from registry.ledger.tables import BatchSum
from registry.request import House
from registry.storage.columns import table_of
from tests.clock import FrozenClock
from tests.ledger.erasures import chain, mark, sets_of, wipe_now, work_off
from tests.ledger.pipelines import parquet, written
from tests.ledger.test_binding_faults import put, send

_sum = table_of(BatchSum)
Plant = Callable[[House, Path, Path], None]


def erased(house: House, client: HttpClient, before: Path) -> tuple[Sets, Known]:
    """A home from which some examples are gone, and a copy of its ledger from before."""
    known = chain(house, client)
    sets = sets_of(known, raw=[3, 5, 10], named=[0])
    house.ledger.index.optimise()
    house.ledger.index.purge(house.clock())
    was = read_known(house.ledger, sets)
    shutil.copytree(house.settings.ledger, before)
    mark(house, sets)
    wipe_now(house, sets)
    work_off(house)
    assert look(house, sets, was).is_clean
    return sets, was


def look(house: House, sets: Sets, was: Known | None) -> Remains:
    return find_remains(house.ledger, house.database, sets, known=was)


def put_back(pattern: str) -> Plant:
    """Copies files of before over what is there now; what is the same stays."""

    def plant(_house: House, before: Path, now: Path) -> None:
        found = sorted(path for path in before.glob(pattern) if path.is_file())
        assert found
        for path in found:
            target = now / path.relative_to(before)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)

    return plant


def as_unnamed(part: str, name: str) -> Plant:
    """Copies a part of an object to where nobody names it."""

    def plant(_house: House, before: Path, now: Path) -> None:
        source = next(before.glob(f"objects/*/{part}.parquet"))
        target = now / name.format(id=fresh_id(), own=source.parent.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)

    return plant


def unused_value(_house: House, _before: Path, now: Path) -> None:
    """Columns with a label that no row has any more."""
    name = now / "columns" / "2.parquet"
    table = pq.read_table(name)
    column = pa.DictionaryArray.from_arrays(
        pa.nulls(table.num_rows, pa.int32()), pa.array(["label-3"])
    )
    at = table.schema.get_field_index("label")
    pq.write_table(table.set_column(at, "label", column), name)


PLANTED: dict[str, tuple[Plant, str]] = {
    "a data file of no version": (put_back("index/examples.lance/data/*"), "index of examples"),
    "subjects of no version": (put_back("index/subjects.lance/data/*"), "index of subjects"),
    "index pages of no version": (
        put_back("index/examples.lance/_indices/*/*"),
        "index of examples",
    ),
    "an examples object": (put_back("objects/*/examples.parquet"), "object"),
    "the subjects of an object": (put_back("objects/*/subjects.parquet"), "object"),
    "a parents object": (put_back("objects/*/parents.parquet"), "object"),
    "columns": (put_back("columns/1.parquet"), "columns"),
    "columns made from them": (unused_value, "columns"),
    "an object that nobody names": (
        as_unnamed("examples", "objects/{id}/examples.parquet"),
        "object that nobody names",
    ),
    "parents that nobody names": (
        as_unnamed("parents", "objects/{id}/parents.parquet"),
        "object that nobody names",
    ),
    "a part of a broken write": (
        as_unnamed("examples", "objects/{own}/examples.parquet#1"),
        "object that nobody names",
    ),
}


def test_what_is_left_is_found_in_each_place(
    house: House, admin: HttpClient, tmp_path: Path
) -> None:
    before, clean = tmp_path / "before", tmp_path / "clean"
    sets, was = erased(house, admin, before)
    now = Path(house.settings.ledger)
    shutil.copytree(now, clean)
    for name, (plant, place) in PLANTED.items():
        plant(house, before, now)
        remains = look(house, sets, was)
        assert {each.place for each in remains.found} == {place}, name
        assert all(each.rows for each in remains.found)
        shutil.rmtree(now)
        shutil.copytree(clean, now)
        work_off(house)
    with house.database.write() as session:
        total = (_sum.c.dimension == "total") & (_sum.c.number == 1)
        session.execute(update(_sum).where(total).values(examples=12))
    assert [(each.place, each.rows) for each in look(house, sets, was).found] == [("sums", 3)]


@pytest.mark.parametrize("name", ["index pages of no version", "an object that nobody names"])
def test_what_only_values_can_tell_is_untold_without_them(
    house: House, admin: HttpClient, tmp_path: Path, name: str
) -> None:
    sets, _was = erased(house, admin, tmp_path / "before")
    PLANTED[name][0](house, tmp_path / "before", Path(house.settings.ledger))
    remains = look(house, sets, None)
    assert remains.found == ()
    assert len(remains.untold) >= 1


def test_rows_of_an_older_version_are_found_until_it_goes(
    house: House, admin: HttpClient, frozen_clock: FrozenClock
) -> None:
    known = chain(house, admin)
    sets = sets_of(known, raw=[3])
    was = read_known(house.ledger, sets)
    house.ledger.index.optimise()
    house.ledger.index.examples.append(_stored(house, known["raw"]))
    house.ledger.index.erase([known["raw"] << 32 | 3])
    assert [each.place for each in look(house, sets, was).found if "data/" in each.name] != []
    # A compaction writes the living rows to another file; the older version still has them all.
    house.ledger.index.optimise()
    older = [each for each in look(house, sets, was).found if each.place == "index of examples"]
    assert older
    assert not any("no version" in each.name for each in older)
    house.ledger.index.purge(frozen_clock())
    assert not [each for each in look(house, sets, was).found if "index" in each.place]


def _stored(house: House, number: int) -> pa.RecordBatchReader:
    """Rows of another batch as they are stored, so that there is something to compact."""
    empty = house.ledger.index.examples.schema.empty_table()
    row = dict.fromkeys(empty.column_names) | {"address": (number + 40) << 32}
    return pa.Table.from_pylist([row], empty.schema).to_reader()


def test_a_kept_example_with_the_same_id_is_no_remainder(
    house: House, admin: HttpClient, tmp_path: Path
) -> None:
    sets, was = erased(house, admin, tmp_path / "before")
    # An id is a batch's own: another batch may have the same.
    digest = put(admin, parquet(pa.table({"example_id": ["example-number-3"]})), "examples")
    send(admin, "other", written("other", "other", examples=digest), 9)
    work_off(house)
    house.ledger.index.optimise()
    house.ledger.index.purge(house.clock())
    assert look(house, sets, was).is_clean
    sink = io.BytesIO()
    pq.write_table(pa.table({"example_id": ["example-number-9"]}), sink)
    house.ledger.objects.put(f"objects/{fresh_id()}/examples.parquet", sink.getvalue())
    assert look(house, sets, was).is_clean
