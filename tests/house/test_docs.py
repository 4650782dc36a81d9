"""The documents are an interface: every error has its line, and its own code."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from registry.errors import RegistryError
from tests.house.tree import read


def first_column(document: str) -> list[str]:
    """The names, in backquotes, with which the rows of a document's tables begin."""
    return re.findall(r"^\| `([^`]+)` \|", read(Path(document)), flags=re.M)


def error_classes(parent: type[RegistryError] = RegistryError) -> Iterator[type[RegistryError]]:
    """Every class of the tree below its root that the package itself defines."""
    for child in parent.__subclasses__():
        if child.__module__.startswith("registry."):
            yield child
            yield from error_classes(child)


def test_every_error_code_is_documented_and_no_other() -> None:
    codes = [error.code for error in error_classes()]
    assert sorted(first_column("docs/errors.md")) == sorted(codes)


def test_no_two_errors_share_a_code() -> None:
    shared = Counter(error.code for error in error_classes())
    assert [code for code, count in shared.items() if count > 1] == []
