"""The SDK is light to import, and shows what it has."""

from __future__ import annotations

import subprocess
import sys

import pytest

import registry.client

HEAVY = ("numpy", "pyarrow", "httpx", "openlineage", "pandas", "polars", "datasets", "fastapi")


@pytest.mark.parametrize(
    "program",
    [
        "import registry.client",
        "from registry.client import Registry",
        "from registry.client import Registry; Registry('http://127.0.0.1:9', 'reg_token')",
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_used(program: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert "registry.client" in said
    assert [name for name in HEAVY if name in said] == []


def test_every_public_name_is_there() -> None:
    assert sorted(dir(registry.client)) == sorted(registry.client.__all__)
    for name in registry.client.__all__:
        assert getattr(registry.client, name) is not None


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Regitsry'"):
        _ = registry.client.Regitsry
