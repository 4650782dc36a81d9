"""An S3 API with versions and locks on loopback, and what reaches it."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from registry.erasure.connectors.bucket import s3_client

OPTIONS = {"region": "us-east-1", "access_key_id": "anyone", "secret_access_key": "s3cret-word"}


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def client(s3_endpoint: str) -> Iterator[Any]:
    """A client of S3, as the connectors make it."""
    made = s3_client({**OPTIONS, "endpoint": s3_endpoint})
    yield made
    made.close()


@pytest.fixture
def make_bucket(client: Any) -> Callable[..., str]:
    """`make_bucket(versions=True, locks=True)`: the name of a new bucket."""

    def make(*, versions: bool = False, locks: bool = False) -> str:
        name = f"lake-{uuid.uuid4().hex}"
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=locks)
        if versions and not locks:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    return make
