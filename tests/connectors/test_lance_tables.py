"""Rows leave Lance tables, all of their versions and their indices; other rows keep their order."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest

from registry.erasure.connectors.lance_tables import LanceConnector
from registry.erasure.connectors.protocol import Progress, Step, Target, Watch
from registry.erasure.connectors.trouble import Reason
from registry.erasure.lifecycle import TaskState
from tests.connectors.copies import ordinals, secret
from tests.connectors.faults import Caller

ROWS = 300
FIRST, SECOND = (0, 99, 100, 150), (1, 98, 101, 299)
STEPS = [Step.OPENED, Step.CHECKED, Step.INTENDED, Step.SWAPPED, Step.CLEANING, Step.SETTLED]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A table of three fragments with an index, written in several versions."""
    made = tmp_path / "lake" / "examples.lance"
    data = pa.table(
        {"id": [f"ex-{i}" for i in range(ROWS)], "text": [secret(i) for i in range(ROWS)]}
    )
    table = lance.write_dataset(data.slice(0, 200), str(made), max_rows_per_file=100)
    table.create_scalar_index("id", "BTREE")
    lance.write_dataset(data.slice(200), str(made), mode="append")
    return made


@pytest.fixture
def connector(tmp_path: Path) -> LanceConnector:
    return LanceConnector([str(tmp_path / "lake")])


@pytest.fixture
def target(path: Path) -> Target:
    return keyed(path)


def keyed(path: Path) -> Target:
    keys = {row: f"ex-{row}" for row in range(ROWS)}
    return Target(uri=str(path), rows=ROWS, key_column="id", keys=keys)


def ids(path: Path) -> list[str]:
    """Sorted by number: a compaction moves fragments to the end."""
    found = lance.dataset(str(path)).to_table()["id"].to_pylist()
    return sorted(found, key=lambda each: int(each[3:]))


def left(*gone: int) -> list[str]:
    return [f"ex-{row}" for row in range(ROWS) if row not in gone]


def test_two_erasures_one_after_the_other(
    target: Target, path: Path, connector: LanceConnector
) -> None:
    caller = Caller(target, ordinals(*FIRST))
    assert connector.find(target, caller.rows, Watch()).present == len(FIRST)
    for rows in (FIRST, SECOND):
        caller.rows = ordinals(*rows)
        done = caller.try_once(connector)
        assert (done.state, done.erased) == (TaskState.ERASED, len(rows)), done
        proof = connector.prove(caller.target, caller.rows, Watch())
        assert (proof.state, proof.trouble, proof.rows) == (TaskState.VERIFIED, None, done.rows)
        assert proof.looked_into == (f"version {lance.dataset(str(path)).version}",)
    assert ids(path) == left(*FIRST, *SECOND)
    content = b"".join(file.read_bytes() for file in path.rglob("*") if file.is_file())
    assert not any(secret(row).encode() in content for row in (*FIRST, *SECOND))
    assert not any(f"ex-{row}'".encode() in content for row in (*FIRST, *SECOND))
    assert secret(2).encode() in content


def test_an_index_is_still_there(target: Target, path: Path, connector: LanceConnector) -> None:
    connector.erase(target, ordinals(*FIRST), Watch())
    table = lance.dataset(str(path))
    assert [index.name for index in table.describe_indices()] == ["id_idx"]
    assert table.count_rows("id = 'ex-2'") == 1
    assert table.count_rows("id = 'ex-0'") == 0


@pytest.mark.parametrize("step", STEPS)
def test_a_caller_stops_it_at(
    step: Step, target: Target, path: Path, connector: LanceConnector
) -> None:
    caller = Caller(target, ordinals(*FIRST))

    def stop(progress: Progress) -> None:
        if progress.step is step:
            raise KeyError(step)

    with pytest.raises(KeyError):
        caller.try_once(connector, Watch(progress=stop))
    assert ids(path) in (left(), left(*FIRST))
    assert caller.finish(connector).state is TaskState.VERIFIED
    assert ids(path) == left(*FIRST)


def test_a_dry_run_changes_nothing(target: Target, path: Path, connector: LanceConnector) -> None:
    version = lance.dataset(str(path)).version
    done = connector.erase(target, ordinals(*FIRST), Watch(), dry_run=True)
    assert (done.erased, done.state) == (len(FIRST), TaskState.PENDING)
    assert lance.dataset(str(path)).version == version


def test_a_compaction_between_reading_and_deleting_moves_no_other_row(
    path: Path, connector: LanceConnector
) -> None:
    lance.dataset(str(path)).delete("id = 'ex-250'")
    target = keyed(path)

    def meddle(progress: Progress) -> None:
        if progress.step is Step.SWAPPING:
            lance.dataset(str(path)).optimize.compact_files(materialize_deletions_threshold=0.0)

    done = connector.erase(target, ordinals(*FIRST), Watch(progress=meddle))
    assert (done.state, done.trouble and done.trouble.reason) == (
        TaskState.FAILED_RETRYABLE,
        Reason.BUSY,
    )
    assert ids(path) == left(250)
    assert connector.erase(target, ordinals(*FIRST), Watch()).erased == len(FIRST)
    assert ids(path) == left(250, *FIRST)


OBSTACLES = {
    "the table is gone": (Reason.GONE, shutil.rmtree, {}),
    "it is no table": (
        Reason.GONE,
        lambda path: (shutil.rmtree(path), path.mkdir()),
        {},
    ),
    "a key is there twice": (
        Reason.DUPLICATE_KEYS,
        lambda path: lance.write_dataset(
            pa.table({"id": ["ex-0"], "text": ["new"]}), str(path), mode="append"
        ),
        {},
    ),
    "no key is there": (
        Reason.NOTHING_FOUND,
        lambda path: lance.dataset(str(path)).update({"id": "'other'"}),
        {},
    ),
    "the key column is missing": (
        Reason.KEY_COLUMN_MISSING,
        lambda path: lance.dataset(str(path)).drop_columns(["id"]),
        {},
    ),
    "a tag keeps an older version": (
        Reason.KEPT_VERSION,
        lambda path: lance.dataset(str(path)).tags.create("release", 1),
        {},
    ),
    "an index cannot be built anew": (
        Reason.NOT_KEPT_AS_IT_IS,
        lambda path: lance.dataset(str(path)).create_scalar_index("text", "INVERTED"),
        {},
    ),
    "no keys are recorded": (Reason.NOT_RECORDED, lambda path: None, {"keys": {}}),
    "it does not lie in an allowed folder": (
        Reason.OUTSIDE_ROOTS,
        lambda path: None,
        {"uri": "/etc/examples.lance"},
    ),
    "it lies in a bucket that is not allowed": (
        Reason.OUTSIDE_ROOTS,
        lambda path: None,
        {"uri": "s3://other/examples.lance"},
    ),
}


@pytest.mark.parametrize(("reason", "spoil", "said"), OBSTACLES.values(), ids=OBSTACLES)
def test_an_obstacle_has_a_name(  # type: ignore[no-untyped-def]
    reason: Reason, spoil, said: dict[str, object], path: Path, connector: LanceConnector
) -> None:
    spoil(path)
    target = replace(keyed(path), **said)  # type: ignore[arg-type]
    done = connector.erase(target, ordinals(*FIRST), Watch())
    assert done.trouble is not None
    assert done.trouble.reason is reason, done.trouble
    if path.is_dir() and any(path.iterdir()):
        assert lance.dataset(str(path)).count_rows() >= ROWS


def test_the_proof_reads_every_version(path: Path, connector: LanceConnector) -> None:
    addresses = np.array(FIRST[:2])
    lance.dataset(str(path)).delete(f"_rowaddr IN ({addresses[0]}, {addresses[1]})")
    rows = ordinals(*FIRST[:2])
    proof = connector.prove(keyed(path).after(rows, None), rows, Watch())
    assert proof.trouble is not None
    assert (proof.trouble.reason, proof.remains > 0) == (Reason.REMAINS, True)
    table = lance.dataset(str(path))
    table.delete("id = 'ex-77'")
    table.cleanup_old_versions(retain_versions=1)
    gone = ordinals(*FIRST[:2])
    proof = connector.prove(keyed(path).after(gone, None), gone, Watch())
    assert proof.trouble is not None
    assert (proof.trouble.reason, proof.remains) == (Reason.LEFTOVER, 0)
