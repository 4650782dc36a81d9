"""What can stand in the way has a name, a state and a remedy, and the file stays as it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from registry.erasure.connectors.files import FileConnector
from registry.erasure.connectors.folder import FolderPlace
from registry.erasure.connectors.protocol import Progress, Step, Target, Watch
from registry.erasure.connectors.trouble import MEANING, Reason
from registry.erasure.lifecycle import TaskState
from tests.connectors.copies import (
    FORMS,
    ROWS,
    arrow,
    delimited,
    ordinals,
    parquet,
    sha256,
    table,
    target_of,
)

ROWS_ASKED = (3, 70)
KEYS = {row: f"ex-{row}" for row in ROWS_ASKED}


@dataclass(frozen=True)
class Obstacle:
    """What is done to a file (or its folder) after it was recorded, and what must be said."""

    reason: Reason
    state: TaskState
    spoil: Callable[[Path], object] = lambda path: None
    form: str = "parquet"
    said: dict[str, Any] = field(default_factory=dict)
    content: Callable[[pa.Table], bytes] | None = None
    #: The file is recorded after it was spoilt.
    recorded_after: bool = False


def _append(path: Path, content: bytes) -> None:
    path.write_bytes(path.read_bytes() + content)


def _led_away(path: Path) -> None:
    path.rename(path.with_name("real"))
    path.symlink_to(path.with_name("real"))


def _made_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _made_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _swapped(data: pa.Table) -> pa.Table:
    return pa.concat_tables([data.slice(1), data.slice(0, 1)])


def _doubled(data: pa.Table) -> pa.Table:
    keys = data.column("id").to_pylist()
    return data.set_column(0, "id", [[*keys[:-1], "ex-3"]])


def _nested(data: pa.Table) -> pa.Table:
    lists = pa.array([["a"]] * data.num_rows).cast(pa.list_(pa.dictionary(pa.int32(), pa.string())))
    return data.append_column("nested", lists)


OUTSIDE, FINAL = TaskState.CHANGED_OUTSIDE, TaskState.FAILED_FINAL
OBSTACLES = {
    "the file is gone": Obstacle(Reason.GONE, OUTSIDE, lambda path: path.unlink()),
    "its folder is gone": Obstacle(
        Reason.GONE, OUTSIDE, lambda path: path.parent.rename(path.parent.with_name("elsewhere"))
    ),
    "it was changed outside": Obstacle(
        Reason.CHANGED_OUTSIDE, OUTSIDE, lambda path: path.write_bytes(parquet(table(7)))
    ),
    "one byte was added": Obstacle(
        Reason.CHANGED_OUTSIDE, OUTSIDE, lambda path: _append(path, b"\n"), form="jsonl"
    ),
    "it has zero bytes": Obstacle(Reason.ZERO_BYTES, OUTSIDE, lambda path: path.write_bytes(b"")),
    **{
        f"it was cut short before it was recorded: {form}": Obstacle(
            Reason.TRUNCATED,
            OUTSIDE,
            lambda path: os.truncate(path, path.stat().st_size * 2 // 3),
            form=form,
            recorded_after=True,
        )
        for form in ("parquet", "arrow", "lz4.arrow", "jsonl.gz", "jsonl.zst", "csv.gz")
    },
    "the text was cut short before it was recorded": Obstacle(
        Reason.ROWS_DIFFER,
        OUTSIDE,
        lambda path: path.write_bytes(path.read_bytes()[:4000]),
        form="txt",
        recorded_after=True,
    ),
    "a quote is never closed": Obstacle(
        Reason.NOT_KEPT_AS_IT_IS,
        FINAL,
        lambda path: _append(path, b'\r\nx,"y'),
        form="csv",
        recorded_after=True,
    ),
    "a quote stands in an open field": Obstacle(
        Reason.NOT_KEPT_AS_IT_IS,
        FINAL,
        lambda path: _append(path, b'x,5" pipe,1,,a\r\n'),
        form="csv",
        recorded_after=True,
    ),
    "dictionaries lie inside other columns": Obstacle(
        Reason.NOT_KEPT_AS_IT_IS, FINAL, form="arrow", content=lambda data: arrow(_nested(data))
    ),
    "it is marked as read-only": Obstacle(Reason.READ_ONLY, FINAL, lambda path: path.chmod(0o444)),
    "it has another name on the disk": Obstacle(
        Reason.MORE_NAMES, FINAL, lambda path: os.link(path, path.with_name("copy"))
    ),
    "it is a symlink now": Obstacle(Reason.OUTSIDE_ROOTS, FINAL, _led_away),
    "its folder is a symlink now": Obstacle(
        Reason.OUTSIDE_ROOTS, FINAL, lambda path: _led_away(path.parent)
    ),
    "it is a folder now": Obstacle(Reason.GONE, OUTSIDE, _made_folder),
    "it is a pipe now": Obstacle(Reason.OUTSIDE_ROOTS, FINAL, _made_pipe),
    "nobody reads such files": Obstacle(Reason.UNKNOWN_FORMAT, FINAL, form="docx"),
    "no digest and no key was recorded": Obstacle(
        Reason.NOT_RECORDED, FINAL, said={"sha256": None}
    ),
    "an ordinal is not of this file": Obstacle(Reason.NOT_RECORDED, FINAL, said={"rows": 50}),
    "it has fewer rows than recorded": Obstacle(
        Reason.ROWS_DIFFER, OUTSIDE, said={"rows": ROWS + 1}
    ),
    "the key column is missing": Obstacle(
        Reason.KEY_COLUMN_MISSING, FINAL, said={"key_column": "uid", "keys": KEYS}
    ),
    "the key column of a CSV is missing": Obstacle(
        Reason.KEY_COLUMN_MISSING, FINAL, form="csv", said={"key_column": "uid", "keys": KEYS}
    ),
    "the key column of JSON Lines is missing": Obstacle(
        Reason.KEYS_DIFFER, OUTSIDE, form="jsonl", said={"key_column": "uid", "keys": KEYS}
    ),
    "the key column has another type": Obstacle(
        Reason.SCHEMA_CHANGED, OUTSIDE, said={"key_column": "tags", "keys": KEYS}
    ),
    "another row has the same key": Obstacle(
        Reason.DUPLICATE_KEYS,
        FINAL,
        content=lambda data: parquet(_doubled(data)),
        said={"key_column": "id", "keys": KEYS},
    ),
    "the rows have other keys": Obstacle(
        Reason.KEYS_DIFFER,
        OUTSIDE,
        content=lambda data: parquet(_swapped(data)),
        said={"key_column": "id", "keys": KEYS},
    ),
    "the rows of a CSV have other keys": Obstacle(
        Reason.KEYS_DIFFER,
        OUTSIDE,
        form="csv",
        content=lambda data: delimited(_swapped(data)),
        said={"key_column": "id", "keys": KEYS},
    ),
}


@pytest.mark.parametrize("obstacle", OBSTACLES.values(), ids=OBSTACLES)
def test_an_obstacle_has_a_name_and_leaves_the_file_alone(
    obstacle: Obstacle, tmp_path: Path
) -> None:
    folder = tmp_path / "lake"
    folder.mkdir()
    path = folder / f"a.{obstacle.form}"
    make = obstacle.content or (FORMS[obstacle.form][0] if obstacle.form in FORMS else parquet)
    path.write_bytes(make(table()))
    target = target_of(path, **obstacle.said)
    obstacle.spoil(path)
    if obstacle.recorded_after:
        target = target_of(path, **obstacle.said)
    before = path.read_bytes() if path.is_file() else None
    names = sorted(folder.rglob("*"))
    done = FileConnector(FolderPlace([str(folder)])).erase(target, ordinals(*ROWS_ASKED), Watch())
    assert done.trouble is not None
    assert (done.trouble.reason, done.state) == (obstacle.reason, obstacle.state), done.trouble
    assert done.trouble.remedy.endswith(".")
    assert done.trouble.detail
    assert not any(key in done.trouble.detail for key in KEYS.values())
    assert sorted(folder.rglob("*")) == names
    assert before is None or path.read_bytes() == before


OUTSIDE_THE_ROOTS = {
    "another folder": "{root}/../other/a.parquet",
    "a way up": "file://{root}/x/../../other/a.parquet",
    "a neighbour whose name begins alike": "{root}-2/a.parquet",
    "a relative path": "lake/a.parquet",
    "a bucket": "s3://lake/a.parquet",
    "the web": "https://example.org/a.parquet",
    "an encoded way up": "file://{root}/%2e%2e/other/a.parquet",
}


@pytest.mark.parametrize("uri", OUTSIDE_THE_ROOTS.values(), ids=OUTSIDE_THE_ROOTS)
def test_only_what_lies_under_the_roots_is_touched(uri: str, tmp_path: Path) -> None:
    for name in ("lake", "lake-2", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.parquet").write_bytes(parquet(table()))
    files = FileConnector(FolderPlace([str(tmp_path / "lake"), "s3://lake"]))
    target = Target(uri=uri.format(root=tmp_path / "lake"), sha256=bytes(32), rows=ROWS)
    for result in (
        files.find(target, ordinals(1), Watch()),
        files.erase(target, ordinals(1), Watch()),
        files.prove(target.after(ordinals(1), bytes(32)), ordinals(1), Watch()),
    ):
        assert result.trouble is not None
        assert result.trouble.reason is Reason.OUTSIDE_ROOTS
        assert result.state is TaskState.FAILED_FINAL


def test_every_reason_has_a_state_and_a_remedy() -> None:
    assert set(MEANING) == set(Reason)
    for state, remedy in MEANING.values():
        assert state in {OUTSIDE, FINAL, TaskState.FAILED_RETRYABLE, TaskState.WITHHELD}
        assert remedy[0].isupper()
        assert remedy.endswith(".")


@pytest.mark.parametrize("step", [Step.CHECKED, Step.WRITING, Step.WRITTEN, Step.SWAPPING])
@pytest.mark.parametrize("how", ["written to", "replaced", "removed"])
def test_a_file_that_is_changed_while_it_is_written_anew_is_left(
    step: Step, how: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(FORMS["jsonl"][0](table()))
    target, changed = target_of(path), path.read_bytes().replace(b"says", b"SAYS")

    def disturb(progress: Progress) -> None:
        if progress.step is not step or not path.exists():
            return
        if how == "written to":
            # In place and of the same size: neither inode nor size tell.
            with path.open("r+b") as file:
                file.write(changed)
        elif how == "replaced":
            path.with_name("new").write_bytes(changed)
            path.with_name("new").rename(path)
        else:
            path.unlink()

    files = FileConnector(FolderPlace([str(tmp_path)]))
    done = files.erase(target, ordinals(*ROWS_ASKED), Watch(progress=disturb))
    assert done.state is TaskState.CHANGED_OUTSIDE, done
    assert [each.name for each in tmp_path.iterdir()] == ([] if how == "removed" else ["a.jsonl"])
    assert how == "removed" or path.read_bytes() == changed


def test_two_erasures_of_one_file_at_once_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(parquet(table()))
    files, other, met = FileConnector(FolderPlace([str(tmp_path)])), [], []
    target = target_of(path)

    def meet(progress: Progress) -> None:
        if progress.step is Step.WRITTEN and not met:
            met.append(True)
            other.append(files.erase(target, ordinals(5), Watch()))

    assert files.erase(target, ordinals(3), Watch(progress=meet)).erased == 1
    assert (other[0].state, other[0].trouble.reason) == (TaskState.FAILED_RETRYABLE, Reason.BUSY)


def test_the_recorded_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\ntwo\n\nfour")
    target = Target(uri=str(path), sha256=sha256(b"one\ntwo\n\nfour"), rows=4)
    files = FileConnector(FolderPlace([str(tmp_path)]))
    assert files.erase(target, ordinals(1, 2), Watch()).rows == 2
    assert path.read_bytes() == b"one\nfour"
