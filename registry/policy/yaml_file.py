"""Reads a YAML file into checked values, and names file and line where it cannot.

Rules:
1. Plain data only: no tags, no anchors, no aliases (a "billion laughs" is built of those), no merge
   keys, no key twice, at most a megabyte and 40 levels.
2. Only `true` and `false` are booleans: the country `no` and the answer `on` are texts, and so is
   a date. A number is whole, or has a dot.
3. What a file must hold is said by a msgspec struct; a field that the struct does not know is
   refused with its line, so that a misspelt rule never passes for one that is not there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from registry.errors import PolicyError

if TYPE_CHECKING:
    import yaml

Value = TypeVar("Value")
BYTES_LIMIT = 1 << 20
DEPTH_LIMIT = 40
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FRACTION = re.compile(r"[-+]?[0-9]{1,17}\.[0-9]{1,17}")
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None}


def read_policy_file(path: Path, kind: type[Value]) -> Value:
    """The content of a file as a value of `kind`.

    Raises PolicyError with file, line and remedy for anything but a file of that form (rules).
    """
    return parse_policy(_read(path), kind, name=path.name)


def parse_policy(data: bytes, kind: type[Value], *, name: str) -> Value:
    """As `read_policy_file`, of the bytes of a file called `name`."""
    lines: dict[str, int] = {}
    plain = _plain(data, name, lines)
    try:
        return msgspec.convert(plain, kind, strict=True)
    except msgspec.ValidationError as error:
        detail, _, where = str(error).partition(" - at `")
        path = where.rstrip("`") or "$"
        raise policy_error(
            name, _line_of(path, lines), f"{detail} at {path}.", "Correct the entry."
        ) from error


def policy_error(name: str, line: int | None, detail: str, remedy: str) -> PolicyError:
    """The error of a line of a policy file."""
    where = f"{name}, line {line}" if line else name
    return PolicyError(f"{where}: {detail}", remedy=remedy, path=where)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > BYTES_LIMIT:
            raise policy_error(path.name, None, "The file is over a megabyte.", "Split it.")
        return path.read_bytes()
    except OSError as error:
        said = error.strerror or str(error)
        raise policy_error(path.name, None, f"{said}.", f"Put a file at {path}.") from error


def _plain(data: bytes, name: str, lines: dict[str, int]) -> object:
    # A server that nobody asks for a decision starts without it.
    import yaml

    if len(data) > BYTES_LIMIT:
        raise policy_error(name, None, "The file is over a megabyte.", "Split it.")
    try:
        _refuse_references(data, name)
        node = yaml.compose(data, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or "no YAML"
        line = None if mark is None else mark.line + 1
        raise policy_error(name, line, f"{said}.", "Write plain YAML.") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise policy_error(name, None, "It is no YAML text.", "Write UTF-8.") from error
    if node is None:
        return None
    return _Reader(name, lines).value(node, "$", 0)


def _refuse_references(data: bytes, name: str) -> None:
    """Look at the file event by event, before anything is built of it (rule 1)."""
    import yaml

    depth = 0
    for event in yaml.parse(data, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise policy_error(name, line, "Anchors and aliases are not read.", "Write it out.")
        if getattr(event, "tag", None):
            raise policy_error(name, line, "Tags are not read.", "Write plain YAML.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH_LIMIT:
            raise policy_error(name, line, f"Over {DEPTH_LIMIT} levels.", "Write it flatter.")


class _Reader:
    """Turns nodes into plain values and remembers the line of each path."""

    def __init__(self, name: str, lines: dict[str, int]) -> None:
        self._name = name
        self._lines = lines

    def value(self, node: yaml.Node, path: str, depth: int) -> Any:
        import yaml

        self._lines[path] = node.start_mark.line + 1
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node.value, quoted=node.style is not None)
        if isinstance(node, yaml.SequenceNode):
            return [
                self.value(item, f"{path}[{index}]", depth + 1)
                for index, item in enumerate(node.value)
            ]
        found: dict[str, Any] = {}
        for key, item in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                raise policy_error(self._name, line, "A key is a plain word.", "Write it out.")
            if key.value in found:
                raise policy_error(
                    self._name, line, f"The key {key.value!r} is there twice.", "Keep one."
                )
            found[key.value] = self.value(item, f"{path}.{key.value}", depth + 1)
            self._lines[f"{path}.{key.value}"] = line
        return found


def _scalar(text: str, *, quoted: bool) -> object:
    if quoted:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if not text:
        return None
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _FRACTION.fullmatch(text) else text


def _line_of(path: str, lines: dict[str, int]) -> int | None:
    """The line of a path, or of what holds it: msgspec writes `[...]` for a key it does not name."""
    while path not in lines:
        shorter = re.sub(r"(\.[^.\[]*|\[[^\[]*\])$", "", path)
        if shorter == path:
            return lines.get("$")
        path = shorter
    return lines[path]
