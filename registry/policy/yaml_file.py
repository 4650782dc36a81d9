"""Reads a policy file into the form it must have, and names file and line where it has not.

Rules:
1. What is no plain YAML, or too large, is refused by `rights.policy_file`.
2. What a file must hold is said by a msgspec struct; a field that the struct does not know is
   refused with its line, so that a misspelt rule never passes for one that is not there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from registry.errors import PolicyError
from registry.rights.policy_file import Node, parse_policy, read_policy_file

Value = TypeVar("Value")


def read_form(path: Path, kind: type[Value]) -> Value:
    """The content of a file as a value of `kind`. Raises PolicyError (rules 1 and 2)."""
    return _as_form(read_policy_file(path), kind)


def parse_form(text: str, kind: type[Value], *, file: str) -> Value:
    """As `read_form`, of a text."""
    return _as_form(parse_policy(text, file), kind)


def refuse(file: str, detail: str, remedy: str) -> PolicyError:
    """The error about something in a file whose line is not known."""
    return PolicyError(f"{file}: {detail}", remedy=remedy)


def _as_form(root: Node, kind: type[Value]) -> Value:
    lines: dict[str, int] = {}
    try:
        return msgspec.convert(_plain(root, "$", lines), kind, strict=True)
    except msgspec.ValidationError as error:
        detail, _, where = str(error).partition(" - at `")
        path = where.rstrip("`") or "$"
        raise PolicyError(
            f"{root.file}, line {_line_of(path, lines)}: {detail} at {path}.",
            remedy="Correct the entry; docs/policy.md has the form of each file.",
        ) from error


def _plain(node: Node, path: str, lines: dict[str, int]) -> Any:
    """The bare value, and the line of each path in it."""
    lines[path] = node.line
    if isinstance(node.value, dict):
        return {name: _plain(each, f"{path}.{name}", lines) for name, each in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(each, f"{path}[{at}]", lines) for at, each in enumerate(node.value)]
    return node.value


def _line_of(path: str, lines: dict[str, int]) -> int:
    """The line of a path, or of what holds it: msgspec does not name a key (`[...]`)."""
    while path not in lines:
        shorter = re.sub(r"(\.[^.\[]*|\[[^\[]*\])$", "", path)
        if shorter == path:
            return lines.get("$", 1)
        path = shorter
    return lines[path]
