"""The demo's examples are the functions of the standard library, at their lines."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from registry.demo.standard_library import (
    Example,
    Library,
    installed_library,
    modules,
    read_examples,
    read_module,
    source_uri,
)
from registry.errors import SetupError

SOURCE = '''\
"""A module."""


@decorated
def first(x):
    """Doubles.

    A number.
    """
    return 2 * x


def bare(): ...


class Thing:
    """A class is no example."""

    async def wait(self):
        """Waits."""

    if True:
        def chosen(self):
            "Chooses."
            def inner():
                """Lies within."""
            return inner


def short(): "Is one line."
'''


def library(folder: Path, files: dict[str, str]) -> Library:
    """A library that holds these files."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return Library(folder, "v3.99.0")


def by_name(examples: list[Example]) -> dict[str, Example]:
    return {example.example_id: example for example in examples}


def test_functions_with_docstrings_are_found_where_they_are(tmp_path: Path) -> None:
    found = by_name(
        read_examples(library(tmp_path, {"json/tool.py": SOURCE}), Path("json/tool.py"))
    )
    assert list(found) == [
        "json.tool.first#4",
        "json.tool.Thing.wait#19",
        "json.tool.Thing.chosen#23",
        "json.tool.Thing.chosen.inner#25",
        "json.tool.short#30",
    ]
    first = found["json.tool.first#4"]
    assert first.module == "json"
    assert first.docstring == "Doubles.\n\nA number."
    assert first.code == "@decorated\ndef first(x):\n    return 2 * x"
    assert first.source_uri == (
        "https://github.com/python/cpython/blob/v3.99.0/Lib/json/tool.py#L4-L10"
    )
    assert found["json.tool.Thing.wait#19"].code == "async def wait(self):"
    assert found["json.tool.short#30"].docstring == "Is one line."


def test_a_form_feed_ends_no_line(tmp_path: Path) -> None:
    text = 'x = 1\n\x0c\ndef f():\n    """Says something."""\n    return x\n'
    (example,) = read_examples(library(tmp_path, {"abc.py": text}), Path("abc.py"))
    assert example.code == "def f():\n    return x"
    assert example.example_id == "abc.f#3"


def test_half_a_character_in_a_docstring_can_be_stored(tmp_path: Path) -> None:
    text = 'def f():\n    "Half \\ud800 one."\n'
    (example,) = read_examples(library(tmp_path, {"abc.py": text}), Path("abc.py"))
    assert example.docstring == "Half ? one."


def test_a_file_that_is_not_python_has_no_examples(tmp_path: Path) -> None:
    found = library(tmp_path, {"json/__init__.py": SOURCE, "json/broken.py": "def (:"})
    assert len(read_module(found, [Path("json/broken.py"), Path("json/__init__.py")])) == 5


def test_only_the_library_itself_is_read(tmp_path: Path) -> None:
    names = [
        *("abc.py", "json/__init__.py", "json/decoder.py"),
        *("test/test_json.py", "unittest/test/case.py", "site-packages/json.py", "stranger.py"),
    ]
    found = library(tmp_path, dict.fromkeys(names, ""))
    assert modules(found) == {
        "abc": [Path("abc.py")],
        "json": [Path("json/__init__.py"), Path("json/decoder.py")],
    }


def test_a_module_is_kept_in_a_file_or_a_folder() -> None:
    at = Library(Path(), "v3.99.0")
    base = "https://github.com/python/cpython"
    assert source_uri(at, [Path("abc.py")]) == f"{base}/blob/v3.99.0/Lib/abc.py"
    assert source_uri(at, [Path("json/a.py"), Path("json/b.py")]) == f"{base}/tree/v3.99.0/Lib/json"


def test_the_installed_library_gives_real_examples() -> None:
    installed = installed_library()
    assert installed.tag.startswith(f"v{sys.version_info.major}.{sys.version_info.minor}.")
    found = modules(installed)
    assert len(found) > 100
    assert "test" not in found
    decode = next(
        example
        for example in read_module(installed, found["json"])
        if example.example_id.startswith("json.decoder.JSONDecoder.decode#")
    )
    assert decode.docstring.startswith("Return the Python representation of ``s``")
    assert decode.code.startswith("def decode(self, s")


def test_a_library_without_source_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))
    with pytest.raises(SetupError, match="is not in"):
        installed_library()
