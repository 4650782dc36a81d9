"""Upkeep: what was erased leaves the files, and a failure at any step loses and doubles nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import lance
import pyarrow as pa
import pytest
from lance.fragment import write_fragments
from lance.optimize import Compaction

from registry.errors import ConflictError, StorageUnavailableError
from registry.ledger import columns, upkeep
from registry.ledger.addresses import pack
from registry.ledger.index import ExampleIndex
from tests.ledger.conftest import Place
from tests.ledger.rows import address, digest, example_id, examples, subject_key, subjects

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def traces(place: Place, erased: list[int], people: list[int]) -> list[str]:
    """The files below a folder in which an erased row can be recognised in the raw bytes."""
    erased, people = erased[:100], people[:100]
    needles = [example_id(at).encode() for at in erased]
    needles += [digest(at)[8:] for at in erased]
    needles += [digest(at)[:8][::-1] for at in erased]
    needles += [subject_key(who)[8:] for who in people]
    needles += [subject_key(who)[:8][::-1] for who in people]
    return [
        str(path.relative_to(place.url))
        for path in Path(place.url).rglob("*")
        if path.is_file() and any(needle in path.read_bytes() for needle in needles)
    ]


def fill(index: ExampleIndex, batches: int, rows: int = 10) -> None:
    for batch in range(batches):
        index.append(examples(batch, rows))
        index.append_subjects(
            subjects((at, 1000 * batch + at) for at in pack(batch, range(rows)).tolist())
        )


ERASURES = {
    "single rows": [address(batch, 3) for batch in (0, 40, 69)],
    "a whole batch that is a fragment of its own": pack(69, range(10)).tolist(),
    "a whole batch inside a fragment, and a row": [*pack(7, range(10)).tolist(), address(8, 0)],
    "every row there is": [at for batch in range(70) for at in pack(batch, range(10)).tolist()],
}


@pytest.mark.parametrize("name", ERASURES)
def test_after_a_purge_no_file_holds_a_trace_of_an_erased_row(folder: Place, name: str) -> None:
    erased = ERASURES[name]
    people = [1000 * (at >> 32) + at for at in erased]
    index = folder.open()
    fill(index, 70)
    index.optimise()
    assert traces(folder, erased, people)

    assert index.erase(erased) == 2 * len(erased)
    assert traces(folder, erased, people)
    assert not any(part.is_clean for part in index.residue())
    leftovers = index.purge(NOW)

    assert traces(folder, erased, people) == []
    assert [part.paths for part in leftovers] == [frozenset(), frozenset()]
    assert all(part.is_clean for part in index.residue())
    assert index.count() == 70 * 10 - len(erased)
    left = [at for at in pack(33, range(10)).tolist() if at not in set(erased)]
    assert index.find_ids([example_id(at) for at in left]).addresses.tolist() == left


def test_a_fragment_erased_whole_leaves_its_keys_in_the_index_until_the_purge_trains_it_anew(
    folder: Place,
) -> None:
    index = folder.open()
    index.append(examples(1, 50))
    index.append(examples(2, 50))
    index.optimise()
    index.append(examples(3, 50))
    index.optimise()
    index.erase(pack(3, range(50)))

    index.optimise()
    assert index.residue()[0].stale_segments or index.residue()[0].older_versions
    index.purge(NOW)

    assert traces(folder, pack(3, range(50)).tolist(), []) == []
    assert index.residue()[0].is_clean


def test_a_purge_in_several_commits_leaves_as_little(
    folder: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "ROWS_REWRITTEN_AT_ONCE", 25)
    index = folder.open()
    fill(index, 7)
    upkeep.tend(index.examples, most_rows_joined=1 << 20)
    erased = [address(batch, 4) for batch in range(7)]
    fill_again = examples(20, 5)
    index.append(fill_again)
    index.erase(erased)

    index.purge(NOW)

    assert traces(folder, erased, [1000 * (at >> 32) + at for at in erased]) == []
    assert index.residue()[0].is_clean
    assert index.count() == 68


def test_a_purge_works_on_every_store(place: Place) -> None:
    index = place.open()
    fill(index, 3)
    index.erase([address(1, 2), address(1, 3)])

    index.purge(NOW)

    assert all(part.is_clean for part in index.residue())
    assert index.count() == 28


def abandoned(index: ExampleIndex, batch: int) -> lance.Transaction:
    """Rows written by a process that did not commit them."""
    table = index.examples
    rows = columns.store(examples(batch, 20), columns.EXAMPLES, columns.STORED_EXAMPLES)
    return write_fragments(
        rows,
        table.latest(),
        mode="append",
        return_transaction=True,
        storage_options=table.storage_options,
    )


def test_what_a_crashed_writer_left_is_discarded_an_hour_after_a_purge_saw_it(
    place: Place,
) -> None:
    index = place.open()
    fill(index, 2)
    written = abandoned(index, 9).operation.fragments[0].files[0].path

    leftovers = index.purge(NOW)
    assert leftovers[0].paths == {f"data/{written}"}
    assert not index.residue()[0].is_clean
    with pytest.raises(ConflictError, match="Discard them after"):
        index.discard(leftovers, LATER - timedelta(seconds=1))

    assert index.discard(leftovers, LATER) == 1
    assert index.discard(leftovers, LATER) == 0
    assert index.residue()[0].is_clean
    assert index.count() == 20


def test_the_files_of_a_writer_that_commits_after_the_purge_are_not_discarded(
    place: Place,
) -> None:
    index = place.open()
    fill(index, 2)
    transaction = abandoned(index, 9)
    leftovers = index.purge(NOW)
    index.examples.commit(transaction, address(9, 0))

    assert index.discard(leftovers, LATER) == 0
    assert place.open().rows(pack(9, range(20)))["example_id"].to_pylist() == [
        example_id(at) for at in pack(9, range(20)).tolist()
    ]


def test_a_compaction_that_loses_against_a_deletion_removes_what_it_wrote(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, other = place.open(), place.open()
    fill(index, 5)
    commit = Compaction.commit

    def late(*arguments: object) -> object:
        other.erase([address(2, 1)])
        return commit(*arguments)

    monkeypatch.setattr(
        upkeep,
        "Compaction",
        type("Late", (), {"plan": Compaction.plan, "commit": staticmethod(late)}),
    )
    upkeep.tend(index.examples, most_rows_joined=1 << 20)
    monkeypatch.undo()

    assert index.residue()[0].unnamed_files == 0
    assert index.count() == 49
    index.optimise()
    assert len(index.examples.latest().get_fragments()) == 1


def test_rows_are_kept_and_found_when_their_upkeep_fails(
    folder: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> object:
        raise OSError("No space left on device")

    index = folder.open()
    monkeypatch.setattr(upkeep, "UNINDEXED_APPENDS", 2)
    monkeypatch.setattr(upkeep, "_compact", fails)
    assert [index.append(examples(batch, 3)) for batch in range(3)] == [3, 3, 3]
    with pytest.raises(StorageUnavailableError, match="No space left"):
        index.optimise()
    monkeypatch.undo()

    assert index.count() == 9
    index.optimise()
    assert len(index.examples.latest().get_fragments()) == 1


def test_old_versions_are_kept_for_readers_and_then_go(folder: Place) -> None:
    index = folder.open()
    fill(index, 5)
    index.optimise()
    assert index.residue()[0].older_versions > 0

    index.purge(NOW)
    assert index.residue()[0].older_versions == 0


def test_a_reader_whose_version_is_gone_asks_the_latest_one(place: Place) -> None:
    reader, writer = place.open(), place.open()
    fill(writer, 3)
    assert reader.count() == 30
    writer.erase([address(0, 0)])
    writer.optimise()
    writer.purge(NOW)

    assert len(reader.find_ids([example_id(address(0, 0)), example_id(address(0, 1))])) == 1
    assert pa.concat_tables(reader.scan_batch(0)).num_rows == 9
