"""Uploads that are wrong: each gets a problem that says what to do, and nothing of it is kept."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import func, select

from registry.ledger.rowmap import RowMap
from registry.ledger.tables import LedgerObject
from registry.settings import Settings
from registry.storage.columns import table_of
from tests.ledger.pipelines import PARQUET, Pipeline, digest_of, parquet
from tests.live import LiveServer

NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"
GOOD = parquet(pa.table({"example_id": ["a", "b"], "content": ["one", "two"]}))


@dataclass(frozen=True)
class Bad:
    """What is sent, and words that the answer must hold."""

    body: bytes
    says: str
    kind: str = "examples"
    content_type: str = PARQUET
    status: int = 422
    path: str | None = None


def arrow(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def lines(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def columns(**values: Any) -> bytes:
    return parquet(pa.table(values))


def no_text() -> bytes:
    """A column of texts whose bytes are no UTF-8, which Parquet and Arrow take as they are."""
    data, offsets = pa.py_buffer(b"ok\xff\xfe"), np.array([0, 2, 4], np.int32)
    ids = pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(offsets), data])
    return arrow(pa.table({"example_id": ids}))


def people(*subjects: Any) -> bytes:
    return lines({"example_id": "a", "subjects": list(subjects)})


MAP = RowMap.take(np.arange(100, dtype=np.uint32), 100).to_bytes()
CASES = {
    "truncated parquet": Bad(GOOD[:-20], "cannot be read"),
    "the middle of a parquet file is gone": Bad(GOOD[:8] + GOOD[60:], "cannot be read"),
    "truncated arrow": Bad(
        arrow(pa.table({"example_id": ["a"] * 1000}))[:-900], "cannot be read", content_type=ARROW
    ),
    "no body": Bad(b"", "empty"),
    "no body, as lines": Bad(b"", "empty", content_type=NDJSON),
    "no body, as a map": Bad(b"", "empty", kind="row_map"),
    "parquet that is said to be lines": Bad(GOOD, "Line 1 is no JSON object", content_type=NDJSON),
    "parquet that is said to be arrow": Bad(GOOD, "cannot be read", content_type=ARROW),
    "lines that are said to be parquet": Bad(lines({"example_id": "a"}), "cannot be read"),
    "a type that nobody reads": Bad(
        GOOD, "'text/csv' is not read", content_type="text/csv", status=415, path="Content-Type"
    ),
    "no type": Bad(GOOD, "is not read", content_type="", status=415, path="Content-Type"),
    "an unknown column": Bad(columns(example_id=["a"], heigth=[3]), "no such column: heigth"),
    "digest and content": Bad(
        columns(digest=[b"\0" * 32], content=["a"]), "both digest and content"
    ),
    "a digest that is too short": Bad(
        columns(digest=[b"\0" * 32, b"\0" * 31]), "digest of row 1 is no SHA-256", path="digest"
    ),
    "a digest that is a number": Bad(columns(digest=[1]), "digest of row 0", path="digest"),
    "content that is a number": Bad(columns(content=[1, 2]), "content", path="content"),
    "content that is a list": Bad(columns(content=[["a"]]), "content", path="content"),
    "ids that are lists": Bad(columns(example_id=[["a"]]), "example_id", path="example_id"),
    "ids that are no text": Bad(no_text(), "cannot be read", content_type=ARROW),
    "bytes that are words": Bad(columns(bytes=["many"]), "does not fit int64", path="bytes"),
    "tokens that are a fraction": Bad(columns(tokens=[1.5]), "does not fit int64", path="tokens"),
    "pii that is a word": Bad(columns(pii=["email"]), "does not fit list", path="pii"),
    "subjects that are words": Bad(columns(subjects=["ada"]), "subjects", path="subjects"),
    "a subject without a value": Bad(
        people({"scheme": "email"}), "no scheme or no value", content_type=NDJSON, path="subjects"
    ),
    "a subject of an unknown scheme": Bad(
        people({"scheme": "shoe", "value": "43"}), "shoe", content_type=NDJSON, path="subjects"
    ),
    "a subject that is no such identifier": Bad(
        people({"scheme": "email", "value": "ada"}),
        "cannot be keyed, the first in row 0",
        content_type=NDJSON,
        path="subjects",
    ),
    "an id twice": Bad(
        columns(example_id=["a", "b", "a"]), "'a' stands in rows 0 and 2", path="example_id"
    ),
    "an id of a megabyte": Bad(
        columns(example_id=["a", "b" * 1_000_000]), "row 1 has 1000000 bytes", path="example_id"
    ),
    "a line that is a list": Bad(
        lines({"example_id": "a"}, ["b"]), "Line 2 is no JSON object", content_type=NDJSON
    ),
    "lines that disagree on a type": Bad(
        lines({"bytes": 1}, {"bytes": "two"}), "cannot be read", content_type=NDJSON
    ),
    "a number that no column holds": Bad(
        lines({"bytes": 2**80}), "cannot be read", content_type=NDJSON
    ),
    "a line that breaks off": Bad(b'{"example_id": "a', "Line 1", content_type=NDJSON),
    "parents without ids": Bad(
        columns(parent_ids=[["a"]]), "example_id is missing", kind="parents", path="example_id"
    ),
    "parents with a row of null": Bad(
        columns(example_id=["a"], parent_ids=pa.array([None], pa.list_(pa.string()))),
        "parent_ids has 1 nulls",
        kind="parents",
        path="parent_ids",
    ),
    "parents that are numbers": Bad(
        columns(example_id=["a"], parent_ids=[1]), "parent_ids", kind="parents", path="parent_ids"
    ),
    "a map that is examples": Bad(GOOD, "no `registry.row_map`", kind="row_map"),
    "a map that breaks off": Bad(MAP[:-30], "", kind="row_map"),
    "examples that are a map": Bad(MAP, "no such column"),
    "ids that are no Unicode": Bad(b'{"example_id": "\\ud800"}', "Line 1", content_type=NDJSON),
    "attributes that are a word": Bad(
        lines({"attributes": "red"}), "cannot be read", content_type=NDJSON
    ),
    "numbers for ids, twice": Bad(
        columns(example_id=[7, 8, 7]), "'7' stands in rows 0 and 2", path="example_id"
    ),
    "no rows, and a column that is not kept": Bad(
        columns(heigth=pa.array([], pa.int64())), "no such column: heigth"
    ),
}


@pytest.fixture(scope="module")
def shared(shared_server: LiveServer) -> Iterator[httpx.Client]:
    with shared_server.client() as client:
        yield client


def kept(server: LiveServer) -> int:
    """How many objects the ledger keeps."""
    with server.registry.house.database.read() as session:
        query = select(func.count()).select_from(table_of(LedgerObject))
        return int(session.execute(query).scalar_one())


def put(client: httpx.Client, bad: Bad, *, named: bytes | None = None) -> httpx.Response:
    digest = digest_of(bad.body if named is None else named).removeprefix("sha256:")
    headers = {"Content-Type": bad.content_type} if bad.content_type else {}
    return client.put(
        f"/api/v1/ledger/objects/{digest}",
        params={"kind": bad.kind},
        content=bad.body,
        headers=headers,
    )


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said_and_not_kept(
    shared: httpx.Client, shared_server: LiveServer, case: str
) -> None:
    bad = CASES[case]
    before = kept(shared_server)
    answer = put(shared, bad)
    assert answer.status_code == bad.status, answer.text
    said = answer.json()
    assert bad.says in said["detail"]
    assert said["remedy"]
    assert said["path"] == bad.path
    assert answer.headers["content-type"] == "application/problem+json"
    assert kept(shared_server) == before


def test_another_digest_than_that_of_the_body_is_said(
    shared: httpx.Client, shared_server: LiveServer
) -> None:
    before = kept(shared_server)
    answer = put(shared, Bad(GOOD, ""), named=b"something else")
    assert answer.status_code == 422
    assert digest_of(GOOD) in answer.json()["detail"]
    assert digest_of(b"something else").removeprefix("sha256:") in answer.json()["detail"]
    assert kept(shared_server) == before


@pytest.mark.parametrize("digest", ["", "xyz", "0" * 63, "sha512:" + "0" * 64])
def test_what_is_no_digest_is_refused(shared: httpx.Client, digest: str) -> None:
    path = f"/api/v1/ledger/objects/{digest}"
    answer = shared.put(path, params={"kind": "examples"}, content=GOOD)
    assert answer.status_code == (404 if not digest else 422)
    assert answer.json()["remedy"]


@pytest.mark.parametrize("kind", [None, "example", "row_maps", ""])
def test_an_unknown_kind_is_refused(shared: httpx.Client, kind: str | None) -> None:
    path = f"/api/v1/ledger/objects/{'0' * 64}"
    answer = shared.put(path, params={} if kind is None else {"kind": kind}, content=GOOD)
    assert answer.status_code == 422
    assert "kind" in answer.json()["detail"]


def test_what_was_refused_is_taken_when_it_is_sent_right_and_only_once(
    shared: httpx.Client, shared_server: LiveServer
) -> None:
    whole = parquet(pa.table({"example_id": ["x", "y"], "content": ["three", "four"]}))
    before = kept(shared_server)
    assert put(shared, Bad(whole[:-20], ""), named=whole).status_code == 422
    assert put(shared, Bad(whole, "", content_type=NDJSON)).status_code == 422
    assert put(shared, Bad(whole, "", kind="row_map")).status_code == 422
    assert kept(shared_server) == before
    first, again = put(shared, Bad(whole, "")), put(shared, Bad(whole, ""))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json() == {"object": digest_of(whole), "rows": 2}
    assert kept(shared_server) == before + 1


class TestOfASmallLimit:
    """A server that takes little."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, object_limit_bytes=10_000)

    def test_more_than_is_taken_is_refused_said_or_not(self, server: LiveServer) -> None:
        body = b"\0" * 10_001
        with server.client() as client:
            said = put(client, Bad(body, ""))
            path = f"/api/v1/ledger/objects/{digest_of(body).removeprefix('sha256:')}"
            parts = (body[at : at + 1_000] for at in range(0, len(body), 1_000))
            unsaid = client.put(path, params={"kind": "examples"}, content=parts)
            assert Pipeline(server, client).put(GOOD, "examples").status_code == 201
        for answer in (said, unsaid):
            assert answer.status_code == 413
            assert "10000" in answer.json()["detail"].replace(",", "")
        assert kept(server) == 1
