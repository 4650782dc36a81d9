"""Rows leave a Hugging Face data set, which loads as before, and no copy stays in its folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import datasets
import pyarrow as pa
import pytest

from registry.erasure.connectors.folder import FolderPlace
from registry.erasure.connectors.huggingface import HuggingFaceConnector
from registry.erasure.connectors.protocol import Progress, Step, Target, Watch
from registry.erasure.connectors.trouble import Reason
from registry.erasure.lifecycle import TaskState
from tests.connectors.copies import ordinals, secret, sha256
from tests.connectors.faults import OPERATIONS, Caller, FaultyPlace

ROWS, SHARD = 100, 50
GONE = (0, 3, 49)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set of two files with the result of a map beside them, and a list of rows."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    datasets.disable_progress_bars()
    made = datasets.Dataset.from_dict(
        {"id": [f"ex-{i}" for i in range(ROWS)], "text": [secret(i) for i in range(ROWS)]},
        split="train",
    )
    where = tmp_path / "lake" / "set"
    made.save_to_disk(str(where), num_shards=2)
    opened = datasets.load_from_disk(str(where))
    opened.map(lambda row: {"more": row["text"] + "!"})
    assert list(where.glob("cache-*.arrow"))
    del opened
    info = json.loads((where / "dataset_info.json").read_text())
    info["splits"] = {"train": {"num_examples": ROWS, "shard_lengths": [SHARD, SHARD]}}
    (where / "dataset_info.json").write_text(json.dumps(info))
    return where


@pytest.fixture
def place(tmp_path: Path) -> FolderPlace:
    return FolderPlace([str(tmp_path / "lake")])


def shard(folder: Path, number: int = 0) -> Target:
    path = folder / f"data-0000{number}-of-00002.arrow"
    digest = sha256(path.read_bytes())
    keys = {number * SHARD + row: f"ex-{number * SHARD + row}" for row in range(SHARD)}
    return Target(
        uri=path.as_uri(),
        sha256=digest,
        first=number * SHARD,
        rows=SHARD,
        key_column="id",
        keys=keys,
    )


def list_rows(folder: Path, rows: list[int]) -> None:
    """A list of rows as older releases wrote it."""
    data = pa.table({"indices": pa.array(rows, pa.uint64())})
    with (
        pa.OSFile(str(folder / "indices.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, data.schema) as writer,
    ):
        writer.write_table(data, max_chunksize=7)
    state = json.loads((folder / "state.json").read_text())
    state["_indices_data_files"] = [{"filename": "indices.arrow"}]
    (folder / "state.json").write_text(json.dumps(state))


def listed(folder: Path) -> list[int]:
    with pa.OSFile(str(folder / "indices.arrow"), "rb") as source:
        return pa.ipc.open_stream(source).read_all().column(0).to_pylist()


def test_two_erasures_one_after_the_other(folder: Path, place: FolderPlace) -> None:
    connector = HuggingFaceConnector(place)
    before = json.loads((folder / "state.json").read_text())
    for target, rows in (
        (shard(folder), ordinals(*GONE)),
        (shard(folder, 1), ordinals(50, 99)),
    ):
        done = connector.erase(target, rows, Watch())
        assert (done.state, done.erased) == (TaskState.ERASED, rows.size)
        proof = connector.prove(target.after(rows, done.sha256), rows, Watch())
        assert (proof.state, proof.trouble) == (TaskState.VERIFIED, None)
    gone = {*GONE, 50, 99}
    loaded = datasets.load_from_disk(str(folder))
    assert loaded["id"][:] == [f"ex-{i}" for i in range(ROWS) if i not in gone]
    assert not any(
        secret(row).encode() in path.read_bytes() for path in folder.iterdir() for row in gone
    )
    info = json.loads((folder / "dataset_info.json").read_text())
    assert info["splits"]["train"] == {"num_examples": 95, "shard_lengths": [47, 48]}
    after = json.loads((folder / "state.json").read_text())
    assert before.pop("_fingerprint") != after.pop("_fingerprint")
    assert before == after


ORDER = [99, 3, 0, 60, 49, 48, 1, 3, *range(10, 40)]


@pytest.mark.parametrize("step", [Step.SWAPPED, Step.SETTLED])
def test_a_list_of_rows_moves_once_whatever_happens(
    step: Step, folder: Path, place: FolderPlace
) -> None:
    list_rows(folder, ORDER)
    stay = [row for row in range(ROWS) if row not in GONE]
    wanted = [stay.index(row) for row in ORDER if row not in GONE]
    connector = HuggingFaceConnector(place)
    caller = Caller(replace(shard(folder), keys={}), ordinals(*GONE))

    def stop(progress: Progress) -> None:
        if progress.step is step:
            raise KeyError(step)

    with pytest.raises(KeyError):
        caller.try_once(connector, Watch(progress=stop))
    for _ in range(2):
        assert connector.erase(caller.target, caller.rows, Watch()).state is TaskState.ERASED
        assert listed(folder) == wanted
    assert caller.finish(connector).state is TaskState.VERIFIED


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_fails(operation: str, kept: bool, folder: Path, place: FolderPlace) -> None:
    list_rows(folder, ORDER)
    caller = Caller(shard(folder), ordinals(*GONE))
    done = caller.try_once(HuggingFaceConnector(FaultyPlace(place, operation, kept)))
    assert done.state is TaskState.FAILED_RETRYABLE
    assert caller.finish(HuggingFaceConnector(place)).state is TaskState.VERIFIED
    assert len(listed(folder)) == len([row for row in ORDER if row not in GONE])


def test_the_proof_finds_what_lies_beside(folder: Path, place: FolderPlace) -> None:
    connector, target, rows = HuggingFaceConnector(place), shard(folder), ordinals(*GONE)
    done = connector.erase(target, rows, Watch())
    (folder / "cache-0123456789abcdef.arrow").write_bytes(b"rows")
    proof = connector.prove(target.after(rows, done.sha256), rows, Watch())
    assert proof.trouble is not None
    assert proof.trouble.reason is Reason.LEFTOVER
    again = connector.erase(target.after(rows, done.sha256), rows, Watch())
    assert again.already == len(GONE)
    assert connector.prove(target.after(rows, done.sha256), rows, Watch()).trouble is None


def test_a_dry_run_leaves_the_folder_alone(folder: Path, place: FolderPlace) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = HuggingFaceConnector(place).erase(shard(folder), ordinals(*GONE), Watch(), dry_run=True)
    assert (done.erased, done.dry_run) == (len(GONE), True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (b'{"_data_files": [{"filename": "other.arrow"}]}', Reason.SCHEMA_CHANGED),
        (b"[]", Reason.TRUNCATED),
        (b'{"_data', Reason.TRUNCATED),
        (None, Reason.GONE),
    ],
)
def test_a_folder_that_is_none_is_not_touched(
    state: bytes | None, reason: Reason, folder: Path, place: FolderPlace
) -> None:
    target = shard(folder)
    if state is None:
        (folder / "state.json").unlink()
    else:
        (folder / "state.json").write_bytes(state)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = HuggingFaceConnector(place).erase(target, ordinals(*GONE), Watch())
    assert done.trouble is not None
    assert (done.trouble.reason, done.state) == (reason, TaskState.CHANGED_OUTSIDE)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
