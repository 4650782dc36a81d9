"""Where a test's ledger lies: a folder, or a bucket of an S3 server that runs in this process."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from registry.ledger.index import ExampleIndex


@dataclass(frozen=True)
class Place:
    """A base URL with what is needed to open it; may be sent to another process."""

    url: str
    storage_options: dict[str, str] | None

    def open(self) -> ExampleIndex:
        return ExampleIndex(self.url, self.storage_options)


@pytest.fixture(scope="session")
def s3_options() -> Iterator[dict[str, str]]:
    """An S3 API on loopback with one bucket, `lake`; the options that reach it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="anyone",
        aws_secret_access_key="anything",
    )
    client.create_bucket(Bucket="lake")
    client.close()
    yield {
        "aws_endpoint": endpoint,
        "aws_region": "us-east-1",
        "aws_access_key_id": "anyone",
        "aws_secret_access_key": "anything",
        "allow_http": "true",
    }
    server.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Place:
    return Place(str(tmp_path / "ledger"), None)


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Every kind of store, one after the other."""
    if request.param == "folder":
        return Place(str(tmp_path / "ledger"), None)
    options: dict[str, str] = request.getfixturevalue("s3_options")
    return Place(f"s3://lake/{uuid.uuid4().hex}/ledger", options)
