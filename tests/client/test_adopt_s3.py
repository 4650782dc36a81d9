"""A data set in a bucket is adopted as one in a folder is; no secret of its URL is kept."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from registry.client import Registry
from registry.client.adopt import adopt
from tests.client.peer import Peer

SECRET = "anything"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a bucket `lake` with two Parquet files, on an S3 server in this process."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="anyone",
        aws_secret_access_key=SECRET,
    )
    client.create_bucket(Bucket="lake")
    for name, ids in (("part-10", [3]), ("part-9", [1, 2])):
        body = io.BytesIO()
        pq.write_table(pa.table({"id": ids}), body)
        client.put_object(Bucket="lake", Key=f"raw/{name}.parquet", Body=body.getvalue())
    client.close()
    options = f"endpoint_override={host}:{port}&scheme=http&region=us-east-1"
    yield f"s3://anyone:{SECRET}@lake/raw?{options}"
    server.stop()


def test_a_bucket_is_adopted(peer: Peer, sdk: Registry, bucket: str, tmp_path: Path) -> None:
    done = adopt(sdk, bucket, "s3://lake raw", id_column="id")
    assert (done.batches, done.rows) == (2, 3)
    batches = [output["outputFacets"]["registry_batch"] for output in peer.outputs()]
    assert [batch["batch"] for batch in batches] == ["part-9.parquet", "part-10.parquet"]
    assert batches[0]["files"][0]["uri"] == "s3://lake/raw/part-9.parquet"
    assert adopt(sdk, bucket, "s3://lake raw", id_column="id").skipped == 2
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert SECRET.encode() not in b"".join(kept) + repr(peer.events).encode()
