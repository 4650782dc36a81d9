"""Rows leave files of every form; the other rows, and all else of the file, stay what they were."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from registry.erasure.connectors.files import FileConnector
from registry.erasure.connectors.folder import FolderPlace
from registry.erasure.connectors.protocol import Step, Target, Watch
from registry.erasure.connectors.trouble import Reason
from registry.erasure.lifecycle import TaskState
from tests.connectors.copies import (
    FORMS,
    ROWS,
    ordinals,
    parquet,
    secret,
    sha256,
    table,
    target_of,
    without,
)

FIRST, SECOND = (0, 59, 60, 61, 200, 499), (1, 58, 62, 201, 498)
WHOLE_GROUP = tuple(range(60, 120))


@pytest.fixture
def files(tmp_path: Path) -> FileConnector:
    return FileConnector(FolderPlace([str(tmp_path)]))


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def path(form: str, tmp_path: Path) -> Path:
    made = tmp_path / f"part-0.{form}"
    made.write_bytes(FORMS[form][0](table()))
    return made


def test_rows_are_gone_and_the_others_are_the_same(
    form: str, path: Path, files: FileConnector
) -> None:
    read, before = FORMS[form][1], path.read_bytes()
    path.chmod(0o640)
    target, rows = target_of(path), ordinals(*FIRST)
    found = files.find(target, rows, Watch())
    assert (found.state, found.present, found.rows) == (TaskState.PENDING, len(FIRST), ROWS)
    done = files.erase(target, rows, Watch())
    assert (done.state, done.erased, done.rows) == (
        TaskState.ERASED,
        len(FIRST),
        ROWS - len(FIRST),
    )
    after = path.read_bytes()
    assert done.sha256 == sha256(after)
    assert read(after) == without(read(before), FIRST)
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(path.parent) == [path.name]
    proof = files.prove(target.after(rows, done.sha256), rows, Watch())
    assert (proof.state, proof.trouble, proof.rows) == (TaskState.VERIFIED, None, done.rows)


def test_a_second_erasure_hits_the_right_rows_after_positions_moved(
    form: str, path: Path, files: FileConnector
) -> None:
    read, before = FORMS[form][1], path.read_bytes()
    target = target_of(path)
    for rows in (ordinals(*FIRST), ordinals(*SECOND), ordinals(*WHOLE_GROUP)):
        done = files.erase(target, rows, Watch())
        assert done.state is TaskState.ERASED, done
        target = target.after(rows, done.sha256)
        assert files.prove(target, rows, Watch()).state is TaskState.VERIFIED
    gone = {*FIRST, *SECOND, *WHOLE_GROUP}
    assert read(path.read_bytes()) == without(read(before), sorted(gone))
    again = files.erase(target, ordinals(0, 1, 70), Watch())
    assert (again.state, again.erased, again.already) == (TaskState.ERASED, 0, 3)


def test_every_row_can_go(form: str, path: Path, files: FileConnector) -> None:
    read, rows = FORMS[form][1], ordinals(*range(ROWS))
    target = target_of(path)
    done = files.erase(target, rows, Watch())
    assert (done.erased, done.rows) == (ROWS, 0)
    assert read(path.read_bytes()) == []
    assert files.prove(target.after(rows, done.sha256), rows, Watch()).trouble is None


def test_a_dry_run_changes_nothing(path: Path, files: FileConnector) -> None:
    before, seen = path.read_bytes(), path.stat()
    done = files.erase(target_of(path), ordinals(*FIRST), Watch(), dry_run=True)
    assert (done.state, done.erased, done.dry_run) == (TaskState.PENDING, len(FIRST), True)
    assert path.read_bytes() == before
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (seen.st_ino, seen.st_mtime_ns)
    assert os.listdir(path.parent) == [path.name]
    wet = files.erase(target_of(path), ordinals(*FIRST), Watch())
    assert wet.sha256 == done.sha256


@pytest.mark.parametrize("kind", ["parquet", "arrow", "stream.arrow"])
def test_no_byte_of_an_erased_row_is_left(kind: str, tmp_path: Path, files: FileConnector) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_bytes(FORMS[kind][0](table()))
    gone = (3, 4, 5, 100)
    # Author 1 wrote rows 3 to 5 alone, so nothing but a dictionary could still name them.
    assert b"author 1" in path.read_bytes()
    files.erase(target_of(path), ordinals(*gone), Watch())
    left = path.read_bytes()
    assert not any(secret(row).encode() in left for row in gone)
    assert left.count(b"author 1\x00") + left.count(b"author 1author") == 0
    assert secret(6).encode() in left


def test_positions_begin_where_the_file_does(tmp_path: Path, files: FileConnector) -> None:
    path = tmp_path / "second.parquet"
    path.write_bytes(parquet(table()))
    target = target_of(path, first=10_000)
    assert files.erase(target, ordinals(10_000, 10_499), Watch()).erased == 2
    assert pq.read_table(path).column("number").to_pylist() == list(range(1, ROWS - 1))


@pytest.mark.parametrize("form", [form for form in FORMS if "txt" not in form])
def test_keys_say_that_the_rows_are_the_ones_that_are_meant(
    path: Path, files: FileConnector
) -> None:
    keys = {row: f"ex-{row}" for row in FIRST}
    target = target_of(path, key_column="id", keys=keys)
    done = files.erase(target, ordinals(*FIRST), Watch())
    assert done.erased == len(FIRST)
    proof = files.prove(target.after(ordinals(*FIRST), done.sha256), ordinals(*FIRST), Watch())
    assert (proof.state, proof.remains) == (TaskState.VERIFIED, 0)


def test_contents_say_it_too(form: str, path: Path, files: FileConnector) -> None:
    column = "" if "txt" in form else "text"
    texts = table().column("text").to_pylist()
    lines = {
        r: f"ex-{r} {texts[r]}".replace("\n", " ") if "txt" in form else texts[r] for r in FIRST
    }
    digests = {row: sha256(sha256(line.encode())) for row, line in lines.items()}
    target = target_of(path, content_column=column, digests=digests, digest_of=sha256)
    assert files.find(target, ordinals(*FIRST), Watch()).state is TaskState.PENDING
    swapped = replace(target, digests={**digests, 0: digests[59]})
    refused = files.erase(swapped, ordinals(*FIRST), Watch())
    assert (refused.state, refused.trouble and refused.trouble.reason) == (
        TaskState.CHANGED_OUTSIDE,
        "content_differs",
    )
    assert files.erase(target, ordinals(*FIRST), Watch()).erased == len(FIRST)


PARQUET_OPTIONS = {
    "old": {"version": "1.0", "compression": "gzip", "use_compliant_nested_type": False},
    "spark": {"use_deprecated_int96_timestamps": True, "compression": "snappy"},
    "pages": {
        "data_page_version": "2.0",
        "write_page_index": True,
        "use_dictionary": False,
        "column_encoding": {"number": "DELTA_BINARY_PACKED", "id": "DELTA_BYTE_ARRAY"},
        "bloom_filter_options": {"id": {"ndv": 100, "fpp": 0.01}},
    },
    "sorted": {"sorting_columns": [pq.SortingColumn(2)], "compression": "lz4"},
}


@pytest.mark.parametrize("options", PARQUET_OPTIONS.values(), ids=PARQUET_OPTIONS)
def test_a_parquet_file_stays_what_its_writer_made(
    options: dict[str, object], tmp_path: Path, files: FileConnector
) -> None:
    path = tmp_path / "a.parquet"
    moments = pa.array(range(ROWS), pa.timestamp("us"))
    path.write_bytes(parquet(table().append_column("at", moments), **options))
    before, old = path.read_bytes(), pq.ParquetFile(path)
    assert files.erase(target_of(path), ordinals(0, 61, 62), Watch()).erased == 3
    new = pq.ParquetFile(path)
    assert new.schema.equals(old.schema)
    assert new.schema_arrow.equals(old.schema_arrow, check_metadata=True)
    assert new.metadata.metadata == old.metadata.metadata
    assert new.metadata.created_by == old.metadata.created_by
    for at in range(old.metadata.num_row_groups):
        was, is_ = old.metadata.row_group(at), new.metadata.row_group(at)
        assert is_.num_rows == was.num_rows - {0: 1, 1: 2}.get(at, 0)
        assert is_.sorting_columns == was.sorting_columns
        for column in range(was.num_columns):
            mine, theirs = is_.column(column), was.column(column)
            assert (mine.compression, set(mine.encodings), mine.path_in_schema) == (
                theirs.compression,
                set(theirs.encodings),
                theirs.path_in_schema,
            )
            assert mine.has_offset_index == theirs.has_offset_index
    assert new.read().to_pylist() == without(
        pq.read_table(io.BytesIO(before)).to_pylist(), (0, 61, 62)
    )


def test_row_groups_without_hits_are_copied_byte_by_byte(
    tmp_path: Path, files: FileConnector
) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(parquet(table()))
    before, old = path.read_bytes(), pq.ParquetFile(path).metadata
    files.erase(target_of(path), ordinals(130), Watch())
    after, new = path.read_bytes(), pq.ParquetFile(path).metadata
    for at in range(old.num_row_groups):
        for column in range(old.num_columns):
            was, is_ = old.row_group(at).column(column), new.row_group(at).column(column)
            pages = [
                content[m.dictionary_page_offset or m.data_page_offset :][: m.total_compressed_size]
                for content, m in ((before, was), (after, is_))
            ]
            assert (pages[0] == pages[1]) is (at != 2), (at, column)


def test_progress_is_told(path: Path, files: FileConnector) -> None:
    told = []
    files.erase(target_of(path), ordinals(1), Watch(progress=told.append))
    steps = list(dict.fromkeys(each.step for each in told))
    wanted = [Step.OPENED, Step.READING, Step.CHECKED, Step.WRITING, Step.WRITTEN]
    assert steps == [
        *wanted,
        Step.INTENDED,
        Step.SWAPPING,
        Step.SWAPPED,
        Step.CLEANING,
        Step.SETTLED,
    ]


@pytest.mark.parametrize("form", [form for form in FORMS if "txt" not in form])
def test_a_copy_with_an_order_of_its_own_is_erased_by_key(
    form: str, tmp_path: Path, files: FileConnector
) -> None:
    path = tmp_path / f"copy.{form}"
    order = [(7 * row) % ROWS for row in range(ROWS)]
    path.write_bytes(FORMS[form][0](table().take(order)))
    before = FORMS[form][1](path.read_bytes())
    keys = {10_000 + row: f"ex-{row}" for row in range(ROWS)}
    target = Target(uri=str(path), by_key=True, key_column="id", keys=keys)
    first, second = (0, 3, 499), (1, 2)
    for rows in (first, second):
        asked = ordinals(*(10_000 + row for row in rows))
        done = files.erase(target, asked, Watch())
        assert (done.state, done.erased) == (TaskState.ERASED, len(rows)), done
        target = target.after(asked, done.sha256)
        assert files.prove(target, asked, Watch()).trouble is None
    places = [order.index(row) for row in (*first, *second)]
    assert FORMS[form][1](path.read_bytes()) == without(before, places)
    again = files.erase(target, ordinals(10_000), Watch())
    assert (again.state, again.already) == (TaskState.ERASED, 1)


BY_KEY = {
    "no row is there": (Reason.NOTHING_FOUND, {"keys": {0: "none"}}),
    "its key is not recorded": (Reason.NOT_RECORDED, {"keys": {}}),
    "no key column is bound": (Reason.NOT_RECORDED, {"key_column": None}),
    "the key column is missing": (Reason.KEY_COLUMN_MISSING, {"key_column": "uid"}),
    "a key is there twice": (
        Reason.DUPLICATE_KEYS,
        {"key_column": "author", "keys": {0: "author 0"}},
    ),
}


@pytest.mark.parametrize(("reason", "said"), BY_KEY.values(), ids=BY_KEY)
def test_an_obstacle_to_finding_rows_by_key(
    reason: Reason, said: dict[str, object], tmp_path: Path, files: FileConnector
) -> None:
    path = tmp_path / "copy.parquet"
    path.write_bytes(parquet(table()))
    target = Target(uri=str(path), by_key=True, key_column="id", keys={0: "ex-0"})
    done = files.erase(replace(target, **said), ordinals(0), Watch())  # type: ignore[arg-type]
    assert done.trouble is not None
    assert done.trouble.reason is reason
    assert pq.read_metadata(path).num_rows == ROWS
