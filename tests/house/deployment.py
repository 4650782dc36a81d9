"""What of the settings and commands a deployment may use: those the program has.

While a part of the program is not built yet, the names promised for it count (docs/contracts.md).
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
from types import ModuleType
from typing import Any

PROMISED_SETTINGS = frozenset(
    {
        "REGISTRY_HOME",
        "REGISTRY_DATABASE_URL",
        "REGISTRY_LEDGER_URL",
        "REGISTRY_URL",
        "REGISTRY_TOKEN",
        "REGISTRY_MASTER_KEY",
        "REGISTRY_MASTER_KEY_FILE",
        "REGISTRY_SWEEP_ENGINE",
        "REGISTRY_PUBLIC_URL",
        "REGISTRY_FILE_ROOTS",
    }
)
# Commands by their words, with the options a deployment may give them.
PROMISED_COMMANDS = {
    ("serve",): frozenset({"--host", "--port"}),
    ("worker",): frozenset[str](),
    ("db", "upgrade"): frozenset[str](),
}


def known_settings() -> frozenset[str]:
    """The environment variables the program reads."""
    module = _built("registry.settings")
    if module is None:
        return PROMISED_SETTINGS
    fields = dataclasses.fields(module.Settings)
    return frozenset(str(field.metadata["env"]) for field in fields)


def known_commands() -> dict[tuple[str, ...], frozenset[str]]:
    """Every command of the command line by its words, with its options."""
    module = _built("registry.cli.main")
    if module is None:
        return PROMISED_COMMANDS
    typer = importlib.import_module("typer")
    return dict(_walk(typer.main.get_command(module.app), ()))


def _walk(command: Any, words: tuple[str, ...]) -> list[tuple[tuple[str, ...], frozenset[str]]]:
    children = getattr(command, "commands", None)
    if children is None:
        options = {option for parameter in command.params for option in parameter.opts}
        return [(words, frozenset(options))]
    return [
        found for name, child in children.items() for found in _walk(child, (*words, str(name)))
    ]


def _built(name: str) -> ModuleType | None:
    return importlib.import_module(name) if importlib.util.find_spec(name) else None
