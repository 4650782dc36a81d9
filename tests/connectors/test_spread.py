"""A copy may be a folder of files: rows are found by key in any of them, and nowhere else."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from registry.erasure.connectors.bucket import BucketPlace
from registry.erasure.connectors.files import FileConnector
from registry.erasure.connectors.folder import FolderPlace
from registry.erasure.connectors.places import Place
from registry.erasure.connectors.protocol import Progress, Step, Target, Watch
from registry.erasure.connectors.spread import SpreadConnector
from registry.erasure.connectors.trouble import Reason
from registry.erasure.lifecycle import TaskState
from tests.connectors.copies import ROWS, ordinals, parquet, table

#: Where the rows lie: the first and the one after the last.
PARTS = {"0.parquet": (0, 200), "1.parquet": (200, 210), "day=1/2.parquet": (210, ROWS)}
GONE = (3, 199, 200, 499)
STEPS = [Step.INTENDED, Step.SWAPPED, Step.SETTLED]


@dataclass
class Store:
    """A place with a folder `copy` of three files, and how a file is written there and read."""

    place: Place
    uri: str
    write: Callable[[str, bytes], None]
    read: Callable[[str], bytes]

    @property
    def connector(self) -> SpreadConnector:
        return SpreadConnector(self.place, FileConnector(self.place))

    def target(self, **said: Any) -> Target:
        known = {"keys": dict(enumerate(f"ex-{row}" for row in GONE)), "by_key": True}
        return Target(uri=self.uri, key_column="id", **{**known, **said})

    def numbers(self) -> list[int]:
        """The rows that are left, in the order of the files."""
        found: list[int] = []
        for name in PARTS:
            found += pq.read_table(io.BytesIO(self.read(name)))["number"].to_pylist()
        return found


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        made = _folder(tmp_path / "lake" / "copy")
    else:
        client = request.getfixturevalue("client")
        made = _bucket(client, request.getfixturevalue("make_bucket")(versions=True))
    for name, (first, stop) in PARTS.items():
        made.write(name, parquet(table().slice(first, stop - first)))
    return made


def _folder(path: Path) -> Store:
    def write(name: str, content: bytes) -> None:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)

    return Store(
        FolderPlace([str(path.parent)]), str(path), write, lambda name: (path / name).read_bytes()
    )


def _bucket(client: Any, bucket: str) -> Store:
    def write(name: str, content: bytes) -> None:
        client.put_object(Bucket=bucket, Key=f"copy/{name}", Body=content)

    def read(name: str) -> bytes:
        return bytes(client.get_object(Bucket=bucket, Key=f"copy/{name}")["Body"].read())

    place = BucketPlace([f"s3://{bucket}/copy"], client)
    return Store(place, f"s3://{bucket}/copy", write, read)


ROWS_ASKED = ordinals(*range(len(GONE)))
LEFT = [row for row in range(ROWS) if row not in GONE]


def test_rows_leave_every_file_that_holds_one(store: Store) -> None:
    # What nobody calls rows is passed over.
    store.write("_SUCCESS", b"")
    found = store.connector.find(store.target(), ROWS_ASKED, Watch())
    assert (found.present, found.trouble) == (4, None)
    done = store.connector.erase(store.target(), ROWS_ASKED, Watch())
    assert (done.state, done.erased, done.already) == (TaskState.ERASED, 4, 0)
    assert store.numbers() == LEFT
    after = store.target().after(ROWS_ASKED, None)
    proof = store.connector.prove(after, ROWS_ASKED, Watch())
    assert (proof.state, proof.rows) == (TaskState.VERIFIED, ROWS - 4)
    assert len(proof.looked_into) == 3
    # Done again it is done before; and unless one had begun, it is the wrong folder.
    again = store.connector.erase(store.target(begun=True), ROWS_ASKED, Watch())
    assert (again.state, again.erased, again.already) == (TaskState.ERASED, 0, 4)
    wrong = store.connector.erase(store.target(), ROWS_ASKED, Watch())
    assert wrong.trouble is not None
    assert wrong.trouble.reason is Reason.NOTHING_FOUND


class _StoppedError(Exception):
    """The process ended here."""


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("at", [1, 2])
def test_an_erasure_that_breaks_off_goes_on(step: Step, at: int, store: Store) -> None:
    seen: list[Step] = []

    def stop(progress: Progress) -> None:
        seen.append(progress.step)
        if seen.count(step) == at:
            raise _StoppedError

    with pytest.raises(_StoppedError):
        store.connector.erase(store.target(), ROWS_ASKED, Watch(progress=stop))
    done = store.connector.erase(store.target(begun=True), ROWS_ASKED, Watch())
    assert (done.state, done.trouble) == (TaskState.ERASED, None)
    proof = store.connector.prove(store.target().after(ROWS_ASKED, None), ROWS_ASKED, Watch())
    assert (proof.state, proof.trouble) == (TaskState.VERIFIED, None)
    assert store.numbers() == LEFT


OBSTACLES: dict[str, tuple[Mapping[str, bytes], Mapping[str, Any], Reason]] = {
    "a row in two files": (
        {"more.parquet": parquet(table().slice(3, 1))},
        {},
        Reason.DUPLICATE_KEYS,
    ),
    "a file that nothing here reads": ({"rows.xml": b"<rows/>"}, {}, Reason.UNKNOWN_FORMAT),
    "a file without the column": (
        {"other.parquet": parquet(table().select(["number"]))},
        {},
        Reason.KEY_COLUMN_MISSING,
    ),
    "a file of zero bytes": ({"empty.parquet": b""}, {}, Reason.TRUNCATED),
    "by position": ({}, {"by_key": False}, Reason.NOT_RECORDED),
    "rows that are in none": ({}, {"keys": {n: f"no-{n}" for n in range(4)}}, Reason.NOTHING_FOUND),
    "a key that nobody recorded": ({}, {"keys": {0: "ex-3"}}, Reason.NOT_RECORDED),
}


@pytest.mark.parametrize(("files", "said", "reason"), OBSTACLES.values(), ids=OBSTACLES)
def test_nothing_is_changed_where_something_is_in_the_way(
    files: Mapping[str, bytes], said: Mapping[str, Any], reason: Reason, store: Store
) -> None:
    for name, content in files.items():
        store.write(name, content)
    before = [store.read(name) for name in (*PARTS, *files)]
    target = store.target(**said)
    for done in (
        store.connector.find(target, ROWS_ASKED, Watch()),
        store.connector.erase(target, ROWS_ASKED, Watch()),
    ):
        assert done.trouble is not None
        assert done.trouble.reason is reason, done.trouble
        assert done.trouble.remedy
    assert [store.read(name) for name in (*PARTS, *files)] == before


def test_a_folder_that_is_not_there(store: Store) -> None:
    target = replace(store.target(), uri=f"{store.uri}/nothing")
    done = store.connector.erase(target, ROWS_ASKED, Watch())
    assert done.trouble is not None
    assert done.trouble.reason is Reason.GONE
