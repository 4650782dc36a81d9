"""The threat model names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT, read

NAMED = sorted(
    set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", read(Path("docs/threat-model.md"))))
)


@pytest.mark.parametrize("named", NAMED)
def test_a_test_that_shows_something_is_there(named: str) -> None:
    path, _, function = named.partition("::")
    assert (ROOT / path).is_file()
    assert not function or f"def {function}(" in read(Path(path))


def test_the_threat_model_names_tests() -> None:
    assert len(NAMED) > 20
