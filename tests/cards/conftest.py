"""A registry with a dataset, a model made from it, and somebody who may state things."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from registry.actors.tables import Role
from registry.client.http import HttpClient
from tests.conftest import TokenMaker
from tests.rights.asking import write_batch


@pytest.fixture
def steward(connect: Callable[[str], HttpClient], make_token: TokenMaker) -> HttpClient:
    """A steward of a registry in which `file://lake raw` has two versions."""
    client = connect(make_token(Role.STEWARD, name="ada"))
    write_batch(client, "raw", "one")
    write_batch(client, "raw", "two", minute=1)
    return client


@pytest.fixture
def owner(connect: Callable[[str], HttpClient], make_token: TokenMaker) -> HttpClient:
    """A data owner: somebody else who may state things."""
    return connect(make_token(Role.DATA_OWNER, name="grace"))
