"""The documents name every setting, command and route there is, and nothing that is not."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer

from registry.api.problems import STATUS
from registry.app import create_app
from registry.cli.main import app
from registry.settings import Settings
from tests.house.tree import read

COMMANDS = Path("docs/commands.md")
ALWAYS = {"--help", "-h", "--json"}


def rows(document: Path) -> list[list[str]]:
    """The cells of every table row that begins with a name in backquotes."""
    lines = re.findall(r"^\| (`.+) \|$", read(document), flags=re.M)
    return [[cell.strip() for cell in line.split(" | ")] for line in lines]


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command by its words."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), typer.main.get_command(app))]
    while waiting:
        words, command = waiting.pop()
        children = getattr(command, "commands", None)
        if children is None:
            yield words, command
        else:
            waiting += [((*words, name), child) for name, child in children.items()]


COMMAND_OF = dict(commands())
USAGES = [row[0].strip("`") for row in rows(COMMANDS)]
EXAMPLES = [row[2].strip("`") for row in rows(COMMANDS)]


def words_of(line: str) -> tuple[str, ...]:
    """The words of the command that a line begins with."""
    words = tuple(line.split()[1:])
    return next(words[:n] for n in range(len(words), 0, -1) if words[:n] in COMMAND_OF)


def test_every_setting_is_documented_as_it_is() -> None:
    documented = [[cell.strip("`") for cell in row] for row in rows(Path("docs/settings.md"))]
    expected = []
    for setting in fields(Settings):
        default = "" if setting.default in ("", ()) else f"{setting.default}"
        if isinstance(setting.default, float):
            default = f"{setting.default:g}"
        meta = setting.metadata
        expected.append([meta["env"], setting.name, default, meta["about"]])
    assert documented == [[cell.strip("`") for cell in row] for row in expected]


def test_every_error_is_documented_with_its_status() -> None:
    documented = {row[0].strip("`"): row[1] for row in rows(Path("docs/errors.md"))}
    statuses = {kind.code: str(status) for kind, status in STATUS.items()}
    assert documented == {code: statuses[code] for code in documented}


def test_every_command_is_documented_once() -> None:
    assert sorted(words_of(usage) for usage in USAGES) == sorted(COMMAND_OF)


@pytest.mark.parametrize("usage", USAGES)
def test_every_option_of_a_command_is_documented(usage: str) -> None:
    command = COMMAND_OF[words_of(usage)]
    options = {
        name
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("-")
    }
    assert set(re.findall(r"--[a-z-]+", usage)) == options - ALWAYS


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_can_be_typed(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("events.ndjson").touch()
    words = words_of(example)
    arguments = shlex.split(example)[1 + len(words) :]
    COMMAND_OF[words].make_context(words[-1], arguments)


def test_every_command_speaks_json_and_explains_itself() -> None:
    mute = [
        words
        for words, command in COMMAND_OF.items()
        if not any("--json" in parameter.opts for parameter in command.params)
    ]
    assert mute == []
    assert [words for words, command in COMMAND_OF.items() if not command.help] == []


def test_every_route_is_documented_and_no_other(tmp_path: Path) -> None:
    described = create_app(Settings(home=tmp_path)).openapi()["paths"]
    routes = {
        f"{method.upper()} {path}" for path, methods in described.items() for method in methods
    }
    documented = [row[0].strip("`") for row in rows(Path("docs/http.md"))]
    assert sorted(documented) == sorted({*routes, "GET /openapi.json"})
