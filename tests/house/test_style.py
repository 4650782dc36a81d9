"""The house rules a program can check: sizes, docstrings, empty `__init__.py`, clean files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.house.tree import ROOT, package_modules, read, tracked_files, written_modules

MODULE_LINES = 400
# A table of cases is long and simple.
TEST_LINES = 550
FUNCTION_LINES = 50
# Longer than the rule, with the reason: {"registry/x.py": "why", "registry/x.py:function": "why"}.
LONGER: dict[str, str] = {}
MAY_HOLD_CODE = {Path("registry/__init__.py"), Path("registry/client/__init__.py")}
# Put together here, so that this file does not hold what it looks for.
MARKERS = re.compile(r"\b(TO" + r"DO|FIX" + r"ME)\b")
DOWNLOAD_ADDRESSES = [
    "pypi" + ".org",
    "files.python" + "hosted.org",
    "registry.npm" + "js.org",
    "registry.yarn" + "pkg.com",
    "deb.deb" + "ian.org",
    "dl-cdn.alpine" + "linux.org",
]

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def functions_of(tree: ast.Module) -> Iterator[Function]:
    """Every function, nested ones and methods included."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def public_definitions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Public functions and classes with their public methods, as (dotted name, node).

    An overload shares the docstring of the implementation, a property's setter that of its getter.
    """
    for node in body:
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        decorators = {ast.unparse(each).rpartition(".")[2] for each in node.decorator_list}
        if decorators & {"overload", "override", "setter", "deleter"}:
            continue
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from public_definitions(node.body, f"{prefix}{node.name}.")


def is_sentence(line: str) -> bool:
    """Whether a docstring's first line stands on its own: a capital or name, an end mark."""
    return line.rstrip()[-1:] in {".", "?", "!"} and not line[:1].islower()


@pytest.fixture(scope="module")
def modules() -> dict[Path, ast.Module]:
    return {path: ast.parse(read(path), str(path)) for path in package_modules()}


def test_no_module_is_longer_than_400_lines() -> None:
    lengths = {str(path): len(read(path).splitlines()) for path in written_modules()}
    assert {
        name: length
        for name, length in lengths.items()
        if length > (TEST_LINES if name.startswith("tests/") else MODULE_LINES)
        and name not in LONGER
    } == {}


def test_no_function_is_longer_than_50_lines(modules: dict[Path, ast.Module]) -> None:
    lengths = {
        f"{path}:{function.name}": (function.end_lineno or 0) - function.lineno + 1
        for path, tree in modules.items()
        for function in functions_of(tree)
    }
    assert {
        name: length
        for name, length in lengths.items()
        if length > FUNCTION_LINES and name not in LONGER
    } == {}


def test_every_exception_to_the_sizes_is_still_needed(modules: dict[Path, ast.Module]) -> None:
    for name, reason in LONGER.items():
        path, _, function = name.partition(":")
        lengths = (
            [
                (node.end_lineno or 0) - node.lineno + 1
                for node in functions_of(modules[Path(path)])
                if node.name == function
            ]
            if function
            else [len(read(Path(path)).splitlines())]
        )
        assert reason
        assert max(lengths, default=0) > (FUNCTION_LINES if function else MODULE_LINES), name


def test_init_files_are_empty() -> None:
    full = [
        path
        for path in package_modules()
        if path.name == "__init__.py" and path not in MAY_HOLD_CODE and read(path).strip()
    ]
    assert full == []


def test_every_module_says_in_a_sentence_why_it_exists(modules: dict[Path, ast.Module]) -> None:
    heads = {
        str(path): (ast.get_docstring(tree) or "").partition("\n")[0]
        for path, tree in modules.items()
        if tree.body
    }
    assert {name: head for name, head in heads.items() if not is_sentence(head)} == {}


def test_everything_public_has_a_docstring(modules: dict[Path, ast.Module]) -> None:
    bare = [
        f"{path}:{name}"
        for path, tree in modules.items()
        for name, node in public_definitions(tree.body)
        if not (ast.get_docstring(node) or "").strip()
    ]
    assert bare == []


def test_no_file_defers_its_work_to_a_marker() -> None:
    found = [
        f"{path}:{number}"
        for path in written_modules()
        for number, line in enumerate(read(path).splitlines(), start=1)
        if MARKERS.search(line)
    ]
    assert found == []


def test_no_file_holds_package_download_addresses() -> None:
    found = [
        f"{path}: {address}"
        for path in tracked_files()
        for address in DOWNLOAD_ADDRESSES
        if address.encode() in (ROOT / path).read_bytes()
    ]
    assert found == []


def test_no_lock_holds_an_address() -> None:
    ends = (".lock", "-lock.json", "-lock.yaml")
    locks = [path for path in tracked_files() if path.name.endswith(ends)]
    assert Path("requirements.lock") in locks
    for path in locks:
        assert "://" not in read(path), path


def test_the_whole_lock_is_hashed() -> None:
    blocks = read(Path("requirements.lock")).replace("\\\n", " ").splitlines()
    pins = [line for line in blocks if line and not line.lstrip().startswith("#")]
    assert len(pins) > 20
    assert [pin for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("What can go wrong, as one tree.", True),
        ("`named_id` and its friends: ids that mean something.", True),
        ("what can go wrong.", False),
        ("What can go wrong", False),
        ("", False),
    ],
)
def test_a_sentence_is_told_from_a_fragment(line: str, verdict: bool) -> None:
    assert is_sentence(line) is verdict


def test_public_names_are_found_where_they_are() -> None:
    source = """
def open_door(): ...
def _hidden(): ...
class Door:
    def knock(self): ...
    def _creak(self): ...
    @property
    def colour(self): ...
    @colour.setter
    def colour(self, value): ...
class _Hinge:
    def squeak(self): ...
"""
    names = [name for name, _ in public_definitions(ast.parse(source).body)]
    assert names == ["open_door", "Door", "Door.knock", "Door.colour"]
