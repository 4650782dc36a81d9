"""Data sets that exist already become batches: in every format, once, and where it was left off."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from registry.client import Registry
from registry.client.adopt import Adopted, Progress, adopt
from registry.client.adopt_state import held_state
from registry.errors import ConflictError, InvalidInputError, RegistryError, UnavailableError
from tests.client.peer import Peer

LAKE = "file://lake texts"
ROWS = {
    "id": [1, 2, 3],
    "text": ["eins", 'zwei "und"\nhalb', ""],
    "mail": ["a@x.de", None, "b@x.de"],
}
ASKED: dict[str, Any] = {"id_column": "id", "content": "text", "subject": {"email": "mail"}}


def lines(rows: dict[str, list[Any]]) -> bytes:
    return b"".join(
        json.dumps({k: v for k, v in zip(rows, row, strict=True) if v is not None}).encode() + b"\n"
        for row in zip(*rows.values(), strict=True)
    )


def write_csv(path: Path, delimiter: str = ",") -> None:
    options = pa.csv.WriteOptions(delimiter=delimiter)
    pa.csv.write_csv(pa.table(ROWS), path, options)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "rows.parquet": lambda path: pq.write_table(pa.table(ROWS), path, row_group_size=2),
    "rows.jsonl": lambda path: path.write_bytes(lines(ROWS)),
    "rows.jsonl.gz": lambda path: path.write_bytes(gzip.compress(lines(ROWS))),
    "rows.ndjson.zst": lambda path: path.write_bytes(
        pa.compress(lines(ROWS), codec="zstd", asbytes=True)
    ),
    "rows.csv": write_csv,
    "rows.tsv": lambda path: write_csv(path, "\t"),
    "rows.feather": lambda path: pa.feather.write_feather(pa.table(ROWS), path),
}


def recorded(peer: Peer) -> list[tuple[dict[str, Any], dict[str, list[Any]]]]:
    """Each batch that was said, with its examples."""
    found = []
    for output in peer.outputs():
        batch = output["outputFacets"]["registry_batch"]
        assert (output["namespace"], output["name"]) == ("file://lake", "texts")
        body = peer.objects[batch["examples"]] if "examples" in batch else None
        table = {} if body is None else pq.read_table(io.BytesIO(body)).to_pydict()
        found.append((batch, table))
    return found


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_batch(
    name: str, peer: Peer, sdk: Registry, tmp_path: Path
) -> None:
    path = tmp_path / name
    WRITERS[name](path)
    done = adopt(sdk, str(path), LAKE, **ASKED, license="MIT", origin="public")
    assert done == Adopted(done.run_id, 1, 1, 3, path.stat().st_size, 0, ())
    ((batch, examples),) = recorded(peer)
    assert examples == {
        "example_id": ["1", "2", "3"],
        "digest": [hashlib.sha256(text.encode()).digest() for text in ROWS["text"]],
        "subjects": [
            [] if mail is None else [{"scheme": "email", "value": mail}] for mail in ROWS["mail"]
        ],
        "bytes": [4, 15, 0],
    }
    digest = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    assert batch["files"] == [{"uri": path.as_uri(), "sha256": digest, "rows": 3}]
    assert (batch["batch"], batch["partition"], batch["exampleCount"]) == (name, name, 3)
    assert (batch["license"], batch["origin"]) == ("MIT", {"kind": "public"})
    assert batch["subjectCoverage"] == {"keyedBy": "mail"}
    assert [event["eventType"] for event in peer.events] == ["START", "RUNNING", "COMPLETE"]


def folder_of(root: Path, **files: dict[str, list[Any]]) -> Path:
    for name, rows in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(rows), path.with_suffix(".parquet"))
    return root


def ids(start: int, count: int) -> dict[str, list[Any]]:
    return {"id": list(range(start, start + count))}


def test_a_folder_is_a_batch_of_each_file_in_the_order_of_numbers(
    peer: Peer, sdk: Registry, tmp_path: Path
) -> None:
    root = folder_of(
        tmp_path / "data", part_10=ids(0, 1), part_2=ids(1, 2), sub__a=ids(3, 3), _temp__x=ids(9, 9)
    )
    (root / "readme.md").write_text("x")
    (root / ".hidden.parquet").write_bytes(b"")
    done = adopt(sdk, root.as_uri(), LAKE, id_column="id")
    assert (done.batches, done.files, done.rows) == (3, 3, 6)
    assert done.ignored == ("readme.md",)
    assert [batch["batch"] for batch, _ in recorded(peer)] == [
        "part_2.parquet",
        "part_10.parquet",
        "sub/a.parquet",
    ]


def test_a_batch_may_be_a_folder(peer: Peer, sdk: Registry, tmp_path: Path) -> None:
    root = folder_of(tmp_path / "data", day_1__a=ids(0, 2), day_1__b=ids(2, 3), c=ids(5, 1))
    done = adopt(sdk, str(root), LAKE, id_column="id", batch_by="folder")
    assert (done.batches, done.files, done.rows) == (2, 3, 6)
    found = {batch["batch"]: (batch, examples) for batch, examples in recorded(peer)}
    assert set(found) == {"day_1", "."}
    first, examples = found["day_1"]
    assert [file["rows"] for file in first["files"]] == [2, 3]
    assert examples["example_id"] == [str(number) for number in range(5)]


def test_what_hugging_face_saved_keeps_order_and_split(
    peer: Peer, sdk: Registry, tmp_path: Path
) -> None:
    rows = datasets.Dataset.from_dict(ids(0, 30)).shuffle(seed=1)
    both = datasets.DatasetDict({"train": rows, "test": rows.select(range(3))})
    both.save_to_disk(tmp_path / "both", num_shards={"train": 12, "test": 1})
    adopt(sdk, str(tmp_path / "both"), LAKE, id_column="id", batch_by="folder")
    found = {batch["batch"]: examples for batch, examples in recorded(peer)}
    assert found["train"]["example_id"] == [str(row) for row in rows["id"][:]]
    assert set(found["train"]["split"]) == {"train"}
    assert found["test"]["example_id"] == [str(row) for row in rows["id"][:3]]
    assert set(found["test"]["split"]) == {"test"}


def test_rows_without_anything_recorded_are_counted(
    peer: Peer, sdk: Registry, tmp_path: Path
) -> None:
    for name in ("rows.parquet", "rows.jsonl", "rows.csv", "rows.feather"):
        WRITERS[name](tmp_path / name)
    adopt(sdk, str(tmp_path), LAKE)
    assert [batch["exampleCount"] for batch, _ in recorded(peer)] == [3] * 4
    assert peer.objects == {}


def test_values_of_several_kinds_are_texts(peer: Peer, sdk: Registry, tmp_path: Path) -> None:
    (tmp_path / "mixed.jsonl").write_text('{"id": 1}\n{"id": "two"}\n{"id": 3.5}\n{}\n')
    adopt(sdk, str(tmp_path), LAKE, id_column="id")
    assert recorded(peer)[0][1]["example_id"] == ["1", "two", "3.5", None]


def test_texts_are_scanned_where_they_are(peer: Peer, sdk: Registry, tmp_path: Path) -> None:
    texts = ["write to c@x.de"] + ["nothing"] * 70_000
    pq.write_table(pa.table({"text": texts}), tmp_path / "t.parquet")
    adopt(sdk, str(tmp_path), LAKE, scan_pii=["text"])
    ((batch, examples),) = recorded(peer)
    assert examples["subjects"][:2] == [[{"scheme": "email", "value": "c@x.de"}], []]
    assert examples["pii"][:2] == [["email"], []]
    assert len(examples["pii"]) == 70_001
    assert "email" in batch["subjectCoverage"]["scannedFor"]


class StoppedError(Exception):
    """The program ends here."""


def test_an_adoption_goes_on_where_it_stopped(peer: Peer, sdk: Registry, tmp_path: Path) -> None:
    root = folder_of(tmp_path / "data", a=ids(0, 1), b=ids(1, 1), c=ids(2, 1))
    told: list[Progress] = []

    def stop(progress: Progress) -> None:
        told.append(progress)
        if progress.batches == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        adopt(sdk, str(root), LAKE, id_column="id", progress=stop)
    assert told[-1].batches_total == 3
    assert 0 < told[-1].bytes_done < told[-1].bytes_total
    assert [event["eventType"] for event in peer.events] == ["START", "RUNNING", "RUNNING"]
    done = adopt(sdk, str(root), LAKE, id_column="id")
    assert (done.batches, done.rows, done.skipped) == (1, 1, 2)
    assert [batch["batch"] for batch, _ in recorded(peer)] == [
        "a.parquet",
        "b.parquet",
        "c.parquet",
    ]
    # All of it is one run, so the registry makes one version of it.
    assert {event["run"]["runId"] for event in peer.events} == {done.run_id}
    assert peer.events[-1]["eventType"] == "COMPLETE"


def test_what_is_new_is_adopted_and_what_changed_is_replaced(
    peer: Peer, sdk: Registry, tmp_path: Path
) -> None:
    root = folder_of(tmp_path / "data", a=ids(0, 1), b=ids(1, 1))
    first = adopt(sdk, str(root), LAKE, id_column="id")
    nothing = adopt(sdk, str(root), LAKE, id_column="id")
    assert (nothing.run_id, nothing.batches, nothing.skipped) == (None, 0, 2)
    folder_of(root, b=ids(5, 2), c=ids(9, 1))
    again = adopt(sdk, str(root), LAKE, id_column="id")
    assert (again.batches, again.skipped) == (2, 1)
    assert again.run_id != first.run_id
    modes = [(batch["batch"], batch.get("mode")) for batch, _ in recorded(peer)][2:]
    assert modes == [("b.parquet", "replace_partition"), ("c.parquet", None)]
    anew = adopt(sdk, str(root), LAKE, id_column="id", again=True)
    assert (anew.batches, anew.skipped) == (3, 0)
    assert {batch["mode"] for batch, _ in recorded(peer)[4:]} == {"overwrite"}


def test_another_place_or_dataset_is_another_adoption(
    peer: Peer, sdk: Registry, tmp_path: Path
) -> None:
    folder_of(tmp_path / "one", a=ids(0, 1))
    folder_of(tmp_path / "two", a=ids(1, 1))
    for url, dataset in (("one", "x y"), ("two", "x y"), ("one", "x z")):
        assert adopt(sdk, str(tmp_path / url), dataset, id_column="id").batches == 1


def test_a_registry_that_is_away_for_a_moment_is_waited_for(
    peer: Peer, sdk: Registry, tmp_path: Path
) -> None:
    root = folder_of(tmp_path / "data", a=ids(0, 1), b=ids(1, 1))

    def fall_and_rise(progress: Progress) -> None:
        if progress.batches == 1:
            peer.answers = [503, 503]

    assert adopt(sdk, str(root), LAKE, id_column="id", progress=fall_and_rise).batches == 2
    assert [batch["batch"] for batch, _ in recorded(peer)] == ["a.parquet", "b.parquet"]


@pytest.mark.parametrize(("status", "kind"), [(422, InvalidInputError), (503, UnavailableError)])
def test_what_the_registry_does_not_take_is_not_remembered(
    peer: Peer,
    sdk: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    kind: type[RegistryError],
) -> None:
    monkeypatch.setattr(
        Registry, "without_spool", lambda sdk: Registry(outbox=sdk._outbox.direct(0.1), strict=True)
    )
    root = folder_of(tmp_path / "data", a=ids(0, 1))
    peer.answer = status
    with pytest.raises(kind):
        adopt(sdk, str(root), LAKE, id_column="id")
    peer.answer = None
    assert adopt(sdk, str(root), LAKE, id_column="id").batches == 1


def test_two_processes_do_not_adopt_the_same(sdk: Registry, tmp_path: Path) -> None:
    folder_of(tmp_path / "data", a=ids(0, 1))
    state = tmp_path / "state.jsonl"
    with held_state(state), pytest.raises(ConflictError, match="Another process adopts the same"):
        adopt(sdk, str(tmp_path / "data"), LAKE, id_column="id", state=state)


def test_a_line_that_a_crash_cut_off_is_not_there(
    peer: Peer, sdk: Registry, tmp_path: Path
) -> None:
    root = folder_of(tmp_path / "data", a=ids(0, 1), b=ids(1, 1))
    state = tmp_path / "state.jsonl"
    adopt(sdk, str(root), LAKE, id_column="id", state=state)
    lines_before = state.read_bytes().splitlines(keepends=True)
    state.write_bytes(b"".join(lines_before[:2]) + lines_before[2][:9])
    done = adopt(sdk, str(root), LAKE, id_column="id", state=state)
    assert (done.batches, done.skipped) == (1, 1)
    assert peer.events[0]["run"]["runId"] == done.run_id


@pytest.mark.parametrize(
    ("name", "content", "asked", "complaint"),
    [
        ("a.jsonl", b'{"id": 1}\n{"id": \n', {"id_column": "id"}, "line 2 is no JSON object"),
        ("a.jsonl", b"[1]\n", {"id_column": "id"}, "line 1 is no JSON object"),
        ("a.jsonl", b'{"x": 1}\n', {"id_column": "id"}, "has no column id in any of its 1 rows"),
        ("a.csv", b"x,y\n1,2\n", {"id_column": "id"}, "has no column id; it has x, y"),
        ("a.csv", b"id\n1\n1,2\n", {"id_column": "id"}, "a.csv cannot be read"),
        ("a.parquet", b"PAR1", {"id_column": "id"}, "a.parquet cannot be read"),
        ("a.jsonl.gz", b"plain", {"id_column": "id"}, "a.jsonl.gz cannot be read"),
        ("a.jsonl", b'{"id": 1}\n{"id": 1}\n', {"id_column": "id"}, "id '1' stands for 2 rows"),
        ("a.jsonl", b'{"id": 1}\n', {"subject": {"name": "id"}}, "'name' is no subject scheme"),
        ("a.jsonl", b'{"id": 1}\n', {"content": "id"}, "The column id of type int64 is no text"),
        ("a.jsonl", b'{"id": 1}\n', {"batch_by": "row"}, "batch_by is 'row'"),
        ("a.jsonl", b'{"id": 1}\n', {"licence": "MIT"}, "A batch has no 'licence'"),
        ("a.txt", b"x", {}, "no data set to adopt: 1 files of other kinds"),
    ],
)
def test_bad_input_is_named(
    peer: Peer,
    sdk: Registry,
    tmp_path: Path,
    name: str,
    content: bytes,
    asked: dict[str, Any],
    complaint: str,
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_bytes(content)
    with pytest.raises(InvalidInputError, match=complaint):
        adopt(sdk, str(tmp_path / "data"), LAKE, **asked)
    assert peer.outputs() == []


@pytest.mark.parametrize("url", ["missing", "file:///missing", "nowhere://x"])
def test_a_place_where_nothing_is_is_named(sdk: Registry, url: str) -> None:
    with pytest.raises(InvalidInputError, match=f"At {url} there is no data set to adopt"):
        adopt(sdk, url, LAKE)


def test_a_file_that_was_only_touched_is_adopted_again(sdk: Registry, tmp_path: Path) -> None:
    root = folder_of(tmp_path / "data", a=ids(0, 1))
    adopt(sdk, str(root), LAKE, id_column="id")
    os.utime(root / "a.parquet", (1, 1))
    assert adopt(sdk, str(root), LAKE, id_column="id").batches == 1
