"""A commit that fails, kept or not, and a store that is not there: nothing lost, nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import lance
import pyarrow as pa
import pytest

from registry.errors import InvalidInputError, StorageUnavailableError
from registry.ledger import lance_table
from registry.ledger.index import ExampleIndex
from tests.ledger.conftest import Place
from tests.ledger.rows import examples

Commit = Callable[..., lance.LanceDataset]


@pytest.fixture
def breaking_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[list[OSError | None], bool], None]]:
    """Makes the next commits fail in turn (None: works); with `kept`, after they took place."""
    commit: Commit = lance.LanceDataset.commit

    def arrange(failures: list[OSError | None], kept: bool) -> None:
        def broken(*arguments: object, **options: object) -> lance.LanceDataset:
            failure = failures.pop(0) if failures else None
            if failure is None:
                return commit(*arguments, **options)
            if kept:
                commit(*arguments, **options)
            raise failure

        monkeypatch.setattr(lance_table.lance.LanceDataset, "commit", staticmethod(broken))

    yield arrange
    monkeypatch.undo()


LOST_RACE = "Retryable commit conflict for version 3: preempted by concurrent transaction Delete"


def test_a_commit_that_failed_and_was_not_kept_is_an_error_and_can_be_repeated(
    folder: Place, breaking_commit: Callable[[list[OSError | None], bool], None]
) -> None:
    index = folder.open()
    index.append(examples(1, 5))
    breaking_commit([OSError("connection reset by peer")], False)

    with pytest.raises(StorageUnavailableError, match="connection reset"):
        index.append(examples(2, 5))
    assert index.count() == 5

    index.clear_batch(2)
    assert index.append(examples(2, 5)) == 5
    assert index.count() == 10


def test_a_commit_that_failed_but_was_kept_counts_once(
    folder: Place, breaking_commit: Callable[[list[OSError | None], bool], None]
) -> None:
    index = folder.open()
    index.append(examples(1, 5))
    breaking_commit([OSError("connection reset by peer")], True)

    assert index.append(examples(2, 5)) == 5
    assert index.count() == 10


def test_a_commit_that_loses_races_is_repeated_without_writing_the_rows_again(
    folder: Place, breaking_commit: Callable[[list[OSError | None], bool], None]
) -> None:
    index = folder.open()
    index.append(examples(1, 5))
    breaking_commit([OSError(LOST_RACE)] * 3, False)

    index.append(examples(2, 5))

    assert index.count() == 10
    assert index.residue()[0].unnamed_files == 0


def test_a_commit_that_always_loses_ends_as_an_error_that_names_the_table(
    folder: Place,
    breaking_commit: Callable[[list[OSError | None], bool], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lance_table, "_FIRST_PAUSE_SECONDS", 0.0)
    index = folder.open()
    index.append(examples(1, 5))
    breaking_commit([OSError(LOST_RACE)] * 100, False)

    with pytest.raises(StorageUnavailableError, match=r"examples\.lance cannot be used"):
        index.append(examples(2, 5))
    assert index.count() == 5


def test_rows_that_took_too_long_to_write_are_not_committed(
    folder: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = folder.open()
    monkeypatch.setattr(lance_table, "WRITE_SECONDS", -1)

    with pytest.raises(StorageUnavailableError, match="took more than"):
        index.append(examples(1, 5))

    assert index.count() == 0


def test_a_store_that_is_not_there_is_unavailable_and_not_empty(
    s3_options: dict[str, str],
) -> None:
    options = {**s3_options, "client_max_retries": "0"}
    index = ExampleIndex("s3://no-such-bucket/ledger", options)

    with pytest.raises(StorageUnavailableError, match="no-such-bucket"):
        index.find_ids(["a"])


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(StorageUnavailableError):
        ExampleIndex(str(tmp_path / "file" / "ledger")).append(examples(1, 1))


def test_a_refused_row_is_told_as_it_is_and_not_as_a_failure_of_the_store(folder: Place) -> None:
    with pytest.raises(InvalidInputError):
        folder.open().append(pa.table({"address": pa.array([-1], pa.int64())}))
