"""A registry that the tests of a module share, and datasets of each test's own in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from registry.storage.database import Database
from tests.erasure.cases import Case
from tests.ledger.pipelines import Pipeline
from tests.live import LiveServer


@pytest.fixture(scope="module")
def shared_pipeline(shared_server: LiveServer) -> Iterator[Pipeline]:
    with shared_server.client() as client:
        yield Pipeline(shared_server, client)


@pytest.fixture
def case(shared_pipeline: Pipeline, request: pytest.FixtureRequest) -> Case:
    """Datasets and people that no other test has."""
    return Case(shared_pipeline, hashlib.sha256(request.node.name.encode()).hexdigest()[:12])


@pytest.fixture
def case_database(shared_pipeline: Pipeline) -> Database:
    """The database of the shared registry."""
    return shared_pipeline.server.registry.house.database
