"""Reads the demo's input: functions of Python's own standard library, with their docstrings.

Rules:
1. Only modules that this Python names as its standard library are read, and none of their tests.
2. An example is a function or method that has a docstring. Its source is the same file at the tag
   of this Python's release, with its lines; the text is read from the copy that is installed.
3. The order is that of the files' names and of the lines in them: the same on every machine.
"""

from __future__ import annotations

import ast
import platform
import sys
import sysconfig
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from registry.errors import SetupError

REPOSITORY = "https://github.com/python/cpython"
LICENSE = "PSF-2.0"
NOT_READ = frozenset({"test", "tests", "idle_test", "__pycache__", "_bundled", "site-packages"})


@dataclass(frozen=True, slots=True)
class Library:
    """A standard library: the folder it lies in, and the tag of the release it belongs to."""

    folder: Path
    tag: str


@dataclass(frozen=True, slots=True)
class Example:
    """A function and its docstring. `module` is the top-level one: `json` for `json.decoder`.

    `code` has no docstring. `example_id` is `json.decoder.JSONDecoder.decode#332`: name and line.
    """

    example_id: str
    module: str
    docstring: str
    code: str
    source_uri: str


def installed_library() -> Library:
    """The standard library of the Python that runs this.

    Raises SetupError where it does not lie in a folder (it can lie in a zip file).
    """
    folder = Path(sysconfig.get_path("stdlib"))
    if not (folder / "ast.py").is_file():
        raise SetupError(
            f"The source of Python's standard library is not in {folder}.",
            remedy="Run the demo with a Python that has its library as files.",
        )
    return Library(folder, "v" + platform.python_version().rstrip("+"))


def modules(library: Library) -> dict[str, list[Path]]:
    """The files of each top-level module, by its name, as paths within the library (rule 1)."""
    found: dict[str, list[Path]] = {}
    for path in sorted(library.folder.rglob("*.py")):
        within = path.relative_to(library.folder)
        module = within.parts[0].removesuffix(".py")
        if module in sys.stdlib_module_names and NOT_READ.isdisjoint(within.parts):
            found.setdefault(module, []).append(within)
    return dict(sorted(found.items()))


def source_uri(library: Library, files: Sequence[Path]) -> str:
    """Where a module with these files is kept: the file, or the folder of a package."""
    within = files[0] if len(files) == 1 else Path(files[0].parts[0])
    kind = "blob" if len(files) == 1 else "tree"
    return f"{REPOSITORY}/{kind}/{library.tag}/Lib/{within.as_posix()}"


def read_module(library: Library, files: Iterable[Path]) -> list[Example]:
    """The examples in the files of a module; a file that this Python cannot parse has none."""
    examples = []
    for file in files:
        try:
            examples += read_examples(library, file)
        except SyntaxError:
            continue
    return examples


def read_examples(library: Library, file: Path) -> list[Example]:
    """The examples in one file of the library. Raises SyntaxError where it is not Python."""
    text = (library.folder / file).read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the compiler says of old escapes is not ours to mend
        tree = ast.parse(text)
    # As the parser counts lines; `splitlines` would also end them at form feeds.
    lines = text.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    prefix = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
    return [
        _example(library, file, f"{prefix}.{name}", function, lines)
        for name, function in _functions(tree, "")
        if ast.get_docstring(function)
    ]


Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    """Every function below a node with its qualified name, in the order of the lines."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield prefix + child.name, child
        if isinstance(child, Function | ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        else:
            yield from _functions(child, prefix)


def _example(
    library: Library, file: Path, name: str, function: Function, lines: list[str]
) -> Example:
    first = min([function.lineno, *(each.lineno for each in function.decorator_list)])
    last = function.end_lineno or first
    docstring = function.body[0]
    before = lines[first - 1 : max(docstring.lineno - 1, function.lineno)]
    after = lines[docstring.end_lineno or last : last]
    return Example(
        example_id=f"{name}#{first}",
        module=file.parts[0].removesuffix(".py"),
        docstring=_storable(ast.get_docstring(function) or ""),
        code=textwrap.dedent("\n".join(before + after)),
        source_uri=f"{REPOSITORY}/blob/{library.tag}/Lib/{file.as_posix()}#L{first}-L{last}",
    )


def _storable(text: str) -> str:
    """The text as UTF-8 can hold it: an escape in a docstring can make half a character."""
    return text.encode("utf-8", "replace").decode("utf-8")
