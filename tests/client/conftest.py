"""A place on the network for a registry, and a way to it with a spool of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.client import Registry, alone
from tests.client.peer import Peer, listening

# Before `datasets` is loaded: it must not look for anything beyond this machine.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of who runs the tests is seen, and nothing is kept outside the test's folder."""
    for name in [name for name in os.environ if name.startswith(("REGISTRY_", "OPENLINEAGE"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(autouse=True, scope="session")
def all_the_time_it_takes() -> Iterator[None]:
    """Rows are evaluated for as long as it takes: a busy machine must not change what is found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alone, "LEAST_SECONDS", 600.0)
        patch.setattr(alone, "MOST_SECONDS", 600.0)
        yield


@pytest.fixture
def peer() -> Iterator[Peer]:
    with listening() as opened:
        yield opened


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def sdk(peer: Peer, spool: Path) -> Iterator[Registry]:
    """A registry that raises what it would otherwise log."""
    with Registry(peer.url, "reg_token", spool=spool, strict=True) as opened:
        yield opened
