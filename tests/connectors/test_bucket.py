"""Rows leave objects of S3 in all versions; what a lock keeps is withheld until its date."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.parquet as pq
import pytest

from registry.erasure.connectors import bucket as bucket_module
from registry.erasure.connectors.bucket import BucketPlace, s3_client
from registry.erasure.connectors.files import FileConnector
from registry.erasure.connectors.protocol import Progress, Step, Target, Watch
from registry.erasure.connectors.trouble import Reason
from registry.erasure.lifecycle import TaskState
from tests.connectors.conftest import OPTIONS
from tests.connectors.copies import FORMS, ROWS, ordinals, parquet, sha256, table, without
from tests.connectors.faults import OPERATIONS, Caller, FaultyPlace

GONE = (0, 61, 499)
KEY = "raw/part-0.parquet"
MakeBucket = Callable[..., str]


@pytest.fixture(params=["no versions", "versions"])
def bucket(request: pytest.FixtureRequest, make_bucket: MakeBucket) -> str:
    return make_bucket(versions=request.param == "versions")


def put(client: Any, bucket: str, content: bytes, key: str = KEY, **more: Any) -> Target:
    client.put_object(Bucket=bucket, Key=key, Body=content, **more)
    return Target(
        uri=f"s3://{bucket}/{key}",
        sha256=sha256(content),
        rows=ROWS,
        key_column="id",
        keys={row: f"ex-{row}" for row in range(ROWS)},
    )


def place_of(client: Any, bucket: str) -> BucketPlace:
    return BucketPlace([f"s3://{bucket}/raw"], client)


def content_of(client: Any, bucket: str, **which: str) -> bytes:
    return bytes(client.get_object(Bucket=bucket, Key=KEY, **which)["Body"].read())


def versions(client: Any, bucket: str) -> list[str]:
    found = client.list_object_versions(Bucket=bucket)
    return [
        each["VersionId"] for kind in ("Versions", "DeleteMarkers") for each in found.get(kind, ())
    ]


def check_gone(client: Any, bucket: str) -> None:
    rows = pq.read_table(io.BytesIO(content_of(client, bucket))).to_pylist()
    assert rows == without(table().to_pylist(), GONE)
    assert len(versions(client, bucket)) == 1


@pytest.mark.parametrize("form", ["parquet", "jsonl.gz", "arrow"])
def test_two_erasures_one_after_the_other(form: str, bucket: str, client: Any) -> None:
    make, read = FORMS[form]
    key = f"raw/a.{form}"
    content = make(table())
    target = put(client, bucket, content, key)
    files, other = FileConnector(place_of(client, bucket)), (1, 62)
    for rows in (ordinals(*GONE), ordinals(*other)):
        assert files.find(target, rows, Watch()).present == rows.size
        done = files.erase(target, rows, Watch())
        assert (done.state, done.erased) == (TaskState.ERASED, rows.size), done
        target = target.after(rows, done.sha256)
        assert files.prove(target, rows, Watch()).trouble is None
    body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    assert read(body) == without(read(content), (*GONE, *other))
    assert len(versions(client, bucket)) == 1


def test_older_versions_and_markers_go_too(make_bucket: MakeBucket, client: Any) -> None:
    bucket = make_bucket(versions=True)
    put(client, bucket, parquet(table(10)))
    client.delete_object(Bucket=bucket, Key=KEY)
    neighbour = put(client, bucket, b"other", f"{KEY}.bak")
    target = put(client, bucket, parquet(table()))
    files = FileConnector(place_of(client, bucket))
    done = files.erase(target, ordinals(*GONE), Watch())
    assert (done.erased, done.old_versions) == (len(GONE), 3)
    assert (
        files.prove(target.after(ordinals(*GONE), done.sha256), ordinals(*GONE), Watch()).trouble
        is None
    )
    assert client.head_object(Bucket=bucket, Key=f"{KEY}.bak")["ContentLength"] == 5
    assert neighbour.rows


def test_what_a_lock_keeps_is_withheld_until_its_date(make_bucket: MakeBucket, client: Any) -> None:
    bucket = make_bucket(locks=True)
    until = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    target = put(
        client,
        bucket,
        parquet(table()),
        ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate=until,
    )
    files, rows = FileConnector(place_of(client, bucket)), ordinals(*GONE)
    done = files.erase(target, rows, Watch())
    assert (done.state, done.erased) == (TaskState.WITHHELD, len(GONE))
    assert done.trouble is not None
    assert (done.trouble.reason, done.trouble.until) == (Reason.OBJECT_LOCK, until)
    assert pq.read_table(io.BytesIO(content_of(client, bucket))).num_rows == ROWS - len(GONE)
    after = target.after(rows, done.sha256)
    proof = files.prove(after, rows, Watch())
    assert proof.trouble is not None
    assert (proof.state, proof.trouble.until, proof.remains) == (
        TaskState.WITHHELD,
        until,
        len(GONE),
    )
    assert len(proof.looked_into) == 2
    again = files.erase(after, rows, Watch())
    assert (again.state, again.already) == (TaskState.WITHHELD, len(GONE))


def test_a_legal_hold_has_no_date(make_bucket: MakeBucket, client: Any) -> None:
    bucket = make_bucket(locks=True)
    target = put(client, bucket, parquet(table()), ObjectLockLegalHoldStatus="ON")
    files, rows = FileConnector(place_of(client, bucket)), ordinals(*GONE)
    held = versions(client, bucket)
    done = files.erase(target, rows, Watch())
    assert done.trouble is not None
    assert (done.state, done.trouble.until) == (TaskState.WITHHELD, None)
    after = target.after(rows, done.sha256)
    assert files.prove(after, rows, Watch()).state is TaskState.WITHHELD
    client.put_object_legal_hold(
        Bucket=bucket, Key=KEY, VersionId=held[0], LegalHold={"Status": "OFF"}
    )
    assert files.erase(after, rows, Watch()).old_versions == 1
    assert files.prove(after, rows, Watch()).state is TaskState.VERIFIED
    check_gone(client, bucket)


@pytest.mark.parametrize("kept", [False, True], ids=["was not kept", "was kept"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_fails_and(operation: str, kept: bool, bucket: str, client: Any) -> None:
    caller = Caller(put(client, bucket, parquet(table())), ordinals(*GONE))
    place = place_of(client, bucket)
    done = caller.try_once(FileConnector(FaultyPlace(place, operation, kept)))
    assert done.state is TaskState.FAILED_RETRYABLE
    assert caller.finish(FileConnector(place)).state is TaskState.VERIFIED
    check_gone(client, bucket)


@pytest.mark.parametrize("step", [Step.WRITING, Step.WRITTEN, Step.SWAPPING, Step.SWAPPED])
def test_a_caller_stops_it_at(step: Step, bucket: str, client: Any) -> None:
    caller = Caller(put(client, bucket, parquet(table())), ordinals(*GONE))
    files = FileConnector(place_of(client, bucket))

    def stop(progress: Progress) -> None:
        if progress.step is step:
            raise KeyError(step)

    with pytest.raises(KeyError):
        caller.try_once(files, Watch(progress=stop))
    assert caller.finish(files).state is TaskState.VERIFIED
    check_gone(client, bucket)


@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_an_object_that_is_changed_while_it_is_written_anew_is_left(
    how: str, bucket: str, client: Any
) -> None:
    target = put(client, bucket, parquet(table()))

    def meddle(progress: Progress) -> None:
        if progress.step is Step.SWAPPING and how == "replaced":
            client.put_object(Bucket=bucket, Key=KEY, Body=b"another")
        elif progress.step is Step.SWAPPING:
            client.delete_object(Bucket=bucket, Key=KEY)

    files = FileConnector(place_of(client, bucket))
    done = files.erase(target, ordinals(*GONE), Watch(progress=meddle))
    assert done.state is TaskState.CHANGED_OUTSIDE, done
    if how == "replaced":
        assert content_of(client, bucket) == b"another"


def test_the_object_stays_what_it_was(bucket: str, client: Any) -> None:
    said = {
        "ContentType": "application/vnd.apache.parquet",
        "CacheControl": "no-store",
        "Metadata": {"made-by": "a pipeline"},
    }
    target = put(client, bucket, parquet(table()), **said, Tagging="team=speech&kind=raw%20text")
    FileConnector(place_of(client, bucket)).erase(target, ordinals(*GONE), Watch())
    found = client.head_object(Bucket=bucket, Key=KEY)
    assert {name: found[name] for name in said} == said
    tags = client.get_object_tagging(Bucket=bucket, Key=KEY)["TagSet"]
    assert {each["Key"]: each["Value"] for each in tags} == {"team": "speech", "kind": "raw text"}


def test_a_large_object_is_put_in_parts(
    bucket: str, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_module, "SINGLE_PUT_BYTES", 1_000)
    monkeypatch.setattr(bucket_module, "PART_BYTES", 5 << 20)
    target = put(client, bucket, parquet(table()))
    files = FileConnector(place_of(client, bucket))
    assert files.erase(target, ordinals(*GONE), Watch()).erased == len(GONE)
    check_gone(client, bucket)
    changed = put(client, bucket, parquet(table()))

    def meddle(progress: Progress) -> None:
        if progress.step is Step.SWAPPING:
            client.put_object(Bucket=bucket, Key=KEY, Body=b"another")

    done = files.erase(changed, ordinals(*GONE), Watch(progress=meddle))
    assert done.state is TaskState.CHANGED_OUTSIDE
    assert content_of(client, bucket) == b"another"
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)


def test_a_dry_run_changes_nothing(bucket: str, client: Any) -> None:
    target = put(client, bucket, parquet(table()))
    before = versions(client, bucket)
    done = FileConnector(place_of(client, bucket)).erase(
        target, ordinals(*GONE), Watch(), dry_run=True
    )
    assert (done.erased, done.state) == (len(GONE), TaskState.PENDING)
    assert versions(client, bucket) == before


def test_the_proof_reads_older_versions(make_bucket: MakeBucket, client: Any) -> None:
    bucket = make_bucket(versions=True)
    target = put(client, bucket, parquet(table()))
    left = parquet(table().filter([row not in GONE for row in range(ROWS)]))
    put(client, bucket, left)
    rows = ordinals(*GONE)
    proof = FileConnector(place_of(client, bucket)).prove(
        target.after(rows, sha256(left)), rows, Watch()
    )
    assert proof.trouble is not None
    assert (proof.trouble.reason, proof.remains) == (Reason.REMAINS, len(GONE))


def test_what_is_not_there_or_not_allowed_is_named(bucket: str, client: Any) -> None:
    target = put(client, bucket, parquet(table()))
    files = FileConnector(place_of(client, bucket))
    for uri, reason in (
        (f"s3://{bucket}/raw/none.parquet", Reason.GONE),
        (f"s3://{bucket}/other/part-0.parquet", Reason.OUTSIDE_ROOTS),
        (f"s3://{bucket}/raw/../other.parquet", Reason.OUTSIDE_ROOTS),
        (f"s3://{bucket}-2/raw/part-0.parquet", Reason.OUTSIDE_ROOTS),
        ("/raw/part-0.parquet", Reason.OUTSIDE_ROOTS),
    ):
        done = files.erase(replace(target, uri=uri), ordinals(*GONE), Watch())
        assert done.trouble is not None
        assert done.trouble.reason is reason, (uri, done.trouble)


def test_a_store_that_is_out_of_reach_is_tried_again(bucket: str) -> None:
    nowhere = s3_client({**OPTIONS, "endpoint": "http://127.0.0.1:1"})
    target = Target(uri=f"s3://{bucket}/raw/a.parquet", sha256=bytes(32), rows=ROWS)
    done = FileConnector(place_of(nowhere, bucket)).erase(target, ordinals(*GONE), Watch())
    nowhere.close()
    assert done.trouble is not None
    assert (done.state, done.trouble.reason) == (TaskState.FAILED_RETRYABLE, Reason.OUT_OF_REACH)
    assert OPTIONS["secret_access_key"] not in done.trouble.detail


def test_names_and_removal(make_bucket: MakeBucket, client: Any) -> None:
    bucket = make_bucket(versions=True)
    for name in ("a.arrow", "b.arrow", "deeper/c.arrow"):
        for _ in range(2):
            put(client, bucket, b"x", f"raw/set/{name}")
    place = BucketPlace([f"s3://{bucket}/raw"], client)
    assert place.names(f"s3://{bucket}/raw/set") == ["a.arrow", "b.arrow"]
    place.remove(f"s3://{bucket}/raw/set/a.arrow")
    place.remove(f"s3://{bucket}/raw/set/none.arrow")
    assert place.names(f"s3://{bucket}/raw/set") == ["b.arrow"]
    assert (
        len(client.list_object_versions(Bucket=bucket, Prefix="raw/set/a")["Versions"]) == 0
        if ("Versions" in client.list_object_versions(Bucket=bucket, Prefix="raw/set/a"))
        else True
    )


def test_retention_that_has_passed_keeps_nothing(make_bucket: MakeBucket, client: Any) -> None:
    bucket = make_bucket(locks=True)
    passed = datetime.now(UTC) - timedelta(days=1)
    target = put(
        client,
        bucket,
        parquet(table()),
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate=passed,
    )
    done = FileConnector(place_of(client, bucket)).erase(target, ordinals(*GONE), Watch())
    assert (done.state, done.old_versions) == (TaskState.ERASED, 1)
    check_gone(client, bucket)
