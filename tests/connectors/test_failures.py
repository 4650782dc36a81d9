"""Whatever fails at whatever step: the file is as it was or wholly new, and a next try ends it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from registry.erasure.connectors.files import FileConnector
from registry.erasure.connectors.folder import FolderPlace
from registry.erasure.connectors.protocol import (
    Erased,
    Found,
    Intent,
    Ordinals,
    Progress,
    Proof,
    Step,
    Target,
    Watch,
)
from registry.erasure.connectors.trouble import Reason
from registry.erasure.lifecycle import TaskState
from tests.connectors.copies import FORMS, ROWS, ordinals, parquet, table, target_of, without
from tests.connectors.dying import GONE, KEPT, NAME
from tests.connectors.faults import OPERATIONS, Caller, FaultyPlace

STEPS = [step for step in Step if step is not Step.READING]


class StopError(Exception):
    """What a caller raises to stop a connector."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / NAME
    made.write_bytes(parquet(table()))
    return made


@pytest.fixture
def place(tmp_path: Path) -> FolderPlace:
    return FolderPlace([str(tmp_path)])


def check_whole(path: Path, before: bytes) -> None:
    """The file is as it was, or has exactly the rows that stay."""
    now = path.read_bytes()
    assert now == before or pq.read_table(path).to_pylist() == rows_left()


def rows_left() -> list[object]:
    return without(table().to_pylist(), GONE)


def check_ended(path: Path, caller: Caller, place: FolderPlace) -> None:
    """The next try ends it, and nothing else is left in the folder."""
    proof = caller.finish(FileConnector(place))
    assert (proof.state, proof.trouble) == (TaskState.VERIFIED, None)
    assert pq.read_table(path).to_pylist() == rows_left()
    assert {each.name for each in path.parent.iterdir()} <= {NAME, KEPT}


@pytest.mark.parametrize("kept", [False, True], ids=["was not kept", "was kept"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_fails_and(operation: str, kept: bool, path: Path, place: FolderPlace) -> None:
    before, caller = path.read_bytes(), Caller(target_of(path), ordinals(*GONE))
    done = caller.try_once(FileConnector(FaultyPlace(place, operation, kept)))
    assert (done.state, done.trouble and done.trouble.reason) == (
        TaskState.FAILED_RETRYABLE,
        Reason.OUT_OF_REACH,
    )
    check_whole(path, before)
    check_ended(path, caller, place)


@pytest.mark.parametrize("step", STEPS)
def test_a_caller_stops_it_at(step: Step, path: Path, place: FolderPlace) -> None:
    before, caller = path.read_bytes(), Caller(target_of(path), ordinals(*GONE))

    def stop(progress: Progress) -> None:
        if progress.step is step:
            raise StopError(step)

    with pytest.raises(StopError):
        caller.try_once(FileConnector(place), Watch(progress=stop))
    check_whole(path, before)
    check_ended(path, caller, place)


@pytest.mark.parametrize("error", [OSError("no database"), ValueError("no value"), StopError()])
def test_what_is_meant_cannot_be_kept(error: Exception, path: Path, place: FolderPlace) -> None:
    before, caller = path.read_bytes(), Caller(target_of(path), ordinals(*GONE))

    def refuse(_intent: Intent) -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        caller.try_once(FileConnector(place), Watch(intend=refuse))
    assert raised.value is error
    assert path.read_bytes() == before
    assert caller.target.intended is None
    check_ended(path, caller, place)


@pytest.mark.parametrize("step", STEPS)
def test_the_process_is_killed_at(step: Step, path: Path, place: FolderPlace) -> None:
    before, caller = path.read_bytes(), Caller(target_of(path), ordinals(*GONE))
    died = _erase_in_a_process(path.parent, step.value)
    assert died.returncode == -9, died.stderr
    check_whole(path, before)
    told = path.parent / KEPT
    if told.exists():
        intended = bytes.fromhex(json.loads(told.read_text()))
        caller.target = replace(caller.target, intended=intended)
    left = [each.name for each in path.parent.iterdir() if each.name.startswith(".")]
    assert bool(left) == (step in {Step.WRITING, Step.WRITTEN, Step.INTENDED, Step.SWAPPING})
    if left:
        rows = caller.rows
        proof = FileConnector(place).prove(caller.target.after(rows, None), rows, Watch())
        assert proof.trouble is not None
        assert proof.trouble.reason is Reason.LEFTOVER
    check_ended(path, caller, place)


def test_the_disk_is_full(path: Path, place: FolderPlace) -> None:
    before, caller = path.read_bytes(), Caller(target_of(path), ordinals(*GONE))
    ended = _erase_in_a_process(path.parent, "full")
    assert ended.stdout == "failed_retryable no_space", ended.stderr
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [NAME]
    check_ended(path, caller, place)


def _erase_in_a_process(folder: Path, step: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.connectors.dying", str(folder), step]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


class Liar:
    """Says that it erased all, and erased all but the last row, or others."""

    def __init__(self, honest: FileConnector, *, others: bool) -> None:
        self._honest, self._others = honest, others

    def find(self, target: Target, rows: Ordinals, watch: Watch) -> Found:
        return self._honest.find(target, rows, watch)

    def erase(
        self, target: Target, rows: Ordinals, watch: Watch, *, dry_run: bool = False
    ) -> Erased:
        some = rows + 1 if self._others else rows[:-1]
        done = self._honest.erase(replace(target, keys={}), some, watch)
        return replace(done, erased=rows.size)

    def prove(self, target: Target, rows: Ordinals, watch: Watch) -> Proof:
        return Proof()


# Where nobody recorded a key there is nothing to tell the rows of a text by but their number.
LIES = [
    (form, others) for form in FORMS for others in (False, True) if "txt" not in form or not others
]


@pytest.mark.parametrize(("form", "others"), LIES)
def test_a_connector_that_lies_is_found(
    form: str, others: bool, tmp_path: Path, place: FolderPlace
) -> None:
    path = tmp_path / f"lied.{form}"
    path.write_bytes(FORMS[form][0](table()))
    rows = ordinals(*range(10, 20))
    known = {} if "txt" in form else {row: f"ex-{row}" for row in rows.tolist()}
    caller = Caller(target_of(path, key_column="id", keys=known), rows)
    honest = FileConnector(place)
    said = caller.try_once(Liar(honest, others=others))
    assert (said.state, said.erased) == (TaskState.ERASED, 10)
    proof = honest.prove(caller.target, rows, Watch())
    assert proof.trouble is not None
    assert (proof.state, proof.trouble.reason) == (TaskState.FAILED_RETRYABLE, Reason.REMAINS)
    assert proof.rows == ROWS - (10 if others else 9)
    assert proof.remains == (1 if known else 0)
